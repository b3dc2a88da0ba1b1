"""What a cluster adds to an attempt: the same run on this machine, and on a Ray cluster of one node of this machine.

`python -m benchmarks.cluster [TASK] [ATTEMPTS]`: an agent that changes nothing, one attempt at a time, so that the time
from one verdict to the next is an attempt's. Also: how large a run's folder gets, and the run's process.
"""

from __future__ import annotations

import random
import resource
import statistics
import sys
import tempfile
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from harness.events import AttemptFinished, Event
from harness.options import ExecutorKind, RunOptions
from harness.resume import ResumeOptions, resume_run
from harness.run import run_task
from harness.store import RunFolder


def seconds_between_verdicts(events: list[Event]) -> list[float]:
    """Seconds from each verdict to the next."""
    at = [datetime.fromisoformat(event.at) for event in events if isinstance(event, AttemptFinished)]
    return [(later - earlier).total_seconds() for earlier, later in pairwise(at)]


def memory_mb() -> float:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def interval(values: list[float]) -> str:
    """The median with its 95 % interval by bootstrap."""
    rng = random.Random(1)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(2000))
    return f"{statistics.median(values):.2f} s [{medians[50]:.2f}, {medians[1949]:.2f}]"


def size(folder: RunFolder, attempts: int) -> str:
    """A run's folder, for each attempt."""
    files = [path for path in folder.path.rglob("*") if path.is_file()]
    lines = folder.journal.read_bytes().count(b"\n")
    journal = folder.journal.stat().st_size
    every = sum(path.stat().st_size for path in files)
    return (
        f"{every / attempts / 1024:.1f} kB in {len(files) / attempts:.1f} files, of which the journal's "
        f"{lines / attempts:.1f} events, {journal / attempts / 1024:.1f} kB"
    )


def measure(task: str, count: int, folder: Path, where: ExecutorKind) -> None:
    """Print what an attempt takes in one place."""
    events: list[Event] = []
    options = RunOptions(
        task=task,
        agent="nop",
        out=folder / where,
        worktrees=folder / "worktrees",
        executor=where,
        ray_address="local",
    )
    first = run_task(options, lambda _: None).run_folder
    resume_run(ResumeOptions(run=first.name, out=options.out, more=count), events.append)
    taken = seconds_between_verdicts(events)
    print(f"{where}: {len(taken) + 1} attempts, from verdict to verdict {interval(taken)}; {memory_mb():.0f} MB")
    print(f"{where}: for each attempt {size(first, count + 1)}")


def main() -> None:
    """Measure here, then on a cluster."""
    task = sys.argv[1] if len(sys.argv) > 1 else "moe_align"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    with tempfile.TemporaryDirectory(prefix="bench-cluster-") as name:
        for where in ("local", "ray"):
            measure(task, count, Path(name), where)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
