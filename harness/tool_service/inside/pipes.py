"""Asking the harness, from inside a sandbox: a request down one pipe, the answer up another.

Pipes with names and not sockets, because a sandbox without a network namespace makes no sockets at all, and an
agent's own sandbox inside ours may forbid to connect them. Standard library only, and little of it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
from collections.abc import Callable
from typing import Any

MAX_REQUEST_BYTES = 32_768
_CHUNK = 65_536


class NotServed(Exception):
    """Nobody serves the tools in this folder: there is no attempt, or it is over."""


class BadRequest(Exception):
    """The request is too long to be sent."""


def call(
    folder: str,
    tool: str,
    arguments: dict[str, Any],
    on_progress: Callable[[str], None] = lambda text: None,
    on_wait: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Have a tool of the attempt run, and wait for what it says.

    Args:
        folder: the attempt's folder of tools.
        tool: its name.
        arguments: a dict of what it takes.
        on_progress: called with a line of text now and then while it runs.
        on_wait: called once where somebody else's call has to end first.

    Returns:
        The answer: a dict with `ok` (bool), `error` (bool: the call itself was no good) and `text`.

    Raises:
        NotServed: see there.
        BadRequest: see there.
    """
    name = os.urandom(8).hex()
    request = json.dumps({"id": name, "tool": tool, "arguments": arguments}).encode()
    if len(request) > MAX_REQUEST_BYTES:
        raise BadRequest(f"The arguments of {tool} are too long: {len(request):,} bytes, {MAX_REQUEST_BYTES:,} may be.")
    opened: list[int] = []
    try:
        turn = _open(folder, "turn", os.O_RDONLY, opened)
        _take_turn(turn, on_wait)
        answers = _open(folder, "answer", os.O_RDONLY | os.O_NONBLOCK, opened)
        requests = _open(folder, "request", os.O_WRONLY | os.O_NONBLOCK, opened)
        # The newline before it ends what a caller that was killed may have left of a line.
        _send(requests, b"\n" + request + b"\n")
        return _receive(answers, requests, name, on_progress)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _open(folder: str, name: str, flags: int, opened: list[int]) -> int:
    try:
        descriptor = os.open(f"{folder}/pipes/{name}", flags | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT, errno.ENOTDIR):
            raise NotServed(f"no attempt is served in {folder}, or it is over") from error
        raise
    opened.append(descriptor)
    return descriptor


def _take_turn(turn: int, on_wait: Callable[[], object]) -> None:
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        on_wait()
        fcntl.flock(turn, fcntl.LOCK_EX)


def _send(requests: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(requests, data) :]
        except BlockingIOError:
            _wait(requests, select.POLLOUT)
        except BrokenPipeError as error:
            raise NotServed("the attempt is over") from error


def _receive(answers: int, requests: int, name: str, on_progress: Callable[[str], None]) -> dict[str, Any]:
    poll = select.poll()
    poll.register(answers, select.POLLIN)
    # An error on this end says that the last reader is gone: the harness.
    poll.register(requests, 0)
    buffer = b""
    while True:
        events = dict(poll.poll())
        data = _read(answers)
        buffer += data
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            answer = _parse(line)
            if answer.get("id") != name:
                continue  # to somebody who has gone
            if "text" in answer:
                return answer
            on_progress(str(answer.get("progress", "")))
        if requests in events and not data:
            raise NotServed("the harness ended before it answered")
        if events.get(answers, 0) & select.POLLHUP and not data:
            # An answer's end, not ours: until the next writer comes, poll would return at once.
            _wait(requests, 0, 20)


def _read(answers: int) -> bytes:
    try:
        return os.read(answers, _CHUNK)
    except BlockingIOError:
        return b""


def _parse(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _wait(descriptor: int, events: int, milliseconds: float | None = None) -> None:
    poll = select.poll()
    poll.register(descriptor, events)
    poll.poll(milliseconds)
