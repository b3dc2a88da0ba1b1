"""Two attempts side by side: what differs is tested, not eyeballed.

They are compared by their measurements' session values, each a ratio to the base that was timed in the same
pair of processes, so that attempts of different hours compare, on one machine. The difference is Hodges and Lehmann's
shift with the rank-sum interval (`harness.timing.two_samples`). A measurement is looked at several times to decide
whether to stop, and every workload is a comparison of its own: each shares the error by Bonferroni, as in
`harness.selection`. A difference is claimed where the interval lies beyond the smallest effect that both measurements
may claim.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from harness.errors import UsageError
from harness.selection import ALPHA, overall_values, values_by_workload
from harness.store import AttemptFolder
from harness.text import interval_text
from harness.timing.job import Protocol
from harness.timing.measurement import Measurement, Sample
from harness.timing.printed import coarseness_of
from harness.timing.two_samples import shift
from harness.verdict import Interval, Record, Verdict
from harness.verdict_folder import read_state

Conclusion = Literal["second_faster", "first_faster", "alike", "not_tested"]


class WorkloadComparison(Record):
    """One workload in both. `ratio` is the second's speedup over the first's, with its interval for all together."""

    name: str
    first: Interval
    second: Interval
    ratio: Interval
    apart: bool


class AttemptComparison(Record):
    """Two attempts.

    Attributes:
        first, second: their verdicts.
        conclusion: what the test says; `not_tested` where their numbers do not compare.
        sentence: the same for people, with the reason where nothing was tested.
        ratio: the second's speedup over the first's: how many times as fast as the first patch the second is.
        floor: the smallest effect that is claimed, as a fraction.
        sessions: how many session values each has.
        workloads: the workloads that both were timed on.
    """

    first: Verdict
    second: Verdict
    conclusion: Conclusion
    sentence: str
    ratio: Interval | None = None
    floor: float | None = None
    sessions: tuple[int, int] | None = None
    workloads: list[WorkloadComparison] = Field(default_factory=list)


@dataclass(frozen=True)
class Measured:
    """A verdict, and the pairs of the measurement that it published; no pairs where they cannot be read."""

    verdict: Verdict
    samples: Sequence[Sample]


def compare_attempts(first: AttemptFolder, second: AttemptFolder) -> AttemptComparison:
    """Compare two judged attempts.

    Raises:
        UsageError: one has no verdict, or they worked on different tasks.
    """
    return compare_measured(
        *(Measured(_verdict(folder), published_samples(folder.samples)) for folder in (first, second))
    )


def compare_measured(first: Measured, second: Measured, *, across_devices: bool = False) -> AttemptComparison:
    """Compare two judged attempts that were read already.

    Args:
        first: one.
        second: the other.
        across_devices: compare them although they ran on different ones: to ask whether a speedup is there as well.

    Raises:
        UsageError: they worked on different tasks.
    """
    one, two = first.verdict, second.verdict
    if one.task != two.task:
        raise UsageError(
            f"{_name(one)} worked on {one.task} and {_name(two)} on {two.task}: there is nothing to compare."
        )
    reason = _why_not(one, two, across_devices=across_devices)
    if reason is None and not (first.samples and second.samples):
        missing = one if not first.samples else two
        reason = f"The raw samples of {_name(missing)} cannot be read."
    shared = {each.workload for each in first.samples} & {each.workload for each in second.samples}
    if reason is None and not shared:
        reason = "They were timed on no workload in common."
    if reason is not None:
        return AttemptComparison(first=one, second=two, conclusion="not_tested", sentence=reason)
    kept = ([each for each in side.samples if each.workload in shared] for side in (first, second))
    return _tested(one, two, *kept)


def _tested(one: Verdict, two: Verdict, first: Sequence[Sample], second: Sequence[Sample]) -> AttemptComparison:
    looks = len(Protocol().looks)
    before, after = overall_values(first), overall_values(second)
    ratio = shift(before, after, ALPHA / looks).widened(coarseness_of(first) + coarseness_of(second)).as_ratio()
    floor = max(each.timing.min_effect for each in (one, two) if each.timing)
    workloads = _by_workload(one, two, first, second, looks)
    conclusion = conclude(ratio, floor)
    names = {"second_faster": (_name(two), _name(one)), "first_faster": (_name(one), _name(two))}
    if conclusion in names:
        faster, slower = names[conclusion]
        factor = ratio if conclusion == "second_faster" else inverse(ratio)
        sentence = f"{faster} is {interval_text(factor)} as fast as {slower}."
    else:
        sentence = (
            f"No difference worth a claim: {_name(two)} is {interval_text(ratio)} as fast as {_name(one)}, "
            f"and less than {floor:.1%} is noise there."
        )
    return AttemptComparison(
        first=one,
        second=two,
        conclusion=conclusion,
        sentence=sentence,
        ratio=ratio,
        floor=floor,
        sessions=(len(before), len(after)),
        workloads=workloads,
    )


def _by_workload(
    one: Verdict, two: Verdict, first: Sequence[Sample], second: Sequence[Sample], looks: int
) -> list[WorkloadComparison]:
    before, after = values_by_workload(first), values_by_workload(second)
    shown = [{each.name: each.speedup for each in verdict.workloads} for verdict in (one, two)]
    found = []
    for name in (each.name for each in one.workloads if each.name in before):
        coarse = sum(coarseness_of(each for each in side if each.workload == name) for side in (first, second))
        ratio = shift(before[name], after[name], ALPHA / (looks * len(before))).widened(coarse).as_ratio()
        # A workload of the samples is one of the verdict's; the ratios alone would do without.
        sides = [speedups.get(name) for speedups in shown]
        if sides[0] and sides[1]:
            apart = ratio.low > 1 or ratio.high < 1
            found.append(WorkloadComparison(name=name, first=sides[0], second=sides[1], ratio=ratio, apart=apart))
    return found


def conclude(ratio: Interval, floor: float) -> Conclusion:
    """What an interval of the ratio second / first says, where less than `floor` is not claimed."""
    if ratio.low > 1 + floor:
        return "second_faster"
    return "first_faster" if ratio.high < 1 - floor else "alike"


def inverse(ratio: Interval) -> Interval:
    """The ratio the other way round."""
    return Interval(estimate=1 / ratio.estimate, low=1 / ratio.high, high=1 / ratio.low)


def _why_not(one: Verdict, two: Verdict, *, across_devices: bool) -> str | None:
    """Why the two measurements do not compare; None where they do."""
    for verdict in (one, two):
        if verdict.timing is None:
            cause = f" ({verdict.cause})" if verdict.cause else ""
            return f"{_name(verdict)} was not timed: {verdict.status.replace('_', ' ')}{cause}."
    if one.base_commit != two.base_commit:
        return f"Their bases differ ({one.base_commit[:12]}, {two.base_commit[:12]}): both speedups are over their own."
    names = [verdict.device.name if verdict.device else "unknown" for verdict in (one, two)]
    if names[0] != names[1] and not across_devices:
        return f"They were timed on different devices ({names[0]}, {names[1]}): their speedups do not compare."
    return None


def published_samples(file: Path) -> list[Sample]:
    """The pairs of the measurement that was published, of a `samples.json`; empty where they cannot be read."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return Measurement.model_validate(kept["confirmation"] or kept["selection"]).samples
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _verdict(folder: AttemptFolder) -> Verdict:
    state = read_state(folder.run.path).attempts.get(folder.name)
    if state is None or state.verdict is None:
        raise UsageError(f"{folder.run.name}/{folder.name} has no verdict yet.")
    return state.verdict


def _name(verdict: Verdict) -> str:
    return "/".join(filter(None, (verdict.run, verdict.attempt)))
