"""An HTTP proxy that leads to named hosts and nowhere else, and writes down who asked for what.

Every connection carries one request, and what is passed on is made anew from what was understood: no request can
hide in another. RFC 9110, 7.6 and 9.3.6; RFC 9112, 3.2 and 6.3.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import h11

from harness.network.headers import OF_ONE_CONNECTION
from harness.network.hosts import Address, AllowedHosts, split
from harness.network.log import RequestLog
from harness.network.peer import Peer, join

Resolve = Callable[[str, int], Awaitable[list[Address]]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CONNECT_SECONDS = 15.0
_MOST_AT_ONCE = 256
# Where there are both, the first counts (RFC 9112, 6.3).
_FRAMING = (b"transfer-encoding", b"content-length")
_HTTP = "http://"


class _Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class _Visit:
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
        self.sent_bytes += size

    def received(self, size: int) -> None:
        self.received_bytes += size


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host, asked of this machine's resolver.

    Raises:
        OSError: it has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(each[4][0])) for each in found]


class HostProxy:
    """Call it with the two ends of a connection, as `asyncio.start_server` does."""

    def __init__(self, hosts: AllowedHosts, log: RequestLog, resolve: Resolve = resolve) -> None:
        self._hosts = hosts
        self._log = log
        self._resolve = resolve
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, and close it."""
        visit = _Visit(time.monotonic(), reason="ended with the attempt")
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        client = Peer(h11.SERVER, reader, writer)
        try:
            await self._serve(client, visit)
            visit.reason = None
        except _Refusal as refusal:
            visit.status, visit.reason = refusal.status, refusal.message
            await client.refuse(refusal.status, refusal.message)
        except h11.RemoteProtocolError as error:
            visit.status, visit.reason = error.error_status_hint, f"not HTTP as it should be: {error}"
            await client.refuse(error.error_status_hint, visit.reason)
        except OSError as error:
            visit.reason = f"cut off: {error or type(error).__name__}"
        finally:
            self._tasks.discard(task) if task is not None else None
            writer.close()
            self._write(visit)

    async def close(self) -> None:
        """End every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, client: Peer, visit: _Visit) -> None:
        request = await client.next_event()
        if not isinstance(request, h11.Request):
            raise _Refusal(400, "no request")
        visit.method, visit.target = request.method.decode("ascii"), request.target.decode("latin-1")
        if len(self._tasks) > _MOST_AT_ONCE:
            raise _Refusal(503, "too many connections at once")
        framing = [name for name, _ in request.headers if name in _FRAMING]
        if len(framing) > 1:
            raise _Refusal(400, "Content-Length and Transfer-Encoding together, or one of them twice")
        if visit.method == "CONNECT":
            if framing:
                raise _Refusal(400, "CONNECT with a body")
            await self._tunnel(client, visit)
        else:
            await self._pass_on(client, request, visit)

    async def _tunnel(self, client: Peer, visit: _Visit) -> None:
        parts = split(visit.target or "")
        if parts is None or parts[1] is None:
            raise _Refusal(400, "CONNECT takes HOST:PORT")
        server = await self._connect(parts[0], parts[1], visit)
        try:
            await client.next_event()  # the end of the request
            await client.send(h11.Response(status_code=200, headers=[], reason=b"Connection established"))
            visit.status = 200
            early, _ = client.connection.trailing_data
            server[1].write(early)
            visit.sent(len(early))
            await join((client.reader, client.writer), server, (visit.sent, visit.received))
        finally:
            server[1].close()

    async def _pass_on(self, client: Peer, request: h11.Request, visit: _Visit) -> None:
        host, port, target = _absolute(visit.target or "")
        server = Peer(h11.CLIENT, *await self._connect(host, port, visit))
        try:
            headers = [(b"host", (host if port == 80 else f"{host}:{port}").encode("ascii")), *_end_to_end(request)]
            await server.send(h11.Request(method=request.method, target=target, headers=headers))
            await _exchange(client, server, visit)
        finally:
            server.writer.close()

    async def _connect(self, host: str, port: int, visit: _Visit) -> Streams:
        """Connect to one of the host's addresses, which is looked at first and not asked for again.

        Raises:
            _Refusal: the host is not named, or leads to where only an address named itself may lead; or no answer.
        """
        if not self._hosts.allow(host, port):
            raise _Refusal(403, f"{host}:{port} is not among the hosts that --allow-host names: {self._hosts}")
        failure: Exception = OSError("no answer")
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                addresses = await self._resolve(host.strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise _Refusal(502, f"{host} has no address: {error or 'no answer'}") from error
        good = [address for address in addresses if self._hosts.allow_address(address, port)]
        if not good:
            where = ", ".join(sorted({str(address) for address in addresses}))
            raise _Refusal(403, f"{host} is at {where}, in this machine or its networks: name that address itself")
        visit.allowed = True
        for address in good:
            visit.address = str(address)
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(visit.address, port)
            except OSError as error:
                failure = error
        raise _Refusal(502, f"{host}:{port} cannot be reached: {failure or 'no answer'}")

    def _write(self, visit: _Visit) -> None:
        self._log.write(
            "proxy",
            method=visit.method,
            target=visit.target,
            allowed=visit.allowed,
            address=visit.address,
            status=visit.status,
            reason=visit.reason,
            sent_bytes=visit.sent_bytes,
            received_bytes=visit.received_bytes,
            seconds=round(time.monotonic() - visit.start, 3),
        )


def _absolute(target: str) -> tuple[str, int, str]:
    """Host, port and what follows them, of an address in absolute form."""
    if not target.lower().startswith(_HTTP):
        raise _Refusal(400, "this is a proxy: it takes CONNECT, and addresses that begin with http://")
    rest = target[len(_HTTP) :]
    end = next((place for place, letter in enumerate(rest) if letter in "/?#"), len(rest))
    parts = split(rest[:end])
    if parts is None or "#" in rest:
        raise _Refusal(400, "the address is not one of a host")
    path = rest[end:]
    return parts[0], parts[1] or 80, path if path.startswith("/") else f"/{path}"


def _end_to_end(message: h11.Request | h11.Response) -> list[tuple[bytes, bytes]]:
    """The headers that are for the other end, and how the message is framed."""
    named = {
        word.strip().lower() for name, value in message.headers if name == b"connection" for word in value.split(b",")
    }
    present = {name for name, _ in message.headers}
    framing = next((name for name in _FRAMING if name in present), None)
    kept = []
    for name, value in message.headers:
        text = name.decode("ascii")
        ours = text in OF_ONE_CONNECTION or text == "host" or text.startswith("proxy-") or name in named
        if name == framing or not (ours or name in _FRAMING):
            kept.append((name, value))
    return [*kept, (b"connection", b"close")]


async def _exchange(client: Peer, server: Peer, visit: _Visit) -> None:
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


async def _copy_request(client: Peer, server: Peer, visit: _Visit) -> None:
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


async def _copy_reply(server: Peer, client: Peer, visit: _Visit) -> None:
    while True:
        try:
            event = await server.next_event()
        except h11.RemoteProtocolError as error:
            raise _Refusal(502, f"the server does not speak HTTP: {error}") from error
        match event:
            case h11.InformationalResponse():
                continue
            case h11.Response() as response:
                visit.status = response.status_code
                await client.send(h11.Response(status_code=response.status_code, headers=_end_to_end(response)))
            case h11.Data(data=data):
                visit.received(len(data))
                await client.send(h11.Data(data=data))
            case h11.EndOfMessage():
                await client.send(h11.EndOfMessage())
                return
            case _:
                raise ConnectionAbortedError("the server has gone")
