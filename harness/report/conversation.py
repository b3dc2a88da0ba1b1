"""A session ready for a page or a terminal: the parts of `agent.conversation`, made visible and cut to what is read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agent.conversation import CallMade, Said, Told, conversation
from agent.conversation import Part as Recorded
from agent.tools import describe
from agent.trajectory import ContextCompacted, Ended, LimitReached, TrajectoryEvent
from harness.report.hidden import revealed
from harness.text import duration_text, shortened

MOST_TEXT = 20_000  # characters of one thing said, asked or answered
_SUMMARY_WIDTH = 110
_SHOWN_FIRST = ("command", "patch", "summary")


@dataclass(frozen=True)
class Call:
    """A tool call: what was asked, and what came back."""

    name: str
    summary: str
    asked: str
    answer: str = ""
    outcome: str = ""
    failed: bool = False
    seconds: float | None = None


@dataclass(frozen=True)
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


def readable(events: Iterable[TrajectoryEvent]) -> list[Part]:
    """The parts of a session, in order. Texts are made visible and cut to a length that can be read."""
    found: list[Part] = []
    began: datetime | None = None
    for part in conversation(events):
        at = _time(part.at)
        began = began or at
        found.append(_laid_out(part, (at - began).total_seconds() if at and began else 0.0))
    return found


def _laid_out(part: Recorded, seconds: float) -> Part:
    match part:
        case Told():
            return Part("told", seconds, text=clipped(part.text))
        case Said():
            used = part.turn.usage
            calls = [_call(made) for made in part.calls]
            return Part("turn", seconds, part.step, clipped(part.turn.text), calls, (used.input, used.output))
        case ContextCompacted():
            sizes = f"{part.tokens_before:,} to {part.tokens_after:,} tokens"
            return Part("told", seconds, part.step, f"**Context compacted** ({sizes}).\n\n{clipped(part.note)}")
        case LimitReached():
            return Part("end", seconds, text=f"Limit reached: {part.kind} {part.value:g} of {part.limit:g}.")
        case Ended():
            ended = part.ended.replace("_", " ")
            return Part("end", seconds, text=f"{ended}: {clipped(part.detail)}" if part.detail else ended)


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


def _call(made: CallMade) -> Call:
    asked, result = made.call, made.result
    name, summary = shortened(asked.name, 40), shortened(describe(asked, _SUMMARY_WIDTH), _SUMMARY_WIDTH)
    text = clipped(_asked(asked.arguments))
    if result is None:
        return Call(name, summary, text, outcome="the session ended in it" if made.started else "never run")
    came_of_it = outcome(result.name, result.output)
    return Call(name, summary, text, clipped(result.output), came_of_it, result.is_error, made.seconds)


def _asked(arguments: str) -> str:
    """A call's arguments as a person reads them: a command or a patch as it is, anything else laid out."""
    try:
        content = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    if not isinstance(content, dict):
        return arguments
    for key in _SHOWN_FIRST:
        if isinstance(main := content.get(key), str):
            return main
    return json.dumps(content, ensure_ascii=False, indent=2) if content else ""


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
