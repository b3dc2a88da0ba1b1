"""A run: seal the target, admit the base, make the attempts, keep the record, leave nothing behind."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.agents import Agent, PatchAgent, make_agent
from harness.attempt import run_attempt, verify_patch
from harness.attempts import work_out
from harness.errors import UsageError
from harness.events import Emit
from harness.frame import Frame, frame
from harness.git import Repository
from harness.options import RunOptions, options_to_json, require_possible
from harness.placebo import require_editable
from harness.plan import Plan, line_up, made_of, write_plan
from harness.run_budget import RunBudget, RunLimits
from harness.store import RunFolder
from harness.strategy import strategy_for
from harness.task import LoadedTask
from harness.verdict import Verdict

__all__ = [
    "RunOptions",
    "RunOutcome",
    "agent_for",
    "require_readable",
    "run_agent_once",
    "run_task",
    "verify_task",
]

_LOOKED_AT = 64 << 20


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to.

    Attributes:
        budget: which limit of the run's own ended it before its attempts did, in a sentence.
        exit_code: 0 when something was judged, 3 when the budget was gone before anything was, 4 when
            nothing but infrastructure failures came out.
    """

    run_folder: RunFolder
    verdicts: list[Verdict]
    budget: str | None = None

    @property
    def exit_code(self) -> int:
        """See the class."""
        if self.budget is not None and not self.judged:
            return 3
        if all(verdict.status == "infra_failed" for verdict in self.judged):
            return 4
        return 0

    @property
    def judged(self) -> list[Verdict]:
        """The verdicts on what was asked for: placebos and the reference patch left out."""
        return [verdict for verdict in self.verdicts if not verdict.is_control]


def run_task(options: RunOptions, emit: Emit) -> RunOutcome:
    """Run a task from its file to its verdicts.

    Raises:
        TaskError, UsageError, AdmissionError: nothing could be attempted; says what to mend.
        StorageError: a folder cannot be written, or the disk is full.
        InfrastructureError: the model's endpoint is dead.
        Interrupted: Ctrl-C, SIGTERM or a closed terminal; what was finished by then is in the journal.
    """
    require_possible(options)
    with frame(options, emit) as run:
        agent = agent_for(run)
        if options.placebos:
            require_editable(run.sealed, run.loaded.task.target_files)
        strategy_for(options.strategy, run.loaded.task.strategy)  # a wrong one is refused before anything is timed
        budget = RunBudget(limits_of(options))
        plan = _plan(run)
        write_plan(run.folder, plan)
        run.slots = plan.slots
        run.begin(agent, controls=len(plan.slots) - options.attempts)
        work_out(run, agent, plan, plan.slots, budget)
    return RunOutcome(run_folder=run.folder, verdicts=run.verdicts, budget=run.ended_by_budget)


def agent_for(run: Frame) -> Agent:
    """The agent that the run's options name.

    Raises:
        UsageError, TaskError: see `make_agent`.
    """
    options = run.options
    return make_agent(
        options.agent,
        options.model,
        options.base_url,
        run.loaded,
        run.sealed,
        options.allow_hosts,
        live=options.live,
    )


def _plan(run: Frame) -> Plan:
    """The orders of a new run, with every path absolute: whoever resumes it may stand elsewhere."""
    options = run.options
    seed = secrets.randbits(53) if options.seed is None else options.seed
    kept = replace(
        options, task=str(run.loaded.file), out=options.out.resolve(), worktrees=options.worktrees.resolve(), seed=seed
    )
    return Plan(
        options=options_to_json(kept),
        seed=seed,
        slots=line_up(seed, options.attempts, options.placebos, reference=run.loaded.reference_patch is not None),
        made_of=made_of(run.loaded, run.sealed.tree),
    )


def limits_of(options: RunOptions) -> RunLimits:
    """The run's own limits."""
    return RunLimits(usd=options.max_usd, tokens=options.max_tokens, seconds=options.time_limit)


def run_agent_once(options: RunOptions, make: Callable[[LoadedTask, Repository], Agent], emit: Emit) -> RunOutcome:
    """One attempt by an agent that the caller makes, who may refuse the sealed base before anything is timed.

    Raises:
        HarnessError: as `run_task`, and what `make` raises.
    """
    with frame(options, emit) as run:
        agent = make(run.loaded, run.sealed)
        run.begin(agent)
        setup = run.admit(agent, secrets.randbits(53) if options.seed is None else options.seed)
        run.verdicts.append(run_attempt(setup, "001"))
    return RunOutcome(run_folder=run.folder, verdicts=run.verdicts)


def verify_task(options: RunOptions, patch: Path, emit: Emit, task: LoadedTask | None = None) -> RunOutcome:
    """Judge one patch from anywhere against a task, with the record a run leaves.

    Args:
        options: which task, and where its record goes.
        patch: the diff.
        emit: where events go.
        task: the task where it is not, word for word, what the file says; see `frame`.

    Raises:
        UsageError: the patch file is not there, or cannot be read.
        HarnessError: as `run_task`.
    """
    require_readable(patch)
    with frame(options, emit, task=task) as run:
        agent = PatchAgent()
        run.begin(agent)
        setup = run.admit(agent, secrets.randbits(53) if options.seed is None else options.seed)
        run.verdicts.append(verify_patch(setup, "001", patch))
    return RunOutcome(run_folder=run.folder, verdicts=run.verdicts)


def require_readable(patch: Path) -> None:
    """A patch file that can be read and looks like a diff: any other, named by mistake, would be judged a failure.

    Raises:
        UsageError: it cannot, or it is not.
    """
    remedy = "Give the path of a diff, such as a model_patch.diff."
    if patch.is_dir():
        raise UsageError(f"{patch} is a folder, not a patch.", remedy=remedy)
    try:
        patch.open("rb").close()
    except FileNotFoundError as error:
        raise UsageError(f"There is no patch {patch}.", remedy=remedy) from error
    except OSError as error:
        raise UsageError(f"{patch}: cannot be read ({error.strerror}).", remedy=remedy) from error
    if patch.is_file() and not _is_diff(patch):  # what comes through a pipe can be read but once
        raise UsageError(f"{patch} is no diff: none of its lines begins a change to a file.", remedy=remedy)


def _is_diff(patch: Path) -> bool:
    """Whether a file is empty, too long to tell, or has the first line of a change; in UTF-16 as well."""
    with patch.open("rb") as stream:
        head = stream.read(_LOOKED_AT)
    text = head.replace(b"\0", b"")
    if not text.strip() or len(head) == _LOOKED_AT:
        return True
    return re.search(rb"^(diff --git|---|\+\+\+|@@) ", text, re.MULTILINE) is not None
