"""Stands for the model's endpoint before a confined agent: holds the key, keeps the ledger, enforces the limits."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio

from agent.budget import Budget, LimitExceeded
from agent.messages import Usage
from harness.network.asked import Asked, Refused, understand
from harness.network.endpoint import Endpoint
from harness.network.log import RequestLog
from harness.network.relay import Exchange, Receive, Relay, Scope, Send, new_client

if TYPE_CHECKING:
    from starlette.requests import Request

# What the error that an agent gets is called when its budget is used up.
BUDGET_USED_UP = "budget_used_up"

_MOST_BODY_BYTES = 32 << 20
# How many requests may be read or with the endpoint at once: more wait. It bounds the memory that they take from us
# and, as what they cost is not known until they end, by how much a limit can be passed.
_AT_ONCE = 8
# How long a request may take to arrive, which comes from this machine: a few that never end must not keep out others.
_MOST_BODY_SECONDS = 60.0


class ReplyLost(Exception):
    """The endpoint went away in the middle of a reply, so the client must see it cut off as well."""


class ModelGateway:
    """An ASGI application, https://asgi.readthedocs.io/en/latest/specs/www.html.

    Attributes:
        token: what stands for the key inside; requests that do not carry it are refused.
        reported: the tokens that the endpoint said were used.
        estimated: those of replies that were cut off or told nothing, as far as we can say; charged as well.
        requests: how many calls of the model the endpoint took.
        used_up: the limit that the agent was told of; None as long as there is budget.
    """

    def __init__(
        self, endpoint: Endpoint, budget: Budget, log: RequestLog, *, most_body_seconds: float = _MOST_BODY_SECONDS
    ) -> None:
        self.token = f"not-a-key-{secrets.token_urlsafe(16)}"
        self.reported = Usage()
        self.estimated = Usage()
        self.requests = 0
        self.used_up: LimitExceeded | None = None
        self._endpoint = endpoint
        self._budget = budget
        self._log = log
        self._most_body_seconds = most_body_seconds
        self._relay: Relay | None = None
        self._under_way_tokens = 0
        self._room = anyio.Semaphore(_AT_ONCE)

    async def open(self, stack: AsyncExitStack) -> None:
        """Make ready to forward, until `stack` ends."""
        self._relay = Relay(self._endpoint, await stack.enter_async_context(new_client()), self._settle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            ReplyLost: for the server, which then cuts the connection.
        """
        if self._relay is None:
            raise RuntimeError("the gateway is not open")
        exchange = Exchange(scope["method"], scope["path"], time.monotonic())
        try:
            async with self._room:
                exchange.asked = await self._admit(scope, receive)
                self._reserve(exchange, exchange.asked)
                await self._relay.forward(exchange, exchange.asked, scope, receive, send)
        except Refused as refused:
            exchange.status, exchange.outcome = refused.status, refused.code
            self._settle(exchange)  # first: whoever has the answer may look at the ledger
            await _refuse(send, refused)
        finally:
            self._settle(exchange)
        if exchange.outcome == "lost":
            raise ReplyLost

    async def _admit(self, scope: Scope, receive: Receive) -> Asked:
        from starlette.requests import Request  # noqa: PLC0415 - slow to import

        request = Request(scope, receive)
        given = request.headers.get("authorization", "").encode()
        if not secrets.compare_digest(given, f"Bearer {self.token}".encode()):
            raise Refused(401, "invalid_api_key", "The key must be the one that OPENAI_API_KEY held at the start.")
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refused(415, "compressed", "Compressed requests are not let through; send the body as it is.")
        content = await self._read(request)
        path = scope["path"]
        if not path.startswith("/v1/"):
            raise Refused(404, "not_let_through", "There is nothing here but /v1/.")
        return understand(scope["method"], path.removeprefix("/v1/"), content, self._endpoint.models)

    async def _read(self, request: Request) -> bytes:
        from starlette.requests import ClientDisconnect  # noqa: PLC0415 - slow to import

        content = bytearray()
        try:
            with anyio.fail_after(self._most_body_seconds):
                async for piece in request.stream():
                    content += piece
                    if len(content) > _MOST_BODY_BYTES:
                        raise Refused(413, "too_large", f"The request is larger than {_MOST_BODY_BYTES >> 20} MiB.")
        except ClientDisconnect as gone:
            raise Refused(400, "aborted", "The request was cut off.") from gone
        except TimeoutError as late:
            took = f"{self._most_body_seconds:g} seconds"
            raise Refused(408, "too_slow", f"The request did not arrive whole within {took}.") from late
        return bytes(content)

    def _reserve(self, exchange: Exchange, asked: Asked) -> None:
        if not asked.billed:
            return
        try:
            self._budget.reserve_turn(asked.input_tokens + self._under_way_tokens)
        except LimitExceeded as limit:
            self.used_up = limit
            # Neither is retried where it is the custom: 400 by Codex, which speaks Responses, 403 by litellm.
            status = 400 if asked.path == "responses" else 403
            message = f"The budget of this attempt is used up: {limit}. Do not try again; end here, your work is kept."
            raise Refused(status, BUDGET_USED_UP, message) from limit
        exchange.reserved = True
        self._under_way_tokens += asked.input_tokens

    def _settle(self, exchange: Exchange) -> None:
        """Into the ledger and the log, once."""
        if exchange.settled:
            return
        exchange.settled = True
        asked = exchange.asked
        usage: Usage | None = None
        estimated: bool | None = None
        if asked is not None and exchange.reserved:
            self._under_way_tokens -= asked.input_tokens
            if exchange.status is not None and exchange.status >= 300:
                self._budget.steps -= 1  # the endpoint did no work
            else:
                usage, estimated = self._charge(exchange, asked)
        first = exchange.first_byte_seconds
        self._log.write(
            "model",
            method=exchange.method,
            path=exchange.path,
            model=asked.model if asked else None,
            stream=asked.stream if asked and asked.billed else None,
            status=exchange.status,
            outcome=exchange.outcome,
            tokens=usage.model_dump() if usage else None,
            estimated=estimated,
            seconds=round(time.monotonic() - exchange.start, 3),
            first_byte_seconds=None if first is None else round(first, 3),
        )

    def _charge(self, exchange: Exchange, asked: Asked) -> tuple[Usage, bool]:
        """Charge what the endpoint said, or else our estimate: hanging up early must not make a reply free."""
        self.requests += 1
        reply = exchange.reply
        if reply is not None and reply.usage is not None:
            self.reported += reply.usage
            self._budget.charge_turn(reply.usage)
            return reply.usage, False
        written = reply.written_tokens if reply else 0
        guessed = Usage(input=asked.input_tokens, output=written, estimated=asked.input_tokens + written)
        self.estimated += guessed
        self._budget.charge_turn(guessed)
        return guessed, True


async def _refuse(send: Send, refused: Refused) -> None:
    """Answer with an error as the API words it."""
    error = {"message": refused.message, "type": "perf_harness", "param": None, "code": refused.code}
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refused.status < 500:
        headers.append((b"x-should-retry", b"false"))  # the OpenAI SDKs' word for it
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
