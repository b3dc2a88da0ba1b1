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

import h11

from harness.network.absolute_form import FRAMING, NotPassed, Visit, absolute, end_to_end, exchange
from harness.network.hosts import Address, AllowedHosts, canonical, split
from harness.network.log import RequestLog
from harness.network.peer import Peer, join

Resolve = Callable[[str, int], Awaitable[list[Address]]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CONNECT_SECONDS = 15.0
_MOST_AT_ONCE = 256


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
        visit = Visit(time.monotonic(), reason="ended with the attempt")
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        client = Peer(h11.SERVER, reader, writer)
        try:
            await self._serve(client, visit)
            visit.reason = None
        except NotPassed as refusal:
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

    async def _serve(self, client: Peer, visit: Visit) -> None:
        request = await client.next_event()
        if not isinstance(request, h11.Request):
            raise NotPassed(400, "no request")
        visit.method, visit.target = request.method.decode("ascii"), request.target.decode("latin-1")
        if len(self._tasks) > _MOST_AT_ONCE:
            raise NotPassed(503, "too many connections at once")
        framing = [name for name, _ in request.headers if name in FRAMING]
        if len(framing) > 1:
            raise NotPassed(400, "Content-Length and Transfer-Encoding together, or one of them twice")
        if visit.method == "CONNECT":
            if framing:
                raise NotPassed(400, "CONNECT with a body")
            await self._tunnel(client, visit)
        else:
            await self._pass_on(client, request, visit)

    async def _tunnel(self, client: Peer, visit: Visit) -> None:
        parts = split(visit.target or "")
        if parts is None or parts[1] is None:
            raise NotPassed(400, "CONNECT takes HOST:PORT")
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

    async def _pass_on(self, client: Peer, request: h11.Request, visit: Visit) -> None:
        host, port, target = absolute(visit.target or "")
        server = Peer(h11.CLIENT, *await self._connect(host, port, visit))
        try:
            headers = [(b"host", (host if port == 80 else f"{host}:{port}").encode("ascii")), *end_to_end(request)]
            await server.send(h11.Request(method=request.method, target=target, headers=headers))
            await exchange(client, server, visit)
        finally:
            server.writer.close()

    async def _connect(self, host: str, port: int, visit: Visit) -> Streams:
        """Connect to one of the host's addresses, which is looked at first and not asked for again.

        Raises:
            NotPassed: the host is not named, or leads to where only an address named itself may lead; or no answer.
        """
        name = canonical(host)
        if name is None or not self._hosts.allow(name, port):
            raise NotPassed(403, f"{host}:{port} is not among the hosts that --allow-host names: {self._hosts}")
        failure: Exception = OSError("no answer")
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                addresses = await self._resolve(name, port)
        except (OSError, UnicodeError) as error:
            raise NotPassed(502, f"{host} has no address: {error or 'no answer'}") from error
        good = [address for address in addresses if self._hosts.allow_address(address, port)]
        if not good:
            where = ", ".join(sorted({str(address) for address in addresses}))
            raise NotPassed(403, f"{host} is at {where}, in this machine or its networks: name that address itself")
        visit.allowed = True
        for address in good:
            visit.address = str(address)
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(visit.address, port)
            except OSError as error:
                failure = error
        raise NotPassed(502, f"{host}:{port} cannot be reached: {failure or 'no answer'}")

    def _write(self, visit: Visit) -> None:
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
