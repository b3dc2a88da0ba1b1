"""A run and its task's memory: what the run's prompts are told from it, and what the run's attempts add to it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.agents import UNREADING, Agent
from harness.brief import Brief, read_brief
from harness.errors import StorageError
from harness.events import AgentNotice, Emit, now
from harness.feedback import Feedback
from harness.memory import Memory, Remembered, note_on, worth_telling
from harness.plan import made_of
from harness.store import AttemptFolder
from harness.strategy import Member
from harness.strategy.approach import approach_of
from harness.task import LoadedTask
from harness.text import counted, shortened
from harness.verdict import Verdict

MOST_TOLD, MOST_FILES, MOST_APPROACH = 16, 20, 300
# What went wrong with these says nothing about the task.
_NO_NEWS = ("infra_failed", "agent_failed")


def memory_of(loaded: LoadedTask, base_tree: str) -> Memory:
    """The memory of a task, as the task is now."""
    return Memory.of(loaded.task.name, made_of(loaded, base_tree))


def memory_note(memory: Memory, agent: Agent, *, fresh: bool) -> str | None:
    """One line for whoever starts a run whose task is remembered."""
    if agent.name in UNREADING:
        return None
    try:
        known = len(memory.read())
    except StorageError as error:
        return f"Nothing is told of earlier runs: {error}"
    if not known:
        return None
    attempts = counted(known, "attempt of an earlier run is", "attempts of earlier runs are")
    if fresh:
        return f"{attempts} remembered, and this run's agents are not told (--fresh)."
    return f"{attempts} remembered, and this run's agents are told of the best and the newest (not with --fresh)."


def notes_from(memory: Memory, *, run: str, device: str) -> tuple[str, ...]:
    """What the prompts of a run say of earlier ones.

    Args:
        memory: the task's.
        run: the run's name; of its own attempts its strategy tells.
        device: the machine that times.
    """
    try:
        entries = memory.read()
    except StorageError:
        return ()  # `memory_note` has said so
    return tuple(note_on(entry, device) for entry in worth_telling(entries, but_of=run, most=MOST_TOLD))


@dataclass(frozen=True)
class Remembering:
    """Writes a run's attempts into its task's memory.

    Attributes:
        memory: the task's.
        feedback: what may be told of an attempt.
        emit: where events go.
    """

    memory: Memory
    feedback: Feedback
    emit: Emit

    def keep(self, verdict: Verdict) -> None:
        """Remember an attempt. That it cannot be is told and ends nothing: the run has its record all the same."""
        # A recorded session, the task's own patch and a patch of nothing are no news; controls are nobody's work.
        if verdict.is_control or verdict.agent in UNREADING or verdict.status in _NO_NEWS:
            return
        folder = self.feedback.folder.attempt(str(verdict.attempt))
        try:
            self.memory.add(self._entry(verdict, folder))
        except StorageError as error:
            text = f"Later runs will not be told of this attempt: {error}"
            self.emit(AgentNotice(at=now(), attempt=folder.name, text=text))

    def _entry(self, verdict: Verdict, folder: AttemptFolder) -> Remembered:
        brief = read_brief(folder) or Brief()
        diff = folder.patch.read_text("utf-8", "replace") if folder.patch.is_file() else ""
        member = Member(verdict, brief, approach_of(diff))
        told = self.feedback.told(member)
        patch = verdict.patch
        return Remembered(
            at=verdict.finished_at,
            run=folder.run.name,
            attempt=folder.name,
            agent=verdict.agent,
            model=verdict.model,
            strategy=brief.strategy,
            kind=brief.kind,
            device=verdict.device.name if verdict.device and member.speedup else None,
            status=verdict.status,
            cause=verdict.cause,
            end=told.end,
            speedup=member.speedup,
            workloads={each.name: each.speedup for each in verdict.workloads if not each.held_out},
            said=told.summary,
            approach=shortened(told.approach, MOST_APPROACH),
            files=patch.files[:MOST_FILES] if patch else [],
            insertions=patch.insertions if patch else 0,
            deletions=patch.deletions if patch else 0,
            sha256=patch.sha256 if patch else None,
        )
