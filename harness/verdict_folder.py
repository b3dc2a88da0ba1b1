"""Verdicts that were kept without their run: a folder with a folder for each attempt, such as a record in a repository.

Whoever keeps the best of several runs has no one journal for them. Such a folder is read as a run that is over, its
attempts named by their folders: that is where their patches and samples lie. A `note.txt` in it tells readers what the
verdicts cannot, such as which task that was.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from harness.errors import HarnessError, StorageError
from harness.journal import read_events
from harness.run_state import AttemptState, RunState, fold
from harness.store import RunFolder
from harness.verdict import Verdict

JOURNAL = "journal.jsonl"
VERDICT = "verdict.json"
NOTE = "note.txt"
MOST_NOTE_CHARACTERS = 600


def holds_verdicts(folder: Path) -> bool:
    """Whether attempts' verdicts lie in this folder, and no journal beside them."""
    # Path's own tests raise where a name is too long, or lies where one may not look.
    there = os.path.isdir(folder) and not os.path.isfile(folder / JOURNAL)  # noqa: PTH112, PTH113
    return there and any(folder.glob(f"*/{VERDICT}"))


def read_state(folder: Path) -> RunState:
    """What a run's journal says; of a folder that has none, what its verdicts say.

    Raises:
        StorageError: a file cannot be read.
        HarnessError: the journal is damaged, or a verdict is not one of this version; names the file.
    """
    if not holds_verdicts(folder):
        return fold(read_events(folder / JOURNAL))
    files = sorted(folder.glob(f"*/{VERDICT}"))
    return RunState(attempts={file.parent.name: AttemptState(verdict=_kept(file)) for file in files}, finished=True)


def read_verdicts(runs: Iterable[RunFolder], problems: list[str]) -> Iterator[Verdict]:
    """All verdicts of these runs, of which one after the other is in memory.

    Args:
        runs: as they are to be read.
        problems: takes a message for each run whose journal cannot be read: a damaged run must not hide the others.
    """
    for run in runs:
        try:
            verdicts = read_state(run.path).verdicts
        except HarnessError as error:
            problems.append(str(error))
        else:
            yield from verdicts


def kept_note(folder: Path) -> str:
    """What whoever kept these verdicts tells of them, on one line and not made safe; empty where there is nothing.

    Raises:
        StorageError: the note cannot be read.
    """
    file = folder / NOTE
    # A link in a folder that came from elsewhere may lead anywhere.
    if not holds_verdicts(folder) or file.is_symlink() or not file.is_file():
        return ""
    try:
        with file.open(encoding="utf-8", errors="replace") as text:
            return " ".join(text.read(MOST_NOTE_CHARACTERS).split())
    except OSError as error:
        raise StorageError(f"{file}: cannot be read ({error.strerror}).") from error


def _kept(file: Path) -> Verdict:
    try:
        verdict = Verdict.model_validate_json(file.read_bytes())
    except OSError as error:
        raise StorageError(f"{file}: cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        raise HarnessError(
            f"{file}: this is no verdict of this version of the harness.",
            remedy="It was edited or damaged, or comes from another version; restore it, or move its folder away.",
        ) from error
    return verdict.model_copy(update={"run": file.parent.parent.name, "attempt": file.parent.name})
