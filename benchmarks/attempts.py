"""What the harness itself costs for an attempt: its wall time less its agent, build, tests and timing.

A recorded agent appends a comment to a file and submits, so that the whole way is gone: worktree, prompt, agent, diff,
policy, a fresh checkout, build, tests, oracle, timing, verdict. What the journal's phases say of agent, build, tests,
timing and confirmation is taken from the time between an attempt's start and the next one's; the rest is ours.

python -m benchmarks.attempts --task moe_align --attempts 4 --nops 50
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from harness.events import AttemptFinished, AttemptStarted, Event, PhaseStarted
from harness.options import RunOptions
from harness.run import run_task
from harness.source import seal
from harness.task_file import load_task

PARTS = {"agent": "agent", "build": "build", "tests": "tests", "timing": "timing", "confirmation": "timing"}
# What else there is: the phases that are ours, and what is before and after them.
OURS = ("worktree", "diff", "policy", "rest")
THEIRS = ("agent", "build", "tests", "timing")


def with_an_empty_edit(name: str, folder: Path) -> Path:
    """A copy of a task whose recorded session appends a comment to the first file that may be changed."""
    file = load_task(name).file
    shutil.copytree(file.parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    loaded = load_task(str(folder / file.name))
    if loaded.task.recorded is None:
        raise SystemExit(f"{name} has no recorded session that could be replaced.")
    sealed = seal(loaded, folder / "for-its-hash.git")
    edit = {"command": f"echo '# A comment, and nothing else.' >> {loaded.task.target_files[0]}"}
    calls = [("shell", edit), ("submit", {"summary": "A comment."})]
    lines = [json.dumps({"format": 1, "task": loaded.task.name, "base_tree": sealed.tree, "model": "recorded"})]
    for number, (tool, arguments) in enumerate(calls):
        call = {"id": f"c{number}", "name": tool, "arguments": json.dumps(arguments)}
        lines.append(json.dumps({"kind": "turn", "text": "", "tool_calls": [call]}))
    loaded.resolve(loaded.task.recorded).write_text("\n".join(lines) + "\n")
    return loaded.file


def spent(events: list[Event]) -> list[dict[str, float]]:
    """Seconds of each attempt by part, up to the next attempt's start; `ours` is the sum of `OURS`."""
    attempts: list[dict[str, float]] = []
    part, since = "", None
    for event in events:
        if not isinstance(event, AttemptStarted | PhaseStarted | AttemptFinished):
            continue
        at = datetime.fromisoformat(event.at)
        if since is not None:
            seconds = (at - since).total_seconds()
            attempts[-1][part] += seconds
            attempts[-1]["ours"] += seconds if part in OURS else 0.0
        if isinstance(event, AttemptStarted):
            attempts.append(defaultdict(float))
        part = PARTS.get(event.phase, event.phase) if isinstance(event, PhaseStarted) else "rest"
        since = at
    return attempts


def told(attempts: list[dict[str, float]]) -> str:
    """The medians of the parts, and all of what is ours."""
    ours = [each["ours"] for each in attempts]
    whole = statistics.median(sum(each[part] for part in (*THEIRS, "ours")) for each in attempts)
    return (
        f"{len(attempts)} attempts of {whole:.2f} s: {_medians(attempts, THEIRS)}; the harness itself "
        f"{statistics.median(ours):.2f} s ({min(ours):.2f} to {max(ours):.2f}): {_medians(attempts, OURS)}"
    )


def _medians(attempts: list[dict[str, float]], parts: tuple[str, ...]) -> str:
    return ", ".join(f"{part} {statistics.median(each[part] for each in attempts):.2f}" for part in parts)


def main() -> None:
    """Print what is ours of an attempt that is judged, and of one that has no patch."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attempts", description=__doc__.partition("\n")[0])
    parser.add_argument("--task", default="moe_align", help="a task with a recorded session (default moe_align)")
    parser.add_argument("--attempts", type=int, default=4, help="how many have an empty edit (default 4)")
    parser.add_argument("--nops", type=int, default=50, help="how many have no edit at all (default 50)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-attempts-") as name:
        folder = Path(name)
        task = with_an_empty_edit(asked.task, folder / "tasks")
        for agent, count in (("replay", asked.attempts), ("nop", asked.nops)):
            if not count:
                continue
            events: list[Event] = []
            out = folder / f"runs-{agent}"
            options = RunOptions(task=str(task), agent=agent, out=out, worktrees=folder / "worktrees", attempts=count)
            outcome = run_task(options, events.append)
            statuses = sorted({verdict.status for verdict in outcome.verdicts})
            print(f"{asked.task}, agent {agent} ({', '.join(statuses)}): {told(spent(events))}", flush=True)


if __name__ == "__main__":
    main()
