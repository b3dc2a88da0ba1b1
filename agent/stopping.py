"""Ending a long call from another thread: who waits for a process looks here, who wants it to end asks here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_here = threading.local()


class Stop:
    """A request that what a thread is waiting for may end. It is made once and stays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[Callable[[], None]] = []
        self._asked = False

    @property
    def asked(self) -> bool:
        """Whether it was made."""
        return self._asked

    def ask(self) -> None:
        """Make it; what is running in the thread is ended now, and what it starts later ends at once."""
        with self._lock:
            self._asked = True
            ends = list(self._ends)
        for end in ends:
            end()

    @contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """Have `end` called, from whichever thread asks, if the request is or was made while the block lasts."""
        with self._lock:
            self._ends.append(end)
            late = self._asked
        if late:
            end()
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)


@contextmanager
def stoppable(stop: Stop) -> Iterator[None]:
    """Let `stop` end the calls that this thread makes inside the block."""
    before = getattr(_here, "stop", None)
    _here.stop = stop
    try:
        yield
    finally:
        _here.stop = before


def current_stop() -> Stop:
    """The request this thread listens to; one that nobody makes where it listens to none."""
    stop = getattr(_here, "stop", None)
    return stop if isinstance(stop, Stop) else Stop()
