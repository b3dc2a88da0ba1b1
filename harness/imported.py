"""What bringing a session in from elsewhere came to, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.session import Session
from harness.show import shown_path
from harness.store import AttemptFolder
from harness.text import counted, safe
from harness.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import Group


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
