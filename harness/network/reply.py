"""Looks into a reply while it passes: what it cost, and which chunk of it was asked for by us alone."""

from __future__ import annotations

import json
from typing import Protocol

from agent.messages import Usage
from harness.network.asked import Asked
from harness.network.usage import EventReader, estimate_tokens, usage_of

# A plain reply is kept to be read at its end. One that is longer passes all the same; its cost is then an estimate.
_LONGEST_PLAIN_BYTES = 64 << 20


class Reply(Protocol):
    """A reply that passes."""

    @property
    def usage(self) -> Usage | None:
        """What it said it cost; None as long as it has not."""
        ...

    @property
    def written_tokens(self) -> int:
        """An estimate of what it said so far, for replies that never tell."""
        ...

    def feed(self, data: bytes) -> bytes:
        """What goes on to the client with this piece."""
        ...

    def finish(self) -> bytes:
        """What goes on to the client at the end."""
        ...


def reply_to(asked: Asked, content_type: str) -> Reply:
    """The reader for a reply of this type."""
    if content_type.partition(";")[0].strip().lower() == "text/event-stream":
        return _StreamedReply(hide_usage=asked.adds_usage)
    return _PlainReply()


class _StreamedReply:
    def __init__(self, *, hide_usage: bool) -> None:
        self._hide_usage = hide_usage
        self._reader = EventReader()

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage

    @property
    def written_tokens(self) -> int:
        return self._reader.written_tokens

    def feed(self, data: bytes) -> bytes:
        events = list(self._reader.feed(data))
        if not self._hide_usage:
            return data
        return b"".join(event.raw for event in events if not event.is_bare_usage)

    def finish(self) -> bytes:
        rest = self._reader.rest()
        return rest if self._hide_usage else b""


class _PlainReply:
    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.written_tokens = 0
        self._kept: bytearray | None = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._kept is not None:
            self._kept += data
            if self._size > _LONGEST_PLAIN_BYTES:
                self._kept = None
        self.written_tokens = self._size // 4
        return data

    def finish(self) -> bytes:
        try:
            body = json.loads(self._kept or b"null")
        except (ValueError, RecursionError):
            return b""
        self.usage = usage_of(body)
        self.written_tokens = estimate_tokens(body) if body is not None else self.written_tokens
        return b""
