"""Run one bash command so that nothing of it is left: not a process, not a pipe, not a gigabyte of output."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

from agent.stopping import current_stop
from agent.workbench import CommandResult

MAX_OUTPUT_BYTES = 20_000

# Every process a command starts inherits this variable, so that one that left its group, its session and its
# parent (a daemon) can still be found.
_MARK = "PERF_HARNESS_COMMAND"
# How long to wait before looking again whether the shell is over: short at first, most commands are.
_FIRST_TICK_SECONDS = 0.001
_LAST_TICK_SECONDS = 0.02
_DRAIN_SECONDS = 0.25
_KILL_ROUNDS = 50
_CHUNK = 65_536


def run_command(
    command: str,
    *,
    cwd: Path,
    env: Mapping[str, str],
    seconds: float,
    max_bytes: int = MAX_OUTPUT_BYTES,
    wrap: Sequence[str] = (),
) -> CommandResult:
    """Run `bash -c command` in a session of its own; kill it and all it started when it exits or time is up.

    What a command can still do to outlive it is to leave its group and parent and scrub its environment as well;
    only a process namespace, which `wrap` can bring, ends that too.

    Args:
        command: the bash command line.
        cwd: the folder it starts in.
        env: its whole environment; nothing is inherited.
        seconds: wall-clock limit; reaching it gives `exit_code=None`, as does a `Stop` that this thread listens to.
        max_bytes: how much output is kept (the first half and the last half); the rest is read and dropped.
        wrap: an argv prefix, such as a sandbox's.

    Returns:
        How it ended. A command that cannot be started at all ends with exit code 126 and says why.
    """
    start = time.monotonic()
    mark = uuid.uuid4().hex
    output = _HeadAndTail(max_bytes)
    try:
        process = subprocess.Popen(
            [*wrap, "bash", "-c", command],
            cwd=cwd,
            env={**env, _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )
    except (OSError, ValueError) as error:
        return CommandResult(126, f"The command could not be started: {error}", time.monotonic() - start)
    pipe = process.stdout
    if pipe is None:  # only so that the type checker knows what PIPE means
        raise RuntimeError("a process started with a pipe has none")
    exited = False
    try:
        exited = _read_until_exit(process.pid, pipe, output, start + seconds)
    finally:
        _kill_all(process.pid, mark)
        _drain(pipe, output)
        pipe.close()
        process.wait()
    return CommandResult(process.returncode if exited else None, output.text(), time.monotonic() - start)


def _read_until_exit(pid: int, pipe: IO[bytes], output: _HeadAndTail, deadline: float) -> bool:
    """Read until the shell itself exits: a child may hold the pipe open for ever. False when time ran out."""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        open_ = True
        tick = _FIRST_TICK_SECONDS
        stop = current_stop()
        while (left := deadline - time.monotonic()) > 0 and not stop.asked:
            wait = min(left, tick)
            tick = min(2 * tick, _LAST_TICK_SECONDS)
            if not open_:
                time.sleep(wait)
            elif selector.select(wait):
                data = os.read(pipe.fileno(), _CHUNK)
                output.add(data)
                if not data:
                    open_ = False
                    selector.unregister(pipe)
            # A busy pipe must not hide the exit: look after each chunk as well as after each silence.
            if _has_exited(pid):
                return True
    return False


def _has_exited(pid: int) -> bool:
    """Whether our child is over, leaving it unreaped: until then its process group's number cannot be reused."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _drain(pipe: IO[bytes], output: _HeadAndTail) -> None:
    """Take what was written before the end. Time-bound: a writer we may not kill must not hold us."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and selector.select(left):
            data = os.read(pipe.fileno(), _CHUNK)
            if not data:
                return
            output.add(data)


def _kill_all(leader: int, mark: str) -> None:
    """Kill the leader's group, its descendants and every marked process, until a look around finds none.

    More than one round, because a process may fork between our look and our signal.
    """
    for _ in range(_KILL_ROUNDS):
        alive = [*_descendants(leader), *_marked(mark)]
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if not alive:
            return
        time.sleep(0.002)


def _descendants(leader: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return [child for child in psutil.Process(leader).children(recursive=True) if _lives(child)]
    return []


def _marked(mark: str) -> list[psutil.Process]:
    """Processes whose environment carries the mark; the dead have none. Read straight from /proc: it is quick."""
    found = []
    needle = f"{_MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, psutil.Error):
            if needle in (entry / "environ").read_bytes():
                found.append(psutil.Process(int(entry.name)))
    return found


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


class _HeadAndTail:
    """Keeps the first and the last bytes of a stream of any length, in memory of a fixed size."""

    def __init__(self, max_bytes: int) -> None:
        self._half = max(1, max_bytes // 2)
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0

    def add(self, data: bytes) -> None:
        room = self._half - len(self._head)
        self._head += data[:room]
        rest = data[room:]
        if not rest:
            return
        self._tail.append(rest)
        self._tail_size += len(rest)
        while self._tail_size - len(self._tail[0]) >= self._half:
            gone = self._tail.popleft()
            self._tail_size -= len(gone)
            self._dropped += len(gone)

    def text(self) -> str:
        tail = b"".join(self._tail)
        dropped = self._dropped + max(0, len(tail) - self._half)
        kept = tail[-self._half :]
        if not dropped:
            return (bytes(self._head) + kept).decode("utf-8", "replace")
        head = self._head.decode("utf-8", "replace")
        return f"{head}\n[... {dropped} bytes cut here ...]\n{kept.decode('utf-8', 'replace')}"
