"""What leaving something out costs: how it is looked for, and what the measurement means.

Every part is left out once, so there are as many chances of being wrong as there are parts, times the workloads a
loss could show on. All the intervals of the parts hold together with 95 %: each has its share of the error (Bonferroni;
Dunn, JASA 56, 1961), half of a part's for the workloads together and half for them singly. That takes more sessions
before the first look, for eight of them can reach 99.2 % and no more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean

from harness.ablation.records import Loss, Outcome
from harness.selection import overall_values, values_by_workload
from harness.text import interval_text
from harness.timing.job import Protocol
from harness.timing.measurement import Measurement
from harness.timing.printed import coarseness_of
from harness.timing.statistics import Estimate, hodges_lehmann
from harness.verdict import Interval


def loss_protocol(judging: Protocol, comparisons: int, workloads: int, min_effect: float) -> Protocol:
    """How a variant is timed against the whole patch.

    Args:
        judging: how patches are judged here.
        comparisons: intervals that are to hold together.
        workloads: how many each is timed on.
        min_effect: the smallest loss worth a claim.

    Returns:
        Looks from the first number of sessions whose widest interval, the one from the smallest to the largest
        value (level 1 - 2 ** (1 - n)), is sure enough for a single workload of a single variant.
    """
    alpha = judging.alpha / (2 * comparisons)
    enough = math.ceil(1 - math.log2(alpha / workloads))
    first = max(judging.looks[0], enough)
    last = max(judging.looks[-1], first + (0 if len(judging.looks) == 1 else 8))
    looks = sorted({first, (first + last) // 2, last}) if len(judging.looks) > 1 else [first]
    return judging.model_copy(
        update={"alpha": alpha, "looks": looks, "min_effect": min_effect, "question": "not_slower"}
    )


def loss_of(measured: Measurement, alpha: float) -> Loss:
    """What a variant loses: over all workloads at 1 - alpha, and on its worst, at 1 - alpha for all of them."""
    by_workload = values_by_workload(measured.samples)
    coarse = {name: coarseness_of(each for each in measured.samples if each.workload == name) for name in by_workload}
    estimates = {
        name: hodges_lehmann(values, alpha / len(by_workload)).widened(coarse[name])
        for name, values in by_workload.items()
    }
    worst = min(estimates, key=_ends(estimates))
    return Loss(
        ratio=hodges_lehmann(overall_values(measured.samples), alpha).widened(fmean(coarse.values())).as_ratio(),
        worst=worst,
        worst_ratio=estimates[worst].as_ratio(),
    )


def _ends(estimates: dict[str, Estimate]) -> Callable[[str], tuple[float, float]]:
    """The surest loss first."""
    return lambda name: (estimates[name].high, estimates[name].estimate)


def is_kept(loss: Loss, min_effect: float) -> bool:
    """Whether the gain is kept: a loss of `min_effect` is shut out over all workloads, and shown on none of them."""
    return loss.ratio.low >= 1 - min_effect and not _loses_somewhere(loss, min_effect)


def meaning(loss: Loss, min_effect: float) -> tuple[Outcome, str]:
    """What leaving a part out means, with a sentence."""
    ratio = interval_text(loss.ratio)
    if _loses_somewhere(loss, min_effect) and not (loss.ratio.high < 1 and loss.ratio.low < 1 - min_effect):
        return "carries", f"without it {loss.worst} runs at {interval_text(loss.worst_ratio)}, all together at {ratio}"
    if is_kept(loss, min_effect):
        if loss.ratio.low > 1 + min_effect:
            return "no_difference", f"costs time: without it {ratio} as fast"
        return "no_difference", f"no difference worth a claim: without it {ratio} as fast"
    if loss.ratio.high < 1:
        return "carries", f"without it {ratio} as fast as the whole patch"
    return "undetermined", f"not told apart: without it {ratio} as fast; less than {min_effect:.1%} is not claimed"


def share_of(loss: Loss, gain: Interval) -> Interval:
    """The part of the gain that goes with what was left out, on the scale of logarithms.

    With l = -log(ratio) and g = log(gain), l / g between the least and the most that ends of the two intervals allow:
    it holds whenever both do.
    """
    lost = [-math.log(value) for value in (loss.ratio.high, loss.ratio.low)]
    gained = [math.log(value) for value in (gain.low, gain.high)]
    corners = [one / other for one in lost for other in gained]
    estimate = -math.log(loss.ratio.estimate) / math.log(gain.estimate)
    return Interval(estimate=estimate, low=min(corners), high=max(corners))


def _loses_somewhere(loss: Loss, min_effect: float) -> bool:
    return loss.worst_ratio.high < 1 - min_effect
