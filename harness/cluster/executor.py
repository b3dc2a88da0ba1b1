"""The executor of a cluster: hands attempts to places, brings their folders home, and tells what was lost.

One thread listens to all places, so that the journal has one writer and a place that was given up has nothing more to
say: what it may still send is never heard, and no attempt has two verdicts.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

from harness.cluster.crew import Crew
from harness.cluster.messages import Begin, Finished, Kept, Message, Spending, Told, Used
from harness.cluster.orders import Lost
from harness.cluster.parcel import bring_home, pack_attempt
from harness.cluster.place import Place
from harness.cluster.shop import job_data
from harness.events import AdmissionStep, Admitted, AttemptStarted, Emit, Event, EventAdapter
from harness.executor import STOP_SECONDS, Done, Job
from harness.kept import kept_outcome, start_over
from harness.plan import Slot
from harness.run_budget import RunBudget
from harness.store import RunFolder
from harness.verdict import Verdict

LostVerdict = Callable[[Job, Place, str], Verdict]
_LISTEN_SECONDS = 0.1
_TELL_SPENDING_SECONDS = 1.0


class RayExecutor:
    """Works in the places of a cluster.

    Args:
        crew: the places.
        jobs: how many attempts at once, over all of them.
        home: the run's folder.
        budget: the run's.
        emit: where events go.
        lost: gives the verdict of a try whose place was lost.
    """

    def __init__(
        self, crew: Crew, jobs: int, home: RunFolder, budget: RunBudget, emit: Emit, lost: LostVerdict
    ) -> None:
        self.jobs = jobs
        self._crew = crew
        self._home = home
        self._budget = budget
        self._emit = emit
        self._lost = lost
        self._inbox: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._waiting: deque[Job] = deque()
        # Nodes that lost an attempt: it goes to another one, if there is one.
        self._shunned: defaultdict[str, set[str]] = defaultdict(set)
        self._told_spending = float("-inf")
        self._stopping = threading.Event()
        self._has_place = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="cluster", daemon=True)
        self._thread.start()

    def wait_for_a_place(self) -> None:
        """Return as soon as some place can take attempts.

        Raises:
            HarnessError: there will be none.
        """
        while not self._has_place.wait(_LISTEN_SECONDS):
            done = self.wait(0)
            if done is not None and done.error is not None:
                raise done.error

    def start(self, job: Job) -> None:
        """See `Executor`."""
        folder = self._home.attempt(job.slot.name).create()
        if kept_outcome(folder) is None:
            start_over(folder)
        else:
            self._budget.take_back(job.slot.name)
        self._inbox.put(job)

    def wait(self, seconds: float | None = None) -> Done | None:
        """See `Executor`."""
        try:
            return self._done.get(timeout=seconds)
        except queue.Empty:
            return None

    def stop(self) -> None:
        """See `Executor`. To be called at the end of a run in any case."""
        self._stopping.set()
        self._thread.join()

    def _listen(self) -> None:
        try:
            while not self._stopping.is_set():
                self._hear_all()
                self._hand_out()
                self._tell_spending()
        except BaseException as error:
            under_way = [job for place in self._crew.places for job in place.jobs.values()]
            waiting = [*under_way, *self._waiting]
            self._done.put(Done(waiting[0] if waiting else Job(Slot(name="none")), error=error))
        finally:
            self._crew.stop(STOP_SECONDS + 5)

    def _hear_all(self) -> None:
        for place, lost in self._crew.look_around():
            self._take(place, lost)
        for place, said in self._crew.hear(_LISTEN_SECONDS):
            self._take(place, said)
        if self._crew.ready:
            self._has_place.set()

    def _take(self, place: Place, said: Message | Lost) -> None:
        if isinstance(said, Told):
            self._emit(_at(EventAdapter.validate_python(said.event), place.node.name))
        elif isinstance(said, Used):
            self._budget.report(said.attempt, said.usd, said.tokens)
        elif isinstance(said, Kept) and said.attempt in place.jobs:
            bring_home(said.files, self._home, said.attempt)
        elif isinstance(said, Finished) and said.attempt in place.jobs:
            bring_home(said.files, self._home, said.attempt)
            job = place.jobs.pop(said.attempt)
            place.done += 1
            message = said.verdict.message.replace(place.folder, str(self._home.path))
            self._done.put(Done(job, verdict=said.verdict.model_copy(update={"message": message})))
        elif isinstance(said, Lost):
            for job in place.jobs.values():
                self._shunned[job.slot.name].add(place.node.key)
                self._done.put(Done(job, verdict=self._lost(job, place, said.why)))
            place.jobs.clear()

    def _hand_out(self) -> None:
        """Give what waits to the places with the least to do, no more to one than its share."""
        while not self._inbox.empty():
            self._waiting.append(self._inbox.get())
        ready = self._crew.ready
        share = -(-self.jobs // max(1, len(self._crew.places)))
        for job in list(self._waiting):
            free = [place for place in ready if len(place.jobs) < share]
            shunned = self._shunned[job.slot.name]
            others = [place for place in free if place.node.key not in shunned]
            if not others and any(place.node.key not in shunned for place in self._crew.places):
                continue  # another one will be free, or is getting ready
            place = min(others or free, key=lambda each: (len(each.jobs), each.done, each.number), default=None)
            if place is not None:
                self._waiting.remove(job)
                self._begin(job, place)

    def _begin(self, job: Job, place: Place) -> None:
        name = job.slot.name
        place.jobs[name] = job
        parents = [] if job.brief is None else job.brief.builds_on
        place.say(Begin(job=job_data(job), files=pack_attempt(self._home, name, parents=parents)))

    def _tell_spending(self) -> None:
        """Let agents at work know what the others use up, for their limits are common."""
        if time.monotonic() - self._told_spending < _TELL_SPENDING_SECONDS:
            return
        self._told_spending = time.monotonic()
        for place in self._crew.ready:
            if place.jobs:
                spent = self._budget.spent_beside(place.jobs)
                place.say(Spending(usd=spent.usd, tokens=spent.tokens, seconds=spent.seconds))


def _at(event: Event, node: str) -> Event:
    """An event with the node's name in it, where it has room for one."""
    return (
        event.model_copy(update={"node": node})
        if isinstance(event, AdmissionStep | Admitted | AttemptStarted)
        else event
    )
