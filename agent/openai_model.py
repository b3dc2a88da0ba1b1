"""Models behind the OpenAI API, on either of its wires."""

from __future__ import annotations

import os
from typing import Literal

from agent.model import Model, ModelError
from agent.openai_chat import OpenAIChatModel
from agent.openai_client import CONNECT_SECONDS, Effort, new_client
from agent.openai_responses import OpenAIResponsesModel

__all__ = ["OpenAIChatModel", "OpenAIResponsesModel", "list_models", "new_model"]

Wire = Literal["auto", "responses", "chat"]


def new_model(
    name: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    wire: Wire = "auto",
    effort: Effort | None = None,
) -> Model:
    """A live model.

    Args:
        name: the model's name at the endpoint.
        base_url: the endpoint; OPENAI_BASE_URL, then OpenAI's own, when None.
        api_key: OPENAI_API_KEY when None; an endpoint other than OpenAI's may need none.
        wire: `auto` speaks Responses to OpenAI and Chat Completions, which every server has, to others.
        effort: reasoning effort, for models that take one.

    Raises:
        ModelError: there is no key, and OpenAI's endpoint needs one.
    """
    url = base_url or os.environ.get("OPENAI_BASE_URL")
    if wire == "auto":
        wire = "chat" if url and "api.openai.com" not in url else "responses"
    kind = OpenAIResponsesModel if wire == "responses" else OpenAIChatModel
    return kind(name, base_url=url, api_key=api_key, effort=effort)


def list_models(*, base_url: str | None = None, api_key: str | None = None) -> list[str]:
    """The names the endpoint offers, sorted.

    Raises:
        ModelError: it cannot be asked.
    """
    import openai  # noqa: PLC0415 - slow to import, needed only here

    try:
        return sorted(model.id for model in new_client(base_url, api_key, CONNECT_SECONDS).models.list())
    except openai.APIError as error:
        raise ModelError(f"The endpoint does not list its models: {error}", retryable=True) from error
