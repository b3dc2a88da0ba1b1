"""Run one program so that nothing of it is left: not a process, not a pipe."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

# Every process a program starts inherits this variable, so that one that left its group, its session and its
# parent (a daemon) can still be found.
_MARK = "PERF_HARNESS_COMMAND"
# How long to wait before looking again whether the program is over: short at first, most commands are.
_FIRST_TICK_SECONDS = 0.001
_LAST_TICK_SECONDS = 0.02
_DRAIN_SECONDS = 0.25
_KILL_ROUNDS = 50
_CHUNK = 65_536

Sink = Callable[[bytes], None]
# Called with the program's process number again and again while it runs. It may halt the program for a while, and
# returns for how many seconds it did: they do not count against the limit.
Hold = Callable[[int], float]


def run_process(
    line: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    seconds: float,
    output: Sink,
    errors: Sink | None = None,
    stdin: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    hold: Hold | None = None,
) -> int | None:
    """Run a program in a session of its own; kill it and all it started when it exits, is stopped or time is up.

    What a program can still do to outlive it is to leave its group and parent and scrub its environment as well;
    only a process namespace, which a sandbox in `line` can bring, ends that too.

    Args:
        line: the program and its arguments.
        cwd: the folder it starts in.
        env: its whole environment; nothing is inherited.
        seconds: wall-clock limit.
        output: is given standard output, and standard error in the order they came unless `errors` is there.
        errors: is given standard error.
        stdin: the file that is its standard input; empty without.
        stop: asked every few milliseconds whether to end it.
        hold: asked as often whether to halt it for a while.

    Returns:
        The exit code, negative when a signal ended it; None when it was ended by us.

    Raises:
        OSError, ValueError: it cannot be started.
    """
    deadline = time.monotonic() + seconds
    mark = uuid.uuid4().hex
    with Path(stdin or os.devnull).open("rb") as source:
        process = subprocess.Popen(
            line,
            cwd=cwd,
            env={**env, _MARK: mark},
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors is None else subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
    pipes = {pipe: sink for pipe, sink in ((process.stdout, output), (process.stderr, errors)) if pipe and sink}
    exited = False
    try:
        exited = _read_until_exit(process.pid, pipes, deadline, stop, hold)
    finally:
        _kill_all(process.pid, mark)
        for pipe, sink in pipes.items():
            _drain(pipe, sink)
            pipe.close()
        process.wait()
    return process.returncode if exited else None


def _read_until_exit(
    pid: int, pipes: Mapping[IO[bytes], Sink], deadline: float, stop: Callable[[], bool], hold: Hold | None
) -> bool:
    """Read until the program itself exits: a child may hold a pipe open for ever. False when it has to be ended."""
    with selectors.DefaultSelector() as selector:
        for pipe, sink in pipes.items():
            selector.register(pipe, selectors.EVENT_READ, sink)
        tick = _FIRST_TICK_SECONDS
        while (left := deadline - time.monotonic()) > 0 and not stop():
            wait = min(left, tick)
            tick = min(2 * tick, _LAST_TICK_SECONDS)
            if not selector.get_map():
                time.sleep(wait)
            for key, _ in selector.select(wait) if selector.get_map() else ():
                data = os.read(key.fd, _CHUNK)
                key.data(data)
                if not data:
                    selector.unregister(key.fileobj)
            # A busy pipe must not hide the exit: look after each chunk as well as after each silence.
            if _has_exited(pid):
                return True
            if hold is not None:
                deadline += hold(pid)
    return False


def _has_exited(pid: int) -> bool:
    """Whether our child is over, leaving it unreaped: until then its process group's number cannot be reused."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _drain(pipe: IO[bytes], sink: Sink) -> None:
    """Take what was written before the end. Time-bound: a writer we may not kill must not hold us."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and selector.select(left):
            data = os.read(pipe.fileno(), _CHUNK)
            if not data:
                return
            sink(data)


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
