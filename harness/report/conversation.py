"""A session, laid out as a conversation: what the agent was told, what it said, what it did, what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agent.messages import ToolCall
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
from harness.report.hidden import revealed
from harness.text import duration_text, shortened

MOST_TEXT = 20_000  # characters of one thing said, asked or answered
_SUMMARY_WIDTH = 110
_SHOWN_FIRST = ("command", "patch", "summary")


@dataclass
class Call:
    """A tool call: what was asked, and what came back."""

    name: str
    summary: str
    asked: str
    answer: str = ""
    outcome: str = ""
    failed: bool = False
    seconds: float | None = None


@dataclass
class Part:
    """One part of the conversation.

    Attributes:
        kind: `told` (the prompt, or a reminder), `turn` (the agent spoke or acted), `end`.
        seconds: since the session began.
        step: of a turn.
        text: what was said.
        calls: the tools it called.
        tokens: of a turn, as billed: input and output.
    """

    kind: Literal["told", "turn", "end"]
    seconds: float
    step: int = 0
    text: str = ""
    calls: list[Call] = field(default_factory=list)
    tokens: tuple[int, int] = (0, 0)

    @property
    def clock(self) -> str:
        """When it was, since the session began."""
        return duration_text(self.seconds)


def conversation(events: Iterable[TrajectoryEvent]) -> list[Part]:
    """The parts of a session, in order. Texts are made visible and cut to a length that can be read."""
    parts: list[Part] = []
    open_calls: dict[str, Call] = {}
    began: datetime | None = None
    for event in events:
        at = _time(event.at)
        began = began or at
        elapsed = (at - began).total_seconds() if at and began else 0.0
        if isinstance(event, Prompted):
            parts.append(Part("told", elapsed, text=clipped(event.text)))
        elif isinstance(event, TurnTaken):
            used = event.turn.usage
            part = Part("turn", elapsed, event.step, clipped(event.turn.text), tokens=(used.input, used.output))
            for asked in event.turn.tool_calls:
                open_calls[asked.id] = _call(asked)
                part.calls.append(open_calls[asked.id])
            parts.append(part)
        elif isinstance(event, ToolStarted) and event.call.id not in open_calls:
            open_calls[event.call.id] = _call(event.call)
            parts.append(Part("turn", elapsed, event.step, calls=[open_calls[event.call.id]]))
        elif isinstance(event, ToolEnded):
            call = open_calls.setdefault(event.result.call_id, Call(event.result.name, "", ""))
            call.answer, call.failed, call.seconds = clipped(event.result.output), event.result.is_error, event.seconds
            call.outcome = outcome(event.result.name, event.result.output)
        elif isinstance(event, ContextCompacted):
            sizes = f"{event.tokens_before:,} to {event.tokens_after:,} tokens"
            parts.append(
                Part("told", elapsed, event.step, f"**Context compacted** ({sizes}).\n\n{clipped(event.note)}")
            )
        elif isinstance(event, LimitReached):
            parts.append(Part("end", elapsed, text=f"Limit reached: {event.kind} {event.value:g} of {event.limit:g}."))
        elif isinstance(event, Ended):
            parts.append(Part("end", elapsed, text=f"{event.ended.replace('_', ' ')}: {clipped(event.detail)}"))
    return parts


def _time(stamp: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        return None


def clipped(text: str, most: int = MOST_TEXT) -> str:
    """Text with its hidden characters shown, cut in the middle if it is very long."""
    if len(text) > most:
        half = most // 2
        text = f"{text[:half]}\n… {len(text) - most:,} characters left out …\n{text[-half:]}"
    return revealed(text)


def _call(asked: ToolCall) -> Call:
    arguments = _arguments(asked.arguments)
    summary, text = "", asked.arguments
    if isinstance(arguments, dict):
        main = next((arguments[key] for key in _SHOWN_FIRST if isinstance(arguments.get(key), str)), None)
        if main is not None:
            summary = _touched(main) if "patch" in arguments else main
            text = main
        else:
            text = "" if not arguments else json.dumps(arguments, ensure_ascii=False, indent=2)
            summary = _plan(arguments) or shortened(text, _SUMMARY_WIDTH)
    return Call(shortened(asked.name, 40), shortened(summary, _SUMMARY_WIDTH), clipped(text))


def _arguments(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _plan(arguments: dict[str, object]) -> str:
    """Of a plan, what is being done now."""
    steps = arguments.get("steps")
    if not isinstance(steps, list):
        return ""
    now = [each.get("step") for each in steps if isinstance(each, dict) and each.get("status") == "in_progress"]
    return next((str(each) for each in now), "")


def _touched(patch: str) -> str:
    """The files that a patch in the agent's own format touches."""
    marks = ("*** Update File: ", "*** Add File: ", "*** Delete File: ")
    files = [line.removeprefix(mark) for line in patch.splitlines() for mark in marks if line.startswith(mark)]
    return ", ".join(files) or patch


def outcome(tool: str, output: str) -> str:
    """What a tool's answer comes to, in one line: of a measurement its mean, of a command how it ended."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("[left:")]
    if tool == "measure":
        lines = [line for line in lines if line.startswith(("Geometric mean", "NOT MEASURED", "BUILD FAILED"))] or lines
    elif tool == "run_tests":
        bad = [line for line in lines if line.startswith(("WRONG OUTPUT", "BUILD FAILED", "BROKEN"))]
        lines = bad or [line for line in lines if "tests passed" in line] or lines
    elif tool == "profile":
        return ""
    return shortened(lines[0].strip("[]"), _SUMMARY_WIDTH) if lines else ""
