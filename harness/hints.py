"""What a person has to say to the attempts that follow: `hints.jsonl`, a run's inbox.

The process that makes the run holds its journal; whoever steers it never writes there. Hints are put into the inbox,
the run's scheduling thread reads it whenever it briefs an attempt, and the journal's `attempt_briefed` says which of
them that attempt was given.
"""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError
from harness.events import now
from harness.line_file import append_record, read_records
from harness.store import RunFolder
from harness.text import printable
from harness.verdict import Record

MOST_CHARACTERS = 4_000
MOST_HINTS = 20


class Hint(Record):
    """Something a person said to the attempts of a run that start after it."""

    at: str
    text: str


def inbox(folder: RunFolder) -> Path:
    """The file that holds a run's hints, there or not."""
    return folder.path / "hints.jsonl"


def read_hints(folder: RunFolder) -> list[Hint]:
    """A run's hints, oldest first.

    Raises:
        StorageError: they are there and cannot be read.
    """
    return read_records(inbox(folder), Hint)


def add_hint(folder: RunFolder, text: str) -> Hint:
    """Keep a hint for the attempts that start from now on.

    Raises:
        UsageError: it says nothing, it is too long for a prompt, or the run has as many as a prompt can bear.
        StorageError: it cannot be written.
    """
    # Control characters would be lost on a model, and would do something to the terminals that show the hint.
    said = printable(text.replace("\r\n", "\n"), multiline=True).strip()
    if not said:
        raise UsageError("The hint is empty.", remedy='Say something: harness steer RUN "look at the sort first".')
    if len(said) > MOST_CHARACTERS:
        raise UsageError(
            f"The hint is longer than {MOST_CHARACTERS:,} characters, the most there can be: every prompt repeats it.",
            remedy="Say it shorter; what is known of the task for good belongs into its description.",
        )
    if len(read_hints(folder)) >= MOST_HINTS:
        raise UsageError(
            f"The run {folder.name} has {MOST_HINTS} hints already, the most there can be.",
            remedy=f"Take lines out of {inbox(folder)}, or start a new run.",
        )
    hint = Hint(at=now(), text=said)
    append_record(inbox(folder), hint)
    return hint
