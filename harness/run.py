"""A run: seal the target, admit the base, make the attempts, keep the record, leave nothing behind."""

from __future__ import annotations

import random
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from harness import __version__, worktree
from harness.admission import admit, now, resolve_device
from harness.agents import Agent, PatchAgent, ReferenceAgent, make_agent
from harness.attempt import Setup, run_attempt, verify_patch
from harness.calibration.store import calibration_note, stored_floor
from harness.errors import HarnessError, Interrupted, StorageError, UsageError
from harness.evaluate import Judge
from harness.events import AdmissionStep, Admitted, Emit, Event, RunFinished, RunStarted, TimingProgress
from harness.git import Repository
from harness.journal import Journal
from harness.limits import with_limits
from harness.live_model import LiveOptions
from harness.placebo import PlaceboAgent, require_editable
from harness.sandbox import Wanted, use_sandbox
from harness.selection import settle_best
from harness.source import seal
from harness.store import RunFolder, create_run, storage_error
from harness.task import LoadedTask, load_task
from harness.verdict import REFERENCE, Verdict


@dataclass(frozen=True)
class RunOptions:
    """What `harness run` was asked for."""

    task: str
    agent: str | None = None
    model: str | None = None
    base_url: str | None = None
    attempts: int = 1
    out: Path = Path("runs")
    worktrees: Path = Path("worktrees")
    keep_worktrees: bool = False
    seed: int | None = None
    placebos: int = 0
    sandbox: Wanted = "auto"
    allow_hosts: tuple[str, ...] = ()
    live: LiveOptions = field(default_factory=LiveOptions)
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to.

    Attributes:
        exit_code: 0 when something was judged, 3 when the budget was gone before anything was, 4 when
            nothing but infrastructure failures came out.
    """

    run_folder: RunFolder
    verdicts: list[Verdict]

    @property
    def exit_code(self) -> int:
        """See the class."""
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
        Interrupted: Ctrl-C or SIGTERM; what was finished by then is in the journal.
    """
    with _run(options, emit) as run:
        agent = make_agent(
            options.agent,
            options.model,
            options.base_url,
            run.loaded,
            run.sealed,
            options.allow_hosts,
            live=options.live,
        )
        if options.placebos:
            require_editable(run.sealed, run.loaded.task.target_files)
        reference = run.loaded.reference_patch
        setup = run.admit(agent, controls=options.placebos + (reference is not None))
        for number, who in enumerate(_line_up(setup, options), start=1):
            run.verdicts.append(run_attempt(replace(setup, agent=who), f"{number:03d}"))
        if reference is not None:
            # Last, and after every attempt is over: no agent can see it, and all share the machine's hour.
            run.verdicts.append(verify_patch(replace(setup, agent=ReferenceAgent()), REFERENCE, reference))
    return RunOutcome(run_folder=run.folder, verdicts=run.verdicts)


def _line_up(setup: Setup, options: RunOptions) -> list[Agent]:
    """Who works, in order: placebos stand at random places among the attempts."""
    targets, seed = setup.judge.loaded.task.target_files, setup.judge.seed
    placebos = [PlaceboAgent(targets, f"{seed}:placebo:{number}") for number in range(options.placebos)]
    line: list[Agent] = [setup.agent] * options.attempts
    line += placebos
    random.Random(f"{seed}:line-up").shuffle(line)
    return line


def run_agent_once(options: RunOptions, make: Callable[[LoadedTask, Repository], Agent], emit: Emit) -> RunOutcome:
    """One attempt by an agent that the caller makes, who may refuse the sealed base before anything is timed.

    Raises:
        HarnessError: as `run_task`, and what `make` raises.
    """
    with _run(options, emit) as run:
        setup = run.admit(make(run.loaded, run.sealed))
        run.verdicts.append(run_attempt(setup, "001"))
    return RunOutcome(run_folder=run.folder, verdicts=run.verdicts)


def verify_task(options: RunOptions, patch: Path, emit: Emit) -> RunOutcome:
    """Judge one patch from anywhere against a task, with the record a run leaves.

    Raises:
        UsageError: the patch file is not there, or cannot be read.
        HarnessError: as `run_task`.
    """
    _require_readable(patch)
    with _run(options, emit) as run:
        setup = run.admit(PatchAgent())
        run.verdicts.append(verify_patch(setup, "001", patch))
    return RunOutcome(run_folder=run.folder, verdicts=run.verdicts)


def _require_readable(patch: Path) -> None:
    remedy = "Give the path of a diff, such as a model_patch.diff."
    if patch.is_dir():
        raise UsageError(f"{patch} is a folder, not a patch.", remedy=remedy)
    try:
        patch.open("rb").close()
    except FileNotFoundError as error:
        raise UsageError(f"There is no patch {patch}.", remedy=remedy) from error
    except OSError as error:
        raise UsageError(f"{patch}: cannot be read ({error.strerror}).", remedy=remedy) from error


