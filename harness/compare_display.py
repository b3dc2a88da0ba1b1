"""What `harness compare` prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.compare import AttemptComparison, WorkloadComparison
from harness.compare_runs import RunComparison, RunSide
from harness.printing import plain_table
from harness.show import best_of_text, cost_text
from harness.text import amount, interval_text, safe, speedup_text
from harness.verdict import Interval, Verdict

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_STYLES = {"second_faster": "bold green", "first_faster": "bold green", "alike": "yellow", "not_tested": "magenta"}


def attempts_compared(found: AttemptComparison) -> Group:
    """Two attempts: facts in two columns, the workloads, and what the test says."""
    from rich.console import Group  # noqa: PLC0415 - rich is slow to import

    facts = plain_table("", _title(found.first), _title(found.second), gap=2)
    for name, of in ATTEMPT_ROWS.items():
        facts.add_row(name, safe(of(found.first)), safe(of(found.second)))
    parts = [facts]
    if found.workloads:
        parts.append(
            workloads_compared(found.workloads, "A", "B", lambda ratio: "green" if ratio.low > 1 else "red"),
        )
    notes = [safe(note) for note in (tested_text(found),) if note]
    return Group(*parts, safe(found.sentence, _STYLES[found.conclusion]), *notes)


def workloads_compared(
    workloads: list[WorkloadComparison], first: str, second: str, style: Callable[[Interval], str]
) -> Table:
    """What each workload was sped up by on two sides, and their ratio.

    Args:
        workloads: both sides of each.
        first: what the one side is called.
        second: what the other is called.
        style: of a ratio that is not 1 beyond its noise.
    """
    table = plain_table("workload", first, second, f"{second} over {first}", gap=2)
    for each in workloads:
        table.add_row(
            safe(each.name),
            interval_text(each.first),
            interval_text(each.second),
            safe(interval_text(each.ratio), style(each.ratio) if each.apart else ""),
        )
    return table


def tested_text(found: AttemptComparison) -> str:
    """What the test rests on, in a sentence; empty where nothing was tested."""
    if found.sessions is None:
        return ""
    return (
        f"Tested on {found.sessions[0]} and {found.sessions[1]} sessions; the intervals of B over A hold together, "
        "over all workloads, at 95 %."
    )


def runs_compared(found: RunComparison) -> Group:
    """Two runs: their sums in two columns, and what the tests say."""
    from rich.console import Group  # noqa: PLC0415 - rich is slow to import

    facts = plain_table("", f"A  {found.first.run}", f"B  {found.second.run}", gap=2)
    for name, of in RUN_ROWS.items():
        facts.add_row(name, safe(of(found.first)), safe(of(found.second)))
    notes = [safe(note) for note in (rate_text(found),) if note]
    return Group(facts, safe(found.sentence, _STYLES[found.conclusion]), *notes)


def rate_text(found: RunComparison) -> str:
    """How the rates of wins differ, in a sentence; empty where one run has none."""
    rate = found.rate_difference
    if rate is None:
        return ""
    told = "" if rate.low > 0 or rate.high < 0 else ", which may be nothing"
    return f"Rate of wins, B less A: {rate.estimate:+.0%} [{rate.low:+.0%}, {rate.high:+.0%}]{told}."


def _title(verdict: Verdict) -> str:
    return "/".join(filter(None, (verdict.run, verdict.attempt)))


def _patch(verdict: Verdict) -> str:
    patch = verdict.patch
    if patch is None:
        return "-"
    return f"+{patch.insertions} -{patch.deletions} in {', '.join(patch.files)}" if patch.files else "no change"


def _rate(side: RunSide) -> str:
    rate = f" = {side.rate.estimate:.0%} [{side.rate.low:.0%}, {side.rate.high:.0%}]" if side.rate else ""
    return f"{side.faster}/{side.attempts}{rate}"


def _mean(side: RunSide) -> str:
    if side.interval:
        return interval_text(side.interval)
    return "-" if side.geometric_mean is None else speedup_text(side.geometric_mean)


ATTEMPT_ROWS: dict[str, Callable[[Verdict], str]] = {
    "agent": lambda verdict: " ".join(filter(None, (verdict.agent, verdict.model))),
    "status": lambda verdict: verdict.status.replace("_", " ") + (f" ({verdict.cause})" if verdict.cause else ""),
    "speedup": lambda verdict: best_of_text(verdict) or (interval_text(verdict.speedup) if verdict.speedup else "-"),
    "patch": _patch,
    "device": lambda verdict: verdict.device.name if verdict.device else "-",
    "cost": lambda verdict: cost_text(verdict.cost),
}
RUN_ROWS: dict[str, Callable[[RunSide], str]] = {
    "agents": lambda side: side.who,
    "faster": _rate,
    "geo. mean": _mean,
    "device": lambda side: ", ".join(side.devices) or "-",
    "cost": lambda side: f"{'?' if side.usd is None else f'${side.usd:.2f}'}, {amount(side.tokens)} tokens",
}
