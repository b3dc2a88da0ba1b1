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
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from harness.gates import GateLock, SharedGate, gates, held_shared
from harness.stopping import check_stop
from harness.waiting import Waiting

GRACE_SECONDS = 3.0
_LOOK_SECONDS = 0.1
_FREEZE_ROUNDS = 20

# What this thread holds already: whoever times may call what makes noise, and noise may be made inside noise.
_mine = threading.local()


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
                stack.enter_context(held_shared("cpu", waiting.look))
            turn = stack.enter_context(GateLock(f"{gates(gpu=device == 'cuda')[-1]}.turn"))
            turn.take(fcntl.LOCK_EX, waiting.look)
            noise = stack.enter_context(GateLock(f"{gates(gpu=device == 'cuda')[-1]}.noise"))
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
            held = [stack.enter_context(held_shared(name, waiting.look)) for name in gates(gpu=gpu)]
        with _counted("noisy"):
            yield Noise(held)


class Noise:
    """A command's hold on the gate. It gives way to measurements as long as somebody calls `give_way`."""

    def __init__(self, held: list[SharedGate]) -> None:
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