@dataclass
class _Run:
    """A run under way: its sealed source, its folders, what it has found so far."""

    options: RunOptions
    loaded: LoadedTask
    folder: RunFolder
    space: Path
    emit: Emit
    sealed: Repository
    verdicts: list[Verdict] = field(default_factory=list)
    started: bool = False

    def finish(self, *, interrupted: bool = False, error: str | None = None) -> None:
        """Write the last event of a run that had a first."""
        if self.started:
            self.verdicts = settle_best(self.verdicts, self.folder)
            self.emit(
                RunFinished(
                    at=now(), run=self.folder.name, attempts=self.verdicts, interrupted=interrupted, error=error
                )
            )

    def admit(self, agent: Agent, *, controls: int = 0) -> Setup:
        """Announce the run, admit the base, and give what attempts share."""
        self.emit(_started(self, agent, controls))
        self.started = True
        seed = secrets.randbits(53) if self.options.seed is None else self.options.seed
        base = admit(self.loaded, self.sealed, self.space / "base", self.space / "scratch", seed, self.emit)
        self.emit(Admitted(at=now(), noise=base.noise, expected_tests=len(base.expected)))
        return Setup(
            judge=Judge(
                loaded=self.loaded,
                base=base,
                seed=seed,
                workspace=self.space / "scratch",
                floor=stored_floor(base.device, self.loaded.task.name, self.loaded.task.metric.mode),
            ),
            agent=agent,
            # Two repositories: agents' worktrees are linked to one of them, and only the other one is believed.
            repository=self.sealed.copy(self.space / "agents.git"),
            folder=self.folder,
            worktrees=self.space,
            keep_worktrees=self.options.keep_worktrees,
            emit=self.emit,
        )


@contextmanager
def _run(options: RunOptions, emit: Emit) -> Iterator[_Run]:
    """A run's frame: folders and journal before, the last event and a clean house after, whatever happens."""
    loaded = with_limits(load_task(options.task), options.limits)
    use_sandbox(options.sandbox)
    require_writable(options.worktrees)
    folder = create_run(loaded.task.name, options.out)
    with _unless_empty(folder), _workspace(options, folder.name) as space, terminable():
        run = _Run(options, loaded, folder, space, emit, seal(loaded, space / "judge.git"))
        with Journal(folder.journal) as journal:
            run.emit = _both(journal, emit)
            try:
                yield run
            except KeyboardInterrupt as stop:
                run.finish(interrupted=True)
                raise Interrupted(_kept(run)) from stop
            except HarnessError as error:
                run.finish(error=str(error))
                raise
            run.finish()


def _kept(run: _Run) -> str:
    if not run.started:
        return "Interrupted before anything was run; nothing is left."
    count = len(run.verdicts)
    attempts = "1 finished attempt" if count == 1 else f"{count} finished attempts"
    return f"Interrupted. Kept: {run.folder.path} with {attempts}; no process and no worktree is left."


def _note(loaded: LoadedTask, agent: Agent) -> str | None:
    """What whoever started the run should know: the agent's word, and whether this machine's noise is known."""
    task = loaded.task
    notes = [agent.note, calibration_note(resolve_device(task.metric.device), task.name, task.metric.mode)]
    return " ".join(filter(None, notes)) or None


def _started(run: _Run, agent: Agent, controls: int) -> RunStarted:
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
        note=_note(run.loaded, agent),
    )


def _both(journal: Journal, emit: Emit) -> Emit:
    """Every event goes to the journal first and to the watcher second; progress only to the watcher."""
    turn = threading.Lock()  # an agent's tools are served by a thread of their own

    def send(event: Event) -> None:
        passing = isinstance(event, TimingProgress) or (isinstance(event, AdmissionStep) and event.progress is not None)
        with turn:
            if not passing:
                journal.append(event)
            emit(event)

    return send


def require_writable(worktrees: Path) -> None:
    """Fail before a run folder is made, not after."""
    try:
        worktrees.mkdir(parents=True, exist_ok=True)
        probe = worktrees / f".probe-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StorageError(
            f"{worktrees}: cannot be written ({error.strerror}).", remedy="Choose another folder with --worktrees."
        ) from error


@contextmanager
def _unless_empty(folder: RunFolder) -> Iterator[None]:
    """A run that ended before its first event leaves no folder to puzzle over."""
    try:
        yield
    finally:
        if not folder.journal.exists() or folder.journal.stat().st_size == 0:
            worktree.remove_folder(folder.path)


@contextmanager
def _workspace(options: RunOptions, run: str) -> Iterator[Path]:
    """The run's folder for checkouts, gone at the end unless it was asked to stay."""
    space = (options.worktrees / run).resolve()
    try:
        space.mkdir(parents=True)
    except OSError as error:
        raise storage_error(error, space, "make the folder") from error
    try:
        yield space
    finally:
        if not options.keep_worktrees:
            worktree.remove_folder(space)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: tidily."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
