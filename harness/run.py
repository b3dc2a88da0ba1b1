"""A run: seal the target, admit the base, make the attempts, keep the record, leave nothing behind."""

from __future__ import annotations

import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from harness import __version__, worktree
from harness.admission import Base, admit, now
from harness.agents import Agent, make_agent
from harness.attempt import Setup, run_attempt
from harness.errors import HarnessError, Interrupted, StorageError
from harness.evaluate import Judge
from harness.events import AdmissionStep, Admitted, Emit, Event, RunFinished, RunStarted, TimingProgress
from harness.git import Repository
from harness.journal import Journal
from harness.source import seal
from harness.store import RunFolder, create_run
from harness.task import LoadedTask, load_task
from harness.timing.client import describe
from harness.verdict import Verdict


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
        if all(verdict.status == "infra_failed" for verdict in self.verdicts):
            return 4
        return 0


def run_task(options: RunOptions, emit: Emit) -> RunOutcome:
    """Run a task from its file to its verdicts.

    Raises:
        TaskError, UsageError, AdmissionError: nothing could be attempted; says what to mend.
        StorageError: a folder cannot be written, or the disk is full.
        Interrupted: Ctrl-C or SIGTERM; what was finished by then is in the journal.
    """
    loaded = load_task(options.task)
    _require_writable(options.worktrees)
    folder = create_run(loaded.task.name, options.out)
    verdicts: list[Verdict] = []
    with Journal(folder.journal) as journal, _workspace(options, folder.name) as space, _terminable():
        send = _both(journal, emit)
        try:
            _run(options, loaded, folder, space, verdicts, send)
        except KeyboardInterrupt as stop:
            send(RunFinished(at=now(), run=folder.name, attempts=verdicts, interrupted=True))
            raise Interrupted(
                f"Interrupted. Kept: {folder.path} with {len(verdicts)} finished "
                f"attempt{'' if len(verdicts) == 1 else 's'}; no process and no worktree is left."
            ) from stop
        except HarnessError as error:
            send(RunFinished(at=now(), run=folder.name, attempts=verdicts, error=str(error)))
            raise
        send(RunFinished(at=now(), run=folder.name, attempts=verdicts))
    return RunOutcome(run_folder=folder, verdicts=verdicts)


def _run(
    options: RunOptions, loaded: LoadedTask, folder: RunFolder, space: Path, verdicts: list[Verdict], emit: Emit
) -> None:
    # Two repositories: agents' worktrees are linked to one of them, and only the other one is believed.
    sealed = seal(loaded, space / "judge.git")
    agents_repository = sealed.copy(space / "agents.git")
    agent = make_agent(options.agent, options.model, options.base_url, loaded, sealed)
    seed = secrets.randbits(53) if options.seed is None else options.seed
    emit(_started(options, loaded, folder, sealed, agent))

    base = admit(loaded, sealed, space / "base", space / "scratch", seed, emit)
    emit(Admitted(at=now(), noise=base.noise, expected_tests=len(base.expected)))
    setup = Setup(
        judge=Judge(loaded=loaded, base=base, seed=seed, workspace=space / "scratch"),
        agent=agent,
        repository=agents_repository,
        workloads=[workload for workload in describe(loaded.bench_file, base.device) if not workload.held_out],
        folder=folder,
        worktrees=space,
        keep_worktrees=options.keep_worktrees,
        emit=emit,
    )
    for number in range(1, options.attempts + 1):
        verdicts.append(run_attempt(setup, f"{number:03d}"))


def _started(
    options: RunOptions, loaded: LoadedTask, folder: RunFolder, sealed: Repository, agent: Agent
) -> RunStarted:
    return RunStarted(
        at=now(),
        run=folder.name,
        task=loaded.task.name,
        task_file=str(loaded.file),
        agent=agent.name,
        model=agent.model,
        attempts=options.attempts,
        base_commit=sealed.commit,
        base_tree=sealed.tree,
        harness_version=__version__,
        note=agent.note,
    )


def _both(journal: Journal, emit: Emit) -> Emit:
    """Every event goes to the journal first and to the watcher second; progress only to the watcher."""

    def send(event: Event) -> None:
        passing = isinstance(event, TimingProgress) or (isinstance(event, AdmissionStep) and event.progress is not None)
        if not passing:
            journal.append(event)
        emit(event)

    return send


def _require_writable(worktrees: Path) -> None:
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
def _workspace(options: RunOptions, run: str) -> Iterator[Path]:
    """The run's folder for checkouts, gone at the end unless it was asked to stay."""
    space = (options.worktrees / run).resolve()
    space.mkdir(parents=True)
    try:
        yield space
    finally:
        if not options.keep_worktrees:
            worktree.remove_folder(space)


@contextmanager
def _terminable() -> Iterator[None]:
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


__all__ = ["Base", "RunOptions", "RunOutcome", "run_task"]
