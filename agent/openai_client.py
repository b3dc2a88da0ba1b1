"""What both of OpenAI's wires share: a client without retries of its own, and a model that retries once."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from agent.messages import Message, ModelTurn, ToolSpec
from agent.meter import Meter
from agent.model import ModelError
from agent.openai_retry import Retry, with_retries
from agent.text import without_key

if TYPE_CHECKING:
    from openai import OpenAI

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

CONNECT_SECONDS = 15.0
IDLE_SECONDS = 300.0


class OpenAIBase(ABC):
    """A model behind the API; the wires say how to ask it."""

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        effort: Effort | None = None,
        retry: Retry | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """Make a model.

        Args:
            name: the model's name at the endpoint.
            base_url: the endpoint; OPENAI_BASE_URL, then OpenAI's own, when None.
            api_key: OPENAI_API_KEY when None.
            effort: reasoning effort, for models that take one.
            retry: how patient to be.
            idle_seconds: longest silence of a stream before it counts as dead.
        """
        self.name = name
        self.effort = effort
        self._retry = retry or Retry()
        self.client = new_client(base_url, api_key, idle_seconds)

    def complete(self, history: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelTurn:
        """The next turn.

        Raises:
            ContextOverflow: the history is longer than the model can read.
            ModelError: the endpoint refuses, or stayed unreachable for as long as we wait.
        """
        try:
            turn = with_retries(lambda meter: self.ask(history, tools, meter), self._retry)
        except ModelError as error:
            error.args = (without_key(str(error), self.client.api_key),)
            raise
        said = turn.model_dump_json()
        shown = without_key(said, self.client.api_key)
        return turn if shown == said else ModelTurn.model_validate_json(shown)

    @abstractmethod
    def ask(self, history: Sequence[Message], tools: Sequence[ToolSpec], meter: Meter) -> ModelTurn:
        """Ask once, telling the meter what is sent and heard. Raises what the SDK raises, or StreamFailed."""


def new_client(base_url: str | None, api_key: str | None, idle_seconds: float) -> OpenAI:
    """The SDK's client, its own retries off.

    Raises:
        ModelError: there is no key, and OpenAI's endpoint needs one.
    """
    import openai  # noqa: PLC0415 - slow to import, needed only here

    url = base_url or os.environ.get("OPENAI_BASE_URL") or None
    key = api_key or os.environ.get("OPENAI_API_KEY")
    if not key and url is None:
        raise ModelError(
            "There is no key: set OPENAI_API_KEY, or name an endpoint that needs none (base URL).", retryable=False
        )
    timeout = openai.Timeout(idle_seconds, connect=min(CONNECT_SECONDS, idle_seconds))
    return openai.OpenAI(api_key=key or "none", base_url=url, max_retries=0, timeout=timeout)


def count(usage: Any, *path: str) -> int:  # noqa: ANN401 - the SDK's types, in whole or in part
    """A number inside a usage report, 0 where the server leaves it out."""
    for name in path:
        usage = getattr(usage, name, None)
    return int(usage or 0)
