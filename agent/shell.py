"""Run one bash command so that nothing of it is left: not a process, not a pipe, not a gigabyte of output."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.process import Hold, run_process
from agent.stopping import current_stop
from agent.workbench import CommandResult

MAX_OUTPUT_BYTES = 20_000


def run_command(
    command: str,
    *,
    cwd: Path,
    env: Mapping[str, str],
    seconds: float,
    max_bytes: int = MAX_OUTPUT_BYTES,
    wrap: Sequence[str] = (),
    hold: Hold | None = None,
) -> CommandResult:
    """Run `bash -c command` in a session of its own; kill it and all it started when it exits or time is up.

    `agent.process` says what a command can still do to outlive it.

    Args:
        command: the bash command line.
        cwd: the folder it starts in.
        env: its whole environment; nothing is inherited.
        seconds: wall-clock limit; reaching it gives `exit_code=None`, as does a `Stop` that this thread listens to.
        max_bytes: how much output is kept (the first half and the last half); the rest is read and dropped.
        wrap: an argv prefix, such as a sandbox's.
        hold: see `agent.process.Hold`.

    Returns:
        How it ended. A command that cannot be started at all ends with exit code 126 and says why.
    """
    start = time.monotonic()
    kept = HeadAndTail(max_bytes)
    line = [*wrap, "bash", "-c", command]
    asked = current_stop()
    try:
        code = run_process(
            line, cwd=cwd, env=env, seconds=seconds, output=kept.add, stop=lambda: asked.asked, hold=hold
        )
    except (OSError, ValueError) as error:
        return CommandResult(126, f"The command could not be started: {error}", time.monotonic() - start)
    return CommandResult(code, kept.text(), time.monotonic() - start)


class HeadAndTail:
    """Keeps the first and the last bytes of a stream of any length, in memory of a fixed size."""

    def __init__(self, max_bytes: int) -> None:
        self._half = max(1, max_bytes // 2)
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take more of the stream."""
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
        """What is kept, and how much is not."""
        tail = b"".join(self._tail)
        dropped = self._dropped + max(0, len(tail) - self._half)
        kept = tail[-self._half :]
        if not dropped:
            return (bytes(self._head) + kept).decode("utf-8", "replace")
        head = self._head.decode("utf-8", "replace")
        return f"{head}\n[... {dropped} bytes cut here ...]\n{kept.decode('utf-8', 'replace')}"
