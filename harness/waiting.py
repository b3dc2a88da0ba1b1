"""Telling whoever watches that work waits at the gate (`harness.quiet`): to measure, or for a measurement to end.

Told by context, not by argument: whoever waits does not know who watches. A thread that works for an attempt which
another one began (tools served to an external agent) takes what `watcher()` gave there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

TELL_AFTER_SECONDS = 1.0
Tell = Callable[[bool], None]  # True: it waits; False: it has its turn

_tell: ContextVar[Tell | None] = ContextVar("tell_of_waiting", default=None)


def watcher() -> Tell | None:
    """Who is told of waits in this thread."""
    return _tell.get()


@contextmanager
def watched(tell: Tell | None) -> Iterator[None]:
    """Within it, `tell` hears of this thread's waits."""
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


class Waiting:
    """One wait: told once it has lasted `TELL_AFTER_SECONDS`, and then also when it is over."""

    def __init__(self) -> None:
        self._tell = _tell.get()
        self._since = time.monotonic()
        self._told = False

    def look(self) -> None:
        """Called now and then while it lasts."""
        if self._tell is not None and not self._told and time.monotonic() - self._since >= TELL_AFTER_SECONDS:
            self._told = True
            self._tell(True)

    def __enter__(self) -> Waiting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Who was called off has no turn to tell of.
        if self._told and self._tell is not None and kind is None:
            self._tell(False)
