"""A run's own limits: counted over attempts, from any thread, and on over a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_task import TinyTask

from agent.budget import Budget, LimitExceeded, Limits, Prices
from agent.messages import Usage
from harness.errors import UsageError
from harness.events import Event, RunFinished
from harness.options import RunOptions
from harness.resume import ResumeOptions, resume_run
from harness.run import RunOutcome, run_task
from harness.run_budget import RunBudget, RunLimits, Spent
from harness.verdict import Cost, Tokens

OWN = Limits(steps=60, seconds=3600, usd=5.0, tokens=2_000_000)
PRICES = Prices(input=1.0, cached=0.1, output=2.0)


def test_attempts_at_work_count_before_they_are_over() -> None:
    run = RunBudget(RunLimits(tokens=1000))
    one, two = (Budget(run.within(OWN, name), PRICES) for name in ("001", "002"))
    with one.call() as call:
        call.settle(Usage(input=500, output=100))
    assert run.spent.tokens == 600
    with two.call() as call:
        call.settle(Usage(input=300, output=100))
    for budget in (one, two):
        with pytest.raises(LimitExceeded, match="1,000 tokens is reached"), budget.call():
            raise AssertionError
    assert run.spent.usd == pytest.approx(0.0012)


def test_what_is_settled_is_not_counted_twice() -> None:
    run = RunBudget(RunLimits(usd=1.0))
    run.report("001", 0.4, 100)
    run.settle("001", Cost(usd=0.5, tokens=Tokens(input=90, output=20)))
    assert (run.spent.usd, run.spent.tokens) == (0.5, 110)
    assert run.gone() is None
    run.settle("002", Cost(usd=0.5))
    assert "$1.00 is reached" in str(run.gone())


def test_what_is_judged_anew_is_billed_once() -> None:
    run = RunBudget(RunLimits())
    cost = Cost(usd=0.5, tokens=Tokens(input=90, output=20))
    run.settle("001", cost)
    run.take_back("001")
    run.take_back("001")  # nothing is left to take back
    run.settle("001", cost)
    assert (run.spent.usd, run.spent.tokens) == (0.5, 110)


def test_an_attempts_limits_are_no_wider_than_what_is_left() -> None:
    clock = iter([0.0, 40.0, 130.0])
    run = RunBudget(RunLimits(usd=3.0, tokens=500, seconds=100), Spent(usd=1.0, tokens=100), lambda: next(clock))
    within = run.within(OWN, "001")
    assert (within.usd, within.tokens, within.seconds, within.steps) == (2.0, 400, 60.0, 60)
    assert "100 s is reached" in str(run.gone())


def test_waiting_for_others_is_not_the_attempts_time() -> None:
    clock, waited = [0.0], [0.0]
    budget = Budget(RunBudget(RunLimits()).within(OWN, "001", lambda: waited[0]), clock=lambda: clock[0])
    clock[0], waited[0] = 3700.0, 200.0
    budget.check_time()
    assert budget.seconds_left == 100.0
    clock[0] = 3801.0
    with pytest.raises(LimitExceeded, match="3600 s"):
        budget.check_time()


def test_dollars_that_nobody_can_count_end_the_run() -> None:
    with pytest.raises(UsageError, match="--max-tokens"):
        RunBudget(RunLimits(usd=1.0)).settle("001", Cost(usd=None))
    RunBudget(RunLimits(tokens=1)).settle("001", Cost(usd=None))


def start(tiny: TinyTask, tmp_path: Path, **options: object) -> tuple[RunOutcome, list[Event]]:
    events: list[Event] = []
    defaults = {"out": tmp_path / "runs", "worktrees": tmp_path / "worktrees", "agent": "nop"}
    return run_task(RunOptions(task=str(tiny.file), **(defaults | options)), events.append), events  # type: ignore[arg-type]


def test_time_gone_before_the_first_attempt_is_exit_3_and_more_time_goes_on(tiny: TinyTask, tmp_path: Path) -> None:
    outcome, events = start(tiny, tmp_path, attempts=2, time_limit=0.5)  # the admission alone takes longer
    assert outcome.verdicts == []
    assert outcome.exit_code == 3
    assert isinstance(events[-1], RunFinished)
    assert "0 s is reached" in str(events[-1].budget)
    again = ResumeOptions(run="latest", out=tmp_path / "runs")
    assert resume_run(again, events.append).exit_code == 3  # it is still gone
    more = resume_run(ResumeOptions(run="latest", out=tmp_path / "runs", time_limit=600), events.append)
    assert [verdict.status for verdict in more.verdicts] == ["no_patch", "no_patch"]
    assert (more.exit_code, more.budget) == (0, None)
