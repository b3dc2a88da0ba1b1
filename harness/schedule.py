"""What is done next: the line-up goes to the executor, failures of ours come back in, and something ends it.

Runs in one thread, the run's own; attempts work in the executor. Only here is it decided that a try counts, so there
is one place where a verdict is announced, and no attempt has two.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from harness.brief import Brief
from harness.errors import DEAD_ENDPOINT_TRIES, ENDPOINT_CAUSES, InfrastructureError, policy_for_verdict
from harness.events import AttemptRetried, Emit, now
from harness.executor import Done, Executor, Job
from harness.plan import Slot
from harness.run_budget import RunBudget
from harness.verdict import Verdict


@dataclass
class Schedule:
    """The jobs of a run, from the first to the last verdict.

    Args:
        slots: who is to work, in order. The reference patch starts when everybody else is done.
        executor: where they work.
        budget: the run's.
        emit: where events go.
        announce: takes a verdict that counts.
        brief: says what an attempt is told, when its slot is started: what has been judged by then can count.
    """

    slots: list[Slot]
    executor: Executor
    budget: RunBudget
    emit: Emit
    announce: Callable[[Verdict], object]
    brief: Callable[[Slot], Brief | None] = lambda _: None
    ended_by_budget: str | None = None
    _waiting: deque[Job] = field(default_factory=deque)
    _pausing: list[tuple[float, Job]] = field(default_factory=list)
    _under_way: int = 0
    _endpoint_failures: int = 0

    def run(self) -> None:
        """Work until every slot has its verdict, or the budget is gone; then `ended_by_budget` says so.

        Raises:
            HarnessError: what ends a run: the disk is full, the model's endpoint is dead.
            KeyboardInterrupt: Ctrl-C. Whatever ends it, nothing is under way afterwards, and every verdict that was
                reached is announced.
        """
        self._waiting.extend(Job(slot) for slot in self.slots)
        try:
            while self._start_jobs() or self._pausing:
                done = self.executor.wait(self._until_next())
                if done is not None:
                    self._under_way -= 1
                    self._take(done)
        except BaseException:
            self.executor.stop()
            self._announce_what_is_done()
            raise

    def _start_jobs(self) -> bool:
        """Start what can be started; whether anything is under way then."""
        due = [job for at, job in self._pausing if at <= time.monotonic()]
        self._pausing = [(at, job) for at, job in self._pausing if job not in due]
        self._waiting.extendleft(due)
        while self._waiting and self._under_way < self.executor.jobs:
            last = self._waiting[0].slot.kind == "reference"
            if last and (self._under_way or self._pausing):
                break
            gone = self.budget.gone()
            if gone is not None:
                self.ended_by_budget = gone
                self._waiting.clear()
                self._pausing.clear()
                break
            job = self._waiting.popleft()
            self.executor.start(replace(job, brief=self.brief(job.slot)))
            self._under_way += 1
        return self._under_way > 0

    def _until_next(self) -> float | None:
        """Seconds until a pause is over; None where none is."""
        ends = [at for at, _ in self._pausing]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _take(self, done: Done) -> None:
        if done.error is not None:
            raise done.error
        verdict, job = done.verdict, done.job
        if verdict is None:
            raise RuntimeError(f"{job.slot.name} ended with neither a verdict nor an error")
        broken = verdict.cause in ENDPOINT_CAUSES
        self._endpoint_failures = self._endpoint_failures + 1 if broken else 0
        policy = policy_for_verdict(verdict.status, verdict.cause)
        dead = self._endpoint_failures >= DEAD_ENDPOINT_TRIES
        counts = job.tries > policy.retries
        if counts:
            self.announce(verdict)
        elif not dead:
            self._try_again(job, verdict, policy.pause(job.tries))
        self.budget.settle(job.slot.name, verdict.cost)
        if dead and (self._waiting or self._pausing or not counts):
            raise InfrastructureError(
                f"The model failed {self._endpoint_failures} times in a row, last: {verdict.message}",
                remedy="Mend the endpoint, the key or the account; then `harness resume` goes on with the rest.",
            )

    def _try_again(self, job: Job, verdict: Verdict, pause: float) -> None:
        self.emit(
            AttemptRetried(
                at=now(),
                attempt=job.slot.name,
                tries=job.tries,
                cause=str(verdict.cause),
                message=verdict.message,
                pause_seconds=pause,
            )
        )
        self._pausing.append((time.monotonic() + pause, replace(job, tries=job.tries + 1)))

    def _announce_what_is_done(self) -> None:
        """Verdicts that were reached while the end came."""
        while (done := self.executor.wait(0)) is not None:
            if done.verdict is not None and policy_for_verdict(done.verdict.status, done.verdict.cause).retries == 0:
                self.announce(done.verdict)
