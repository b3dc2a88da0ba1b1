"""Refine: who is gone on with, and a whole run in which the second attempt begins where the first ended."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from records import interval, verdict
from strategy_runs import script_agent, start
from tiny_task import TinyTask

from harness.brief import Brief, read_brief
from harness.events import AttemptBriefed
from harness.find_run import find_run
from harness.journal import read_events
from harness.plan import Slot
from harness.resume import ResumeOptions, resume_run
from harness.strategy import Member
from harness.strategy.refine import Refine
from harness.verdict import Verdict, WorkloadResult


def judged(name: str, estimate: float, low: float, high: float, held_out: float = 1.0, **changes: object) -> Member:
    """A faster attempt with one shown and one held-out workload."""
    ratios = {"shown": interval(estimate, low, high), "held": interval(held_out)}
    workloads = [
        WorkloadResult(name=key, held_out=key == "held", base_us=100.0, candidate_us=100 / each.estimate, speedup=each)
        for key, each in ratios.items()
    ]
    given: Verdict = verdict(attempt=name, workloads=workloads, **changes)
    patch = given.patch.model_copy(update={"sha256": name}) if given.patch else None
    return Member(given.model_copy(update={"patch": patch}))


def decide(population: list[Member], slot: str = "009", draws: int = 40, **keys: int) -> list[Brief]:
    return [Refine(**keys).brief(Slot(name=slot), population, random.Random(draw)) for draw in range(draws)]  # type: ignore[arg-type]


def test_the_first_attempts_know_of_nobody() -> None:
    population = [judged("001", 3.0, 2.9, 3.1)]
    assert decide(population, slot="002", draws=1) == [Brief(strategy="refine")]
    assert decide([], draws=1) == [Brief(strategy="refine")]


def test_noise_does_not_choose() -> None:
    lucky = judged("001", 9.0, 1.01, 80.0)
    surer = [judged(f"00{n}", 2.0, 1.9, 2.1) for n in range(2, 5)]
    for brief in decide([lucky, *surer]):
        assert "001" not in brief.parents
        assert sorted(brief.parents) == ["002", "003", "004"]
        assert brief.start_from == brief.parents[0]
    assert {brief.start_from for brief in decide([lucky, *surer])} == {"002", "003", "004"}


def test_what_is_held_out_has_no_say() -> None:
    fitted = judged("001", 2.0, 1.9, 2.1, held_out=50.0)
    better = judged("002", 3.0, 2.9, 3.1, held_out=1.05)
    assert {brief.start_from for brief in decide([fitted, better], top=1)} == {"002"}


@pytest.mark.parametrize("status", ["same", "slower", "incorrect", "rejected", "build_failed", "no_patch"])
def test_nothing_is_gone_on_with_that_is_not_faster_and_right(status: str) -> None:
    other = Member(verdict(status, attempt="001"))
    (brief,) = decide([other], draws=1)
    assert (brief.kind, brief.start_from, brief.ledger) == ("fresh", None, ["001"])


def test_one_patch_takes_one_place() -> None:
    twins = [judged(name, 3.0, 2.9, 3.1) for name in ("001", "002")]
    patch = twins[0].verdict.patch
    again = [Member(each.verdict.model_copy(update={"patch": patch})) for each in twins]
    assert decide([*again, judged("003", 2.0, 1.9, 2.1)], draws=1, top=2)[0].ledger == ["001", "002", "003"]
    assert {tuple(sorted(brief.parents)) for brief in decide([*again, judged("003", 2.0, 1.9, 2.1)], top=2)} == {
        ("001", "003")
    }


@pytest.mark.slow
def test_a_run_goes_on_from_its_best_attempt_and_a_resumed_one_too(tiny: TinyTask, tmp_path: Path) -> None:
    outcome = start(tiny, tmp_path, attempts=2, strategy="refine:first=1")
    first, second = outcome.verdicts
    assert [first.status, second.status] == ["faster", "faster"], [each.message for each in outcome.verdicts]
    assert first.speedup is not None and second.speedup is not None
    assert second.speedup.low > first.speedup.high
    folder = outcome.run_folder
    briefs = [event for event in read_events(folder.journal) if isinstance(event, AttemptBriefed)]
    assert [(each.attempt, each.kind, each.start_from) for each in briefs] == [
        ("001", "fresh", None),
        ("002", "refine", "001"),
    ]
    # Its own patch is the difference from the base, not from what it began with.
    assert "-        for _ in range(20)" in folder.attempt("002").patch.read_text()
    assert "+        for _ in range(5)" in folder.attempt("002").patch.read_text()
    prompt = folder.attempt("002").prompt.read_text()
    assert "holds the patch of attempt `001`" in prompt and "found 20, left 10" in prompt
    assert "secret" not in prompt and "test_negative" not in prompt
    assert "Attempts before yours" not in folder.attempt("001").prompt.read_text()

    more = resume_run(ResumeOptions(run="latest", out=tmp_path / "runs", more=1), lambda _: None)
    third = read_brief(folder.attempt("003"))
    assert third is not None
    assert third.start_from in ("001", "002") and sorted(third.parents) == ["001", "002"]
    assert more.verdicts[2].status in ("faster", "same")


@pytest.mark.slow
def test_an_agent_that_leaves_what_it_was_given_has_made_nothing(tiny: TinyTask, tmp_path: Path) -> None:
    outcome = start(tiny, tmp_path, attempts=1)
    idle = tmp_path / "idle"
    idle.mkdir()
    more = start_more(tmp_path, agent=script_agent(idle, "print('nothing')"))
    assert outcome.verdicts[0].status == "faster"
    assert [(each.status, each.cause) for each in more[1:]] == [("no_patch", "as_it_began")]


def start_more(tmp_path: Path, **changes: str) -> list[Verdict]:
    """Add an attempt under `refine` to the newest run, with other options."""
    from harness.plan import read_plan, write_plan

    folder = find_run(tmp_path / "runs")
    plan = read_plan(folder)
    write_plan(folder, plan.model_copy(update={"options": plan.options | {"strategy": "refine:first=1"} | changes}))
    return resume_run(ResumeOptions(run="latest", out=tmp_path / "runs", more=1), lambda _: None).verdicts


@pytest.mark.slow
def test_a_parents_patch_that_does_not_apply_is_no_fault_of_the_agents(tiny: TinyTask, tmp_path: Path) -> None:
    outcome = start(tiny, tmp_path, attempts=1)
    parent = outcome.run_folder.attempt("001").patch
    parent.write_bytes(parent.read_bytes().replace(b"range(20)", b"range(99)"))
    second = start_more(tmp_path)[1]
    assert (second.status, second.cause) == ("infra_failed", "parent_patch")
    assert "001/model_patch.diff does not apply to this base" in second.message


@pytest.mark.slow
def test_a_killed_run_tells_its_attempts_what_they_had_been_told(tiny: TinyTask, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    line = [sys.executable, "-m", "harness.cli", "run", str(tiny.file), "-n", "3", "--strategy", "refine:first=1"]
    line += ["--agent", script_agent(tmp_path), "--out", str(runs), "--worktrees", str(tmp_path / "worktrees")]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not list(runs.glob("*/002/prompt.md")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        process.kill()
    folder = find_run(runs)
    before = folder.attempt("002").brief.read_bytes()
    outcome = resume_run(ResumeOptions(run="latest", out=runs, jobs=2), lambda _: None)
    assert folder.attempt("002").brief.read_bytes() == before
    assert [each.status for each in outcome.verdicts[:2]] == ["faster", "faster"]
    assert "range(5)" in folder.attempt("002").patch.read_text()
    briefed = [event for event in read_events(folder.journal) if isinstance(event, AttemptBriefed)]
    assert [(each.attempt, each.start_from) for each in briefed[:2]] == [("001", None), ("002", "001")]
    assert [each.attempt for each in briefed] == ["001", "002", "003"]
    # Two at once: 003 was started before 002 was judged, and knew of 001 only.
    assert briefed[2].parents == ["001"]
