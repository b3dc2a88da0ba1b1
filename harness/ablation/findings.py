"""What each part is worth, from the trial that left it out alone."""

from __future__ import annotations

from collections.abc import Sequence

from harness.ablation.loss import meaning, share_of
from harness.ablation.parts import Part
from harness.ablation.records import Outcome, PartFinding, Trial
from harness.verdict import Interval


def outcomes_of(alone: dict[str, Trial], min_effect: float) -> dict[str, Outcome]:
    """What each part came to, those that cost least to leave out first."""
    order = sorted(alone, key=lambda name: _surest(alone[name]), reverse=True)
    return {name: _said(alone[name], min_effect)[0] for name in order}


def find(
    parts: Sequence[Part], alone: dict[str, Trial], gain: Interval, min_effect: float, left_out: Sequence[str], why: str
) -> list[PartFinding]:
    """A finding for each part.

    Args:
        parts: the patch's.
        alone: the trial that left each of them out, by its name.
        gain: of the whole patch over the base.
        min_effect: the smallest loss worth a claim.
        left_out: what the smallest patch is without.
        why: why a part that makes no difference by itself is in the smallest patch all the same.
    """
    found = []
    for part in parts:
        trial = alone[part.name]
        outcome, sentence = _said(trial, min_effect)
        kept = part.name not in left_out
        if kept and outcome == "no_difference":
            sentence = f"{sentence}; kept: {why}"
        found.append(
            PartFinding(
                part=part,
                outcome=outcome,
                sentence=sentence,
                loss=trial.loss,
                share=None if trial.loss is None else share_of(trial.loss, gain),
                kept=kept,
            )
        )
    return found


def _said(trial: Trial, min_effect: float) -> tuple[Outcome, str]:
    if trial.loss is not None:
        return meaning(trial.loss, min_effect)
    words = trial.status.replace("_", " ")
    if trial.status == "infra_failed":
        return "not_judged", f"could not be judged: {trial.message}"
    return "needed", f"needed: without it {words}: {trial.message}"


def _surest(trial: Trial) -> float:
    return trial.loss.ratio.low if trial.loss is not None else 0.0
