"""Passing one request in absolute form on, and its answer back: both made anew from what was understood."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import h11

from harness.network.headers import OF_ONE_CONNECTION
from harness.network.hosts import split
from harness.network.peer import Peer

# Where there are both, the first counts (RFC 9112, 6.3).
FRAMING = (b"transfer-encoding", b"content-length")
_HTTP = "http://"


class NotPassed(Exception):
    """The request is answered by the proxy itself, with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class Visit:
    """One connection as the log will have it."""

    start: float
    method: str | None = None
    target: str | None = None
    allowed: bool = False
    address: str | None = None
    status: int | None = None
    reason: str | None = None
    sent_bytes: int = 0
    received_bytes: int = 0

    def sent(self, size: int) -> None:
        """Count bytes of the client's."""
        self.sent_bytes += size

    def received(self, size: int) -> None:
        """Count bytes for the client."""
        self.received_bytes += size


def absolute(target: str) -> tuple[str, int, str]:
    """Host, port and what follows them, of an address in absolute form."""
    if not target.lower().startswith(_HTTP):
        raise NotPassed(400, "this is a proxy: it takes CONNECT, and addresses that begin with http://")
    rest = target[len(_HTTP) :]
    end = next((place for place, letter in enumerate(rest) if letter in "/?#"), len(rest))
    parts = split(rest[:end])
    if parts is None or "#" in rest:
        raise NotPassed(400, "the address is not one of a host")
    path = rest[end:]
    return parts[0], parts[1] or 80, path if path.startswith("/") else f"/{path}"


def end_to_end(message: h11.Request | h11.Response) -> list[tuple[bytes, bytes]]:
    """The headers that are for the other end, and how the message is framed."""
    named = {
        word.strip().lower() for name, value in message.headers if name == b"connection" for word in value.split(b",")
    }
    present = {name for name, _ in message.headers}
    framing = next((name for name in FRAMING if name in present), None)
    kept = []
    for name, value in message.headers:
        text = name.decode("ascii")
        ours = text in OF_ONE_CONNECTION or text == "host" or text.startswith("proxy-") or name in named
        if name == framing or not (ours or name in FRAMING):
            kept.append((name, value))
    return [*kept, (b"connection", b"close")]


async def exchange(client: Peer, server: Peer, visit: Visit) -> None:
    """Pass on the body and the answer side by side: a server may answer, and end, before it has the whole request."""
    asking = asyncio.create_task(_copy_request(client, server, visit))
    replying = asyncio.create_task(_copy_reply(server, client, visit))
    try:
        done, _ = await asyncio.wait({asking, replying}, return_when=asyncio.FIRST_COMPLETED)
        if replying not in done:
            asking.result()
        await replying
    finally:
        asking.cancel()
        replying.cancel()
        await asyncio.gather(asking, replying, return_exceptions=True)


async def _copy_request(client: Peer, server: Peer, visit: Visit) -> None:
    while True:
        if client.connection.they_are_waiting_for_100_continue and client.connection.our_state is h11.SEND_RESPONSE:
            await client.send(h11.InformationalResponse(status_code=100, headers=[]))
        match await client.next_event():
            case h11.Data(data=data):
                visit.sent(len(data))
                await server.send(h11.Data(data=data))
            case h11.EndOfMessage():
                await server.send(h11.EndOfMessage())
                return
            case _:
                raise ConnectionAbortedError("the client has gone")


async def _copy_reply(server: Peer, client: Peer, visit: Visit) -> None:
    while True:
        try:
            event = await server.next_event()
        except h11.RemoteProtocolError as error:
            raise NotPassed(502, f"the server does not speak HTTP: {error}") from error
        match event:
            case h11.InformationalResponse():
                continue
            case h11.Response() as response:
                visit.status = response.status_code
                await client.send(h11.Response(status_code=response.status_code, headers=end_to_end(response)))
            case h11.Data(data=data):
                visit.received(len(data))
                await client.send(h11.Data(data=data))
            case h11.EndOfMessage():
                await client.send(h11.EndOfMessage())
                return
            case _:
                raise ConnectionAbortedError("the server has gone")
