"""When a probed process ends, however it ends, and what becomes of a probe when its process forks.

An interpreter that ends runs `atexit`; a child of `multiprocessing` leaves by `os._exit` after its finalizers; a pool
ends its workers by SIGTERM. What replaces itself (`os.exec*`), is killed, or calls `os._exit` tells nothing.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

OUT = "PERF_HARNESS_PROBE_OUT"
# The nearest probed process above: a shell in between has no probe.
ABOVE = "PERF_HARNESS_PROBE_ABOVE"

# A real-time signal, so that no program's own alarm is touched.
TICK = signal.SIGRTMAX - 3
_CLOCK_MONOTONIC = 1


class _SignalEvent(ctypes.Structure):
    """`struct sigevent`, 64 bytes: a value, the signal, how to notify (0: by signal)."""

    _fields_ = [
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("pad", ctypes.c_int * 12),
    ]


class _TimerSpec(ctypes.Structure):
    """`struct itimerspec`: the interval and the first time, each in seconds and nanoseconds."""

    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns")]


class Anchor:
    """What `multiprocessing` keeps a weak reference to."""


_anchor = Anchor()
_told: set[int] = set()


def claim_parent() -> int | None:
    """The nearest probed process above this one; from here on, this one is that to whatever it starts."""
    above = os.environ.get(ABOVE)
    os.environ[ABOVE] = str(os.getpid())
    return int(above) if above is not None and above != str(os.getpid()) else None


def tell(document: dict[str, Any]) -> None:
    """Leave a document in the probe's folder, whole or not at all; `told` in it is when that was done."""
    import json  # noqa: PLC0415 - what it costs to import is counted as ours

    path = os.path.join(os.environ[OUT], f"{os.getpid()}-{os.urandom(4).hex()}")
    text = json.dumps(document)
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        file.write(f'{text[:-1]}, "told": {time.monotonic()}}}')
    os.replace(f"{path}.part", f"{path}.json")


def start_timer(nanoseconds: int) -> None:
    """Begin to send this process `TICK`, again and again; a fork or `exec` of it gets none.

    A system call under way is interrupted by it, and Python begins it again. Without that, a SIGTERM that comes just
    before a call that blocks would be seen when that returns, if ever: Python runs handlers between its own steps.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    timer = ctypes.c_void_p()
    event = _SignalEvent(None, int(TICK), 0)
    every = _TimerSpec(*divmod(nanoseconds, 10**9), *divmod(nanoseconds, 10**9))
    if libc.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) or libc.timer_settime(
        timer, 0, ctypes.byref(every), None
    ):
        raise OSError(ctypes.get_errno(), "no timer can be made")


def at_end(write: Callable[[FrameType | None], None], restart: Callable[[], None]) -> None:
    """Call `write` once when this process ends, and `restart` in every process that it forks, before anything else.

    `write` is given the frame that was interrupted, where it was ended by a signal.
    """

    def once(frame: FrameType | None = None) -> None:
        # A pool ends its workers while they are ending by themselves: not in the middle of this.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if os.getpid() not in _told:
            _told.add(os.getpid())
            signal.signal(TICK, signal.SIG_IGN)  # without a handler, as at the interpreter's end, it would kill
            write(frame)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def in_child() -> None:
        restart()
        module = sys.modules.get("multiprocessing.util")
        if module is not None:  # it forgets its finalizers right after this: ours goes in after that
            module.register_after_fork(_anchor, lambda _: module.Finalize(None, once, exitpriority=-100))

    def terminated(number: int, frame: FrameType | None) -> None:
        once(frame)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    atexit.register(once)
    os.register_at_fork(after_in_child=in_child)
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, terminated)
