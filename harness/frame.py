"""A run's frame: folders, journal and lock before, the last event and a clean house after, whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness import __version__, worktree
from harness.admission import Base, admit, resolve_device
from harness.agents import Agent
from harness.attempt_setup import Setup
from harness.calibration.store import calibration_note, stored_floor
from harness.errors import HarnessError, Interrupted
from harness.evaluate import Judge
from harness.events import AdmissionStep, Admitted, Emit, Event, RunFinished, RunStarted, TimingProgress, now
from harness.exposed import exposed, exposed_text
from harness.git import Repository
from harness.interruption import terminable
from harness.journal import Journal
from harness.limits import with_limits
from harness.options import RunOptions
from harness.plan import Admission, Slot, write_admission
from harness.readmission import readmit
from harness.remembering import memory_note, memory_of
from harness.run_budget import RunBudget
from harness.sandbox import keep_out, use_sandbox
from harness.search import strategy_note
from harness.selection import settle_best
from harness.source import movable, seal
from harness.stopping import check_stop
from harness.store import RunFolder, create_run
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.text import counted
from harness.verdict import Verdict
from harness.whole_file import write_atomic
from harness.workspace import free_space, removed, require_writable, workspace


@dataclass
class Frame:
    """A run under way: its sealed source, its folders, what it has found so far.

    Attributes:
        slots: the line-up; verdicts are told in its order.
        ended_by_budget: which limit of the run's own ended it, in a sentence.
        started: whether the journal has a first event.
    """

    options: RunOptions
    loaded: LoadedTask
    folder: RunFolder
    space: Path
    emit: Emit
    sealed: Repository
    slots: list[Slot] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    ended_by_budget: str | None = None
    started: bool = False

    def begin(self, agent: Agent, *, controls: int = 0) -> None:
        """Announce a new run, with a copy of the reference figures that its task names."""
        if self.loaded.references is not None:
            write_atomic(self.folder.references, self.loaded.references.read_bytes())
        try:
            self.emit(_started(self, agent, controls))
        finally:  # Ctrl-C may come while the display says what the journal has already
            self.started = _has_events(self.folder)

    def finish(self, *, interrupted: bool = False, error: str | None = None) -> None:
        """Write the last event of a run that had a first."""
        if not self.started:
            return
        places = {slot.name: place for place, slot in enumerate(self.slots)}
        self.verdicts.sort(key=lambda verdict: places.get(str(verdict.attempt), len(places)))
        self.verdicts = settle_best(self.verdicts, self.folder)
        self.emit(
            RunFinished(
                at=now(),
                run=self.folder.name,
                attempts=self.verdicts,
                interrupted=interrupted,
                error=error,
                budget=self.ended_by_budget,
            )
        )

    def admit(
        self, agent: Agent, seed: int, *, budget: RunBudget | None = None, kept: Admission | None = None
    ) -> Setup:
        """Admit the base, or build it again where it is `kept` how that went, and give what attempts share."""
        root, scratch = self.space / "base", self.space / "scratch"
        if kept is None:
            base = admit(self.loaded, self.sealed, root, scratch, seed, self.emit)
            write_admission(self.folder, admission_of(base))
        else:
            base = readmit(self.loaded, self.sealed, root, scratch, kept, self.emit)
        self.emit(Admitted(at=now(), noise=base.noise, expected_tests=len(base.expected)))
        task = self.loaded.task
        return Setup(
            judge=Judge(
                loaded=self.loaded,
                base=base,
                seed=seed,
                workspace=scratch,
                floor=stored_floor(base.device, task.name, task.metric.mode),
            ),
            agent=agent,
            # Two repositories: agents' worktrees are linked to one of them, and only the other one is believed.
            repository=self.sealed.copy(self.space / "agents.git"),
            folder=self.folder,
            worktrees=self.space,
            keep_worktrees=self.options.keep_worktrees,
            emit=self.emit,
            budget=budget,
        )


@contextmanager
def frame(
    options: RunOptions, emit: Emit, resumed: RunFolder | None = None, task: LoadedTask | None = None
) -> Iterator[Frame]:
    """Everything around a run.

    Args:
        options: what was asked for.
        emit: where events go beside the journal.
        resumed: the run to go on with; a new one without.
        task: the task where it is not, word for word, what the file says that `options` name.

    Raises:
        HarnessError: the task is wrong, a folder cannot be written, or another process is working on this run.
        Interrupted: Ctrl-C, SIGTERM or a closed terminal; what was finished by then is in the journal.
    """
    loaded = with_limits(task or load_task(options.task), options.limits)
    use_sandbox(options.sandbox)
    require_writable(options.worktrees)
    folder = resumed or create_run(loaded.task.name, options.out)
    keep_out((folder.path.parent, options.worktrees))
    # The journal's lock comes first: whoever has it owns the run, and may clear away what a dead owner left.
    with _unless_empty(folder), Journal(folder.journal) as journal, terminable():
        space = free_space(options.worktrees / folder.name, folder.path)
        with workspace(space, run=folder.path, keep=options.keep_worktrees) as made:
            run = Frame(options, loaded, folder, made, _both(journal, emit), seal(loaded, made / "judge.git"))
            try:
                yield run
            except KeyboardInterrupt as stop:
                run.finish(interrupted=True)
                raise Interrupted(_kept(run)) from stop
            except HarnessError as error:
                gone = removed(made)  # then whatever was found without it says nothing
                run.finish(error=str(gone or error))
                if gone is not None:
                    raise gone from error
                raise
            run.finish()


def _kept(run: Frame) -> str:
    if not run.started:
        return "Interrupted before anything was run; nothing is left."
    count = len(run.verdicts)
    attempts = counted(count, "finished attempt")
    kept = f"Interrupted. Kept: {run.folder.path} with {attempts}; no process and no worktree is left."
    return f"{kept} `harness resume {run.folder.name}` goes on." if len(run.slots) > count else kept


def _note(run: Frame, agent: Agent) -> str | None:
    """What whoever started the run should know: the agent's word, what is known of this machine, and of the task."""
    task = run.loaded.task
    notes = [agent.note, strategy_note(run.options, task, agent.name), movable(run.loaded)]
    if seen := exposed(run.loaded, run.sealed):
        notes.append(exposed_text(seen))
    if run.options.executor == "local":
        notes.append(calibration_note(resolve_device(task.metric.device), task.name, task.metric.mode))
    if task.draft:
        guesses = counted(len(task.draft), "guess in this task is", "guesses in this task are")
        notes.append(f"{guesses} not confirmed: `harness check` lists them.")
    notes.append(memory_note(memory_of(run.loaded, run.sealed.tree), agent, fresh=run.options.fresh))
    return "\n".join(filter(None, notes)) or None


