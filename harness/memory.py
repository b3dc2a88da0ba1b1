"""A task's memory: what was tried on it in earlier runs, what it measured, and why it failed.

One file for each task on each base with each bench, in the user's state folder; several runs may write to it. It
holds nothing that an agent could not have been told in the run itself: shown workloads, and the public part of a
finding. What agents said of their own work is kept as they said it, and is data to whoever reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.line_file import append_bounded, read_records
from harness.state import state_folder
from harness.text import interval_text, shortened
from harness.verdict import Interval, Record

MOST_ENTRIES = 200
FASTEST_KEPT = 50
MOST_NOTE = 900
# What a memory is of. Whatever else a task is made of may change without making its lessons wrong.
_IDENTITY = ("the target", "the bench", "the metric's scripts")


class Remembered(Record):
    """One attempt of an earlier run, as later ones may be told of it; see `harness.feedback` for what may.

    Attributes:
        format: of this record.
        strategy: which decided what it was told; `kind` is how it began.
        device: the machine that timed it; None where nothing was timed.
        end: how it was judged, in our words.
        speedup: over the workloads that agents are shown; None where nothing was timed.
        workloads: these, one by one.
        said: the summary that its agent submitted.
        approach: what its patch goes about.
        sha256: of the patch.
    """

    format: int = 1
    at: str
    run: str
    attempt: str
    agent: str
    model: str | None
    strategy: str
    kind: str
    device: str | None
    status: str
    cause: str | None
    end: str
    speedup: Interval | None
    workloads: dict[str, Interval]
    said: str
    approach: str
    files: list[str]
    insertions: int
    deletions: int
    sha256: str | None

    @property
    def speed(self) -> float:
        """What it counts as in an order by speed: 0 for what is not faster."""
        return self.speedup.estimate if self.status == "faster" and self.speedup is not None else 0.0


@dataclass(frozen=True)
class Memory:
    """What is remembered of a task; nothing where the file is not there yet."""

    path: Path

    @classmethod
    def of(cls, task: str, made_of: dict[str, str]) -> Memory:
        """The memory of a task as it is.

        Args:
            task: its name.
            made_of: digests of what it is made of; see `harness.plan.made_of`.
        """
        identity = "\n".join([task, *(f"{name}={made_of.get(name, '')}" for name in _IDENTITY)])
        return cls(folder() / f"{task}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.jsonl")

    def read(self) -> list[Remembered]:
        """All that is remembered, oldest first.

        Raises:
            StorageError: it is there and cannot be read.
        """
        return _by_age(read_records(self.path, Remembered))

    def add(self, entry: Remembered) -> None:
        """Remember an attempt, unless it is remembered already.

        Raises:
            StorageError: it cannot be written.
        """
        if not any((each.run, each.attempt) == (entry.run, entry.attempt) for each in self.read()):
            append_bounded(self.path, entry, bounded)


def folder() -> Path:
    """Where memories are kept."""
    return state_folder("memory")


def bounded(entries: list[Remembered]) -> list[Remembered]:
    """What is kept: of one patch what was found last, the fastest, and of the rest the newest."""
    # A resumed run brings what is missing of its earlier attempts, which then stands behind what is newer.
    entries = _by_age(entries)
    last = {entry.sha256 or f"{entry.run}/{entry.attempt}": number for number, entry in enumerate(entries)}
    numbers = sorted(last.values())
    if len(numbers) <= MOST_ENTRIES:
        return [entries[number] for number in numbers]
    fastest = sorted(numbers, key=lambda number: -entries[number].speed)[:FASTEST_KEPT]
    newest = [number for number in reversed(numbers) if number not in fastest][: MOST_ENTRIES - len(fastest)]
    return [entries[number] for number in sorted([*fastest, *newest])]


def _by_age(entries: Sequence[Remembered]) -> list[Remembered]:
    return sorted(entries, key=lambda entry: entry.at)


def worth_telling(entries: Sequence[Remembered], *, but_of: str, most: int) -> list[Remembered]:
    """The entries that a prompt has room for: half of them the fastest, the rest the newest; the fastest come first.

    Args:
        entries: all of them, oldest first.
        but_of: a run whose own attempts are left out; its strategy tells of them.
        most: how many.
    """
    others = [entry for entry in entries if entry.run != but_of]
    fastest = sorted((entry for entry in others if entry.speed > 0), key=lambda each: -each.speed)[: most // 2]
    newest = [entry for entry in reversed(others) if entry not in fastest][: most - len(fastest)]
    return [*fastest, *newest]


def note_on(entry: Remembered, device: str) -> str:
    """A sentence on an attempt for the prompts of later ones, on one line.

    Args:
        entry: the attempt.
        device: the machine that times now: times of another are told as such.
    """
    who = ", ".join(filter(None, (entry.agent, entry.model)))
    speed = f"{interval_text(entry.speedup)}, " if entry.speedup is not None else ""
    where = f" (on another machine: {entry.device})" if speed and entry.device != device else ""
    size = f" +{entry.insertions} -{entry.deletions} in {entry.approach}." if entry.sha256 else ""
    said = f' It said: "{entry.said}"' if entry.said else ""
    return shortened(f"{entry.run}/{entry.attempt}, {who}: {speed}{entry.end}{where}.{size}{said}", MOST_NOTE)
