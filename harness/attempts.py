"""A run's attempts: where they are worked on, what each is told, and what becomes of their verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.admission import Base
from harness.agents import UNREADING, Agent, ReferenceAgent
from harness.attempt import judge_patch, make_attempt
from harness.attempt_record import announce
from harness.attempt_setup import Setup
from harness.briefing import Briefing
from harness.events import Event
from harness.executor import Executor, Job, LocalExecutor
from harness.feedback import Feedback
from harness.frame import Frame
from harness.kept import kept_outcome
from harness.placebo import PlaceboAgent
from harness.plan import Admission, Plan, Slot
from harness.public_names import PublicNames
from harness.remembering import Remembering, memory_of, notes_from
from harness.run_budget import RunBudget
from harness.schedule import Schedule
from harness.search import strategy_of
from harness.spent import with_tries
from harness.verdict import Verdict


def work_out(
    run: Frame,
    agent: Agent,
    plan: Plan,
    slots: list[Slot],
    budget: RunBudget,
    before: Sequence[Event] = (),
    *,
    kept: Admission | None = None,
    anew: bool = False,
) -> None:
    """Admit the base and let these slots work, on this machine or on a cluster's nodes.

    Args:
        run: the run, its base sealed.
        agent: the run's.
        plan: the run's.
        slots: who is to work.
        budget: the run's.
        before: the events of a run that is gone on with.
        kept: what admitting the base on this machine found, if it need not be done again.
        anew: whether what nodes of a cluster found holds no more.

    Raises:
        HarnessError: what ends a run; see `Schedule.run`.
    """
    if run.options.executor == "local":
        setup = run.admit(agent, plan.seed, budget=budget, kept=kept)
        _schedule(run, agent, plan, slots, _here(run, setup, budget), budget, setup.judge.base, before)
        return
    from harness.cluster.work import cluster  # noqa: PLC0415 - an extra

    with cluster(run, agent, plan.seed, budget, anew=anew) as (executor, base):
        _schedule(run, agent, plan, slots, executor, budget, base, before)


def work_on(setup: Setup, job: Job) -> Verdict:
    """One try at one slot."""
    slot = job.slot
    reference = setup.judge.loaded.reference_patch
    if slot.kind == "reference" and reference is not None:
        return judge_patch(replace(setup, agent=ReferenceAgent()), slot.name, reference)
    agent: Agent = setup.agent
    if slot.kind == "placebo":
        agent = PlaceboAgent(setup.judge.loaded.task.target_files, str(slot.seed))
    return make_attempt(replace(setup, agent=agent), slot.name, job.brief)


def _here(run: Frame, setup: Setup, budget: RunBudget) -> Executor:
    """This machine."""

    def work(job: Job) -> Verdict:
        if kept_outcome(setup.folder.attempt(job.slot.name)) is not None:
            budget.take_back(job.slot.name)
        return work_on(setup, job)

    return LocalExecutor(work, run.options.jobs)


def _schedule(
    run: Frame,
    agent: Agent,
    plan: Plan,
    slots: list[Slot],
    executor: Executor,
    budget: RunBudget,
    base: Base,
    before: Sequence[Event],
) -> None:
    """Let everybody in the line-up work, as many at once as was asked for, and take the verdicts."""
    remembering = Remembering(memory_of(run.loaded, run.sealed.tree), _feedback(run, base), run.emit)
    for earlier in run.verdicts:  # a kill may have come between the verdict and the memory
        remembering.keep(earlier)

    def take(verdict: Verdict) -> None:
        whole = with_tries(verdict, run.folder.attempt(str(verdict.attempt)))
        run.verdicts.append(announce(run.folder, run.emit, whole))
        remembering.keep(run.verdicts[-1])

    brief = _briefing(run, agent, plan, base, before)
    schedule = Schedule(slots, executor, budget, run.emit, take, brief)
    schedule.run()
    run.ended_by_budget = schedule.ended_by_budget


def _briefing(run: Frame, agent: Agent, plan: Plan, base: Base, before: Sequence[Event]) -> Briefing:
    """Who tells the run's attempts what its strategy wants; `before` are the events of a run that is gone on with."""
    strategy = strategy_of(run.options, run.loaded.task, agent.name)
    memory = memory_of(run.loaded, run.sealed.tree)
    fresh = run.options.fresh or agent.name in UNREADING
    notes = () if fresh else notes_from(memory, run=run.folder.name, device=base.machine.name)
    shown = _feedback(run, base, notes).shown
    return Briefing(strategy, plan.seed, run.folder, lambda: run.verdicts, run.emit, shown, before)


def _feedback(run: Frame, base: Base, notes: tuple[str, ...] = ()) -> Feedback:
    return Feedback(run.folder, PublicNames.of(run.loaded, base), notes)
