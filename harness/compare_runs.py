"""Two runs side by side: their attempts are compared as a board does it, and what differs is tested.

The rates of wins by Newcombe's interval for the difference of two proportions (method 10; Statistics in Medicine 17,
1998), the geometric means by Welch's t over logarithms, widened for few attempts. Attempts are taken for independent
draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.compare import Conclusion, conclude, inverse
from harness.errors import UsageError
from harness.find_run import find_run
from harness.intervals import (
    Moments,
    Rate,
    attempts_interval,
    geometric_mean,
    kinds,
    log_moments,
    t_quantile,
    wilson,
)
from harness.store import RunFolder
from harness.text import interval_text
from harness.verdict import Interval, Record, Verdict
from harness.verdict_folder import read_state


class RunSide(Record):
    """What a run's attempts came to. `geometric_mean` counts failures as 1.0x, as boards do."""

    run: str
    task: str
    who: str
    attempts: int
    faster: int
    rate: Rate | None
    geometric_mean: float | None
    interval: Interval | None
    usd: float | None
    tokens: int
    devices: list[str]


class RunComparison(Record):
    """Two runs.

    Attributes:
        first, second: their sums.
        conclusion: which one's geometric mean is higher, as far as the data tell.
        sentence: the same for people, with the reason where nothing was tested.
        ratio: of the geometric means, second over first, with Welch's interval; None below two attempts each.
        rate_difference: of the rates of wins, second minus first, with Newcombe's interval.
    """

    first: RunSide
    second: RunSide
    conclusion: Conclusion
    sentence: str
    ratio: Interval | None = None
    rate_difference: Rate | None = None


@dataclass(frozen=True)
class RunVerdicts:
    """A run's name and all its verdicts."""

    run: str
    verdicts: Sequence[Verdict]

    @property
    def judged(self) -> list[Verdict]:
        """The verdicts on the agents' own attempts.

        Raises:
            UsageError: there is none.
        """
        found = [verdict for verdict in self.verdicts if verdict.was_judged and not verdict.is_control]
        if not found:
            raise UsageError(f"No attempt of {self.run} was judged: there is nothing to compare.")
        return found


def means_runs(first: RunVerdicts, second: RunVerdicts) -> bool:
    """Whether who names these two runs means the runs; two runs of a single attempt each stand for those.

    Raises:
        UsageError: one has no judged attempt.
    """
    return max(len(first.judged), len(second.judged)) > 1


def two_runs(out: Path, first: str, second: str) -> tuple[RunFolder, RunFolder] | None:
    """The two runs that a person means; None where two attempts are meant.

    A run with a single attempt stands for that attempt, unless the other side is a run with several.

    Raises:
        UsageError: there is no such run.
    """
    if any("/" in name.rstrip("/") and not (Path(name) / "journal.jsonl").is_file() for name in (first, second)):
        return None
    one, two = find_run(out, first), find_run(out, second)
    return (one, two) if means_runs(_verdicts(one), _verdicts(two)) else None


def compare_runs(first: RunFolder, second: RunFolder) -> RunComparison:
    """Compare two runs by their attempts.

    Raises:
        UsageError: one has no judged attempt, or they worked on different tasks.
    """
    return compare_verdicts(_verdicts(first), _verdicts(second))


