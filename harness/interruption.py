"""Being told to end: Ctrl-C, SIGTERM and a terminal that is closed (SIGHUP) end every verb in one way, tidily.

The first signal unwinds the work as a KeyboardInterrupt. While that goes on (worktrees are removed, processes ended,
the last event written) a second one must not cut it off, or it leaves what the first one was cleaning up: it only
gets an answer. A third one ends the process at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ANSWER = b"\nEnding: processes and checkouts are being cleared away. Once more leaves that to `harness clean`.\n"
_told: list[int] = []


def end_tidily() -> None:
    """Answer signals as the module says, from now on until the process ends. For the main thread.

    A signal that whoever started us ignores (`nohup`, a shell's background jobs) stays ignored.
    """
    _told.clear()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _tell)


@contextmanager
def terminable() -> Iterator[None]:
    """Within it, signals end the work tidily; for work that is begun by a program of somebody's own."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is _tell:
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    end_tidily()
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # one that was not installed from Python cannot be put back from there
                signal.signal(number, handler)


def _tell(number: int, _frame: FrameType | None) -> None:
    _told.append(number)
    if len(_told) == 1:
        raise KeyboardInterrupt
    if len(_told) == 2:
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(2, _ANSWER)
        return
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
