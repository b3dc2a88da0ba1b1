"""What trials of known outcome say about a machine and a protocol: errors, power, coverage, noise floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean, median

from harness.calibration.trials import Condition, Trial
from harness.intervals import wilson
from harness.verdict import Interval, Record

LEAST_TRIALS = 20
"""A 95th percentile of fewer numbers is their largest, or beyond it."""


class Rate(Record):
    """A share of trials, with Wilson's 95 % interval."""

    count: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share itself; 0 of 0 is 0."""
        return self.count / self.of if self.of else 0.0


class Row(Record):
    """All trials of one condition.

    Attributes:
        name: the condition's.
        truth: the speedup that is really there, at the median.
        trials: how many ended in numbers.
        refused: how many did not: false accusations of honest code.
        seen: intervals that leave 1 out on the side of the truth; of A/A trials on any side, each a false positive.
        wrong_way: intervals that leave 1 out on the other side; 0 for A/A.
        claimed: intervals wholly beyond 1 +- min_effect, on any side: what would become `faster` or `slower`.
        covered: intervals that hold the truth.
        half_width: median of (high - low) / 2 / estimate.
        middle, low, high: median, 5th and 95th percentile of the estimates.
        off: 95th percentile of |estimate / truth - 1|; of A/A trials the noise floor.
        sessions: mean sessions a trial.
        seconds: mean wall time of a trial.
    """

    name: str
    truth: float
    trials: int
    refused: int
    seen: Rate
    wrong_way: int
    claimed: Rate
    covered: Rate
    half_width: float
    middle: float
    low: float
    high: float
    off: float
    sessions: float
    seconds: float


class Summary(Record):
    """A calibration's result.

    Attributes:
        rows: overall, the geometric mean over workloads: one for each condition that has trials.
        workloads: A/A again, for each workload by itself; `name` is the workload's.
        base_us: each workload's median time in microseconds a call.
    """

    rows: list[Row]
    workloads: list[Row]
    base_us: dict[str, float]

    @property
    def false_positives(self) -> Rate | None:
        """Of the A/A trials; None without any."""
        return next((row.seen for row in self.rows if row.truth == 1), None)

    @property
    def floor(self) -> float | None:
        """The 95th percentile of |A/A estimate - 1|; None with fewer than 20 trials."""
        return next((row.off for row in self.rows if row.truth == 1 and row.trials >= LEAST_TRIALS), None)


def rate(count: int, of: int) -> Rate:
    """A share with Wilson's 95 % interval; nothing known is everything possible."""
    if of == 0:
        return Rate(count=0, of=0, low=0.0, high=1.0)
    found = wilson(count, of)
    return Rate(count=count, of=of, low=found.low, high=found.high)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed (nearest rank): never between two."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def summarise(trials: Sequence[Trial], min_effect: float) -> Summary:
    """Condense trials.

    Args:
        trials: of any conditions.
        min_effect: the smallest effect that is claimed, as a fraction.
    """
    conditions: list[Condition] = []
    for trial in trials:
        if trial.condition not in conditions:
            conditions.append(trial.condition)
    conditions.sort(key=lambda each: (each.nominal != 1, abs(math.log(each.nominal)), -each.nominal))
    even = [trial for trial in trials if trial.condition.nominal == 1]
    names = list(dict.fromkeys(result.name for trial in even for result in trial.workloads))
    rows = [
        _row(each.name, [t for t in trials if t.condition == each], lambda t: t.speedup, min_effect)
        for each in conditions
    ]
    workloads = [_row(name, even, _of_workload(name), min_effect) for name in names]
    times = {name: [r.base_us for t in even for r in t.workloads if r.name == name] for name in names}
    return Summary(
        rows=[row for row in rows if row is not None],
        workloads=[row for row in workloads if row is not None],
        base_us={name: median(each) for name, each in times.items()},
    )


def _of_workload(name: str) -> Callable[[Trial], Interval | None]:
    return lambda trial: next((result.speedup for result in trial.workloads if result.name == name), None)


def _row(
    name: str,
    trials: Sequence[Trial],
    interval: Callable[[Trial], Interval | None],
    min_effect: float,
) -> Row | None:
    timed = [(trial, ratio) for trial in trials if (ratio := interval(trial)) is not None]
    if not timed:
        return None
    found = [each for _, each in timed]
    truths = [trial.truth for trial, _ in timed]
    truth = median(truths)
    above, below = sum(each.low > 1 for each in found), sum(each.high < 1 for each in found)
    seen = above + below if truth == 1 else above if truth > 1 else below
    estimates = [each.estimate for each in found]
    return Row(
        name=name,
        truth=truth,
        trials=len(found),
        refused=sum(trial.refused is not None for trial in trials),
        seen=rate(seen, len(found)),
        wrong_way=above + below - seen,
        claimed=rate(sum(each.low > 1 + min_effect or each.high < 1 - min_effect for each in found), len(found)),
        covered=rate(sum(each.low <= true <= each.high for each, true in zip(found, truths, strict=True)), len(found)),
        half_width=median((each.high - each.low) / 2 / each.estimate for each in found),
        middle=median(estimates),
        low=percentile(estimates, 0.05),
        high=percentile(estimates, 0.95),
        off=percentile([abs(each / true - 1) for each, true in zip(estimates, truths, strict=True)], 0.95),
        sessions=fmean(trial.sessions for trial, _ in timed),
        seconds=fmean(trial.seconds for trial, _ in timed),
    )
