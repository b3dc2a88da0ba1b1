"""What a timed process does beside its samples, where a candidate could put work off to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.timing.session import Session


class CpuOutside:
    """Adds up the CPU time an arm uses outside its samples, read from outside it.

    What counts as a sample's own is the process that answers and what it has started; all else of the arm's was at
    work beside it, whenever that was. (To look at all of it before every sample would let the processors fall asleep.)
    """

    def __init__(self, arm: Session) -> None:
        self._arm = arm
        self._start = arm.arm_cpu_ns()
        self._inside = 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """A sample is being taken."""
        before = self._arm.cpu_ns()
        yield
        self._inside += self._arm.cpu_ns() - before

    def used_ns(self) -> int:
        """CPU time used up to now, less that of the samples."""
        return self._arm.arm_cpu_ns() - self._start - self._inside
