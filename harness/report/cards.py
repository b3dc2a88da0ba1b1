"""An attempt, ready for a template: verdict, facts, pictures, patch and session."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.chart import Chart
from harness.report.conversation import Part, readable
from harness.report.facts import Fact, facts
from harness.report.highlight import DiffView, view_diff
from harness.report.material import AttemptMaterial
from harness.report.page import anchor
from harness.report.sample_charts import clock_charts, distribution_chart, session_chart
from harness.report.speedup_charts import workload_chart
from harness.verdict import REFERENCE, Verdict


@dataclass(frozen=True)
class Card:
    """What `macros.html.j2` shows of an attempt."""

    id: str
    name: str
    status: str
    verdict: Verdict | None
    reference: Verdict | None
    facts: list[Fact]
    workload_chart: Chart | None
    sample_charts: list[Chart]
    diff: DiffView
    patch_left_out: int
    parts: list[Part]
    session_problem: str
    build_log: str
    first: bool = False


def make_card(attempt: AttemptMaterial, *, first: bool = False) -> Card:
    """Lay an attempt out. Whatever it left that cannot be read is missing, and does not end the page."""
    verdict = attempt.verdict
    name = f"attempt-{anchor(attempt.name)}"
    reference = attempt.reference if verdict and verdict.agent != REFERENCE else None
    events, problem = attempt.events
    return Card(
        id=name,
        name=attempt.name,
        status=attempt.status,
        verdict=verdict,
        reference=reference,
        facts=facts(attempt),
        workload_chart=workload_chart(name, verdict, reference) if verdict else None,
        sample_charts=_sample_charts(name, attempt),
        diff=view_diff(attempt.patch.text),
        patch_left_out=attempt.patch.left_out,
        parts=readable(events),
        session_problem=problem,
        build_log=attempt.build_log.text,
        first=first,
    )


def _sample_charts(name: str, attempt: AttemptMaterial) -> list[Chart]:
    measured, verdict = attempt.measurement, attempt.verdict
    if measured is None or verdict is None or verdict.speedup is None:
        return []
    drawn = [distribution_chart(name, measured), session_chart(name, measured, verdict.speedup)]
    return [chart for chart in drawn if chart is not None] + clock_charts(name, measured)
