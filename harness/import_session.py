"""Bring in a session that was recorded elsewhere: a run's folder like any other, except that nothing was judged.

An imported attempt has the status `infra_failed` with the cause `not_judged`: the one status that counts in no mean,
and a cause that keeps it off every board. Its patch is what the recording shows, less what no patch of ours may hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.session import Session, TranscriptError
from agent.tools import describe
from agent.trajectory import ToolStarted, Trajectory, TurnTaken
from agent.transcripts import read_session
from harness import __version__
from harness.errors import UsageError
from harness.events import AgentStep, AttemptFinished, AttemptStarted, RunFinished, RunStarted, now
from harness.git import Repository
from harness.journal import Journal, read_events
from harness.kept import keep_verdict
from harness.recorded_patch import RecordedPatch, patch_of
from harness.run_state import fold
from harness.show import shown_path
from harness.source import seal
from harness.store import AttemptFolder, RunFolder, create_run
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.temporary import temporary_folder
from harness.text import counted, safe
from harness.verdict import NOT_JUDGED, Cost, PatchStats, Tokens, Verdict
from harness.whole_file import write_atomic
from harness.worktree import remove_folder

if TYPE_CHECKING:
    from rich.console import Group

UNKNOWN = "unknown"
_NAME = "001"


@dataclass(frozen=True)
class Imported:
    """What importing a session came to.

    Attributes:
        session: what the recording holds.
        folder: the attempt's folder.
        verdict: its verdict, which says that nothing was judged.
        left_out: files of the recording's diff that are no part of the patch.
        applies: whether the patch fits the task's target; None where there is no patch or no task.
        notes: everything a reader should know, a sentence each.
        task: the task as it was named.
    """

    session: Session
    folder: AttemptFolder
    verdict: Verdict
    left_out: list[str]
    applies: bool | None
    notes: list[str]
    task: str | None = None

    def as_json(self) -> dict[str, object]:
        """The same as plain JSON values."""
        session = self.session
        return {
            "form": session.form,
            "version": session.version,
            "turns": len(session.turns),
            "calls": sum(len(event.turn.tool_calls) for event in session.turns),
            "failed_calls": sum(event.result.is_error for event in session.results),
            "diffs": session.diffs,
            "left_out": self.left_out,
            "applies": self.applies,
            "notes": self.notes,
            "path": str(self.folder.path),
            "verdict": self.verdict.model_dump(),
        }

    def render(self) -> Group:
        """What was found, for the person who brought it in."""
        from rich.console import Group  # noqa: PLC0415 - rich is slow to import

        session, patch = self.session, self.verdict.patch
        calls = sum(len(event.turn.tool_calls) for event in session.turns)
        failed = sum(event.result.is_error for event in session.results)
        who = " ".join(filter(None, (self.verdict.agent, session.version, self.verdict.model)))
        lines = [
            f"{self.verdict.run}/{self.folder.name}: {session.form}",
            f"agent    {who}",
            f"session  {counted(len(session.turns), 'turn')}, {counted(calls, 'call')}, {failed} of them failed",
        ]
        if session.diffs:
            lines.append(f"diffs    {session.diffs} in the recording, the last one counts")
        if patch:
            lines.append(f"patch    +{patch.insertions} -{patch.deletions} in {', '.join(patch.files) or 'some files'}")
            lines.append(f"         {shown_path(self.folder.patch)}")
        lines += [f"note     {note}" for note in self.notes]
        lines.append(self.verdict.message)
        if patch:
            lines.append(f"judge it: harness verify {shown_path(self.folder.patch)} --task {self.task or 'TASK'}")
        return Group(*(safe(line, multiline=True) for line in lines))


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
