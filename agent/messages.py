"""What passes between the loop and a model: typed, provider-free, append-only."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Usage(_Message):
    """Tokens as billed for one turn. `cached` is part of `input`, `reasoning` is part of `output`.

    `estimated` tells how many of `input` and `output` together are our own estimate, because the provider never
    said what it bills: 0 where all of it is the provider's count.
    """

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input=self.input + other.input,
            cached=self.cached + other.cached,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
            estimated=self.estimated + other.estimated,
        )


class ToolCall(_Message):
    """A call the model asked for. `arguments` is the JSON text as the model wrote it, parsable or not."""

    id: str
    name: str
    arguments: str


class UserMessage(_Message):
    """What the agent is told: the prompt, or a nudge from the loop."""

    kind: Literal["user"] = "user"
    text: str


class ModelTurn(_Message):
    """One answer of the model: text, tool calls, or both.

    `provider_items` are opaque items (encrypted reasoning, say) that the provider wants back verbatim.
    """

    kind: Literal["turn"] = "turn"
    text: str = ""
    tool_calls: list[ToolCall] = Field(default_factory=list)
    usage: Usage = Field(default_factory=Usage)
    provider_items: list[dict[str, Any]] = Field(default_factory=list)


class ToolResult(_Message):
    """What a tool call gave back, as the model is shown it."""

    kind: Literal["result"] = "result"
    call_id: str
    name: str
    output: str
    is_error: bool = False


Message = UserMessage | ModelTurn | ToolResult


class ToolSpec(_Message):
    """A tool as it is offered to a model: `parameters` is a JSON schema made from a pydantic model."""

    name: str
    description: str
    parameters: dict[str, Any]
