"""Models behind the OpenAI API, on either of its wires."""

from __future__ import annotations

import os
from typing import Literal

from agent.model import Model
from agent.openai_chat import OpenAIChatModel
from agent.openai_client import Effort
from agent.openai_list import ListError, list_models
from agent.openai_responses import OpenAIResponsesModel
from agent.openai_retry import Retry

__all__ = ["OpenAIChatModel", "OpenAIResponsesModel", "new_model", "offered_context"]

Wire = Literal["auto", "responses", "chat"]
_LOOK_SECONDS = 5.0
_UNKNOWN_KEY = 401


def new_model(
    name: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    wire: Wire = "auto",
    effort: Effort | None = None,
    patience: float | None = None,
) -> Model:
    """A live model.

    Args:
        name: the model's name at the endpoint.
        base_url: the endpoint; OPENAI_BASE_URL, then OpenAI's own, when None.
        api_key: OPENAI_API_KEY when None; an endpoint other than OpenAI's may need none.
        wire: `auto` speaks Responses to OpenAI and Chat Completions, which every server has, to others.
        effort: reasoning effort, for models that take one.
        patience: seconds one call may spend waiting for an endpoint that is down or busy; the default when None.

    Raises:
        ModelError: there is no key, and OpenAI's endpoint needs one.
    """
    url = base_url or os.environ.get("OPENAI_BASE_URL")
    if wire == "auto":
        wire = "chat" if url and "api.openai.com" not in url else "responses"
    kind = OpenAIResponsesModel if wire == "responses" else OpenAIChatModel
    retry = Retry() if patience is None else Retry(max_wait=patience)
    return kind(name, base_url=url, api_key=api_key, effort=effort, retry=retry)


def offered_context(name: str, *, base_url: str, api_key: str | None = None) -> int | None:
    """How many tokens a model reads, if its endpoint lists it and says so. Not every server can be asked.

    Raises:
        ListError: the endpoint does not know the key (401), and so will not answer the model's calls either.
    """
    try:
        offered = list_models(base_url=base_url, api_key=api_key, seconds=_LOOK_SECONDS)
    except ListError as error:
        if error.status == _UNKNOWN_KEY:
            raise
        return None
    return next((each.context_tokens for each in offered if each.name == name), None)
