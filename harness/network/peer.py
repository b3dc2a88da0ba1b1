"""One end of an HTTP/1.1 connection: h11 knows the protocol, asyncio the bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import h11

_IDLE_SECONDS = 300.0
_LINGER_SECONDS = 1.0
_CHUNK = 65_536


class Peer:
    """A client or a server, as seen from between them."""

    def __init__(
        self, role: type[h11.CLIENT | h11.SERVER], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connection = h11.Connection(role)
        self.reader = reader
        self.writer = writer

    async def next_event(self) -> h11.Event:
        """What comes next.

        Raises:
            h11.RemoteProtocolError: it is not HTTP.
            OSError: the connection broke, or was silent for too long (TimeoutError).
        """
        while True:
            event = self.connection.next_event()
            if event is h11.PAUSED:
                raise h11.RemoteProtocolError("more than one request on a connection")
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value] # the two words that are no events are dealt with
            async with asyncio.timeout(_IDLE_SECONDS):
                self.connection.receive_data(await self.reader.read(_CHUNK))

    async def send(self, event: h11.Event) -> None:
        """Say it, at the other end's pace.

        Raises:
            h11.LocalProtocolError: it cannot be said now.
            OSError: the connection broke.
        """
        self.writer.write(self.connection.send(event) or b"")
        await self.writer.drain()

    async def refuse(self, status: int, message: str) -> None:
        """Answer with an error, unless an answer has begun; the connection is of no more use afterwards."""
        if self.connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        text = f"{message}.\n".encode()
        headers = [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(text)))]
        with contextlib.suppress(OSError):
            await self.send(h11.Response(status_code=status, headers=[*headers, ("connection", "close")]))
            await self.send(h11.Data(data=text))
            await self.send(h11.EndOfMessage())
            self.writer.write_eof()
            # Closing while the client still sends would take the answer away from it.
            async with asyncio.timeout(_LINGER_SECONDS):
                while await self.reader.read(_CHUNK):
                    continue


async def join(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    other: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    count: tuple[Callable[[int], None], Callable[[int], None]],
) -> None:
    """Copy both ways until both sides have said all, or one breaks.

    Raises:
        OSError: one broke.
    """
    ways = [
        asyncio.ensure_future(_copy(one[0], other[1], count[0])),
        asyncio.ensure_future(_copy(other[0], one[1], count[1])),
    ]
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        for way in done:
            way.result()
    finally:
        for way in ways:
            way.cancel()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]) -> None:
    while data := await reader.read(_CHUNK):
        count(len(data))
        writer.write(data)
        await writer.drain()
    writer.write_eof()
