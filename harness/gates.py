"""The gates that keep measurements apart: two locked files for each device, shared by all runs on the machine.

Who holds which of them, and why, is `harness.quiet`'s business. A killed process leaves nothing locked: the kernel
lets go.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import InfrastructureError
from harness.stopping import check_stop, is_stoppable

_log = logging.getLogger(__name__)

_FIRST_PAUSE, _LAST_PAUSE = 0.01, 0.2
_TELL_AFTER_SECONDS = 3.0
_EVERYBODY = 0o1777
_FOLDER_VARIABLE = "PERF_HARNESS_GATE"

_waits = threading.local()  # of this thread: how long it has waited so far


def gate_folder() -> Path:
    """Where the gates are, for every user of the machine.

    Containers that share a machine can share the folder that PERF_HARNESS_GATE names.

    Raises:
        InfrastructureError: it cannot be made.
    """
    named = os.environ.get(_FOLDER_VARIABLE)
    folder = Path(named) if named else Path(tempfile.gettempdir()) / "perf-harness-gate"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InfrastructureError(
            f"{folder}: the gate that keeps measurements apart cannot be made ({error.strerror}).",
            remedy=f"Name a folder that can be written in {_FOLDER_VARIABLE}.",
        ) from error
    with contextlib.suppress(PermissionError):  # somebody else made it, like this
        folder.chmod(_EVERYBODY)
    return folder


def gates(*, gpu: bool) -> list[str]:
    """Names of the gates that a command stands behind: the CPU's, and that of the GPU it can see first."""
    return ["cpu", *([f"gpu-{_gpu_called(os.environ.get('CUDA_VISIBLE_DEVICES'))}"] if gpu else [])]


@functools.cache
def _gpu_called(visible: str | None) -> str:
    from harness.timing.gpu import all_uuids  # noqa: PLC0415 - only where there may be a GPU

    try:
        return first_gpu(visible, all_uuids())
    except InfrastructureError:
        return first_gpu(visible, [])


def first_gpu(visible: str | None, uuids: list[str]) -> str:
    """The UUID of the GPU that is seen first: Ray and people name one by index or by UUID, and it has one gate.

    Args:
        visible: CUDA_VISIBLE_DEVICES; None where it is not set.
        uuids: the machine's GPUs in PCI order; none where NVML cannot be asked.

    Returns:
        Its UUID; where that is not known, the variable's own word for it.
    """
    from harness.timing.gpu import visible_gpu  # noqa: PLC0415 - only where there may be a GPU

    try:
        return uuids[visible_gpu(uuids, {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})]
    except InfrastructureError:
        return (visible or "").partition(",")[0].strip() or "0"


def waited_seconds() -> float:
    """How long this thread has waited at gates so far, frozen commands of its included."""
    return float(getattr(_waits, "seconds", 0.0))


class GateLock:
    """A lock on a file: waits without blocking the thread for good, and never passes to children."""

    def __init__(self, name: str) -> None:
        self._path = gate_folder() / name

    def __enter__(self) -> GateLock:
        try:
            self._descriptor = self._open()
        except OSError as error:
            raise InfrastructureError(
                f"{self._path}: cannot be opened ({error.strerror}).", remedy="Remove it if nothing is running."
            ) from error
        with contextlib.suppress(PermissionError):  # whoever made it has seen to it, umask or not
            os.fchmod(self._descriptor, 0o666)
        return self

    def __exit__(self, *ending: object) -> None:
        os.close(self._descriptor)

    def _open(self) -> int:
        # Asking to create what another user has made is refused in a folder for everybody (fs.protected_regular).
        with contextlib.suppress(FileNotFoundError):
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def take(self, how: int, look: Callable[[], None] = lambda: None) -> None:
        """Wait for it, `LOCK_SH` or `LOCK_EX`; `look` is called now and then meanwhile."""
        start = time.monotonic()
        pause, tell_at = _FIRST_PAUSE, start + _TELL_AFTER_SECONDS
        while not self.try_to_take(how):
            check_stop()
            look()
            if not is_stoppable() and time.monotonic() > tell_at:
                # Attempts wait for each other all the time; a person at the start of a run wants to know why.
                _log.warning("Waiting: another run on this machine is measuring, or about to.")
                tell_at = float("inf")
            time.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)
        _waits.seconds = waited_seconds() + time.monotonic() - start

    def try_to_take(self, how: int) -> bool:
        """Take it if nobody is in the way; whether that worked."""
        try:
            fcntl.flock(self._descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def let_go(self) -> None:
        """Let others have it; the file stays open."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)


class SharedGate:
    """One gate's `noise`, held shared; entering waits behind whoever is at the turnstile."""

    def __init__(self, turn: GateLock, noise: GateLock) -> None:
        self._turn = turn
        self._noise = noise

    def enter(self, look: Callable[[], None] = lambda: None) -> None:
        """Wait until no measurement is on or stands ahead; `look` is called now and then meanwhile."""
        self._turn.take(fcntl.LOCK_SH, look)
        try:
            self._noise.take(fcntl.LOCK_SH, look)
        finally:
            self._turn.let_go()

    def leave(self) -> None:
        """Let a measurement in."""
        self._noise.let_go()

    def is_wanted(self) -> bool:
        """Whether a measurement stands at the turnstile."""
        if self._turn.try_to_take(fcntl.LOCK_SH):
            self._turn.let_go()
            return False
        return True


@contextmanager
def held_shared(name: str, look: Callable[[], None] = lambda: None) -> Iterator[SharedGate]:
    """Enter the gate of this name beside all others that make noise; it is let go at the end."""
    with GateLock(f"{name}.turn") as turn, GateLock(f"{name}.noise") as noise:
        shared = SharedGate(turn, noise)
        shared.enter(look)
        yield shared
