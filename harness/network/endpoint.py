"""Where the model is, and the key to it, which stays out here."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.model_key import model_key

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks the Responses wire, Chat Completions, or both.

    Attributes:
        base_url: with the path that goes before `/responses` and the like, usually `/v1`.
        api_key: what the gateway, and nothing else, sends there; None for servers that want none.
        models: the names that may be asked for; empty for any. A budget in dollars holds for the models whose
            price it knows, so name them where there is one.
    """

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no address of a server.

        Raises:
            UsageError: it is not an http or https URL, or carries a query or a password.
        """
        url = urlsplit(self.base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise UsageError(
                f"{self.base_url!r} is not the address of a model server.",
                remedy="--base-url takes a URL such as http://127.0.0.1:8000/v1.",
            )
        if url.query or url.fragment or url.username or url.password:
            raise UsageError(
                f"The address of the model server ({url.hostname}) carries a query, a fragment or a password.",
                remedy="Put the key into OPENAI_API_KEY.",
            )
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise UsageError("The key in OPENAI_API_KEY has characters that no header can carry (a line break?).")

    @classmethod
    def from_environment(cls, base_url: str | None = None, models: tuple[str, ...] = ()) -> Endpoint:
        """The endpoint a user means: `base_url`, then OPENAI_BASE_URL, then OpenAI's own; key from OPENAI_API_KEY.

        Raises:
            UsageError: there is no key, and OpenAI's endpoint needs one; or the URL is none.
        """
        url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        key = model_key()
        if url is None and key is None:
            raise UsageError(
                "There is no key for the model's endpoint.",
                remedy="Set OPENAI_API_KEY, or name an endpoint that needs none (--base-url).",
            )
        return cls(url or OPENAI_URL, key, models)
