"""Going on with a run that was killed, stopped, or is to have more attempts.

The journal says how far it came, `run.json` what it was asked to do. What has a verdict keeps it. What an agent had
finished is judged; what it had not is begun again, and what it left is put aside. Nothing is gone on with that is
made of something else than it was: verdicts of one run are to be comparable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from pydantic import ValidationError

from harness import __version__
from harness.admission import resolve_device
from harness.attempts import work_out
from harness.cluster.nodes import device_begun_on
from harness.errors import TaskError, UsageError
from harness.events import AttemptFinished, Emit, Event, RunResumed, RunStarted, now
from harness.find_run import find_run
from harness.frame import Frame, frame
from harness.journal import is_being_written, read_events
from harness.kept import kept_outcome, kept_verdict, tries
from harness.options import ExecutorKind, RunOptions, options_from_json, options_to_json, require_possible
from harness.plan import Plan, made_of, read_admission, read_plan, write_plan
from harness.run import RunOutcome, agent_for, limits_of
from harness.run_budget import RunBudget, Spent
from harness.run_state import fold
from harness.spent import session_cost
from harness.store import RunFolder
from harness.task_file import find_task_file
from harness.timing.machine import describe_device
from harness.verdict import Verdict


@dataclass(frozen=True)
class ResumeOptions:
    """What `harness resume` was asked for. None leaves a thing as the run had it.

    Attributes:
        run: the run's name or folder, or `latest`.
        more: attempts to add.
        force: go on although what the run is made of has changed.
        retry_failed: make attempts again that ended `infra_failed`.
    """

    run: str
    out: Path = Path("runs")
    more: int = 0
    jobs: int | None = None
    max_usd: float | None = None
    max_tokens: int | None = None
    time_limit: float | None = None
    force: bool = False
    retry_failed: bool = False
    executor: ExecutorKind | None = None
    ray_address: str | None = None
    worktrees: Path | None = None


_CHANGEABLE = ("jobs", "max_usd", "max_tokens", "time_limit", "executor", "ray_address", "worktrees")


def resume_run(wanted: ResumeOptions, emit: Emit) -> RunOutcome:
    """Go on with a run.

    Raises:
        UsageError: there is no such run, somebody is working on it, it cannot be gone on with, or has changed.
        HarnessError: as `harness.run.run_task`.
    """
    folder = find_run(wanted.out, wanted.run)
    if is_being_written(folder.journal):
        raise UsageError(
            f"The run {folder.name} is being worked on by another process.",
            remedy="Wait for it to end, or stop it; `harness list` shows which runs are running.",
        )
    plan = read_plan(folder)
    options = _options(plan, wanted, folder)
    require_possible(options)
    _require_task(options.task, folder)
    with frame(options, emit, folder) as run:
        if read_plan(folder) != plan:  # read before the lock was ours
            raise UsageError(
                f"Another process has gone on with the run {folder.name} meanwhile.", remedy="See what it has done."
            )
        events = read_events(folder.journal)
        changed = _changes(run, plan)
        if changed and not wanted.force:
            raise UsageError(
                f"The run {folder.name} cannot go on as it began. Changed since: {', '.join(changed)}.",
                remedy="Put it back, start a new run, or say --force: then attempts before and after are judged "
                "differently, and the base is admitted anew.",
            )
        return _go_on(run, plan, events, wanted, changed)


def _go_on(run: Frame, plan: Plan, events: list[Event], wanted: ResumeOptions, changed: list[str]) -> RunOutcome:
    folder = run.folder
    agent = agent_for(run)
    plan = plan.extended(wanted.more) if wanted.more else plan
    plan = plan.model_copy(
        update={"options": options_to_json(run.options), "made_of": made_of(run.loaded, run.sealed.tree)}
    )
    write_plan(folder, plan)
    run.slots = plan.slots
    run.started = True
    if not any(isinstance(event, RunStarted) for event in events):
        run.begin(agent, controls=sum(slot.kind != "attempt" for slot in plan.slots))
    run.verdicts = _verdicts(run, events, retry_failed=wanted.retry_failed)
    judged = {verdict.attempt for verdict in run.verdicts}
    rest = [slot for slot in plan.slots if slot.name not in judged]
    run.emit(
        RunResumed(
            at=now(),
            run=folder.name,
            attempts=len(plan.slots),
            finished=len(run.verdicts),
            forced=changed,
            harness_version=__version__,
        )
    )
    budget = RunBudget(limits_of(run.options), spent_before(folder, events, run.verdicts))
    if rest:
        kept = None if changed else read_admission(folder)
        work_out(run, agent, plan, rest, budget, events, kept=kept, anew=bool(changed))
    return RunOutcome(run_folder=folder, verdicts=run.verdicts, budget=run.ended_by_budget)


def _options(plan: Plan, wanted: ResumeOptions, folder: RunFolder) -> RunOptions:
    """The run's options, with what is asked for now in their place."""
    try:
        options = options_from_json(plan.options)
    except ValidationError as error:
        raise UsageError(
            f"{folder.plan}: its options are not those of this version of the harness.", remedy="Start a new run."
        ) from error
    asked = {name: getattr(wanted, name) for name in _CHANGEABLE}
    if wanted.worktrees is not None:
        asked["worktrees"] = wanted.worktrees.resolve()
    changed = {name: value for name, value in asked.items() if value is not None}
    if changed.get("executor") == "local":
        changed.setdefault("ray_address", "auto")  # that of the cluster where it was begun
    return replace(options, attempts=options.attempts + wanted.more, out=folder.path.parent, **changed)


