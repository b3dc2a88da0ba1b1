"""Stands for the model's endpoint before a confined agent: holds the key, keeps the ledger, enforces the limits."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from agent.budget import Budget, LimitExceeded
from agent.messages import Usage
from harness.network.asked import Asked, Refused, understand
from harness.network.endpoint import Endpoint
from harness.network.headers import Redactor, for_client, for_endpoint
from harness.network.log import RequestLog
from harness.network.reply import Reply, reply_to

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# What an agent's error is called when its budget is used up.
BUDGET_USED_UP = "budget_used_up"

_CONNECT_SECONDS = 15.0
# The longest silence of an endpoint before it counts as dead, as in our own loop.
_IDLE_SECONDS = 300.0
# How long a reply is still listened to after its client has gone: what it cost is told at its very end.
_GRACE_SECONDS = 2.0
_MOST_BODY_BYTES = 64 << 20
# How many requests may be with the endpoint at once: more wait. What they cost is not known until they end, so this
# also bounds by how much a limit can be passed.
_AT_ONCE = 8


class ReplyLost(Exception):
    """The endpoint went away in the middle of a reply, so the client must see it cut off as well."""


@dataclass
class Exchange:
    """One request as the log and the ledger will have it."""

    method: str
    path: str
    start: float
    asked: Asked | None = None
    reserved: bool = False
    status: int | None = None
    reply: Reply | None = None
    first_byte_seconds: float | None = None
    outcome: str = "aborted"


class ModelGateway:
    """An ASGI application, https://asgi.readthedocs.io/en/latest/specs/www.html.

    Attributes:
        token: what stands for the key inside; requests that do not carry it are refused.
        reported: the tokens that the endpoint said were used.
        estimated: those of replies that were cut off or told nothing, as far as we can say; charged as well.
        requests: how many calls of the model the endpoint took.
        used_up: the limit that the agent was told of; None as long as there is budget.
    """

    def __init__(self, endpoint: Endpoint, budget: Budget, log: RequestLog) -> None:
        self.token = f"not-a-key-{secrets.token_urlsafe(16)}"
        self.reported = Usage()
        self.estimated = Usage()
        self.requests = 0
        self.used_up: LimitExceeded | None = None
        self._endpoint = endpoint
        self._budget = budget
        self._log = log
        self._under_way = 0
        self._room = anyio.Semaphore(_AT_ONCE)
        self._client: AsyncClient | None = None

    async def open(self, stack: AsyncExitStack) -> None:
        """Make the client; `stack` closes it."""
        import httpx2  # noqa: PLC0415 - slow to import

        timeout = httpx2.Timeout(_IDLE_SECONDS, connect=_CONNECT_SECONDS)
        self._client = await stack.enter_async_context(httpx2.AsyncClient(timeout=timeout))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            ReplyLost: for the server, which then cuts the connection.
        """
        exchange = Exchange(scope["method"], scope["path"], time.monotonic())
        try:
            exchange.asked = await self._admit(scope, receive)
            async with self._room:
                self._reserve(exchange, exchange.asked)
                await self._forward(exchange, exchange.asked, scope, receive, send)
        except Refused as refused:
            exchange.status, exchange.outcome = refused.status, refused.code
            await _refuse(send, refused)
        finally:
            self._settle(exchange)
        if exchange.outcome == "lost":
            raise ReplyLost

    async def _admit(self, scope: Scope, receive: Receive) -> Asked:
        from starlette.requests import ClientDisconnect, Request  # noqa: PLC0415 - slow to import

        request = Request(scope, receive)
        given = request.headers.get("authorization", "").encode()
        if not secrets.compare_digest(given, f"Bearer {self.token}".encode()):
            raise Refused(401, "invalid_api_key", "The key must be the one that OPENAI_API_KEY held at the start.")
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refused(415, "compressed", "Compressed requests are not let through; send the body as it is.")
        content = bytearray()
        try:
            async for piece in request.stream():
                content += piece
                if len(content) > _MOST_BODY_BYTES:
                    raise Refused(413, "too_large", f"The request is larger than {_MOST_BODY_BYTES >> 20} MiB.")
        except ClientDisconnect as gone:
            raise Refused(400, "cut_off", "The request was cut off.") from gone
        path = scope["path"]
        if not path.startswith("/v1/"):
            raise Refused(404, "not_let_through", "There is nothing here but /v1/.")
        return understand(scope["method"], path.removeprefix("/v1/"), bytes(content), self._endpoint.models)

    def _reserve(self, exchange: Exchange, asked: Asked) -> None:
        if not asked.billed:
            return
        try:
            self._budget.reserve_turn(asked.input_tokens + self._under_way)
        except LimitExceeded as limit:
            self.used_up = limit
            raise Refused(
                403,
                BUDGET_USED_UP,
                f"The budget of this attempt is used up: {limit}. Do not try again; end here, your work is kept.",
            ) from limit
        exchange.reserved = True
        self._under_way += asked.input_tokens

    async def _forward(self, exchange: Exchange, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the endpoint and pass on what it says as it says it, until either side ends it."""
        async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
            tasks.start_soon(_watch, receive, tasks.cancel_scope)
            response = await self._ask(exchange, asked, scope)
            stack.push_async_callback(response.aclose)
            exchange.first_byte_seconds = time.monotonic() - exchange.start
            if response.is_redirect:
                raise Refused(400, "redirect", f"The endpoint answers {response.status_code}: its address is another.")
            await self._pass_on(exchange, asked, response, send)
            tasks.cancel_scope.cancel()

    async def _ask(self, exchange: Exchange, asked: Asked, scope: Scope) -> Response:
        import httpx2  # noqa: PLC0415 - slow to import

        if self._client is None:
            raise RuntimeError("the gateway is not open")
        url = f"{self._endpoint.base_url.rstrip('/')}/{asked.path}"
        if query := scope["query_string"].decode("latin-1"):
            url += f"?{query}"
        headers = for_endpoint(scope["headers"], self._endpoint)
        request = self._client.build_request(
            scope["method"], url, headers=headers, content=asked.content if asked.billed else None
        )
        try:
            response = await self._client.send(request, stream=True)
        except httpx2.RequestError as error:
            what = str(error) or type(error).__name__
            raise Refused(502, "endpoint_unreachable", f"The model's endpoint cannot be reached: {what}.") from error
        exchange.status = response.status_code
        exchange.reply = reply_to(asked, response.headers.get("content-type", ""))
        return response

    async def _pass_on(self, exchange: Exchange, asked: Asked, response: Response, send: Send) -> None:
        import httpx2  # noqa: PLC0415 - slow to import

        reply = exchange.reply or reply_to(asked, "")
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
        await send({"type": "http.response.body", "body": last, "more_body": False})
        exchange.outcome = "answered"

    def _settle(self, exchange: Exchange) -> None:
        asked = exchange.asked
        usage: Usage | None = None
        estimated: bool | None = None
        if asked is not None and exchange.reserved:
            self._under_way -= asked.input_tokens
            if exchange.status is not None and exchange.status >= 300:
                self._budget.steps -= 1  # the endpoint did no work
            else:
                usage, estimated = self._charge(asked, exchange.reply)
        self._log.write(
            "model",
            method=exchange.method,
            path=exchange.path,
            model=asked.model if asked else None,
            stream=asked.stream if asked else None,
            status=exchange.status,
            outcome=exchange.outcome,
            tokens=usage.model_dump() if usage else None,
            estimated=estimated,
            seconds=round(time.monotonic() - exchange.start, 3),
            first_byte_seconds=None if exchange.first_byte_seconds is None else round(exchange.first_byte_seconds, 3),
        )

    def _charge(self, asked: Asked, reply: Reply | None) -> tuple[Usage, bool]:
        self.requests += 1
        usage = reply.usage if reply else None
        if usage is not None:
            self.reported += usage
        else:
            usage = Usage(input=asked.input_tokens, output=reply.written_tokens if reply else 0)
            self.estimated += usage
            self._budget.charge_turn(usage)
            return usage, True
        self._budget.charge_turn(usage)
        return usage, False


async def _watch(receive: Receive, scope: anyio.CancelScope) -> None:
    """Give up on a reply soon after its client has."""
    while (await receive())["type"] != "http.disconnect":
        continue
    scope.deadline = anyio.current_time() + _GRACE_SECONDS


async def _refuse(send: Send, refused: Refused) -> None:
    """Answer with an error as the API words it."""
    error = {"message": refused.message, "type": "perf_harness", "param": None, "code": refused.code}
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refused.status < 500:
        headers.append((b"x-should-retry", b"false"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