def compare_verdicts(first: RunVerdicts, second: RunVerdicts) -> RunComparison:
    """Compare two runs that were read already.

    Raises:
        UsageError: one has no judged attempt, or they worked on different tasks.
    """
    judged = [first.judged, second.judged]
    one, two = _side(first), _side(second)
    if one.task != two.task:
        raise UsageError(f"{one.run} worked on {one.task} and {two.run} on {two.task}: there is nothing to compare.")
    speedups = [[v.counted_speedup for v in verdicts if v.counted_speedup is not None] for verdicts in judged]
    difference = newcombe(one, two)
    if one.devices != two.devices:
        reason = (
            f"They ran on different devices ({_list(one.devices)}; {_list(two.devices)}): their times do not compare."
        )
        return RunComparison(
            first=one, second=two, conclusion="not_tested", sentence=reason, rate_difference=difference
        )
    ratio = welch(speedups[0], speedups[1])
    if ratio is None:
        reason = "Two counted attempts each, of which one is not 1.0x, is the least that can be tested."
        return RunComparison(
            first=one, second=two, conclusion="not_tested", sentence=reason, rate_difference=difference
        )
    conclusion = conclude(ratio, 0.0)
    sentence = {
        "second_faster": f"The geometric mean of {two.run} is {interval_text(ratio)} that of {one.run}.",
        "first_faster": f"The geometric mean of {one.run} is {interval_text(inverse(ratio))} that of {two.run}.",
        "alike": f"The data do not tell them apart: geometric means {interval_text(ratio)}, second over first.",
    }[conclusion]
    return RunComparison(
        first=one, second=two, conclusion=conclusion, sentence=sentence, ratio=ratio, rate_difference=difference
    )


def newcombe(one: RunSide, two: RunSide) -> Rate | None:
    """The difference of two rates of wins, second minus first, with its 95 % interval; None where one has none."""
    if one.rate is None or two.rate is None:
        return None
    first, second = one.rate, two.rate
    difference = second.estimate - first.estimate
    below = math.hypot(second.estimate - second.low, first.high - first.estimate)
    above = math.hypot(second.high - second.estimate, first.estimate - first.low)
    return Rate(estimate=difference, low=difference - below, high=difference + above)


def welch(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """The ratio of two geometric means, second over first, with its 95 % interval (Welch, Biometrika 34, 1947).

    The degrees of freedom are rounded down, which widens the interval. As in `harness.intervals.attempts_interval` one
    failure and one more of the best are put beside each side's attempts (for shares: Agresti and Caffo, The American
    Statistician 54, 2000), and the wider ends are given: two attempts that both failed are no evidence that all do.
    None below two values each, and where all are 1.0.
    """
    if min(len(first), len(second)) < 2:
        return None
    seen = [log_moments(values) for values in (first, second)]
    fuller = [side.beside(kinds(first, second)) for side in seen]
    ends = [welch_ends(*sides) for sides in (fuller, seen) if sum(side.error for side in sides) > 0]
    if not ends:
        return None
    return Interval(
        estimate=math.exp(seen[1].mean - seen[0].mean),
        low=math.exp(min(low for low, _ in ends)),
        high=math.exp(min(max(high for _, high in ends), 700)),
    )


def welch_ends(first: Moments, second: Moments) -> tuple[float, float]:
    """The ends of the difference of two means, second less first."""
    errors = [first.error, second.error]
    spread = sum(error**2 / (side.count - 1) for error, side in zip(errors, (first, second), strict=True))
    half = t_quantile(max(1, math.floor(sum(errors) ** 2 / spread))) * math.sqrt(sum(errors))
    centre = second.mean - first.mean
    return centre - half, centre + half


def _verdicts(folder: RunFolder) -> RunVerdicts:
    return RunVerdicts(folder.name, read_state(folder.path).verdicts)


def _side(run: RunVerdicts) -> RunSide:
    verdicts = run.judged
    counted = [v.counted_speedup for v in verdicts if v.counted_speedup is not None]
    faster = sum(verdict.status == "faster" for verdict in verdicts)
    prices = [verdict.cost.usd for verdict in verdicts]
    return RunSide(
        run=run.run,
        task=verdicts[0].task,
        who=", ".join(dict.fromkeys(" ".join(filter(None, (v.agent, v.model))) for v in verdicts)),
        attempts=len(counted),
        faster=faster,
        rate=wilson(faster, len(counted)) if counted else None,
        geometric_mean=geometric_mean(counted),
        interval=attempts_interval(counted),
        usd=None if None in prices else sum(price for price in prices if price is not None),
        tokens=sum(verdict.cost.tokens.input + verdict.cost.tokens.output for verdict in verdicts),
        devices=sorted({verdict.device.name for verdict in verdicts if verdict.device}),
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
