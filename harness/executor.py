"""Where attempts are worked on. This machine: threads, for an attempt mostly waits for a model or for a process.

`schedule.py` says what is to be done next and what becomes of it; an executor only does it somewhere, a few at a
time. Whoever adds another place (a cluster) writes a class with these three methods.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.brief import Brief
from harness.plan import Slot
from harness.stopping import stoppable
from harness.verdict import Verdict

STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Job:
    """One try at one slot.

    Attributes:
        tries: counts from 1.
        brief: what the strategy tells the attempt; None for a placebo and for the reference patch.
    """

    slot: Slot
    tries: int = 1
    brief: Brief | None = None


@dataclass(frozen=True)
class Done:
    """How a job ended: with a verdict, or with an error that ends the run.

    A lost machine is neither: the executor that lost it gives an `infra_failed` verdict, and the job is done again.
    """

    job: Job
    verdict: Verdict | None = None
    error: BaseException | None = None


Work = Callable[[Job], Verdict]


class Executor(Protocol):
    """Works on a few jobs at once.

    Attributes:
        jobs: how many.
    """

    jobs: int

    def start(self, job: Job) -> None:
        """Begin a job, in the background. Called only while fewer than `jobs` are under way."""

    def wait(self, seconds: float | None = None) -> Done | None:
        """The next job to end; None when none has after `seconds`."""

    def stop(self) -> None:
        """Call off what is under way and wait until it has let go of everything. Does nothing when all is over."""


class LocalExecutor:
    """Works in threads of this process.

    Args:
        work: makes one try; called in a thread of its own, and stopped there through `harness.stopping`.
        jobs: how many at once.
    """

    def __init__(self, work: Work, jobs: int) -> None:
        self.jobs = jobs
        self._work = work
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._asked_to_stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, job: Job) -> None:
        """See `Executor`."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        # A daemon: one that waits for a model's answer cannot be interrupted, and must not keep the process alive.
        thread = threading.Thread(target=self._run, args=(job,), name=f"attempt-{job.slot.name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, seconds: float | None = None) -> Done | None:
        """See `Executor`."""
        try:
            return self._done.get(timeout=seconds)
        except queue.Empty:
            return None

    def stop(self) -> None:
        """See `Executor`. A thread that does not answer within `STOP_SECONDS` is given up; it can record nothing."""
        self._asked_to_stop.set()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, job: Job) -> None:
        with stoppable(self._asked_to_stop):
            try:
                done = Done(job, verdict=self._work(job))
            except BaseException as error:
                done = Done(job, error=error)
        self._done.put(done)
