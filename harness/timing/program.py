"""One program, run once under the referee's clock: from just before it is started to just after it has ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.timing.descendants import end_all_but

MOST_OUTPUT_BYTES = 16 << 20
_TAIL_CHARACTERS = 2000


@dataclass(frozen=True)
class Ran:
    """One run.

    Attributes:
        wall_ns: the referee's clock around it.
        exit_code: negative for a signal, None when it ran past its time.
        stdout: the file of its standard output.
        stderr_tail: the last it wrote to standard error.
        left_running: how many processes it left behind; they are ended.
    """

    wall_ns: int
    exit_code: int | None
    stdout: Path
    stderr_tail: str
    left_running: int

    def output(self) -> str:
        """Standard output as text, the first 16 MiB of it."""
        with self.stdout.open("rb") as stream:
            return stream.read(MOST_OUTPUT_BYTES).decode("utf-8", errors="replace")


def run_program(
    arguments: list[str],
    *,
    cwd: Path,
    env: dict[str, str],
    logs: Path,
    seconds: float,
    slowdown: float = 0.0,
    idle_ns: float = 0.0,
) -> Ran:
    """Run a program and wait for its end; whatever it leaves running is ended.

    The wait is on a pidfd: `Popen.wait` with a time limit looks only every so often, up to 50 ms apart.

    Args:
        arguments: program and arguments.
        cwd: where it starts.
        env: its whole environment.
        logs: an existing folder for its output.
        seconds: how long it may take.
        slowdown: fraction of its time by which the clock's stop is put off, busy: a known effect.
        idle_ns: what of its time is the start's, and is not slowed.
    """
    out, err = logs / "stdout", logs / "stderr"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        start = time.perf_counter_ns()
        process = subprocess.Popen(
            arguments, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
        )
        in_time = _wait(process.pid, seconds)
        ended = time.perf_counter_ns()
        until = ended + int((ended - start - idle_ns) * slowdown)
        while (ended := time.perf_counter_ns()) < until:
            pass
    if not in_time:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    left = _alive()
    end_all_but(set())
    return Ran(ended - start, code if in_time else None, out, _tail(err), left)


def _wait(pid: int, seconds: float) -> bool:
    """Wait until a child has ended; False if it has not within `seconds`."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def _alive() -> int:
    """Processes below this one that still run: the referee adopts orphans."""
    count = 0
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            count += each.status() != psutil.STATUS_ZOMBIE
    return count


def _tail(log: Path) -> str:
    with log.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _TAIL_CHARACTERS))
        return stream.read().decode("utf-8", errors="replace").strip()
