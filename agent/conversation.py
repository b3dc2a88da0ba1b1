"""A session as a conversation: what was told, said, called and answered, call and answer together.

Made for whoever shows or exports a session; nothing is shortened here and nothing is made safe to print.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agent.messages import ModelTurn, ToolCall, ToolResult
from agent.trajectory import (
    ContextCompacted,
    Ended,
    LimitReached,
    Prompted,
    ToolEnded,
    ToolStarted,
    TrajectoryEvent,
    TurnTaken,
)


@dataclass
class CallMade:
    """A call and what came of it. `result` is None where the session ended inside the tool, or before it began."""

    call: ToolCall
    result: ToolResult | None = None
    started: bool = False
    at: str = ""
    seconds: float = 0.0


@dataclass
class Said:
    """One answer of the model, with its calls. Times are ISO 8601, empty where they are not known."""

    step: int
    at: str
    seconds: float
    turn: ModelTurn
    calls: list[CallMade] = field(default_factory=list)

    @property
    def reasoning(self) -> str:
        """What the provider let be seen of the model's reasoning."""
        return reasoning_of(self.turn)


@dataclass
class Told:
    """What the agent was told: the prompt first, reminders later."""

    at: str
    text: str


Part = Told | Said | ContextCompacted | LimitReached | Ended


def conversation(events: Iterable[TrajectoryEvent]) -> list[Part]:
    """The parts of a session, in order. A result belongs to the last call of its id: providers use ids again."""
    parts: list[Part] = []
    said: Said | None = None
    for event in events:
        match event:
            case Prompted():
                parts.append(Told(event.at, event.text))
            case TurnTaken():
                calls = [CallMade(call) for call in event.turn.tool_calls]
                said = Said(event.step, event.at, event.seconds, event.turn, calls)
                parts.append(said)
            case ToolStarted():
                made = _find(said, event.call.id)
                if made:
                    made.started, made.at = True, event.at
            case ToolEnded():
                made = _find(said, event.result.call_id)
                if made:
                    made.result, made.seconds = event.result, event.seconds
            case _:
                parts.append(event)
    return parts


def _find(said: Said | None, call_id: str) -> CallMade | None:
    return (
        next((made for made in said.calls if made.call.id == call_id and made.result is None), None) if said else None
    )


def reasoning_of(turn: ModelTurn) -> str:
    """The reasoning's summary, or its text where an open model shows it; encrypted reasoning stays unseen."""
    found: list[str] = []
    for item in turn.provider_items:
        if item.get("type") == "reasoning":
            found += _texts(item.get("summary")) or _texts(item.get("content"))
    return "\n\n".join(found)


def _texts(parts: object) -> list[str]:
    if not isinstance(parts, Sequence) or isinstance(parts, str):
        return []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return [text for text in texts if isinstance(text, str) and text]
