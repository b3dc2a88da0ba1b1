"""Runs the servers outside for as long as a block lasts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import anyio

from harness.network.gateway import ModelGateway, ReplyLost
from harness.network.proxy import HostProxy

if TYPE_CHECKING:
    from uvicorn import Server

_TICK_SECONDS = 0.005
# Clients keep connections for as long as their agent thinks; one closed by us would look like a failure to them.
_KEEP_ALIVE_SECONDS = 24 * 3600
_SHUTDOWN_SECONDS = 4


@contextlib.asynccontextmanager
async def serving_gateway(gateway: ModelGateway, listener: socket.socket) -> AsyncIterator[None]:
    """Serve until the block ends; replies under way then get a moment to end by themselves."""
    import uvicorn  # noqa: PLC0415 - slow to import

    _quiet()
    config = uvicorn.Config(
        gateway,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    server = uvicorn.Server(config)
    async with contextlib.AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        await gateway.open(stack)
        tasks.start_soon(partial(server.serve, sockets=[listener]))
        await _until_started(server)
        try:
            yield
        finally:
            server.should_exit = True


@contextlib.asynccontextmanager
async def serving_proxy(proxy: HostProxy, listener: socket.socket) -> AsyncIterator[None]:
    """Serve until the block ends, and no longer."""
    server = await asyncio.start_server(proxy, sock=listener)
    try:
        yield
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()


async def _until_started(server: Server) -> None:
    while not server.started:
        await anyio.sleep(_TICK_SECONDS)


def _quiet() -> None:
    """The server would print a traceback for every lost reply, and a line for every client that speaks no HTTP."""
    logger = logging.getLogger("uvicorn.error")
    if _is_trouble not in logger.filters:
        logger.addFilter(_is_trouble)


def _is_trouble(record: logging.LogRecord) -> bool:
    lost = record.exc_info and isinstance(record.exc_info[1], ReplyLost)
    return record.levelno >= logging.ERROR and not lost
