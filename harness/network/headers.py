"""Which headers pass, and that the key does not."""

from __future__ import annotations

from collections.abc import Iterable

from harness.network.endpoint import Endpoint

Header = tuple[str, str]

# RFC 9110, 7.6.1: these are about one connection.
OF_ONE_CONNECTION = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
)
# Set anew by whoever sends, or a claim to be somebody.
_NOT_TO_ENDPOINT = OF_ONE_CONNECTION | {
    "host",
    "content-length",
    "content-encoding",
    "accept-encoding",
    "authorization",
    "proxy-authorization",
    "api-key",
    "x-api-key",
    "cookie",
    "openai-organization",
    "openai-project",
    "forwarded",
}
_NOT_TO_CLIENT = OF_ONE_CONNECTION | {
    "content-length",
    "content-encoding",
    "set-cookie",
    "location",
    "openai-organization",
    "openai-project",
}
_STANDS_FOR_KEY = b"[key]"


def for_endpoint(headers: Iterable[tuple[bytes, bytes]], endpoint: Endpoint) -> list[Header]:
    """A client's headers as the endpoint gets them: ours is the only word on who asks."""
    texts = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]
    named = {word.strip().lower() for name, value in texts if name == "connection" for word in value.split(",")}
    dropped = _NOT_TO_ENDPOINT | named
    kept = [(name, value) for name, value in texts if name not in dropped and not name.startswith("x-forwarded-")]
    # What comes back is looked into, so it must not be compressed.
    kept.append(("accept-encoding", "identity"))
    if endpoint.api_key:
        kept.append(("authorization", f"Bearer {endpoint.api_key}"))
    return kept


def for_client(headers: Iterable[Header], key: str | None) -> list[tuple[bytes, bytes]]:
    """The endpoint's headers as a client gets them."""
    kept = []
    for name, value in headers:
        if name.lower() not in _NOT_TO_CLIENT:
            redactor = Redactor(key)
            raw = value.encode("latin-1", "replace")
            kept.append((name.lower().encode("ascii"), redactor.feed(raw) + redactor.rest()))
    return kept


class Redactor:
    """Takes the key out of a stream of bytes: some endpoints repeat it when they refuse it.

    Nothing is held back but what may be the beginning of the key.
    """

    def __init__(self, key: str | None) -> None:
        self._key = (key or "").encode("ascii")
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What may go on with this piece."""
        if not self._key:
            return data
        data = (self._held + data).replace(self._key, _STANDS_FOR_KEY)
        longest = min(len(self._key) - 1, len(data))
        held = next((size for size in range(longest, 0, -1) if data.endswith(self._key[:size])), 0)
        self._held = data[len(data) - held :]
        return data[: len(data) - held]

    def rest(self) -> bytes:
        """What was held back, at the end: it was not the key."""
        held, self._held = self._held, b""
        return held
