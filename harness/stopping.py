"""Ending work in other threads: Ctrl-C reaches the main thread only, so the others ask whether they are to stop.

Whatever waits (at the gate, for a command, for a referee, between events) calls `check_stop` while it does. In a
thread that nobody wants to stop it does nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from agent.stopping import current_stop
from harness.errors import InfrastructureError

_asked: ContextVar[threading.Event | None] = ContextVar("asked_to_stop", default=None)


class Stopped(KeyboardInterrupt):
    """This thread's work was called off. A KeyboardInterrupt, so that it unwinds as Ctrl-C does in the main thread."""


@contextmanager
def stoppable(asked: threading.Event) -> Iterator[None]:
    """Within it, `check_stop` in this thread raises once `asked` is set."""
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def check_stop() -> None:
    """Raise `Stopped` if this thread's work was called off.

    Raises:
        InfrastructureError: only the call that this thread serves was (`agent.stopping`): its work goes on.
    """
    asked = _asked.get()
    if asked is not None and asked.is_set():
        raise Stopped
    if current_stop().asked:
        raise InfrastructureError("It was called off while it waited.")


def is_stoppable() -> bool:
    """Whether this thread's work is one of several that somebody else oversees."""
    return _asked.get() is not None
