"""The Responses wire."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

from agent.messages import Message, ModelTurn, ToolCall, ToolResult, ToolSpec, Usage, UserMessage
from agent.meter import Meter
from agent.openai_body import BodyEncoder
from agent.openai_client import OpenAIBase, count
from agent.openai_retry import StreamFailed
from agent.text import clean

_NO_REASONING = re.compile(r"encrypted[ _]content", re.IGNORECASE)


class OpenAIResponsesModel(OpenAIBase):
    """The Responses wire. Nothing is stored at the provider: reasoning comes encrypted and is carried back."""

    def __init__(self, name: str, **options: Any) -> None:  # noqa: ANN401 - those of the base class
        super().__init__(name, **options)
        # Requests with the same key and the same beginning find each other's cache.
        self._cache_key = uuid.uuid4().hex
        self._encrypted = True
        self._encoder = BodyEncoder("input", _to_items)

    def ask(self, history: Sequence[Message], tools: Sequence[ToolSpec], meter: Meter) -> ModelTurn:
        """Ask once and read the stream to its end."""
        stream: Any = self._open(history, tools)
        meter.begin(history, tools)
        items: list[Any] = []
        with stream:
            for event in stream:
                if event.type == "response.output_item.done":
                    items.append(event.item)
                    meter.hear_whole(_said(event.item))
                elif event.type in ("response.completed", "response.incomplete"):
                    _report(meter, event.response)
                    return _turn_of(items or event.response.output, meter.bill())
                elif event.type == "response.failed":
                    _report(meter, event.response)
                    raise _failed(event.response)
                elif event.type == "error":
                    raise StreamFailed(event.message, event.code)
                elif event.type.endswith(".delta") and isinstance(event.delta, str):
                    meter.hear(event.delta)
        raise StreamFailed("the stream ended before the answer did")

    def _open(self, history: Sequence[Message], tools: Sequence[ToolSpec]) -> Any:  # noqa: ANN401 - the SDK's stream
        import openai  # noqa: PLC0415 - slow to import, needed only here
        from openai.types.responses import Response, ResponseStreamEvent  # noqa: PLC0415

        fields: dict[str, Any] = {
            "model": self.name,
            "tools": [{"type": "function", "strict": False, **tool.model_dump()} for tool in tools],
            "store": False,
            "prompt_cache_key": self._cache_key,
            "stream": True,
        }
        if self.effort:
            fields["reasoning"] = {"effort": self.effort}
        if self._encrypted:
            fields["include"] = ["reasoning.encrypted_content"]
        try:
            # Not through the SDK's typed method: it walks over every item of the history again, for every request.
            return self.client.post(
                "/responses",
                cast_to=Response,
                content=self._encoder.encode(history, fields),
                stream=True,
                stream_cls=openai.Stream[ResponseStreamEvent],
            )
        except openai.BadRequestError as error:
            if not self._encrypted or not _NO_REASONING.search(str(error)):
                raise
            # A model that does not reason has nothing to carry back, and its provider minds being asked for it.
            self._encrypted = False
            return self._open(history, tools)


def _report(meter: Meter, response: Any) -> None:  # noqa: ANN401 - the SDK's type, and it is imported late
    if response.usage is not None:
        meter.report(_responses_usage(response.usage))


def _failed(response: Any) -> StreamFailed:  # noqa: ANN401 - the SDK's type, and it is imported late
    error = response.error
    message = error.message if error else "the provider gave no reason"
    return StreamFailed(message, error.code if error else None)


def _to_items(message: Message) -> list[dict[str, Any]]:
    match message:
        case UserMessage():
            return [{"role": "user", "content": message.text}]
        case ToolResult():
            return [{"type": "function_call_output", "call_id": message.call_id, "output": message.output}]
        case ModelTurn():
            if message.provider_items:
                return message.provider_items
            said = [{"role": "assistant", "content": message.text}] if message.text else []
            called = [
                {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
                for call in message.tool_calls
            ]
            return [*said, *called]


def _said(item: Any) -> str:  # noqa: ANN401 - the SDK's type, and it is imported late
    """What a reader hears of an item: a message's text, a call's arguments."""
    if item.type == "function_call":
        return str(item.name + item.arguments)
    parts = item.content if item.type == "message" else []
    return "".join(getattr(part, "text", None) or getattr(part, "refusal", None) or "" for part in parts)


def _turn_of(items: Sequence[Any], usage: Usage) -> ModelTurn:
    said: list[str] = []
    calls: list[ToolCall] = []
    for item in items:
        if item.type == "function_call":
            calls.append(ToolCall(id=item.call_id, name=clean(item.name), arguments=clean(item.arguments)))
        elif item.type == "message":
            said.append(_said(item))
    # Only what the provider itself set goes back to it: it refuses fields it does not know.
    verbatim = [json.loads(clean(item.to_json(indent=None))) for item in items]
    return ModelTurn(text=clean("".join(said)), tool_calls=calls, usage=usage, provider_items=verbatim)


def _responses_usage(usage: Any) -> Usage:  # noqa: ANN401 - the SDK's type, in whole or in part
    return Usage(
        input=count(usage, "input_tokens"),
        cached=count(usage, "input_tokens_details", "cached_tokens"),
        output=count(usage, "output_tokens"),
        reasoning=count(usage, "output_tokens_details", "reasoning_tokens"),
    )
