"""Calibration: what trials of known outcome come to, what is kept of them, and what a run says about it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from records import AT, device
from tiny_task import TinyTask

from harness.calibrate import CalibrateOptions, calibrate
from harness.calibration import store
from harness.calibration.report import as_markdown, as_svg, as_text
from harness.calibration.store import Calibration, MachineFingerprint, calibration_note, fingerprint, stored_floor
from harness.calibration.summary import percentile, rate, summarise
from harness.calibration.trials import Condition, Schedule, Trial
from harness.errors import UsageError
from harness.events import Event, RunStarted
from harness.intervals import wilson
from harness.run import RunOptions, run_task
from harness.timing.job import Protocol
from harness.verdict import Interval, WorkloadResult

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def trials(count: int, condition: Condition | None = None, *, sd: float = 0.004, half: float = 0.01) -> list[Trial]:
    rng = random.Random(5)
    made = []
    for number in range(count):
        at = (condition or Condition()).nominal * (1 + rng.gauss(0, sd))
        ratio = Interval(estimate=at, low=at - half, high=at + half)
        made.append(
            Trial(
                condition=condition or Condition(),
                truth=(condition or Condition()).nominal,
                seed=number,
                speedup=ratio,
                workloads=[WorkloadResult(name="w", held_out=False, base_us=100, candidate_us=100, speedup=ratio)],
                values={"w": [0.0, 0.001]},
                sessions=8,
                stopped="futile",
                seconds=2.0,
            )
        )
    return made


def calibration(made_for: MachineFingerprint, made: list[Trial], bench: str = store.BUILT_IN) -> Calibration:
    return Calibration(
        bench=bench,
        mode="latency",
        fingerprint=made_for,
        device=device(),
        protocol=Protocol(),
        started_at=AT,
        seconds=60.0,
        planned=len(made) + 3,
        summary=summarise(made, 0.02),
        trials=made,
    )


@pytest.mark.parametrize(
    # Table of Brown, Cai and DasGupta's score interval, recomputed with R's prop.test(correct=FALSE).
    ("count", "of", "low", "high"),
    [(0, 20, 0.0, 0.1611), (1, 20, 0.0089, 0.2361), (10, 200, 0.0274, 0.0896), (20, 20, 0.8389, 1.0)],
)
def test_a_rate_has_wilsons_interval(count: int, of: int, low: float, high: float) -> None:
    found = rate(count, of)
    assert (found.low, found.high) == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))


def test_a_rate_of_nothing_says_nothing() -> None:
    assert (rate(0, 0).share, rate(0, 0).high) == (0.0, 1.0)


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.95) == 3.0
    assert percentile(list(range(1, 101)), 0.95) == 95
    assert percentile(list(range(1, 101)), 0.05) == 5


def test_half_of_the_trials_are_even_and_the_others_take_turns() -> None:
    order = Schedule(trials=8).conditions
    assert [each.name for each in order[:8:2]] == ["A/A"] * 4
    assert [each.name for each in order[1:9:2]] == ["2 % faster", "5 % faster", "2 % slower", "5 % slower"]
    assert len(order) == 16
    assert len(Schedule(trials=3, slowdowns=()).conditions) == 3


def test_the_truth_is_what_was_done_to_the_arms() -> None:
    assert Condition(base_slowdown=0.05).nominal == 1.05
    assert Condition(candidate_slowdown=0.02).nominal == pytest.approx(1 / 1.02)


def test_a_summary_counts_errors_power_and_coverage() -> None:
    wide, narrow = trials(100, half=0.02), trials(100, half=0.001)
    summary = summarise([*wide, *trials(50, Condition(base_slowdown=0.05))], 0.02)
    even, faster = summary.rows
    assert (even.name, even.trials, even.seen.count, even.covered.count) == ("A/A", 100, 0, 100)
    assert (faster.name, faster.seen.count, faster.wrong_way) == ("5 % faster", 50, 0)
    assert faster.claimed.count > 40
    assert 0.006 < even.off < 0.011
    assert summary.floor == even.off
    assert summary.base_us == {"w": 100}
    assert summary.workloads[0].name == "w"
    lying = summarise(narrow, 0.02).false_positives
    assert lying is not None
    assert lying.low > 0.5


def test_a_refused_trial_is_counted_and_few_trials_give_no_floor() -> None:
    refused = Trial(condition=Condition(), seed=1, refused="clock_mismatch: x")
    summary = summarise([*trials(19), refused], 0.02)
    assert (summary.rows[0].trials, summary.rows[0].refused) == (19, 1)
    assert summary.floor is None
    assert summarise([refused], 0.02).rows == []


def test_a_machine_that_was_never_calibrated_is_told_and_one_that_was_is_not() -> None:
    note = calibration_note("cpu", "tiny", "latency")
    assert note is not None
    assert "never been calibrated" in note
    assert "\n" not in note
    assert stored_floor("cpu", "tiny", "latency") == 0.0
    kept = calibration(fingerprint("cpu"), trials(40))
    assert store.save(kept) == store.path_of(fingerprint("cpu"), store.BUILT_IN, "latency")
    assert store.find("cpu", "tiny", "latency") == kept
    assert calibration_note("cpu", "tiny", "latency") is None
    assert stored_floor("cpu", "tiny", "latency") == kept.summary.floor


def test_a_shorter_calibration_does_not_replace_a_longer_one() -> None:
    longer, shorter = (calibration(fingerprint("cpu"), trials(count)) for count in (40, 3))
    store.save(longer)
    assert store.save(shorter) == store.path_of(fingerprint("cpu"), store.BUILT_IN, "latency")
    assert store.find("cpu", "tiny", "latency") == longer


def test_a_tasks_own_calibration_comes_before_the_built_in() -> None:
    store.save(calibration(fingerprint("cpu"), trials(40)))
    own = calibration(fingerprint("cpu"), trials(40, sd=0.001), bench="tiny")
    store.save(own)
    assert stored_floor("cpu", "tiny", "latency") == own.summary.floor
    assert stored_floor("cpu", "other", "latency") != own.summary.floor


def test_a_machine_that_changed_is_told_what_changed() -> None:
    before = fingerprint("cpu").model_copy(update={"kernel": "3.2.1"})
    store.save(calibration(before, trials(20)))
    note = calibration_note("cpu", "tiny", "latency")
    assert note is not None
    assert f"kernel 3.2.1 -> {fingerprint('cpu').kernel}" in note
    other = fingerprint("cpu").model_copy(update={"cpu": "Z80"})
    store.path_of(before, store.BUILT_IN, "latency").unlink()
    store.save(calibration(other, trials(20)))
    assert "never been calibrated (another" in str(calibration_note("cpu", "tiny", "latency"))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 99}'])
def test_a_damaged_file_counts_as_none(content: str) -> None:
    path = store.save(calibration(fingerprint("cpu"), trials(20)))
    path.write_text(content)
    assert store.find("cpu", "tiny", "latency") is None
    assert "never" in str(calibration_note("cpu", "tiny", "latency"))


def test_a_report_has_every_row_and_says_that_it_was_cut_short() -> None:
    made = calibration(fingerprint("cpu"), [*trials(30), *trials(9, Condition(candidate_slowdown=0.05))])
    text = as_text(made)
    for words in ("A/A", "5 % slower", "cut short: 42 were planned", "Noise floor: 95 %", "^", "False positives: "):
        assert words in text
    assert max(map(len, text.splitlines())) <= 120
    assert as_svg(made).startswith("<svg")
    assert as_svg(made) == as_svg(made)
    assert "calibration.svg" in as_markdown(made, "harness calibrate")


def test_a_run_warns_and_claims_nothing_below_the_floor(tiny: TinyTask, tmp_path: Path) -> None:
    events: list[Event] = []
    options = RunOptions(task=str(tiny.file), out=tmp_path / "runs", worktrees=tmp_path / "worktrees", agent="nop")
    outcome = run_task(options, events.append)
    started = events[0]
    assert isinstance(started, RunStarted)
    assert "never been calibrated" in str(started.note)
    assert "20" in outcome.run_folder.attempt("001").prompt.read_text()

    store.save(calibration(fingerprint("cpu"), trials(40, sd=0.25), bench="tiny"))
    events.clear()
    outcome = run_task(options, events.append)
    assert isinstance(events[0], RunStarted)
    assert events[0].note is None
    floor = stored_floor("cpu", "tiny", "latency")
    assert floor > 0.3
    assert f"{round(floor * 100, 1)} %" in outcome.run_folder.attempt("001").prompt.read_text()


@pytest.mark.parametrize("changed", [{"device": "abacus"}, {"mode": "command"}])
def test_a_name_that_is_none_is_a_usage_error(changed: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="There is no"):
        CalibrateOptions.checked(**{"device": "cpu", "mode": "latency", **changed})


def test_a_tasks_base_is_calibrated_against_itself(tiny: TinyTask, tmp_path: Path) -> None:
    seen: list[str] = []
    options = CalibrateOptions(task=str(tiny.file), trials=1, seconds=30, out=tmp_path / "report")
    outcome = calibrate(options, lambda done, planned, trial: seen.append(f"{done}/{planned} {trial.condition.name}"))
    assert seen[0] == "1/2 A/A"
    assert outcome.calibration.bench == "tiny"
    assert set(outcome.calibration.trials[0].values) == {"small", "large", "secret"}
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "README.md",
        "calibration.json",
        "calibration.svg",
    ]
    kept = Calibration.model_validate(json.loads((tmp_path / "report" / "calibration.json").read_text()))
    assert kept == outcome.calibration
    assert outcome.file.is_file()
    assert outcome.replaced


def test_a_calibration_is_continued_where_it_stopped(tiny: TinyTask) -> None:
    options = CalibrateOptions(task=str(tiny.file), trials=1, resume=True)
    first = calibrate(options, lambda done, planned, trial: None).calibration
    seen: list[str] = []
    second = calibrate(
        replace(options, trials=2), lambda done, planned, trial: seen.append(f"{done}/{planned} {trial.condition.name}")
    ).calibration
    assert seen == ["3/4 A/A", "4/4 5 % faster"]
    assert second.trials[:2] == first.trials
    assert second.started_at == first.started_at
    assert second.seconds > first.seconds


def test_trials_of_a_calibration_that_is_killed_are_kept(tmp_path: Path) -> None:
    state = tmp_path / "state"
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "calibrate", "--trials", "50"],
        env=os.environ | {"XDG_STATE_HOME": str(state), "TMPDIR": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    give_up = time.monotonic() + 100
    while not list(state.glob("perf-harness/calibration/*.json")):
        assert process.poll() is None and time.monotonic() < give_up
        time.sleep(0.05)
    process.kill()
    process.wait()
    (file,) = state.glob("perf-harness/calibration/*.json")
    kept = Calibration.model_validate(json.loads(file.read_text()))
    assert len(kept.trials) >= 1
    assert kept.planned == 100


def test_a_calibration_of_another_mode_is_not_taken_for_this_one() -> None:
    store.save(calibration(fingerprint("cpu"), trials(40)))
    assert store.find("cpu", "tiny", "throughput") is None
    assert "has not been calibrated in mode throughput" in str(calibration_note("cpu", "tiny", "throughput"))


def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    process = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "harness.cli", "calibrate", "--trials", "50", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert first.startswith("1/100  A/A: ")
    assert process.returncode == 130
    document = json.loads(out)
    assert document["interrupted"] is True
    assert document["planned"] == 100
    assert document["summary"]["rows"][0]["trials"] >= 1
    assert Path(document["file"]).is_relative_to(tmp_path / "state")


def test_the_documented_coverage_of_known_changes_is_that_of_the_committed_trials() -> None:
    """The unpleasant part of a calibration is easily left out, or out of date."""
    docs = Path(__file__).parents[2] / "docs"
    told = " ".join((docs / "measurement.md").read_text().split())
    below = []
    for machine, truths in (("2-core-vm", (1.02, 1.05)), ("h100", (1.02,))):
        kept = Calibration.model_validate_json((docs / "calibration" / machine / "calibration.json").read_text())
        for truth in truths:
            trials = [trial for trial in kept.trials if abs(trial.truth - truth) < 0.005]
            missed = [trial for trial in trials if not trial.speedup.low <= trial.truth <= trial.speedup.high]
            below += [trial.truth / trial.speedup.high - 1 for trial in missed]
            holds = wilson(len(trials) - len(missed), len(trials))
            share = f"{holds.estimate:.0%} [{holds.low:.0%}, {holds.high:.0%}]".replace("%", " %")
            change = round((truth - 1) * 100)
            assert f"{len(trials) - len(missed)} of {len(trials)} ({share}) at {change} % faster" in told
    assert f"All of these {len(below)} misses" in told
    assert min(below) > 0
    assert max(below) <= 0.0031
