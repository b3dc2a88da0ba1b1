"""What `harness verify --bundle` prints beneath the verdict of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.merge.rejudge import Rejudged
from harness.merge.summary import device_rows
from harness.text import interval_text, safe
from harness.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLES = {
    "reproduced": "bold green",
    "other_factor": "bold yellow",
    "not_reproduced": "bold red",
    "not_judged": "bold cyan",
}


def rendered(found: Rejudged) -> list[RenderableType]:
    """The two machines, each workload on both, and whether they agree."""
    from rich import box  # noqa: PLC0415 - rich is slow to import
    from rich.table import Table  # noqa: PLC0415

    def table(*headings: str) -> Table:
        made = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
        for heading in headings:
            made.add_column(heading, overflow="fold")
        return made

    machines = table("", "there", "here")
    there, here = dict(_rows(found.recorded)), dict(_rows(found.here))
    for name in dict.fromkeys([*there, *here]):
        machines.add_row(name, safe(there.get(name, "-")), safe(here.get(name, "-")))
    parts: list[RenderableType] = [machines]
    if found.comparison.workloads:
        workloads = table("workload", "there", "here", "here over there")
        for each in found.comparison.workloads:
            style = "yellow" if each.apart else ""
            workloads.add_row(
                safe(each.name),
                interval_text(each.first),
                interval_text(each.second),
                safe(interval_text(each.ratio), style),
            )
        parts.append(workloads)
    parts.append(safe(found.sentence, _STYLES[found.agreement]))
    return [*parts, *(safe(f"NOTE  {note}", "yellow") for note in found.notes)]


def _rows(verdict: Verdict) -> list[tuple[str, str]]:
    speedup = f"  {interval_text(verdict.speedup)}" if verdict.speedup else ""
    rows = [("verdict", f"{verdict.status.replace('_', ' ')}{speedup}")]
    rows += device_rows(verdict.device) if verdict.device else []
    return [
        *rows,
        ("base", verdict.base_commit[:12]),
        ("sandbox", verdict.sandbox),
        ("harness", verdict.harness_version),
    ]
