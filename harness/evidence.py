"""What `harness show` adds to a verdict: the patch's files, and the session step by step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.trajectory import TrajectoryError, read_back
from harness.report.conversation import Part, readable
from harness.report.diffs import parse_diff
from harness.text import counted, safe, shortened

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

MOST_FILES, MOST_STEPS, _BLOCKS = 12, 40, 24
_TELLING = ("measure", "run_tests", "submit")


def patch_statistics(diff: str) -> list[RenderableType]:
    """Each changed file with its lines added and removed, and a bar of both; empty without a patch."""
    from rich.table import Table  # noqa: PLC0415 - rich is slow to import
    from rich.text import Text  # noqa: PLC0415

    files = parse_diff(diff)
    if not files:
        return []
    table = Table.grid(padding=(0, 2))
    most = max(file.added + file.removed for file in files)
    for file in files[:MOST_FILES]:
        scale = min(1.0, _BLOCKS / most) if most else 0.0
        added, removed = (max(round(count * scale), int(count > 0)) for count in (file.added, file.removed))
        bar = Text.assemble(("+" * added, "green"), ("-" * removed, "red"))
        note = safe(", ".join(note for note in file.notes if not note.startswith("similarity"))[:60], "dim")
        table.add_row("        ", safe(file.path), f"+{file.added}", f"-{file.removed}", bar, note)
    if len(files) > MOST_FILES:
        table.add_row("        ", safe(f"... and {counted(len(files) - MOST_FILES, 'more file')}", "dim"))
    return [table]


def timeline(trajectory: Path) -> list[RenderableType]:
    """What the agent tried, and what each measurement said, a line each; empty where no session was recorded."""
    try:
        found = read_back(trajectory)
    except TrajectoryError:
        return []
    parts = [part for part in readable(found.events) if part.kind != "told"]
    lines = [line for part in parts for line in _lines(part)]
    if not lines:
        return []
    more = [safe(f"... and {len(lines) - MOST_STEPS} more", "dim")] if len(lines) > MOST_STEPS else []
    return [safe("session", "bold"), *lines[:MOST_STEPS], *more]


@dataclass(frozen=True)
class Step:
    """One line of a timeline: what was asked gives way where the outcome needs the room."""

    clock: str
    number: str
    tool: str
    asked: str
    outcome: str
    style: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        from rich.text import Text  # noqa: PLC0415

        head = f"{self.clock:>8} {self.number:>3}  "
        tool = f"{self.tool:<11} "
        free = max(20, options.max_width - len(head) - len(tool) - 1)
        outcome = shortened(self.outcome, free)
        asked = shortened(self.asked, max(0, free - len(outcome) - 3)) if free - len(outcome) > 12 else ""
        arrow = "  → " if asked and outcome else ""
        yield Text.assemble(
            (head, "dim"), safe(tool, self.style), safe(asked), (arrow, "dim"), safe(outcome, self.style)
        )


def _lines(part: Part) -> list[RenderableType]:
    """A turn's tool calls, a line each; its words where it called none."""
    if part.kind == "end":
        return [Step(part.clock, "", "end", part.text, "", "bold")]
    number = str(part.step)
    if not part.calls:
        return [Step(part.clock, number, "says", part.text, "", "italic")]
    lines: list[RenderableType] = []
    for call in part.calls:
        style = "red" if call.failed else "bold" if call.name in _TELLING else ""
        lines.append(Step(part.clock, number, call.name, call.summary, call.outcome, style))
    return lines
