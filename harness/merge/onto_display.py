"""What `harness verify --onto` prints: one line for each version of the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.merge.onto import OntoReport
from harness.printing import plain_table
from harness.text import interval_text, safe, shortened

if TYPE_CHECKING:
    from rich.console import RenderableType

_APPLIES = {"cleanly": "yes", "merged": "by merging", "already_there": "already there", "conflict": "no", None: "-"}


def rendered(report: OntoReport) -> list[RenderableType]:
    """The table, and what it comes to."""
    table = plain_table("version", "of", "applies", "correct", "speedup [95 %]", "verdict", gap=2)
    if report.recorded is not None:
        was = report.recorded
        speedup = interval_text(was.speedup) if was.speedup else "-"
        table.add_row("(when kept)", safe(was.finished_at[:10]), "-", "-", speedup, was.status.replace("_", " "))
    for each in report.versions:
        name = each.name if each.name.startswith(each.short) else f"{each.name} ({each.short})"
        table.add_row(
            safe(name),
            each.date or "-",
            _APPLIES[each.applies],
            {True: "yes", False: "no", None: "-"}[each.correct],
            interval_text(each.speedup) if each.speedup else "-",
            safe(each.word, "bold green" if each.is_faster else "yellow"),
        )
    reasons = [
        safe(f"{each.name}: {shortened(each.message, 300)}")
        for each in report.versions
        if each.ending not in ("judged", "already_there") or each.correct is False
    ]
    return [table, *reasons, safe(report.sentence, "bold")]