def _started(run: Frame, agent: Agent, controls: int) -> RunStarted:
    return RunStarted(
        at=now(),
        run=run.folder.name,
        task=run.loaded.task.name,
        task_file=str(run.loaded.file),
        agent=agent.name,
        model=agent.model,
        agent_version=agent.version,
        attempts=run.options.attempts,
        controls=controls,
        base_commit=run.sealed.commit,
        base_tree=run.sealed.tree,
        harness_version=__version__,
        note=_note(run, agent),
    )


def admission_of(base: Base) -> Admission:
    """What is written down of an admitted base."""
    return Admission(
        device=base.device,
        expected=sorted(base.expected),
        noise=base.noise,
        machine=base.machine,
        shown=base.shown,
    )


def _both(journal: Journal, emit: Emit) -> Emit:
    """Every event goes to the journal first and to the watcher second, one at a time; progress only to the watcher."""
    lock = threading.Lock()

    def send(event: Event) -> None:
        check_stop()  # an attempt that was called off has nothing more to say
        passing = isinstance(event, TimingProgress) or (isinstance(event, AdmissionStep) and event.progress is not None)
        with lock:
            if not passing:
                journal.append(event)
            emit(event)

    return send


@contextmanager
def _unless_empty(folder: RunFolder) -> Iterator[None]:
    """A run that ended before its first event leaves no folder to puzzle over."""
    try:
        yield
    finally:
        if not _has_events(folder):
            worktree.remove_folder(folder.path)


def _has_events(folder: RunFolder) -> bool:
    try:
        return folder.journal.stat().st_size > 0
    except OSError:  # somebody has removed it
        return False
