"""The best of several attempts, and what may be said of it: an interval that holds whichever of them was chosen.

Each confirmation is a fresh measurement, so its own interval is right for its own patch. But whoever picks the
highest of N picks the luckiest too (the winner's curse), and the picked interval misses more often than it says. If
each of the N intervals misses with probability at most alpha / N, then all of them hold together with probability
1 - alpha (Bonferroni; Dunn, "Multiple Comparisons Among Means", JASA 56, 1961), and so does the one that is picked,
by whatever rule. The estimate keeps its luck; the interval's low end is what can be relied on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from harness.kept import keep_verdict
from harness.store import RunFolder
from harness.timing.job import Protocol
from harness.timing.measurement import Measurement, Sample
from harness.timing.printed import coarseness_of
from harness.timing.statistics import Estimate, critical_value, hodges_lehmann, session_value
from harness.verdict import Interval, Verdict

ALPHA = 0.05


def values_by_workload(samples: Sequence[Sample]) -> dict[str, list[float]]:
    """Each workload's session values (log ratios of times), sessions ascending."""
    pairs: dict[str, dict[int, list[Sample]]] = {}
    for sample in samples:
        pairs.setdefault(sample.workload, {}).setdefault(sample.session, []).append(sample)
    return {
        workload: [
            session_value([each.base_us for each in taken], [each.candidate_us for each in taken])
            for _, taken in sorted(sessions.items())
        ]
        for workload, sessions in pairs.items()
    }


def overall_values(samples: Sequence[Sample]) -> list[float]:
    """The sessions' values over all workloads: logarithms of geometric means."""
    return [fmean(values) for values in zip(*values_by_workload(samples).values(), strict=True)]


def best_of(values: Sequence[float], chosen_from: int, looks: int = 1) -> Estimate:
    """The estimate of a measurement that was picked from several, with its 95 % interval.

    Args:
        values: the picked measurement's session values.
        chosen_from: how many it was picked from, at least 1.
        looks: how many times each of them was looked at to decide whether to stop; the looks share the error too.

    Returns:
        Hodges-Lehmann, with Wilcoxon's interval at level 1 - 0.05 / (chosen_from * looks). Where there are too few
        values for that level (8 reach 99.2 % and no more), the interval is Student's t at that level, widened to
        hold every Walsh average: t supposes that session values, themselves medians, are about normal.

    Raises:
        ValueError: there are fewer than two values, or nothing to choose from.
    """
    if len(values) < 2 or chosen_from < 1:
        raise ValueError(f"{len(values)} sessions of {chosen_from} attempts give no interval")
    alpha = ALPHA / (chosen_from * looks)
    wilcoxon = hodges_lehmann(values, alpha)
    if critical_value(len(values), alpha) >= 0:
        return wilcoxon
    from scipy.stats import t  # noqa: PLC0415 - slow to import, and seldom needed

    mean = fmean(values)
    half = float(t.ppf(1 - alpha / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return Estimate(
        estimate=wilcoxon.estimate,
        low=min(mean - half, wilcoxon.low),
        high=max(mean + half, wilcoxon.high),
        level=1 - alpha,
    )


def settle_best(verdicts: list[Verdict], run: RunFolder) -> list[Verdict]:
    """The verdicts of a run that is over; its best `faster` one gets the interval for having been chosen.

    Nothing changes where there was one attempt only, none is faster, or its samples cannot be read. The attempt's
    `verdict.json` is written anew, as is that of one that was the best before the run was gone on with.

    Args:
        verdicts: all of the run's. Each attempt could have been the best; placebos and the reference could not.
        run: the run's folder, with the attempts' `samples.json`.
    """
    verdicts = [_unsettled(each, run) for each in verdicts]
    attempts = [each for each in verdicts if not each.is_control]
    best = winner(attempts)
    if len(attempts) < 2 or best is None or best.timing is None:
        return verdicts
    folder = run.attempt(str(best.attempt))
    confirmation = _confirmation(folder.samples)
    adjusted = None if confirmation is None else adjusted_interval(confirmation, len(attempts))
    if adjusted is None:
        return verdicts
    timing = best.timing.model_copy(update={"adjusted": adjusted, "chosen_from": len(attempts)})
    settled = best.model_copy(update={"timing": timing})
    keep_verdict(folder, settled)
    return [settled if each is best else each for each in verdicts]


def _unsettled(verdict: Verdict, run: RunFolder) -> Verdict:
    """A verdict without what was said of it when it was the best of fewer: the run has gone on since."""
    if verdict.timing is None or verdict.timing.adjusted is None:
        return verdict
    timing = verdict.timing.model_copy(update={"adjusted": None, "chosen_from": 1})
    plain = verdict.model_copy(update={"timing": timing})
    keep_verdict(run.attempt(str(verdict.attempt)), plain)
    return plain


def winner(attempts: Sequence[Verdict]) -> Verdict | None:
    """The best attempt of a run: of those that are `faster`, the one whose interval begins highest; None without any.

    Of many, the highest estimate is the luckiest, and one that was measured badly does not get far with its low end.
    """
    faster = [each for each in attempts if each.status == "faster" and each.speedup and each.timing and each.attempt]
    return max(faster, key=lambda each: each.speedup.low if each.speedup else 0.0, default=None)


def adjusted_interval(confirmation: Measurement, chosen_from: int) -> Interval | None:
    """What is published of a winner: its confirmation, with an interval that allows for its having been picked.

    None where the measurement holds too little for one.
    """
    try:
        found = best_of(overall_values(confirmation.samples), chosen_from, len(Protocol().looks))
        return found.widened(coarseness_of(confirmation.samples)).as_ratio()
    except ValueError:
        return None


def _confirmation(samples: Path) -> Measurement | None:
    try:
        kept = json.loads(samples.read_text(encoding="utf-8"))
        return Measurement.model_validate(kept["confirmation"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
