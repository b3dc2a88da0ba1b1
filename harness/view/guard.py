"""Who may ask, and what a browser may do with the answer: in front of every page, so that none can forget it."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "harness_view"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether a name or address to listen on is this machine's own and nobody else's."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """The name in a Host header, without its port and brackets, in lower case."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if header.count(":") == 1 else header


class Guard:
    """Lets reading requests through that name a host of ours and, where there is a token, carry it.

    The Host header is checked because of DNS rebinding: a page elsewhere can have its own name point to 127.0.0.1,
    and would then be of the same origin as these pages; but its name stays in the header.

    Args:
        app: what is guarded.
        hosts: names that a request may be made to; none where a token is asked for anyway.
        token: what a request has to carry, as a cookie, a bearer token or once in the address; None for no token.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str | None) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # A web socket has nothing to say here.
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        if scope["method"] not in ("GET", "HEAD"):
            await _say(send, 405, "These pages can only be read.", {"allow": "GET, HEAD"})
        elif self._token is None and host_name(headers.get("host", "")) not in self._hosts:
            await _say(send, 421, "This server answers to localhost only; see `harness view --help`.")
        elif self._token is None or self._carries(headers):
            await self._app(scope, receive, _guarded(send))
        elif (place := self._entering(scope)) is not None:
            cookie = f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            await _say(send, 303, "Welcome.", {"location": place, "set-cookie": cookie})
        else:
            await _say(send, 401, "Open the address that `harness view` printed: it holds the token.")

    def _carries(self, headers: dict[str, str]) -> bool:
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(value.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _entering(self, scope: Scope) -> str | None:
        """Where to send a browser that brought the token in its address: the same page without it."""
        asked = parse_qsl(scope["query_string"].decode("latin-1"))
        if not any(key == "token" and self._is_token(value) for key, value in asked):
            return None
        rest = urlencode([(key, value) for key, value in asked if key != "token"])
        # One slash: `//name` would be another host's address.
        path = "/" + quote(scope["path"].lstrip("/"))
        return f"{path}?{rest}" if rest else path

    def _is_token(self, value: str) -> bool:
        return self._token is not None and hmac.compare_digest(value.encode(), self._token.encode())


def _guarded(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(key, value) for key, value in message["headers"] if key.decode("latin-1") not in HEADERS]
            ours = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
            message = {**message, "headers": kept + ours}
        await send(message)

    return sending


async def _say(send: Send, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    body = f"{text}\n".encode()
    named = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(body)),
        **HEADERS,
        **(headers or {}),
    }
    raw = [(key.encode(), value.encode("latin-1")) for key, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
