"""What an attempt costs beside its agent, build, tests and timing, and what working on two at once is worth.

`python -m benchmarks.attempts [TASK] [ATTEMPTS]`: runs with an agent that changes nothing, of the bundled task unless
another is named.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from harness.events import AttemptFinished, AttemptStarted, Event
from harness.options import RunOptions
from harness.resume import ResumeOptions, resume_run
from harness.run import run_task


def spans(events: list[Event]) -> list[float]:
    """Seconds from each attempt's first event to its verdict."""
    starts: dict[str, datetime] = {}
    found = []
    for event in events:
        if isinstance(event, AttemptStarted):
            starts[event.attempt] = datetime.fromisoformat(event.at)
        elif isinstance(event, AttemptFinished):
            found.append((datetime.fromisoformat(event.at) - starts[event.attempt]).total_seconds())
    return found


def main() -> None:
    """Print the seconds an attempt takes, one at a time and two at once, and the memory before and after."""
    task = sys.argv[1] if len(sys.argv) > 1 else "moe_align"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    with tempfile.TemporaryDirectory(prefix="bench-attempts-") as name:
        folder = Path(name)
        options = RunOptions(task=task, agent="nop", out=folder / "runs", worktrees=folder / "worktrees")
        run_task(options, lambda _: None)
        print(f"{task}: a first attempt is over; {memory_mb():.0f} MB")
        for jobs in (1, 2):
            events: list[Event] = []
            start = time.perf_counter()
            resume_run(ResumeOptions(run="latest", out=options.out, more=count, jobs=jobs), events.append)
            wall = time.perf_counter() - start
            taken = spans(events)
            print(
                f"-j {jobs}: {count} attempts in {wall:.1f} s; each {statistics.median(taken):.2f} s "
                f"(longest {max(taken):.2f}), sum {sum(taken):.1f} s; {memory_mb():.0f} MB"
            )


def memory_mb() -> float:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
