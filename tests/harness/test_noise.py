"""A machine on which nothing could be claimed is refused before anything is judged on it, in words."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from command_line import harness
from records import AT, interval, verdict, write_run
from tiny_task import TinyTask

from harness.errors import InfrastructureError
from harness.event_text import describe
from harness.events import Admitted
from harness.noise import noise_of, noise_text, require_quiet, require_telling
from harness.report.facts import Fact, facts
from harness.report.material import read_run
from harness.timing.statistics import Estimate
from harness.verdict import NoiseFloor


def floor(low: float, high: float) -> NoiseFloor:
    return NoiseFloor(speedup=interval(1.0, low, high), sessions=8)


@pytest.mark.parametrize(("low", "high", "effect"), [(0.99, 1.02, 0.02), (0.9, 1.02, 0.1), (0.01, 1.99, 0.99)])
def test_less_than_the_whole_is_a_smallest_effect(low: float, high: float, effect: float) -> None:
    assert noise_of(floor(low, high)) == pytest.approx(effect)
    require_quiet(floor(low, high), calibrated=0.5)


def test_noise_above_the_tasks_smallest_effect_is_said_to_decide() -> None:
    assert noise_text(floor(0.99, 1.015), 0.02) == "base against itself: 1.000x [0.990, 1.015]"
    loud = "base against itself: 1.000x [0.449, 1.013]; nothing below 55.1% is claimed on this machine now"
    assert noise_text(floor(0.449, 1.013), 0.02) == loud


@pytest.mark.parametrize(("low", "loud"), [(0.45, True), (0.89, True), (0.95, False)])
def test_a_noisy_machine_stays_told_of_once_its_base_is_admitted(low: float, loud: bool) -> None:
    """On a terminal the line about the noise itself is drawn over by the next step."""
    told = describe(Admitted(at=AT, noise=floor(low, 1.01), expected_tests=41))
    head, _, rest = told.partition("\n")
    assert head.startswith("base: admitted, 41 tests, base against itself 1.00x")
    assert rest.startswith(f"base: NOISY: nothing below {1 - low:.0%} will be claimed") == loud and bool(rest) == loud
    assert not loud or "harness doctor" in rest


@pytest.mark.parametrize("high", [2.0, 31.5, math.inf, math.nan])
def test_a_base_that_may_be_twice_itself_is_refused(high: float) -> None:
    with pytest.raises(InfrastructureError, match="too noisy to judge on: the base against itself comes to") as refused:
        require_quiet(floor(0.4, high))
    assert "harness doctor" in str(refused.value)


def test_a_calibration_that_leaves_nothing_to_claim_is_named() -> None:
    with pytest.raises(InfrastructureError, match="by its calibration, effects below 130% are noise") as refused:
        require_quiet(floor(0.99, 1.01), calibrated=1.3)
    assert "harness calibrate" in str(refused.value)


def test_a_known_effect_that_drowns_is_not_the_benchs_fault() -> None:
    with pytest.raises(InfrastructureError, match=r"0.50x was injected, 0.70x \[0.31, 1.40\] was measured"):
        require_telling(interval(0.7, 0.31, 1.4), 0.5)
    require_telling(interval(0.98, 0.95, 1.01), 0.5)  # a dead clock, not noise: it is told elsewhere
    require_telling(interval(0.6, 0.40, 0.99), 0.5)


def test_an_interval_wider_than_any_float_is_one() -> None:
    wild = Estimate(estimate=0.0, low=-2000.0, high=2000.0, level=0.95).as_ratio()
    assert wild.low == 0.0 and math.isfinite(wild.high) and wild.high > 1e300


@pytest.mark.slow
def test_a_run_on_such_a_machine_ends_before_its_first_attempt(tiny: TinyTask, tmp_path: Path) -> None:
    """The base is as fast as its process likes: up to thirty times as slow, as on a machine with too much to do."""
    text = tiny.core.read_text().replace("range(20)", "range(LUCK)")
    tiny.core.write_text(f"import random\n\nLUCK = int(20 * 30 ** random.SystemRandom().random())\n{text}")
    for _ in range(3):  # once in a hundred times luck is even
        done = harness(tmp_path, "run", str(tiny.file), "--agent", "nop", "--sandbox", "none")
        if done.returncode == 4:
            break
    assert done.returncode == 4
    said = "error: This machine is too noisy to judge on: "
    itself, injected = f"{said}the base against itself comes to", f"{said}where 0.50x was injected"
    assert itself in done.stderr or injected in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_report_marks_a_verdict_of_a_noisy_machine(tmp_path: Path) -> None:
    quiet, noisy = (a_run(tmp_path / f"{low}", low) for low in (0.95, 0.45))
    marked = [[fact.tone for fact in found if "against itself" in fact.text] for found in (quiet, noisy)]
    assert marked == [["plain"], ["look"]]
    assert "was noisy" in next(fact.text for fact in noisy if fact.tone == "look")


def a_run(out: Path, low: float) -> list[Fact]:
    """What a report says of an attempt on a machine whose base came to `low` against itself."""
    judged = verdict()
    assert judged.timing is not None
    timing = judged.timing.model_copy(update={"noise": floor(low, 1.01)})
    [attempt] = read_run(write_run(out, judged.model_copy(update={"timing": timing}))).attempts
    return facts(attempt)
