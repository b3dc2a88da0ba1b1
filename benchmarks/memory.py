"""Whether a run's memory grows with its attempts: what the process of a long run holds, every hundred attempts.

Attempts by an agent that changes nothing, on a task of a few lines, through the whole of a run: worktree, prompt,
trajectory, diff, journal, verdict.

python -m benchmarks.memory --attempts 1000 --jobs 2
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from pathlib import Path

import psutil

from harness.events import AttemptFinished, Event
from harness.options import RunOptions
from harness.run import run_task

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from tiny_task import make_tiny_task


class Watch:
    """Takes a run's events and, every so many attempts, the memory of this process, in MB."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.attempts = 0
        self.seen: list[tuple[int, float]] = []

    def take(self, event: Event) -> None:
        """See the class."""
        if not isinstance(event, AttemptFinished):
            return
        self.attempts += 1
        if self.attempts % self.every == 0:
            gc.collect()
            resident = psutil.Process().memory_info().rss / 1e6
            self.seen.append((self.attempts, resident))
            print(f"{self.attempts:5} attempts: {resident:.1f} MB", flush=True)


def slope(seen: list[tuple[int, float]]) -> float:
    """Least squares: kB for each attempt."""
    count, total = len(seen), sum(memory for _, memory in seen)
    middle = sum(attempts for attempts, _ in seen) / count
    spread = sum((attempts - middle) ** 2 for attempts, _ in seen)
    return 1e3 * sum((attempts - middle) * (memory - total / count) for attempts, memory in seen) / spread


def main() -> None:
    """Make the run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.partition("\n")[0])
    parser.add_argument("--attempts", type=int, default=1000, help="attempts of the run (default 1000)")
    parser.add_argument("--jobs", type=int, default=2, help="how many are worked on at once (default 2)")
    parser.add_argument("--every", type=int, default=100, help="how often memory is read (default every 100)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as name:
        folder = Path(name)
        options = RunOptions(
            task=str(make_tiny_task(folder / "task").file),
            agent="nop",
            attempts=asked.attempts,
            jobs=asked.jobs,
            out=folder / "runs",
            worktrees=folder / "worktrees",
        )
        watch, began = Watch(asked.every), time.perf_counter()
        run_task(options, watch.take)
        seconds = time.perf_counter() - began
    # What starting up leaves behind is no growth.
    later = watch.seen[1:]
    print(
        f"{asked.attempts} attempts in {seconds:.0f} s; from {later[0][0]} on {slope(later):+.2f} kB for each attempt, "
        f"{later[-1][1] - later[0][1]:+.1f} MB in all"
    )


if __name__ == "__main__":
    main()
