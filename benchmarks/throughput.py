"""What working on two attempts at once is worth: a run of many against the sum of their parts.

The task is of a few lines; the model is a server on loopback that thinks for a while over each of its two turns (an
edit that changes nothing, then `submit`). A few attempts one at a time say what the parts of one take; the sum is that
for all of them one after the other. While one is timed, another may only wait for its model: so the least that is
possible is all timing, and half of what else uses the machine.

python -m benchmarks.throughput --attempts 64 --jobs 2 --think 2
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from benchmarks.attempts import spent
from harness.events import AttemptFinished, AttemptStarted, Event
from harness.live_model import LiveOptions
from harness.options import RunOptions
from harness.resume import ResumeOptions, resume_run
from harness.run import run_task

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "agent"))
from openai_server import Handler, Server, chat, piece
from tiny_task import make_tiny_task

EDIT = "echo '# A comment, and nothing else.' >> tiny/core.py"
TURNS = 2


def thinking(seconds: float) -> type[Handler]:
    """Answers after so many seconds: with the edit, and once that is done with `submit`."""

    class Thinking(Handler):
        def do_POST(self) -> None:  # noqa: N802 - http.server's name
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            edited = any(message["role"] == "tool" for message in asked["messages"])
            name, arguments = ("submit", {"summary": "A comment."}) if edited else ("shell", {"command": EDIT})
            time.sleep(seconds)
            chat(piece(0, call_id="c1", name=name, arguments=json.dumps(arguments)), finish="tool_calls")(self)

    return Thinking


@contextmanager
def model(seconds: float) -> Iterator[str]:
    """A server whose model thinks; gives its URL."""
    server = Server([])
    server.RequestHandlerClass = thinking(seconds)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wall_seconds(events: list[Event]) -> float:
    """From the first attempt's start to the last one's verdict."""
    times = [datetime.fromisoformat(e.at) for e in events if isinstance(e, AttemptStarted | AttemptFinished)]
    return (max(times) - min(times)).total_seconds()


def main() -> None:
    """Make the runs, and print what they took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__.partition("\n")[0])
    parser.add_argument("--attempts", type=int, default=64, help="how many at once and in turn (default 64)")
    parser.add_argument("--alone", type=int, default=8, help="how many say what the parts take (default 8)")
    parser.add_argument("--jobs", type=int, default=2, help="how many are worked on at once (default 2)")
    parser.add_argument("--think", type=float, default=2.0, help="seconds the model takes for a turn (default 2)")
    asked = parser.parse_args()
    os.environ["NO_PROXY"] = "127.0.0.1"
    os.environ.setdefault("OPENAI_API_KEY", "none")
    with tempfile.TemporaryDirectory(prefix="bench-throughput-") as name, model(asked.think) as url:
        folder = Path(name)
        options = RunOptions(
            task=str(make_tiny_task(folder / "task").file),
            model="thinking",
            base_url=url,
            live=LiveOptions(wire="chat", allow_unknown_price=True),
            attempts=asked.alone,
            out=folder / "runs",
            worktrees=folder / "worktrees",
        )
        events: list[Event] = []
        outcome = run_task(options, events.append)
        alone = spent(events)
        part = {
            name: statistics.fmean(each[name] for each in alone)
            for name in ("agent", "build", "tests", "timing", "ours")
        }
        one = sum(part.values())
        shown = ", ".join(f"{name} {seconds:.2f}" for name, seconds in part.items())
        statuses = {verdict.status for verdict in outcome.verdicts}
        print(f"alone: {one:.2f} s for each of {len(alone)} attempts ({', '.join(statuses)}): {shown}", flush=True)
        more = ResumeOptions(run=outcome.run_folder.name, out=options.out, more=asked.attempts, jobs=asked.jobs)
        events.clear()
        resume_run(more, events.append)
        wall = wall_seconds(events)
    waits = TURNS * asked.think
    least = max(one / asked.jobs, part["timing"] + (one - part["timing"] - waits) / 2)
    print(
        f"-j {asked.jobs}: {asked.attempts} attempts in {wall:.0f} s, the sum of their parts is "
        f"{asked.attempts * one:.0f} s: {asked.attempts * one / wall:.2f} times as fast; "
        f"the least possible is {asked.attempts * least:.0f} s"
    )


if __name__ == "__main__":
    main()
