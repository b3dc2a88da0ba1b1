"""What a timed process does beside its samples, where a candidate could put work off to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.timing.session import Session


class CpuOutside:
    """Adds up the CPU time an arm's process uses outside its samples, read from outside it."""

    def __init__(self, arm: Session) -> None:
        self._arm = arm
        self._start = arm.cpu_ns()
        self._inside = 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """A sample is being taken."""
        before = self._arm.cpu_ns()
        yield
        self._inside += self._arm.cpu_ns() - before

    def used_ns(self) -> int:
        """CPU time used up to now, less that of the samples."""
        return self._arm.cpu_ns() - self._start - self._inside
