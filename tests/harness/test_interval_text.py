"""What is written of an interval must not say more than the interval does."""

import math

import pytest

from harness.conclusions import conclude
from harness.noise import noise_text
from harness.reference_forms import figure_text
from harness.references import Spread
from harness.text import interval_text
from harness.timing.measurement import Measurement
from harness.verdict import Device, Interval, NoiseFloor, WorkloadResult


@pytest.mark.parametrize(
    ("estimate", "low", "high", "text"),
    [
        (3.91, 3.70, 4.12, "3.91x [3.70, 4.12]"),
        (12.37, 11.46, 12.89, "12.4x [11.5, 12.9]"),
        (0.997, 0.995, 0.999, "0.997x [0.995, 0.999]"),  # slower: never "1.00x [1.00, 1.00]"
        (1.0003, 0.9988, 1.0021, "1.000x [0.999, 1.002]"),  # an H100's base against itself: as narrow, and no narrower
        (1.03, 1.004, 1.06, "1.030x [1.004, 1.060]"),  # faster: 1 is not in it
        (0.996, 0.98, 1.0003, "1.00x [0.98, 1.00]"),  # 1 is in it, and so it reads
        (4.753, 4.751, 4.7549, "4.753x [4.751, 4.755]"),
        (1.0, 1.0, 1.0, "1.00x [1.00, 1.00]"),
        (2.0, 1.1, math.inf, "2.00x [1.10, ?]"),
        (2.0, 1.1, 40_000.0, "2.00x [1.10, >9999]"),
    ],
)
def test_an_interval_shows_its_width_and_its_side_of_1(estimate: float, low: float, high: float, text: str) -> None:
    assert interval_text(Interval(estimate=estimate, low=low, high=high)) == text


def test_a_reference_figure_shows_its_width() -> None:
    assert figure_text(Spread(estimate=0.9993, low=0.9969, high=1.0009)) == "0.999 [0.997, 1.001]"
    assert figure_text(Spread(estimate=3.91, low=3.70, high=4.12)) == "3.91 [3.70, 4.12]"


def test_the_noise_of_a_quiet_machine_is_not_written_as_none() -> None:
    floor = NoiseFloor(speedup=Interval(estimate=1.00004, low=0.9999, high=1.0002), sessions=8)
    assert noise_text(floor, 0.02) == "base against itself: 1.0000x [0.9999, 1.0002]"


def test_a_verdict_writes_no_number_without_its_interval() -> None:
    overall = Interval(estimate=5.0, low=4.8, high=5.2)
    worst = Interval(estimate=2.0, low=1.4, high=2.9)
    results = [
        WorkloadResult(name=name, held_out=False, base_us=10.0, candidate_us=2.0, speedup=speedup)
        for name, speedup in (("a", overall), ("b", worst))
    ]
    measured = Measurement(
        speedup=overall,
        workloads=results,
        samples=[],
        sessions=8,
        stopped="decided",
        look_level=0.98,
        repeated_inputs=[],
        device=Device(kind="cpu", name="EPYC", cores=2, memory_gb=8.0, platform="linux", versions={}),
        seconds=1.0,
    )
    status, _, message = conclude(measured, 0.02, confirmed=measured)
    assert status == "faster" and message.endswith("slowest workload b at 2.00x [1.40, 2.90].")
    slower = measured.model_copy(update={"speedup": Interval(estimate=0.997, low=0.996, high=0.9984)})
    assert conclude(slower, 0.001, confirmed=None)[2] == "0.997x [0.996, 0.998] as fast as the base: slower."
