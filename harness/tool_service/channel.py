"""The harness's ends of the two pipes. What comes down them is written by anybody in the sandbox."""

from __future__ import annotations

import errno
import json
import os
import select
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.tool_service.inside.pipes import MAX_REQUEST_BYTES

# Together they bound how busy a flood of anything can keep this process; a request comes in three pieces at most.
_CHUNK = 16_384
_PAUSE_SECONDS = 0.01
# A reader that takes nothing for so long has stopped, or never meant to read.
_STUCK_SECONDS = 5.0


class RequestPipe:
    """Lines from whoever writes; a context manager. What is longer than a request may be is dropped to its newline.

    Both pipes are opened once, when nobody else has seen the folder: what is put in their place later is never used.
    """

    def __init__(self, folder: Path) -> None:
        # Read and write, so that it stays open when a writer leaves, and opening it waits for none.
        self._requests = os.open(folder / "pipes" / "request", os.O_RDWR | os.O_NONBLOCK)
        self.answer_place = os.open(folder / "pipes" / "answer", os.O_PATH)
        self._wake, self._waker = os.pipe()
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._skipping = False

    def next_line(self) -> bytes | None:
        """The next line that is not empty, without its newline; None when told to close down."""
        while not self._lines:
            if not self._read_more():
                return None
        return self._lines.popleft()

    def _read_more(self) -> bool:
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll()}
        if self._wake in ready:
            return False
        with suppress(BlockingIOError):  # somebody inside may read from it too, and be quicker
            self._take(os.read(self._requests, _CHUNK))
        return True

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines and self._skipping:
            del lines[0]
            self._skipping = False
        self._lines.extend(filter(None, lines))
        if len(self._rest) > MAX_REQUEST_BYTES:
            self._rest, self._skipping = b"", True
        if not self._lines:
            time.sleep(_PAUSE_SECONDS)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Close the pipe when the block ends, however it does: who waits for an answer sees that none will come."""
        try:
            yield
        finally:
            os.close(self._requests)

    def close_down(self) -> None:
        """Have `next_line` return None, now and ever after."""
        with suppress(BrokenPipeError):
            os.write(self._waker, b"1")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in (self.answer_place, self._wake, self._waker):
            os.close(descriptor)


class AnswerPipe:
    """The way back to whoever asked, for one answer. A reader that has gone, or reads nothing, is let go of."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self._gone = False

    @classmethod
    @contextmanager
    def opened(cls, requests: RequestPipe, name: str) -> Iterator[AnswerPipe | None]:
        """Open it for the request called `name`; None where nobody reads."""
        try:
            # Through our own descriptor: the name in the folder may lead elsewhere by now.
            place = f"/proc/self/fd/{requests.answer_place}"
            descriptor = os.open(place, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            yield None
            return
        try:
            yield cls(descriptor, name)
        finally:
            os.close(descriptor)

    def progress(self, text: str) -> None:
        """Say how it goes."""
        self._write({"id": self._name, "progress": text})

    def finish(self, text: str, *, ok: bool, error: bool) -> None:
        """Say what came of it.

        Args:
            text: the report.
            ok: whether it is good news.
            error: whether the call itself was no good.
        """
        self._write({"id": self._name, "ok": ok, "error": error, "text": text})

    def _write(self, answer: dict[str, object]) -> None:
        data = json.dumps(answer).encode() + b"\n"
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        deadline = time.monotonic() + _STUCK_SECONDS
        while data and not self._gone:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                self._gone = True
                return
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                self._gone = True
