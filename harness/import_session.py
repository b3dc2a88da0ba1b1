"""Bring in a session that was recorded elsewhere: a run's folder like any other, except that nothing was judged.

An imported attempt has the status `infra_failed` with the cause `not_judged`: the one status that counts in no mean,
and a cause that keeps it off every board. Its patch is what the recording shows, less what no patch of ours may hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from agent.session import Session, TranscriptError
from agent.tools import describe
from agent.trajectory import ToolStarted, Trajectory, TurnTaken
from agent.transcripts import read_session
from harness import __version__
from harness.errors import UsageError
from harness.events import AgentStep, AttemptFinished, AttemptStarted, RunFinished, RunStarted, now
from harness.git import Repository
from harness.imported import Imported
from harness.journal import Journal, read_events
from harness.kept import keep_verdict
from harness.recorded_patch import RecordedPatch, patch_of
from harness.run_state import fold
from harness.source import seal
from harness.store import AttemptFolder, RunFolder, create_run
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.temporary import temporary_folder
from harness.verdict import NOT_JUDGED, Cost, PatchStats, Tokens, Verdict
from harness.whole_file import write_atomic
from harness.worktree import remove_folder

UNKNOWN = "unknown"
_NAME = "001"


def import_session(transcript: Path, task: str | None, out: Path) -> Imported:
    """Read a recorded session and write it down as a run of one attempt.

    Args:
        transcript: a file of any form that `agent.transcripts` reads.
        task: the task it worked on, if its target is here: the patch is then held against it.
        out: the folder that holds the runs.

    Raises:
        UsageError: the file cannot be read, or is no recorded session.
        TaskError: the task is not there or not sound.
    """
    try:
        session = read_session(transcript)
    except TranscriptError as error:
        raise UsageError(str(error)) from error
    loaded = load_task(task) if task else None
    with _sealed(loaded) as repository:
        found = patch_of(session, AttemptFolder(transcript.resolve().parent).patch, repository)
    beside = _run_beside(transcript)
    name = loaded.task.name if loaded else beside.task if beside else "imported"
    run = create_run(name, out)
    with _whole_or_gone(run.path):
        return replace(_write(session, transcript, loaded, beside, found, run, name), task=task)


@contextmanager
def _whole_or_gone(folder: Path) -> Iterator[None]:
    """A session that could not be written down to its end leaves no folder: without a journal nobody would know it."""
    try:
        yield
    except BaseException:
        remove_folder(folder)
        raise


@contextmanager
def _sealed(loaded: LoadedTask | None) -> Iterator[Repository | None]:
    if loaded is None:
        yield None
        return
    with temporary_folder("import") as folder:
        yield seal(loaded, Path(folder) / "base.git")


def _run_beside(transcript: Path) -> RunStarted | None:
    """The run that a trajectory of ours lies in, if it still does."""
    journal = RunFolder(transcript.resolve().parent.parent).journal
    return fold(read_events(journal)).started if journal.is_file() else None


def _write(
    session: Session,
    transcript: Path,
    loaded: LoadedTask | None,
    beside: RunStarted | None,
    found: RecordedPatch,
    run: RunFolder,
    name: str,
) -> Imported:
    agent = session.agent or (beside.agent if beside else UNKNOWN)
    model = session.model or (beside.model if beside else None)
    folder = run.attempt(_NAME).create()
    with Trajectory(folder.trajectory) as record:
        for event in session.events:
            record.write(event)
    write_atomic(folder.prompt, session.prompt)
    write_atomic(folder.patch, found.text)
    origin = f"Imported from {transcript.name}: {session.form}{f' {session.version}' if session.version else ''}."
    notes = [*session.notes, *found.notes]
    verdict = Verdict(
        run=run.name,
        attempt=_NAME,
        task=name,
        agent=agent,
        model=model,
        agent_version=session.version,
        status="infra_failed",
        cause=NOT_JUDGED,
        message=_message(found, loaded),
        patch=_stats(folder, found),
        base_commit=found.base.commit if found.base and found.applies else beside.base_commit if beside else UNKNOWN,
        sandbox=UNKNOWN,
        cost=_cost(session),
        harness_version=__version__,
        finished_at=now(),
        origin=" ".join([origin, *notes]),
    )
    keep_verdict(folder, verdict)
    started = RunStarted(
        at=now(),
        run=run.name,
        task=name,
        task_file=str(loaded.file) if loaded else beside.task_file if beside else "",
        agent=agent,
        model=model,
        agent_version=session.version,
        attempts=1,
        base_commit=verdict.base_commit,
        base_tree=beside.base_tree if beside else UNKNOWN,
        harness_version=__version__,
        note=origin,
    )
    _journal(run, started, session, verdict)
    return Imported(session, folder, verdict, found.left_out, found.applies, notes)


def _message(found: RecordedPatch, loaded: LoadedTask | None) -> str:
    if not found.text:
        return "Imported, never judged here: there is no patch to judge."
    if loaded and found.applies:
        return f"Imported, never judged here. The patch applies to {loaded.task.name}: `harness verify` can judge it."
    if loaded:
        return f"Imported, never judged here. The patch does not apply to {loaded.task.name} as it is today."
    return "Imported, never judged here. Where its target is present, `harness verify` can judge the patch."


def _stats(folder: AttemptFolder, found: RecordedPatch) -> PatchStats | None:
    if not found.text:
        return None
    return PatchStats(
        path=f"{folder.name}/{folder.patch.name}",
        sha256=hashlib.sha256(found.text).hexdigest(),
        files=found.files,
        insertions=found.insertions,
        deletions=found.deletions,
    )


def _cost(session: Session) -> Cost:
    end = session.end
    if end is None:
        return Cost(steps=len(session.turns), usd=None)
    return Cost(steps=len(session.turns), tokens=Tokens(**end.usage.model_dump()), usd=end.usd, seconds=end.seconds)


def _journal(run: RunFolder, started: RunStarted, session: Session, verdict: Verdict) -> None:
    """The events of a run, as far as there was one."""
    with Journal(run.journal) as journal:
        journal.append(started)
        journal.append(AttemptStarted(at=now(), attempt=_NAME))
        step = 0
        for event in session.events:
            step = event.step if isinstance(event, TurnTaken) else step
            if isinstance(event, ToolStarted):
                detail = describe(event.call)
                journal.append(
                    AgentStep(at=event.at or now(), attempt=_NAME, step=step, tool=event.call.name, detail=detail)
                )
        journal.append(AttemptFinished(at=now(), attempt=_NAME, verdict=verdict))
        journal.append(RunFinished(at=now(), run=run.name, attempts=[verdict]))
