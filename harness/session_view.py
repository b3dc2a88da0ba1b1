"""`harness show --session`: a session as a readable conversation, and what was measured in it as a timeline.

Every text in it was written by an agent, a tool or a model: it is shortened first, so that megabytes cost nothing, and
then made harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.conversation import CallMade, Part, Said, Told, conversation
from agent.messages import Usage
from agent.tools import describe
from agent.trajectory import ContextCompacted, Ended, LimitReached, ReadBack, TrajectoryError, read_back
from harness.errors import StorageError, UsageError
from harness.store import AttemptFolder
from harness.text import amount, counted, duration_text, printable, safe
from harness.timeline import Mark, timeline, timeline_table

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.text import Text

HEAD_LINES, TAIL_LINES = 6, 4
LINE_CHARS = 160
PROSE_CHARS = 2_000
_END_CHARS = 40_000


@dataclass(frozen=True)
class SessionView:
    """A session that was read for showing.

    Attributes:
        name: RUN/ATTEMPT.
        parts: the conversation.
        problems: lines of the trajectory that could not be read, a sentence each.
    """

    name: str
    parts: list[Part]
    problems: list[str]

    @property
    def timeline(self) -> list[Mark]:
        """The calls that say how far the work was."""
        return timeline(self.parts)

    def as_json(self) -> dict[str, Any]:
        """The whole conversation as plain JSON values, nothing shortened."""
        return {
            "parts": [_part_json(part) for part in self.parts],
            "timeline": [{**mark.__dict__, "mean": mark.mean and mark.mean.model_dump()} for mark in self.timeline],
            "problems": self.problems,
        }

    def render(self) -> Group:
        """The conversation for a person; long texts folded to their head and tail."""
        from rich.console import Group  # noqa: PLC0415 - rich is slow to import

        lines: list[RenderableType] = [safe(f"session of {self.name}", "bold")]
        for part in self.parts:
            lines += _rendered(part)
        lines += [safe(f"NOT READ  {problem}", "yellow") for problem in self.problems]
        if self.timeline:
            lines += [safe(""), timeline_table(self.timeline)]
        return Group(*lines)


def load_session(folder: AttemptFolder) -> SessionView:
    """Read an attempt's session for showing: a line that makes no sense hides no other.

    Raises:
        UsageError: the attempt has no session.
        StorageError: it cannot be read.
    """
    name = f"{folder.run.name}/{folder.name}"
    if not folder.trajectory.is_file():
        raise UsageError(f"{name} has no session: there is no {folder.trajectory}.")
    try:
        found: ReadBack = read_back(folder.trajectory)
    except TrajectoryError as error:
        raise StorageError(str(error)) from error
    return SessionView(name, conversation(found.events), found.problems)


def folded(text: str, head: int = HEAD_LINES, tail: int = TAIL_LINES, width: int = LINE_CHARS) -> list[str]:
    """A text's first and last lines, harmless to a terminal, with a note of how much lies between them.

    Args:
        text: anything, of any length.
        head: how many of its first lines are kept.
        tail: how many of its last.
        width: characters kept of a line.
    """

    def cut_lines(lines: list[str]) -> list[str]:
        return [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]

    whole = len(text) <= 2 * _END_CHARS
    lines = printable(text if whole else text[:_END_CHARS], multiline=True).rstrip("\n").split("\n")
    last = lines if whole else printable(text[-_END_CHARS:], multiline=True).rstrip("\n").split("\n")
    if whole and len(lines) <= head + tail + 1:
        return cut_lines(lines)
    cut = counted(len(lines) - head - tail, "line") if whole else f"most of {len(text):,} characters"
    return [*cut_lines(lines[:head]), f"... {cut} not shown ...", *cut_lines(last[-tail:])]


def _block(text: str, style: str = "", indent: int = 4) -> list[RenderableType]:
    """What a tool printed, or what the agent was told."""
    return _padded(folded(text), style, indent)


def _prose(text: str, style: str = "", head: int = 40) -> list[RenderableType]:
    """What the model wrote: why one reads a session, so more of it is shown than of what tools print."""
    return _padded(folded(text, head, width=PROSE_CHARS), style, 4)


def _padded(lines: list[str], style: str, indent: int) -> list[RenderableType]:
    from rich.padding import Padding  # noqa: PLC0415 - rich is slow to import

    return [Padding(safe("\n".join(lines), style, multiline=True), (0, 0, 0, indent), expand=False)]


def _rendered(part: Part) -> list[RenderableType]:
    match part:
        case Told():
            return [safe(""), safe("told", "bold cyan"), *_block(part.text)]
        case Said():
            return _answer(part)
        case ContextCompacted():
            size = f"{amount(part.tokens_before)} to {amount(part.tokens_after)} tokens"
            return [safe(f"room was made ({part.how}): {size}", "cyan")]
        case LimitReached():
            return [safe(f"limit of {part.kind} reached: {part.value:g} of {part.limit:g}", "yellow")]
        case Ended():
            spent = f"{counted(part.steps, 'step')}, {duration_text(part.seconds)}"
            return [safe(""), safe(f"ended: {part.ended} ({spent})", "bold"), *_block(part.detail)]
    return []


def _answer(said: Said) -> list[RenderableType]:
    used = said.turn.usage
    cost = (
        ""
        if used == Usage()
        else f"  {amount(used.input)} in ({amount(used.cached)} cached), {amount(used.output)} out"
    )
    lines: list[RenderableType] = [safe(""), safe(f"step {said.step}{cost}", "bold")]
    lines += _prose(said.reasoning, "italic dim", head=12) if said.reasoning else []
    lines += _prose(said.turn.text) if said.turn.text.strip() else []
    for made in said.calls:
        lines.append(_call_line(made))
        lines += _block(made.result.output, "dim", indent=6) if made.result and made.result.output.strip() else []
    return lines


def _call_line(made: CallMade) -> Text:
    line = safe(f"  → {made.call.name} {describe(made.call)}".rstrip(), "green")
    if made.result is None:
        line.append("  (no result: the session ended in it)" if made.started else "  (never run)", "yellow")
    elif made.result.is_error:
        line.append(f"  failed, {made.seconds:.1f} s", "red")
    else:
        line.append(f"  {made.seconds:.1f} s", "dim")
    return line


def _part_json(part: Part) -> dict[str, Any]:
    match part:
        case Told():
            return {"kind": "told", "at": part.at, "text": part.text}
        case Said():
            return {
                "kind": "said",
                "step": part.step,
                "at": part.at,
                "text": part.turn.text,
                "reasoning": part.reasoning,
                "usage": part.turn.usage.model_dump(),
                "calls": [_call_json(made) for made in part.calls],
            }
        case _:
            document = part.model_dump()
            return {"kind": document.pop("event"), **document}


def _call_json(made: CallMade) -> dict[str, Any]:
    result = made.result
    return {
        "name": made.call.name,
        "arguments": made.call.arguments,
        "seconds": made.seconds,
        "output": None if result is None else result.output,
        "is_error": None if result is None else result.is_error,
    }
