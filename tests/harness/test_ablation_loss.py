"""What a measurement of a variant means: intervals that hold together, and words for them."""

from __future__ import annotations

import math
import random

import pytest

from harness.ablation.loss import is_kept, loss_of, loss_protocol, meaning, share_of
from harness.ablation.records import Loss
from harness.timing.job import Protocol
from harness.timing.measurement import Measurement, Sample
from harness.timing.sequential import why_stop
from harness.timing.statistics import critical_value, hodges_lehmann
from harness.verdict import Device, Interval, WorkloadResult

CPU = Device(kind="cpu", name="Example", cores=1, memory_gb=1.0, platform="linux", versions={})


def interval(low: float, high: float) -> Interval:
    return Interval(estimate=math.sqrt(low * high), low=low, high=high)


def measurement(rng: random.Random, effects: dict[str, float], sessions: int, spread: float = 0.01) -> Measurement:
    """Sessions whose values scatter about the logarithm of each workload's effect."""
    samples = [
        Sample(
            session=session,
            workload=name,
            base_us=100.0 * effect * math.exp(rng.gauss(0, spread)),
            candidate_us=100.0,
            candidate_first=False,
            calls=1,
            base_worker_us=1.0,
            candidate_worker_us=1.0,
        )
        for session in range(sessions)
        for name, effect in effects.items()
    ]
    one = interval(0.99, 1.01)
    return Measurement(
        speedup=one,
        workloads=[
            WorkloadResult(name=name, held_out=False, base_us=1.0, candidate_us=1.0, speedup=one) for name in effects
        ],
        samples=samples,
        sessions=sessions,
        stopped="decided",
        look_level=0.95,
        repeated_inputs=[],
        device=CPU,
        seconds=1.0,
    )


@pytest.mark.parametrize(("comparisons", "workloads"), [(1, 1), (2, 3), (5, 12), (40, 12), (200, 50)])
def test_the_first_look_is_sure_enough(comparisons: int, workloads: int) -> None:
    protocol = loss_protocol(Protocol(), comparisons, workloads, 0.03)
    assert protocol.question == "not_slower" and protocol.min_effect == 0.03
    assert critical_value(protocol.looks[0], protocol.alpha / workloads) >= 0
    assert protocol.looks == sorted(set(protocol.looks)) and protocol.looks[0] >= 8
    assert protocol.alpha * 2 * comparisons == pytest.approx(Protocol().alpha)


def test_a_protocol_of_one_look_stays_one() -> None:
    assert loss_protocol(Protocol(looks=[6], alpha=0.05), 1, 1, 0.1).looks == [7]


@pytest.mark.parametrize(
    ("ratio", "worst", "outcome", "kept"),
    [
        ((0.49, 0.51), (0.40, 0.45), "carries", False),
        ((0.95, 0.99), (0.90, 1.01), "carries", False),
        ((0.985, 0.995), (0.97, 1.02), "no_difference", True),  # a loss, and smaller than what is claimed
        ((0.99, 1.01), (0.97, 1.02), "no_difference", True),
        ((1.10, 1.20), (1.00, 1.02), "no_difference", True),
        ((0.96, 1.03), (0.90, 1.10), "undetermined", False),
        ((0.985, 1.01), (0.80, 0.85), "carries", False),  # lost in the mean, and not on its workload
    ],
)
def test_what_is_said(ratio: tuple[float, float], worst: tuple[float, float], outcome: str, kept: bool) -> None:
    loss = Loss(ratio=interval(*ratio), worst="large", worst_ratio=interval(*worst))
    found, sentence = meaning(loss, 0.02)
    assert (found, is_kept(loss, 0.02)) == (outcome, kept)
    assert sentence


def test_the_workload_that_pays_is_found() -> None:
    loss = loss_of(measurement(random.Random(1), {"small": 1.0, "large": 0.7, "odd": 1.0}, 16), 0.01)
    assert loss.worst == "large" and loss.worst_ratio.high < 0.75 < loss.ratio.low
    assert "large" in meaning(Loss(ratio=interval(0.99, 1.0), worst="large", worst_ratio=loss.worst_ratio), 0.02)[1]


def test_shares_of_parts_that_do_not_meet_add_up() -> None:
    gain = interval(5.9, 6.1)
    half = Loss(ratio=interval(0.32, 0.34), worst="w", worst_ratio=interval(0.3, 0.4))
    other = Loss(ratio=interval(0.49, 0.51), worst="w", worst_ratio=interval(0.3, 0.6))
    shares = [share_of(each, gain) for each in (half, other)]
    assert sum(each.estimate for each in shares) == pytest.approx(1.0, abs=0.01)
    for share in shares:
        assert share.low < share.estimate < share.high < 1
    nothing = share_of(Loss(ratio=interval(0.98, 1.02), worst="w", worst_ratio=interval(0.9, 1.1)), gain)
    assert nothing.low < 0 < nothing.high


def test_all_intervals_hold_together() -> None:
    """Six parts that make no difference on four workloads: seldom does any of thirty intervals miss."""
    protocol = loss_protocol(Protocol(), 6, 4, 0.02)
    alpha = 6 * protocol.alpha * 2  # of all parts at one look
    misses = 0
    rng = random.Random(7)
    for _ in range(150):
        losses = [
            loss_of(measurement(rng, dict.fromkeys("wxyz", 1.0), protocol.looks[0]), protocol.alpha) for _ in range(6)
        ]
        misses += any(not each.ratio.low <= 1 <= each.ratio.high or each.worst_ratio.high < 1 for each in losses)
    assert misses / 150 <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / 150)


@pytest.mark.parametrize("true_ratio", [0.98, 1.0])
def test_a_loss_at_the_border_is_seldom_shut_out(true_ratio: float) -> None:
    """The whole sequence of looks: a loss of just `min_effect` passes in few trials, no loss in nearly all."""
    protocol = loss_protocol(Protocol(), 1, 1, 0.02)
    rng = random.Random(11)
    trials, shut_out = 400, 0
    for _ in range(trials):
        values = [math.log(true_ratio) + rng.gauss(0, 0.012) for _ in range(protocol.looks[-1])]
        for sessions in protocol.looks:
            found = hodges_lehmann(values[:sessions], protocol.alpha).as_ratio()
            stopped = why_stop(
                found, sessions=sessions, looks=protocol.looks, min_effect=0.02, question=protocol.question
            )
            if stopped is not None:
                break
        shut_out += found.low >= 0.98
    assert shut_out / trials <= 0.025 if true_ratio < 1 else shut_out / trials >= 0.9
