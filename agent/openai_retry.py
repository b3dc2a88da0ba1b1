"""The one place where a call of a model is tried again. The SDK's own retries are off: two layers multiply."""

from __future__ import annotations

import importlib
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from agent.messages import ModelTurn, Usage
from agent.meter import Meter
from agent.model import ContextOverflow, ModelError

_NOT_FOUND = 404
_RETRYABLE_STATUS = frozenset({408, 409, 429})
# These come with a status or at a moment that looks passing, and are not.
_FINAL_CODES = frozenset(
    {"insufficient_quota", "context_length_exceeded", "invalid_prompt", "invalid_api_key", "model_not_found"}
)
# How servers say that a request is too long: OpenAI and vLLM, llama.cpp, SGLang, OpenRouter and others.
_OVERFLOW_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"})
_OVERFLOW_WORDS = re.compile(
    r"context[ _-]?(?:length|window|size)|maximum context|(?:prompt|input|request) (?:is )?too long",
    re.IGNORECASE,
)
_WINDOW = re.compile(
    r"(?:maximum (?:context|input) length (?:is|of)|context[ _-]?(?:length|window|size)(?: (?:is|of))?)\D{0,3}(\d{3,})"
    r"|> ?(\d{3,})(?: tokens)? maximum",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Retry:
    """How patient to be, in seconds.

    Attributes:
        max_wait: most that one call may spend waiting: pauses between tries, and tries that timed out.
        first: the first pause; each next one is twice as long, up to `longest`, and then a random part of that.
        longest: the longest pause of our own choosing; a server's Retry-After may ask for more.
    """

    max_wait: float = 120.0
    first: float = 1.0
    longest: float = 30.0


class StreamFailed(Exception):
    """A stream that began and did not end as it should: cut off, or ended by the provider with an error.

    Attributes:
        code: the provider's word for it, if it gave one.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


def with_retries(attempt: Callable[[Meter], ModelTurn], retry: Retry) -> ModelTurn:
    """Call until there is a turn.

    What failed tries were billed is added to the turn's usage, so that the ledger misses nothing.

    Args:
        attempt: one try, which tells the meter what it sends and hears.
        retry: how patient to be.

    Raises:
        ContextOverflow: the request is too long for the model.
        ModelError: the failure is not one that passes, or waiting longer is not allowed.
    """
    passing = _passing_errors()
    waited = 0.0
    billed = Usage()
    pause = retry.first
    while True:
        start = time.monotonic()
        meter = Meter()
        try:
            turn = attempt(meter)
            return turn.model_copy(update={"usage": turn.usage + billed})
        except passing as error:
            billed += meter.bill()
            if _overflows(error):
                raise ContextOverflow(_say(error), window=_window(error), usage=billed) from error
            if not _passes(error):
                raise ModelError(_say(error), retryable=False, usage=billed) from error
            if _timed_out(error):
                waited += time.monotonic() - start
            delay = _asked_for(error)
            if delay is None:
                delay = pause * random.uniform(0.5, 1.0)
            pause = min(2 * pause, retry.longest)
            if waited + delay > retry.max_wait:
                what = f"{_say(error)} Gave up after {waited:.0f} s of waiting (limit {retry.max_wait:g} s)."
                raise ModelError(what, retryable=True, usage=billed) from error
        time.sleep(delay)
        waited += delay


def _passing_errors() -> tuple[type[Exception], ...]:
    """Everything a call can fail with on its way; which of them pass is for `_passes` to say."""
    import openai  # noqa: PLC0415 - only a run with a live model pays for the import

    transports: list[type[Exception]] = []
    # Older SDKs let errors of their HTTP library through while a stream is read, and they differ in the library.
    for library in ("httpx", "httpx2"):
        try:
            transports.append(importlib.import_module(library).TransportError)
        except ImportError:
            continue
    return (openai.APIError, StreamFailed, json.JSONDecodeError, *transports)


def _overflows(error: Exception) -> bool:
    """Whether the request was too long. Many servers say so only in words, with a status that means any mistake."""
    if _OVERFLOW_CODES & {str(getattr(error, "code", None)), str(getattr(error, "type", None))}:
        return True
    refused = getattr(error, "status_code", None) in (400, 413, 422)
    return refused and _OVERFLOW_WORDS.search(str(error)) is not None


def _window(error: Exception) -> int | None:
    """How long a request may be, where the server's words hold the number."""
    found = _WINDOW.search(str(error))
    return int(found.group(1) or found.group(2)) if found else None


def _passes(error: Exception) -> bool:
    if getattr(error, "code", None) in _FINAL_CODES:
        return False
    status = getattr(error, "status_code", None)
    return status is None or status in _RETRYABLE_STATUS or status >= 500


def _timed_out(error: Exception) -> bool:
    return "Timeout" in type(error).__name__


def _asked_for(error: Exception) -> float | None:
    """Seconds the server asks to wait: Retry-After as a number or a date (RFC 9110, 10.2.3)."""
    response = getattr(error, "response", None)
    value = response.headers.get("retry-after") if response is not None else None
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _say(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    what = str(error).strip() or type(error).__name__
    if isinstance(error, json.JSONDecodeError):
        what = f"the stream carried something that is not JSON ({what})"
    what = what.rstrip(".") + "."
    if status == _NOT_FOUND:
        what += " Are --base-url (most end in /v1), --wire and the model's name right?"
    return f"The model's endpoint failed{f' with status {status}' if status else ''}: {what}"
