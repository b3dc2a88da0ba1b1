"""A forecast of how many tokens messages take. Billing goes by the provider's count wherever there is one."""

from __future__ import annotations

from collections.abc import Sequence

from agent.messages import Message, ModelTurn, ToolResult, ToolSpec, UserMessage

CHARS_PER_TOKEN = 4
_MESSAGE_TOKENS = 8


def estimate_tokens(messages: Sequence[Message]) -> int:
    """The tokens these messages take, at four characters each."""
    return sum(message_tokens(message) for message in messages)


def tool_tokens(tools: Sequence[ToolSpec]) -> int:
    """The tokens the descriptions of the tools take: they are part of every request."""
    return sum(text_tokens(tool.model_dump_json()) for tool in tools)


def text_tokens(text: str) -> int:
    """The tokens a text takes."""
    return len(text) // CHARS_PER_TOKEN


def message_tokens(message: Message) -> int:
    """The tokens one message takes."""
    match message:
        case UserMessage():
            chars = len(message.text)
        case ToolResult():
            chars = len(message.output)
        case ModelTurn():
            if message.usage.output and not message.usage.estimated:
                # The provider counted it, reasoning and all, when it wrote it.
                return message.usage.output + _MESSAGE_TOKENS
            chars = len(message.text) + sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
    return chars // CHARS_PER_TOKEN + _MESSAGE_TOKENS
