"""A run's workshop on a node: the task unpacked, the base admitted, and all that attempts share there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.admission import Base, admit
from harness.agents import make_agent
from harness.attempt_setup import Setup
from harness.brief import Brief
from harness.calibration.store import stored_floor
from harness.cluster.messages import Kept, Message, Prepare, Ready, Spending, Told, Used
from harness.cluster.parcel import pack_attempt, unpack_task
from harness.evaluate import Judge
from harness.events import Admitted, Emit, Event, PhaseStarted, now
from harness.executor import Job
from harness.frame import admission_of
from harness.limits import with_limits
from harness.options import options_from_json
from harness.plan import Slot
from harness.readmission import readmit
from harness.run_budget import RunBudget, RunLimits, Spent
from harness.stopping import check_stop
from harness.store import RunFolder
from harness.task import DeviceChoice, LoadedTask

Send = Callable[[Message], None]


class NodeBudget(RunBudget):
    """A run's budget as a node knows it: told now and then what others have used up, it tells what is used here."""

    def __init__(self, limits: RunLimits, send: Send) -> None:
        super().__init__(limits)
        self._send = send

    def report(self, attempt: str, usd: float | None, tokens: int) -> None:
        """See `RunBudget`."""
        super().report(attempt, usd, tokens)
        self._send(Used(attempt=attempt, usd=usd, tokens=tokens))

    def update(self, elsewhere: Spending) -> None:
        """What the run has used up but for attempts at work here."""
        with self._lock:
            self._spent = Spent(elsewhere.usd, elsewhere.tokens, elsewhere.seconds)
            self._start = self._clock()

    def forget(self, attempt: str) -> None:
        """An attempt is over here: from now on its cost is among what was used elsewhere."""
        with self._lock:
            self._under_way.pop(attempt, None)


@dataclass(frozen=True)
class Shop:
    """What attempts share on this node."""

    setup: Setup
    budget: NodeBudget


def open_shop(prepare: Prepare, content: bytes, space: Path, send: Send) -> tuple[Shop, Ready]:
    """Unpack a task and admit its base, or build it again where that is known of this node.

    Args:
        prepare: what is to be done.
        content: the task and its base, packed.
        space: a folder of ours.
        send: takes messages.

    Raises:
        HarnessError: the base is not admitted here, or the agent lacks something here.
    """
    options = options_from_json(prepare.options)
    unpacked = unpack_task(content, space / "task")
    loaded, sealed = _on(prepare.device, with_limits(unpacked.loaded, options.limits)), unpacked.sealed
    folder = RunFolder(space / "run" / prepare.run)
    folder.path.mkdir(parents=True)
    emit = _telling(folder, send)
    agent = make_agent(
        options.agent, options.model, options.base_url, loaded, sealed, options.allow_hosts, live=options.live
    )
    root, scratch = space / "base", space / "scratch"
    if prepare.admitted is None:
        base = admit(loaded, sealed, root, scratch, prepare.seed, emit)
    else:
        base = readmit(loaded, sealed, root, scratch, prepare.admitted, emit)
    base = _named(base, prepare.node)
    emit(Admitted(at=now(), noise=base.noise, expected_tests=len(base.expected)))
    usd, tokens, seconds = prepare.limits
    budget = NodeBudget(RunLimits(usd, tokens, seconds), send)
    judge = Judge(
        loaded=loaded,
        base=base,
        seed=prepare.seed,
        workspace=scratch,
        floor=stored_floor(base.device, loaded.task.name, loaded.task.metric.mode),
    )
    setup = Setup(
        judge=judge,
        agent=agent,
        repository=sealed.copy(space / "agents.git"),
        folder=folder,
        worktrees=space / "trees",
        keep_worktrees=False,
        emit=emit,
        budget=budget,
    )
    return Shop(setup, budget), Ready(admission=admission_of(base), folder=str(folder.path))


def job_from(data: dict[str, Any]) -> Job:
    """The job that `job_data` gave."""
    brief = data["brief"]
    return Job(
        Slot.model_validate(data["slot"]), int(data["tries"]), None if brief is None else Brief.model_validate(brief)
    )


def job_data(job: Job) -> dict[str, Any]:
    """A job as plain data."""
    brief = None if job.brief is None else job.brief.model_dump()
    return {"slot": job.slot.model_dump(), "tries": job.tries, "brief": brief}


def _on(device: DeviceChoice, loaded: LoadedTask) -> LoadedTask:
    """The task, measured on the device that was asked of the cluster for it."""
    metric = loaded.task.metric.model_copy(update={"device": device})
    return loaded.model_copy(update={"task": loaded.task.model_copy(update={"metric": metric})})


def _named(base: Base, node: str) -> Base:
    """The base with the node's name in what it was measured on, from where verdicts have it."""
    return replace(base, machine=base.machine.model_copy(update={"node": node}))


def _telling(folder: RunFolder, send: Send) -> Emit:
    """Events go home as they happen; behind the last event of an agent's work goes what it left."""

    def emit(event: Event) -> None:
        check_stop()
        if (
            isinstance(event, PhaseStarted)
            and event.phase == "policy"
            and folder.attempt(event.attempt).outcome.exists()
        ):
            send(Kept(attempt=event.attempt, files=pack_attempt(folder, event.attempt)))
        send(Told(event=event.model_dump()))

    return emit
