"""What a timed process does beside its samples, where a candidate could put work off to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.timing.descendants import UNTOLD_NS, Used
from harness.timing.session import Session


class CpuOutside:
    """Adds up the CPU time an arm uses outside its samples, read from outside it.

    What counts as a sample's own is the process that answers and what it has started; all else of the arm's was at
    work beside it, whenever that was. (To look at all of it before every sample would let the processors fall asleep.)

    Of a process that has ended only ticks are told. One that ends outside the samples is counted as the most that it
    could have used: else a process for every few milliseconds of work would leave no trace.
    """

    def __init__(self, arm: Session) -> None:
        self._arm = arm
        self._start, self._last = arm.arm_used(), arm.used()
        self._elsewhere = self._start.ended - self._last.ended
        self._inside = 0
        self._untold = 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """A sample is being taken."""
        before = self._look()
        yield
        self._last = self._arm.used()
        self._inside += self._last.cpu_ns - before.cpu_ns

    def all_ns(self) -> int:
        """CPU time used up to now, in the samples and beside them."""
        return self.used_ns() + self._inside

    def used_ns(self) -> int:
        """CPU time used up to now, less that of the samples."""
        now, end = self._look(), self._arm.arm_used()
        if end.ended - now.ended > self._elsewhere:
            self._elsewhere = end.ended - now.ended
            self._untold += UNTOLD_NS
        return end.cpu_ns + self._untold - self._start.cpu_ns - self._inside

    def _look(self) -> Used:
        now = self._arm.used()
        if now.ended > self._last.ended:
            self._untold += UNTOLD_NS
        self._last = now
        return now
