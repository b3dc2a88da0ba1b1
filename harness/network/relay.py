"""Asks the endpoint and passes on what it says, as it says it, until either side ends it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from harness.network.asked import Asked, Refused
from harness.network.endpoint import Endpoint
from harness.network.headers import Redactor, for_client, for_endpoint
from harness.network.reply import Reply, reply_to

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_CONNECT_SECONDS = 15.0
# The longest silence of an endpoint before it counts as dead, as in our own loop.
_IDLE_SECONDS = 300.0
# How long a reply is still listened to after its client has gone: what it cost is told at its very end.
_GRACE_SECONDS = 2.0


@dataclass
class Exchange:
    """One request, as far as it has come.

    Attributes:
        start: monotonic time.
        asked: what was understood; None as long as nothing was.
        reserved: whether a step of the budget was taken for it.
        status: what the client was answered.
        reply: what the endpoint says; None as long as it has not begun.
        first_byte_seconds: how long the endpoint took to begin.
        gone: whether the client has left.
        outcome: `answered`, `aborted` by the client, `lost` by the endpoint, or why it was refused.
        settled: whether it is in ledger and log.
    """

    method: str
    path: str
    start: float
    asked: Asked | None = None
    reserved: bool = False
    status: int | None = None
    reply: Reply | None = None
    first_byte_seconds: float | None = None
    gone: bool = False
    outcome: str = "aborted"
    settled: bool = False


class Relay:
    """The way to one endpoint."""

    def __init__(self, endpoint: Endpoint, client: AsyncClient, settle: Callable[[Exchange], None]) -> None:
        """Make one.

        Args:
            endpoint: where it leads.
            client: what it asks with.
            settle: called when all is known, just before the client learns that the reply is over.
        """
        self._endpoint = endpoint
        self._client = client
        self._settle = settle

    async def forward(self, exchange: Exchange, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request; how it went is in `exchange`.

        Raises:
            Refused: the endpoint cannot be reached.
        """
        refused: Refused | None = None
        async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
            tasks.start_soon(_watch, receive, exchange, tasks.cancel_scope)
            try:
                response = await self._ask(exchange, asked, scope)
                stack.push_async_callback(response.aclose)
                await self._pass_on(exchange, asked, response, send)
            except Refused as caught:
                refused = caught  # a task group would wrap it
            tasks.cancel_scope.cancel()
        if refused is not None:
            raise refused

    async def _ask(self, exchange: Exchange, asked: Asked, scope: Scope) -> Response:
        import httpx2  # noqa: PLC0415 - slow to import

        url = f"{self._endpoint.base_url.rstrip('/')}/{asked.path}"
        if query := scope["query_string"].decode("latin-1"):
            url += f"?{query}"
        headers = for_endpoint(scope["headers"], self._endpoint)
        content = asked.content if asked.billed else None
        request = self._client.build_request(scope["method"], url, headers=headers, content=content)
        try:
            response = await self._client.send(request, stream=True)
        except httpx2.RequestError as error:
            what = str(error) or type(error).__name__
            raise Refused(502, "endpoint_unreachable", f"The model's endpoint cannot be reached: {what}.") from error
        exchange.first_byte_seconds = time.monotonic() - exchange.start
        if response.is_redirect:
            await response.aclose()
            raise Refused(
                400, "redirect", f"The model's endpoint answers {response.status_code}: its address is another one."
            )
        return response

    async def _pass_on(self, exchange: Exchange, asked: Asked, response: Response, send: Send) -> None:
        import httpx2  # noqa: PLC0415 - slow to import

        exchange.status = response.status_code
        reply = exchange.reply = reply_to(asked, response.headers.get("content-type", ""))
        key = self._endpoint.api_key
        redactor = Redactor(key)
        headers = for_client(response.headers.multi_items(), key)
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        try:
            async for piece in response.aiter_bytes():
                if passing := redactor.feed(reply.feed(piece)):
                    await send({"type": "http.response.body", "body": passing, "more_body": True})
        except httpx2.RequestError:
            exchange.outcome = "lost"
            return
        last = redactor.feed(reply.finish()) + redactor.rest()
        exchange.outcome = "aborted" if exchange.gone else "answered"
        self._settle(exchange)
        await send({"type": "http.response.body", "body": last, "more_body": False})


def new_client() -> AsyncClient:
    """An HTTP client without retries: whoever asks retries, or two layers would multiply."""
    import httpx2  # noqa: PLC0415 - slow to import

    return httpx2.AsyncClient(timeout=httpx2.Timeout(_IDLE_SECONDS, connect=_CONNECT_SECONDS))


async def _watch(receive: Receive, exchange: Exchange, scope: anyio.CancelScope) -> None:
    """Give up on a reply soon after its client has."""
    while (await receive())["type"] != "http.disconnect":
        continue
    exchange.gone = True
    scope.deadline = anyio.current_time() + _GRACE_SECONDS
