"""What a reply says it cost, on both of OpenAI's wires, plain and streamed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent.messages import Usage

# Far beyond any event a server sends; what is longer is passed on and not looked into.
_LONGEST_EVENT_BYTES = 64 << 20
_END_OF_EVENT = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_CHARACTERS_A_TOKEN = 4


def usage_of(body: object) -> Usage | None:
    """The usage in a plain reply or in one event of a stream; None where it holds none."""
    if not isinstance(body, dict):
        return None
    inner = body.get("response")
    found = body.get("usage") or (inner.get("usage") if isinstance(inner, dict) else None)
    if not isinstance(found, dict):
        return None
    if "input_tokens" in found or "output_tokens" in found:
        names = ("input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details")
    else:
        names = ("prompt_tokens", "prompt_tokens_details", "completion_tokens", "completion_tokens_details")
    input_name, input_details, output_name, output_details = names
    return Usage(
        input=_count(found, input_name),
        cached=min(_count(found, input_details, "cached_tokens"), _count(found, input_name)),
        output=_count(found, output_name),
        reasoning=_count(found, output_details, "reasoning_tokens"),
    )


def estimate_tokens(body: object) -> int:
    """A forecast of the tokens a piece of JSON takes. Pictures and what is encrypted are not counted."""
    return _characters(body) // _CHARACTERS_A_TOKEN


@dataclass(frozen=True)
class Event:
    """One server-sent event: the bytes as they came, and what its data says; None where that is not JSON."""

    raw: bytes
    body: Any

    @property
    def is_bare_usage(self) -> bool:
        """Whether it is the chunk that Chat Completions adds for usage alone."""
        return isinstance(self.body, dict) and self.body.get("choices") == [] and bool(self.body.get("usage"))


class EventReader:
    """Cuts a stream of bytes into events, and keeps the last usage that one of them told.

    https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.written_tokens = 0
        self._characters = 0
        self._rest = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that are whole with this piece."""
        self._rest += data
        start = 0
        while end := _END_OF_EVENT.search(self._rest, max(start, self._searched)):
            yield self._event(bytes(self._rest[start : end.end()]))
            start = self._searched = end.end()
        del self._rest[:start]
        # The end of an event may be cut in two by the next piece.
        self._searched = max(0, len(self._rest) - 3)
        if len(self._rest) > _LONGEST_EVENT_BYTES:
            yield Event(self.rest(), None)

    def rest(self) -> bytes:
        """What is left when the stream ends in the middle of an event."""
        left = bytes(self._rest)
        self._rest.clear()
        self._searched = 0
        return left

    def _event(self, raw: bytes) -> Event:
        lines = [line[5:].removeprefix(b" ") for line in raw.splitlines() if line.startswith(b"data:")]
        try:
            body = json.loads(b"\n".join(lines))
        except (ValueError, RecursionError):
            return Event(raw, None)
        self.usage = usage_of(body) or self.usage
        self._characters += _written(body)
        self.written_tokens = -(-self._characters // _CHARACTERS_A_TOKEN)
        return Event(raw, body)


def _count(found: dict[str, Any], *path: str) -> int:
    value: Any = found
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _characters(body: object) -> int:
    total, left = 0, [body]
    while left:
        each = left.pop()
        if isinstance(each, str):
            total += 0 if each.startswith("data:") else len(each)
        elif isinstance(each, dict):
            total += sum(map(len, each))
            left += [value for key, value in each.items() if key != "encrypted_content"]
        elif isinstance(each, list):
            left += each
    return total


def _written(body: object) -> int:
    """How many characters of its answer a model has written with this event."""
    if not isinstance(body, dict):
        return 0
    if isinstance(body.get("delta"), str):
        return len(body["delta"])
    choices = body.get("choices")
    deltas = (
        [choice.get("delta") for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    )
    return sum(_characters([*delta.values()]) for delta in deltas if isinstance(delta, dict))
