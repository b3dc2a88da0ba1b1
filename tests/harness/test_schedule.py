"""The schedule: what is tried again, what ends a run, and that nothing counts twice or is left under way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from records import verdict

from harness import errors
from harness.errors import InfrastructureError, Policy, StorageError, UsageError
from harness.events import AttemptRetried, Event
from harness.executor import Job, LocalExecutor
from harness.plan import Slot, line_up
from harness.run_budget import RunBudget, RunLimits
from harness.schedule import Schedule
from harness.stopping import Stopped, check_stop
from harness.verdict import REFERENCE, Cost, Tokens, Verdict

Work = Callable[[Job], Verdict]


def ended(job: Job, status: str = "no_patch", cause: str | None = "empty", **changes: object) -> Verdict:
    return verdict(status, attempt=job.slot.name, cause=cause, **changes)


class Run:
    """A schedule over an executor of threads, and what it told."""

    def __init__(self, work: Work, slots: int | list[Slot], jobs: int = 1, **limits: float) -> None:
        self.events: list[Event] = []
        self.told: list[Verdict] = []
        named = line_up(1, slots, 0, reference=False) if isinstance(slots, int) else slots
        budget = RunBudget(RunLimits(**limits))  # type: ignore[arg-type]
        self.executor = LocalExecutor(work, jobs)
        self.schedule = Schedule(named, self.executor, budget, self.events.append, self.told.append)

    @property
    def retried(self) -> list[tuple[str, int]]:
        return [(event.attempt, event.tries) for event in self.events if isinstance(event, AttemptRetried)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table as it is, with pauses a test can wait for."""
    quick = {
        cause: Policy(policy.blame, policy.cause, policy.retries, 0.01) for cause, policy in errors.INFRA_CAUSES.items()
    }
    monkeypatch.setattr(errors, "INFRA_CAUSES", quick)


def test_as_many_work_at_once_as_was_asked_for_and_no_more() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def work(job: Job) -> Verdict:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        return ended(job)

    run = Run(work, 16, jobs=4)
    run.schedule.run()
    assert most == [4]
    assert sorted(str(each.attempt) for each in run.told) == [f"{number:03d}" for number in range(1, 17)]


def test_the_reference_patch_waits_until_everybody_is_done() -> None:
    spans: dict[str, tuple[float, float]] = {}

    def work(job: Job) -> Verdict:
        start = time.monotonic()
        time.sleep(0.05 if job.slot.name == REFERENCE else 0.2)
        spans[job.slot.name] = (start, time.monotonic())
        return ended(job)

    Run(work, line_up(1, 3, 0, reference=True), jobs=4).schedule.run()
    assert spans[REFERENCE][0] >= max(end for name, (_, end) in spans.items() if name != REFERENCE)


@pytest.mark.parametrize(
    ("status", "cause", "tries"),
    [
        ("infra_failed", "infrastructure", 3),
        ("infra_failed", "lost_node", 3),
        ("infra_failed", "model_unreachable", 2),
        ("infra_failed", "internal_error", 1),
        ("infra_failed", "trusted_files_changed", 1),
        ("agent_failed", "model_error", 1),
        ("no_patch", "empty", 1),
        ("incorrect", "test_failed", 1),
        ("rejected", "outside_target_files", 1),
        ("build_failed", "build_command_failed", 1),
        ("same", None, 1),
    ],
)
def test_only_failures_of_ours_are_tried_again_and_not_for_ever(status: str, cause: str, tries: int) -> None:
    made: Counter[str] = Counter()

    def work(job: Job) -> Verdict:
        made[job.slot.name] += 1
        return ended(job, status, cause)

    run = Run(work, 1)
    run.schedule.run()
    assert made == {"001": tries}
    assert run.retried == [("001", number) for number in range(1, tries)]
    assert [(each.status, each.cause) for each in run.told] == [(status, cause)]


def test_a_failure_that_passes_leaves_one_verdict() -> None:
    def work(job: Job) -> Verdict:
        return ended(job, "infra_failed", "infrastructure") if job.tries < 3 else ended(job, "same", None)

    run = Run(work, 2, jobs=2)
    run.schedule.run()
    assert sorted((each.attempt, each.status) for each in run.told) == [("001", "same"), ("002", "same")]
    assert len(run.retried) == 4


def test_a_pause_grows_and_has_an_end() -> None:
    policy = Policy("harness", retries=9, pause_seconds=2.0)
    assert [policy.pause(tries) for tries in range(1, 6)] == [2, 8, 32, 120, 120]


@pytest.mark.parametrize(("status", "cause"), [("infra_failed", "model_unreachable"), ("agent_failed", "model_error")])
@pytest.mark.parametrize("jobs", [1, 4])
def test_a_dead_endpoint_ends_the_run_after_a_few_tries(status: str, cause: str, jobs: int) -> None:
    made: Counter[str] = Counter()

    def work(job: Job) -> Verdict:
        made[job.slot.name] += 1
        return ended(job, status, cause, message="Nobody is there.")

    run = Run(work, 16, jobs=jobs)
    with pytest.raises(InfrastructureError, match=r"3 times in a row.*Nobody is there") as dead:
        run.schedule.run()
    assert "harness resume" in str(dead.value)
    assert made.total() <= 3 + jobs


def test_an_endpoint_that_is_only_shaky_ends_nothing() -> None:
    def work(job: Job) -> Verdict:
        shaky = int(job.slot.name) % 3 and job.tries == 1
        return ended(job, "infra_failed", "model_unreachable") if shaky else ended(job, "same", None)

    run = Run(work, 9)
    run.schedule.run()
    assert {each.status for each in run.told} == {"same"}
    assert len(run.told) == 9


def test_a_budget_that_is_gone_starts_nothing_more_and_keeps_what_is_under_way() -> None:
    def work(job: Job) -> Verdict:
        time.sleep(0.05 * int(job.slot.name))
        return ended(job, cost=Cost(tokens=Tokens(input=600), usd=0.1))

    run = Run(work, 8, jobs=2, tokens=1000)
    run.schedule.run()
    assert [each.attempt for each in run.told] == ["001", "002", "003"]
    assert "1,000 tokens is reached (used: 1,200 tokens)" in str(run.schedule.ended_by_budget)


def test_an_unknown_price_ends_a_run_with_a_limit_in_dollars() -> None:
    run = Run(lambda job: ended(job, cost=Cost(usd=None, tokens=Tokens(input=1))), 4, usd=1.0)
    with pytest.raises(UsageError, match="price"):
        run.schedule.run()
    assert [each.attempt for each in run.told] == ["001"]


def test_what_ends_the_run_calls_off_the_others_and_keeps_what_they_had_reached() -> None:
    stopped = threading.Event()

    def work(job: Job) -> Verdict:
        if job.slot.name == "001":
            time.sleep(0.2)
            raise StorageError("the disk is full")
        if job.slot.name == "002":
            time.sleep(0.1)
            return ended(job)
        try:
            while True:
                check_stop()
                time.sleep(0.01)
        except Stopped:
            stopped.set()
            raise

    run = Run(work, 5, jobs=3)
    with pytest.raises(StorageError, match="disk is full"):
        run.schedule.run()
    assert stopped.is_set()
    assert [each.attempt for each in run.told] == ["002"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("attempt-")]


def test_a_bug_in_the_work_is_not_swallowed() -> None:
    def work(_job: Job) -> Verdict:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Run(work, 3, jobs=2).schedule.run()
