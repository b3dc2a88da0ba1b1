"""What `harness verify --bundle` prints beneath the verdict of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.compare_display import workloads_compared
from harness.merge.rejudge import Rejudged
from harness.merge.summary import device_rows
from harness.printing import plain_table
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
    machines = plain_table("", "there", "here", gap=2)
    there, here = dict(_rows(found.recorded)), dict(_rows(found.here))
    for name in dict.fromkeys([*there, *here]):
        machines.add_row(name, safe(there.get(name, "-")), safe(here.get(name, "-")))
    parts: list[RenderableType] = [machines]
    if found.comparison.workloads:
        parts.append(workloads_compared(found.comparison.workloads, "there", "here", lambda _: "yellow"))
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
