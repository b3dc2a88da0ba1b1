"""Nothing of ours runs beside a measurement: a gate between those who make noise and those who time.

Any number may make noise at once: agents' commands, builds, tests, checks. A measurement waits until none does and
keeps them out until it is over. The gate is two locked files for each device, so it holds between the attempts of a
run and between all runs on the machine, and a killed process leaves nothing locked: the kernel lets go.

- `noise` is held shared by whoever makes noise, and alone by a measurement.
- `turn` is a turnstile in front of it. A measurement takes it first and keeps it, so that newcomers wait behind it
  and it cannot starve. In their turn they pass: between two measurements of one attempt there is always a build or
  a model's answer.

A command may hold the gate for half an hour, or call `measure` itself and wait for the answer. So commands that are
nobody's evidence give way: when a measurement has waited for `GRACE_SECONDS`, they are frozen (SIGSTOP to all their
processes), let go of `noise`, and go on afterwards; their time limits do not run meanwhile. Builds, tests and checks
are never frozen, for a test with a clock in it would fail a patch that is right; they end by themselves, and hold
nothing else, so there is no circle. Gates are always taken in one order, the CPU's first.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from harness.errors import InfrastructureError
from harness.stopping import check_stop, is_stoppable
from harness.waiting import Waiting

_log = logging.getLogger(__name__)

GRACE_SECONDS = 3.0
_FIRST_PAUSE, _LAST_PAUSE = 0.01, 0.2
_LOOK_SECONDS = 0.1
_TELL_AFTER_SECONDS = 3.0
_FREEZE_ROUNDS = 20
_EVERYBODY = 0o1777
_FOLDER_VARIABLE = "PERF_HARNESS_GATE"

# What this thread holds already: whoever times may call what makes noise, and noise may be made inside noise.
_mine = threading.local()


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
    return float(getattr(_mine, "waited", 0.0))


@contextmanager
def quiet(device: str) -> Iterator[float]:
    """Measure alone on a device; gives the seconds that were spent waiting for it.

    Args:
        device: `cpu` or `cuda`. A measurement on a GPU keeps off what could use that GPU, and counts as noise for
            measurements on the CPU; those on several GPUs go on side by side.
    """
    if _depth("quiet"):
        yield 0.0
        return
    if _depth("noisy"):
        raise RuntimeError("a measurement inside something noisy would wait for itself")
    start = time.monotonic()
    with ExitStack() as stack:
        with Waiting() as waiting:
            if device == "cuda":
                stack.enter_context(_shared("cpu", waiting.look))
            turn = stack.enter_context(_Lock(f"{gates(gpu=device == 'cuda')[-1]}.turn"))
            turn.take(fcntl.LOCK_EX, waiting.look)
            noise = stack.enter_context(_Lock(f"{gates(gpu=device == 'cuda')[-1]}.noise"))
            noise.take(fcntl.LOCK_EX, waiting.look)
        with _counted("quiet"):
            yield time.monotonic() - start


@contextmanager
def noisy(*, gpu: bool = False) -> Iterator[Noise]:
    """Run something that a measurement must not feel; waits while one is on.

    Args:
        gpu: whether it could use the GPU.
    """
    if _depth("quiet") or _depth("noisy"):
        yield Noise([])
        return
    with ExitStack() as stack:
        with Waiting() as waiting:
            held = [stack.enter_context(_shared(name, waiting.look)) for name in gates(gpu=gpu)]
        with _counted("noisy"):
            yield Noise(held)


class _Lock:
    """A lock on a file: waits without blocking the thread for good, and never passes to children."""

    def __init__(self, name: str) -> None:
        self._path = gate_folder() / name

    def __enter__(self) -> _Lock:
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
        _mine.waited = waited_seconds() + time.monotonic() - start

    def try_to_take(self, how: int) -> bool:
        try:
            fcntl.flock(self._descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def let_go(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)


class _Shared:
    """One gate's `noise`, held shared; entering waits behind whoever is at the turnstile."""

    def __init__(self, turn: _Lock, noise: _Lock) -> None:
        self._turn = turn
        self._noise = noise

    def enter(self, look: Callable[[], None] = lambda: None) -> None:
        self._turn.take(fcntl.LOCK_SH, look)
        try:
            self._noise.take(fcntl.LOCK_SH, look)
        finally:
            self._turn.let_go()

    def leave(self) -> None:
        self._noise.let_go()

    def is_wanted(self) -> bool:
        """Whether a measurement stands at the turnstile."""
        if self._turn.try_to_take(fcntl.LOCK_SH):
            self._turn.let_go()
            return False
        return True


@contextmanager
def _shared(name: str, look: Callable[[], None] = lambda: None) -> Iterator[_Shared]:
    with _Lock(f"{name}.turn") as turn, _Lock(f"{name}.noise") as noise:
        shared = _Shared(turn, noise)
        shared.enter(look)
        yield shared


class Noise:
    """A command's hold on the gate. It gives way to measurements as long as somebody calls `give_way`."""

    def __init__(self, held: list[_Shared]) -> None:
        self._held = held
        self._wanted_since: float | None = None
        self._next_look = 0.0

    @staticmethod
    def stay(_pid: int) -> float:
        """Do not give way: measurements wait for the command's end. Only looks whether it was called off."""
        check_stop()
        return 0.0

    def give_way(self, pid: int) -> float:
        """If a measurement has waited long enough, freeze the command until it is over.

        Args:
            pid: the command; everything below it is frozen with it.

        Returns:
            The seconds it was frozen for: they are not the command's.
        """
        check_stop()
        now = time.monotonic()
        if now < self._next_look:
            return 0.0
        self._next_look = now + _LOOK_SECONDS
        if not any(gate.is_wanted() for gate in self._held):
            self._wanted_since = None
            return 0.0
        if self._wanted_since is None:
            self._wanted_since = now
        if now - self._wanted_since < GRACE_SECONDS:
            return 0.0
        try:
            _freeze(pid)
            for gate in self._held:
                gate.leave()
            with Waiting() as waiting:
                for gate in self._held:
                    gate.enter(waiting.look)
        finally:
            _signal_all(pid, signal.SIGCONT)
        self._wanted_since = None
        return time.monotonic() - now


def _freeze(pid: int) -> None:
    """Stop a process and all below it; what forks while we look is found in the next round."""
    for _ in range(_FREEZE_ROUNDS):
        if not _signal_all(pid, signal.SIGSTOP):
            return
        time.sleep(0.002)


def _signal_all(pid: int, number: signal.Signals) -> int:
    """Signal a process and all below it; how many of them were not stopped before."""
    running = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        for process in [top, *top.children(recursive=True)]:
            with contextlib.suppress(psutil.Error, OSError):
                if process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
                    running += 1
                process.send_signal(number)
    return running


def _depth(kind: str) -> int:
    return int(getattr(_mine, kind, 0))


@contextmanager
def _counted(kind: str) -> Iterator[None]:
    setattr(_mine, kind, _depth(kind) + 1)
    try:
        yield
    finally:
        setattr(_mine, kind, _depth(kind) - 1)