def _require_task(task: str, folder: RunFolder) -> None:
    try:
        find_task_file(task)
    except TaskError as error:
        raise UsageError(
            f"The task that the run {folder.name} was begun with is gone: {task}.",
            remedy="Put it back, or start a new run.",
        ) from error


def _changes(run: Frame, plan: Plan) -> list[str]:
    """What is not as it was when the run began."""
    found = plan.changes(made_of(run.loaded, run.sealed.tree))
    begun_on = device_begun_on(run.folder)
    if begun_on is not None and run.options.executor == "local":  # nodes of a cluster are asked when they are there
        here = describe_device(resolve_device(run.loaded.task.metric.device)).name
        if here != begun_on:
            found.append(f"the machine (it was {begun_on})")
    return found


def _verdicts(run: Frame, events: list[Event], *, retry_failed: bool) -> list[Verdict]:
    """The verdicts that stand: the journal's, and those a crash kept from it but not from their own file."""
    state = fold(events)
    found = []
    for slot in run.slots:
        attempt = state.attempts.get(slot.name)
        verdict = attempt.verdict if attempt is not None else None
        if verdict is None:  # by what the journal says; it may be a damaged one
            verdict = kept_verdict(run.folder.attempt(slot.name))
            if verdict is not None:
                run.emit(AttemptFinished(at=now(), attempt=slot.name, verdict=verdict))
        if verdict is not None and not (retry_failed and verdict.status == "infra_failed"):
            found.append(verdict)
    return found


def spent_before(folder: RunFolder, events: list[Event], verdicts: list[Verdict]) -> Spent:
    """What a run had used up: by its verdicts' costs, by what tries without one had been billed, and by its clock."""
    spent = Spent(seconds=_seconds(events))
    for verdict in verdicts:
        spent = spent.plus(verdict.cost)  # of all its attempt's tries
    judged = {verdict.attempt for verdict in verdicts}
    for attempt in folder.attempts:
        if attempt.name in judged:
            continue
        # What is only judged anew brings its cost with its verdict.
        unfinished = [*tries(attempt), *([] if kept_outcome(attempt) else [attempt])]
        for each in unfinished:
            spent = spent.plus(session_cost(each.trajectory))
    return spent


def _seconds(events: list[Event]) -> float:
    """Wall-clock time while somebody ran it: from each start to the last event before the next.

    Where a clock was set back so far that this is less than nothing, the steps in which it went forward are counted.
    """
    parts: list[list[datetime]] = []
    for event in events:
        if isinstance(event, RunStarted | RunResumed) or not parts:
            parts.append([])
        parts[-1].append(datetime.fromisoformat(event.at))
    total = 0.0
    for part in parts:
        lasted = (part[-1] - part[0]).total_seconds()
        forward = sum(max(0.0, (later - earlier).total_seconds()) for earlier, later in pairwise(part))
        total += lasted if lasted >= 0 else forward
    return total
