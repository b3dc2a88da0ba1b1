"""How long a leaderboard takes over many verdicts: from a team's board in SQLite, and from a folder of runs.

The whole command is timed, from its start as a process to its end. The verdicts are made up; so many runs hold a
thousand attempts each.

python -m benchmarks.leaderboard --verdicts 100000 --times 5
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness.board.publish import publish
from harness.board.read import read_board
from harness.events import AttemptFinished, AttemptStarted, Event, RunFinished
from harness.journal import encode_event
from harness.leaderboard import boards_of
from harness.store import RunFolder, find_runs
from harness.verdict import Verdict

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from synthetic_runs import BEGAN, a_verdict, started

A_RUN = 1000
DIFFERENT = 2000


def write_run(out: Path, name: str, verdicts: list[Verdict]) -> RunFolder:
    """A finished run's journal, without the attempts' own files."""
    folder = RunFolder(out / name)
    folder.path.mkdir(parents=True)
    events: list[Event] = [started(name, len(verdicts))]
    for verdict in verdicts:
        events.append(AttemptStarted(at=BEGAN.isoformat(), attempt=str(verdict.attempt)))
        events.append(AttemptFinished(at=verdict.finished_at, attempt=str(verdict.attempt), verdict=verdict))
    events.append(RunFinished(at=BEGAN.isoformat(), run=name, attempts=verdicts))
    folder.journal.write_text("".join(encode_event(event) + "\n" for event in events))
    return folder


def write_runs(out: Path, count: int) -> None:
    """Runs of a thousand attempts each; a few thousand verdicts differ, and the others repeat them."""
    rng = random.Random(1)
    models = [a_verdict("", str(number), rng) for number in range(min(DIFFERENT, count))]
    for first in range(0, count, A_RUN):
        name = f"moe_align-20261120-{first // A_RUN:06d}"
        numbers = range(first, min(first + A_RUN, count))
        verdicts = [
            models[number % len(models)].model_copy(update={"run": name, "attempt": f"{number - first + 1:03d}"})
            for number in numbers
        ]
        write_run(out, name, verdicts)


def seconds_of(times: int, work: Callable[[], object]) -> str:
    """What it takes: the median of a few, with the least and the most."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    if times == 1:
        return f"{taken[0]:.2f} s"
    return f"{statistics.median(taken):.2f} s, the median of {times} ({min(taken):.2f} to {max(taken):.2f})"


def main() -> None:
    """Make the verdicts, and print what each way takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaderboard", description=__doc__.partition("\n")[0])
    parser.add_argument("--verdicts", type=int, default=100_000, help="how many there are (default 100,000)")
    parser.add_argument("--times", type=int, default=5, help="how often it is timed; a folder once (default 5)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harness-benchmark-") as space:
        out, board = Path(space) / "runs", Path(space) / "board.sqlite"
        write_runs(out, asked.verdicts)
        began = time.perf_counter()
        publish(find_runs(out), str(board))
        print(f"publish {asked.verdicts} verdicts to SQLite: {time.perf_counter() - began:.1f} s")
        results = list(read_board(str(board)))
        print(f"ranked, once they are read: {seconds_of(asked.times, lambda: boards_of(results))}")
        command = [sys.executable, "-m", "harness.cli", "leaderboard"]
        for what, source, times in (
            ("--from SQLite", ["--from", str(board)], asked.times),
            ("of a folder", ["--out", str(out)], 1),
        ):
            line = [*command, *source]
            taken = seconds_of(times, lambda line=line: subprocess.run(line, check=True, capture_output=True))
            print(f"harness leaderboard {what}: {taken}")


if __name__ == "__main__":
    main()
