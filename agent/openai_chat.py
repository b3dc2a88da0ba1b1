"""The Chat Completions wire, for the many servers that speak only that."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

from agent.messages import Message, ModelTurn, ToolCall, ToolResult, ToolSpec, Usage, UserMessage
from agent.meter import Meter
from agent.openai_body import BodyEncoder
from agent.openai_client import OpenAIBase, count
from agent.openai_retry import StreamFailed
from agent.text import clean


class OpenAIChatModel(OpenAIBase):
    """The Chat Completions wire. A server that reports no usage is charged by an estimate, so that limits hold."""

    def __init__(self, name: str, **options: Any) -> None:  # noqa: ANN401 - those of the base class
        super().__init__(name, **options)
        self._encoder = BodyEncoder("messages", lambda message: [_to_chat(message)])

    def ask(self, history: Sequence[Message], tools: Sequence[ToolSpec], meter: Meter) -> ModelTurn:
        """Ask once and read the stream to its end."""
        from openai import Stream  # noqa: PLC0415 - slow to import, needed only here
        from openai.types.chat import ChatCompletion, ChatCompletionChunk  # noqa: PLC0415

        fields: dict[str, Any] = {
            "model": self.name,
            "tools": [{"type": "function", "function": tool.model_dump()} for tool in tools],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.effort:
            fields["reasoning_effort"] = self.effort
        # Not through the SDK's typed method: it walks over every item of the history again, for every request.
        stream = self.client.post(
            "/chat/completions",
            cast_to=ChatCompletion,
            content=self._encoder.encode(_merged(history), fields),
            stream=True,
            stream_cls=Stream[ChatCompletionChunk],
        )
        meter.begin(history, tools)
        said: list[str] = []
        calls = _CallPieces()
        finished = False
        with stream:
            for chunk in stream:
                if chunk.usage is not None:
                    meter.report(_chat_usage(chunk.usage))
                for choice in chunk.choices[:1]:
                    said.append(choice.delta.content or "")
                    meter.hear(said[-1])
                    for piece in choice.delta.tool_calls or []:
                        meter.hear(calls.add(piece))
                    finished = finished or choice.finish_reason is not None
        if not finished:
            raise StreamFailed("the stream ended before the answer did")
        return ModelTurn(text=clean("".join(said)), tool_calls=calls.whole(), usage=meter.bill())


class _CallPieces:
    """Tool calls as they come in pieces. A piece belongs to the last call of its index, unless it has a new id."""

    def __init__(self) -> None:
        self._calls: list[dict[str, str]] = []
        self._by_index: dict[int | None, dict[str, str]] = {}

    def add(self, piece: Any) -> str:  # noqa: ANN401 - the SDK's type, and it is imported late
        """Put a piece in its place; gives back what it said."""
        call = self._by_index.get(piece.index)
        if call is None or (piece.id and piece.id != call["id"]):
            call = {"id": piece.id or f"call_{uuid.uuid4().hex[:12]}", "name": "", "arguments": ""}
            self._by_index[piece.index] = call
            self._calls.append(call)
        name = (piece.function.name or "") if piece.function is not None else ""
        arguments = (piece.function.arguments or "") if piece.function is not None else ""
        call["name"] += name
        call["arguments"] += arguments
        return name + arguments

    def whole(self) -> list[ToolCall]:
        return [
            ToolCall(id=call["id"], name=clean(call["name"]), arguments=clean(call["arguments"]))
            for call in self._calls
        ]


def _merged(history: Sequence[Message]) -> list[Message]:
    """The history with user messages in a row made one: some chat templates insist on turns."""
    merged: list[Message] = []
    for message in history:
        before = merged[-1] if merged else None
        if isinstance(message, UserMessage) and isinstance(before, UserMessage):
            merged[-1] = UserMessage(text=f"{before.text}\n\n{message.text}")
        else:
            merged.append(message)
    return merged


def _to_chat(message: Message) -> dict[str, Any]:
    match message:
        case UserMessage():
            return {"role": "user", "content": message.text}
        case ToolResult():
            return {"role": "tool", "tool_call_id": message.call_id, "content": message.output}
        case ModelTurn():
            if not message.tool_calls:
                return {"role": "assistant", "content": message.text}
            calls = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _json_object(call)}}
                for call in message.tool_calls
            ]
            return {"role": "assistant", "content": message.text or None, "tool_calls": calls}


def _json_object(call: ToolCall) -> str:
    """The call's arguments, safe to send back: chat templates parse them, and the server fails where they cannot."""
    try:
        sound = isinstance(json.loads(call.arguments), dict)
    except (json.JSONDecodeError, RecursionError):
        sound = False
    return call.arguments if sound else json.dumps({"unparsable": call.arguments} if call.arguments else {})


def _chat_usage(usage: Any) -> Usage:  # noqa: ANN401 - the SDK's type, in whole or in part
    return Usage(
        input=count(usage, "prompt_tokens"),
        cached=count(usage, "prompt_tokens_details", "cached_tokens"),
        output=count(usage, "completion_tokens"),
        reasoning=count(usage, "completion_tokens_details", "reasoning_tokens"),
    )
