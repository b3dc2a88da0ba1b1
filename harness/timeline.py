"""How a session's work went: its measurements, tests and edits in the order in which they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent.conversation import CallMade, Part, Said, Told
from agent.text import one_line
from agent.tools import describe
from harness.session_differences import mean_of
from harness.text import bar, duration_text, interval_text, printable, safe
from harness.verdict import Interval

if TYPE_CHECKING:
    from rich.table import Table

TOOLS = ("measure", "run_tests", "apply_patch", "file_change", "submit")
_LOOKED_AT_CHARS = 40_000
_RESULT_CHARS = 160


@dataclass(frozen=True)
class Mark:
    """A point of the timeline.

    Attributes:
        step: the model's answer it belongs to.
        seconds: since the session began; None where its times are not known.
        tool: the tool that was called.
        mean: what `measure` found; None for other tools, and where nothing was measured.
        text: the result in a line.
        failed: the call failed.
    """

    step: int
    seconds: float | None
    tool: str
    mean: Interval | None
    text: str
    failed: bool


def timeline(parts: Sequence[Part]) -> list[Mark]:
    """The calls that say how far the work was: measurements, tests, edits, the submission."""
    begin = next((part.at for part in parts if isinstance(part, Told | Said) and part.at), "")
    marks = []
    for said in (part for part in parts if isinstance(part, Said)):
        for made in said.calls:
            if made.call.name in TOOLS and made.result is not None:
                marks.append(_mark(said.step, _since(begin, made.at), made))
    return marks


def _mark(step: int, seconds: float | None, made: CallMade) -> Mark:
    output = made.result.output if made.result else ""
    failed = made.result is not None and made.result.is_error
    mean = mean_of(output[-_LOOKED_AT_CHARS:]) if made.call.name == "measure" else None
    if mean is not None:
        text = interval_text(mean)
    elif made.call.name in ("apply_patch", "file_change", "submit") and not failed:
        text = describe(made.call)
    else:
        text = one_line(_telling(output), _RESULT_CHARS)
    return Mark(step, seconds, made.call.name, mean, printable(text), failed)


def _telling(output: str) -> str:
    """The line of a report that says how it came out."""
    lines = [line for line in output[:_LOOKED_AT_CHARS].split("\n") if not line.startswith("WARNING")]
    return next(
        (line for line in lines if "passed" in line or "FAILED" in line or "NOT MEASURED" in line), output[:400]
    )


def _since(begin: str, at: str) -> float | None:
    try:
        return (datetime.fromisoformat(at) - datetime.fromisoformat(begin)).total_seconds()
    except (ValueError, TypeError):
        return None


def timeline_table(marks: Sequence[Mark]) -> Table:
    """The timeline for the terminal; what was measured has a bar as long as it is fast."""
    from rich import box  # noqa: PLC0415 - rich is slow to import
    from rich.table import Table  # noqa: PLC0415

    table = Table(title="timeline", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for heading in ("step", "after"):
        table.add_column(heading, justify="right")
    table.add_column("what")
    table.add_column("result", overflow="fold")
    best = max((mark.mean.estimate for mark in marks if mark.mean), default=1.0)
    for mark in marks:
        drawn = "" if mark.mean is None or best <= 0 else f"  {bar(round(100 * mark.mean.estimate / best), 100)}"
        table.add_row(
            str(mark.step),
            "?" if mark.seconds is None else duration_text(max(0.0, mark.seconds)),
            safe(mark.tool),
            safe(f"{mark.text}{drawn}", "red" if mark.failed else ""),
        )
    return table
