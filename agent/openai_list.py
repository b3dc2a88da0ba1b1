"""What an endpoint offers: the answer to GET /models, in whatever shape a server gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agent.model import ModelError
from agent.openai_client import new_client
from agent.text import without_key

Problem = Literal["key", "unreachable", "no_list"]
_LIST_SECONDS = 15.0
# What servers call the length of a model's context: OpenRouter and LM Studio, vLLM, Together and others.
_CONTEXT_NAMES = ("context_length", "max_model_len", "max_context_length", "context_window")


class ListError(ModelError):
    """The endpoint does not say what it offers.

    Attributes:
        problem: `key` (missing or refused), `unreachable`, or `no_list` (it has no such list).
        status: the HTTP status it answered with, if it answered.
    """

    def __init__(self, message: str, problem: Problem, status: int | None = None) -> None:
        super().__init__(message, retryable=problem == "unreachable")
        self.problem: Problem = problem
        self.status = status


@dataclass(frozen=True)
class Offered:
    """One model of an endpoint's list; how much it reads where the server says so, in tokens."""

    name: str
    context_tokens: int | None = None


def list_models(
    *, base_url: str | None = None, api_key: str | None = None, seconds: float = _LIST_SECONDS
) -> list[Offered]:
    """What the endpoint offers, sorted by name.

    Args:
        base_url: the endpoint; OPENAI_BASE_URL, then OpenAI's own, when None.
        api_key: OPENAI_API_KEY when None.
        seconds: how long to wait for an answer.

    Raises:
        ListError: it cannot be asked, or does not say.
    """
    import openai  # noqa: PLC0415 - slow to import, needed only here

    try:
        client = new_client(base_url, api_key, seconds)
    except ModelError as error:
        raise ListError(str(error), "key") from error
    where = str(client.base_url).rstrip("/")
    try:
        body = client.models.with_raw_response.list().http_response.json()
    except openai.APIConnectionError as error:
        raise ListError(f"{where} cannot be reached: {error.__cause__ or error}.", "unreachable") from error
    except openai.APIStatusError as error:
        raise _refused(where, error.status_code, without_key(str(error), client.api_key)) from error
    except ValueError as error:
        raise ListError(f"{where}/models answers with something that is not JSON.", "no_list") from error
    return sorted(_entries(where, body), key=lambda offered: offered.name)


def _refused(where: str, status: int, said: str) -> ListError:
    if status in (401, 403):
        return ListError(f"{where} refuses the key in OPENAI_API_KEY (status {status}): {said}", "key", status)
    if status in (404, 405, 501):
        return ListError(f"{where} has no list of models (status {status} for {where}/models).", "no_list")
    return ListError(f"{where}/models failed with status {status}: {said}", "unreachable")


def _entries(where: str, body: object) -> list[Offered]:
    """OpenAI wraps the list in `data`, some servers in `models`, some not at all."""
    found = (body.get("data") or body.get("models") or []) if isinstance(body, Mapping) else body
    if not isinstance(found, list) or not isinstance(body, (Mapping, list)):
        raise ListError(f"{where}/models answers with something that is no list of models.", "no_list")
    return [offered for entry in found if (offered := _offered(entry)) is not None]


def _offered(entry: Any) -> Offered | None:  # noqa: ANN401 - a stranger's JSON
    if not isinstance(entry, Mapping):
        return None
    name = entry.get("id") or entry.get("name")
    sizes = [entry.get(key) for key in _CONTEXT_NAMES]
    known = [size for size in sizes if type(size) is int and size > 0]
    return Offered(name, known[0] if known else None) if isinstance(name, str) else None
