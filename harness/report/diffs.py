"""A git diff, read for people: files, hunks, and lines side by side.

Written out because the parsers there are refuse a diff that was cut short, which a long one is, and because no patch
may keep a report from being made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)")
Kind = Literal["same", "removed", "added"]


@dataclass(frozen=True)
class Line:
    """One line of a hunk; `old` and `new` are its numbers there, None on the side where it is not."""

    kind: Kind
    text: str
    old: int | None
    new: int | None


@dataclass(frozen=True)
class Hunk:
    """Consecutive lines. `heading` is what git found above them: a function, say."""

    heading: str
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True)
class FileDiff:
    """What happens to one file. `notes` are git's words about it: new file, renamed, binary."""

    path: str
    notes: list[str] = field(default_factory=list)
    hunks: list[Hunk] = field(default_factory=list)

    @property
    def added(self) -> int:
        """Lines added."""
        return sum(line.kind == "added" for hunk in self.hunks for line in hunk.lines)

    @property
    def removed(self) -> int:
        """Lines removed."""
        return sum(line.kind == "removed" for hunk in self.hunks for line in hunk.lines)


@dataclass(frozen=True)
class Pair:
    """One row: the old line at the left, the new one at the right."""

    left: Line | None
    right: Line | None


def parse_diff(text: str) -> list[FileDiff]:
    """Every file of a diff. What is not understood is a note of the file it stands in; nothing is an error."""
    files: list[FileDiff] = []
    lines = iter(text.split("\n"))
    pending = next(lines, None)
    while pending is not None:
        line, pending = pending, None
        if line.startswith("diff --git "):
            files.append(FileDiff(_path_of(line)))
        elif line.startswith("--- ") and (not files or files[-1].hunks):
            files.append(FileDiff(_stripped(line[4:])))
        elif line.startswith("+++ ") and files and not files[-1].hunks:
            if line[4:].strip() != "/dev/null":
                files[-1] = FileDiff(_stripped(line[4:]), files[-1].notes)
        elif found := _HUNK.match(line):
            if not files:
                files.append(FileDiff("?"))
            hunk = Hunk(found.group(5).strip())
            files[-1].hunks.append(hunk)
            pending = _read_hunk(hunk, found, lines)
        elif files and not files[-1].hunks and line and not line.startswith(("--- ", "index ")):
            files[-1].notes.append(line)
        if pending is None:
            pending = next(lines, None)
    return files


def _read_hunk(hunk: Hunk, found: re.Match[str], lines: Iterator[str]) -> str | None:
    """Read as many lines as the hunk's head says; gives back the line that is not its, if it met one."""
    old, new = int(found.group(1)), int(found.group(3))
    old_left = int(found.group(2) or 1) if found.group(2) != "0" else 0
    new_left = int(found.group(4) or 1) if found.group(4) != "0" else 0
    for line in lines:
        mark = line[:1]
        if mark == "\\":  # no newline at the end of the file
            continue
        if old_left <= 0 and new_left <= 0:
            return line
        if mark == "-":
            hunk.lines.append(Line("removed", line[1:], old, None))
            old, old_left = old + 1, old_left - 1
        elif mark == "+":
            hunk.lines.append(Line("added", line[1:], None, new))
            new, new_left = new + 1, new_left - 1
        elif mark in (" ", ""):
            hunk.lines.append(Line("same", line[1:], old, new))
            old, old_left, new, new_left = old + 1, old_left - 1, new + 1, new_left - 1
        else:
            return line
    return None


def _path_of(line: str) -> str:
    names = line.removeprefix("diff --git ")
    half = len(names) // 2
    # `a/X b/X`: the same name twice, which may hold blanks.
    if names[:half][2:] == names[half + 1 :][2:]:
        return names[half + 1 :][2:]
    return _stripped(names.rpartition(" b/")[2] or names)


def _stripped(name: str) -> str:
    name = name.partition("\t")[0].strip().strip('"')
    return name[2:] if name.startswith(("a/", "b/")) else name


def side_by_side(hunk: Hunk) -> list[Pair]:
    """The hunk's rows: removed lines stand beside the added ones that replace them."""
    rows: list[Pair] = []
    removed: list[Line] = []
    added: list[Line] = []
    for line in hunk.lines:
        if line.kind == "same":
            rows += _paired(removed, added)
            removed, added = [], []
            rows.append(Pair(line, line))
        elif line.kind == "removed":
            if added:
                rows += _paired(removed, added)
                removed, added = [], []
            removed.append(line)
        else:
            added.append(line)
    return rows + _paired(removed, added)


def _paired(removed: list[Line], added: list[Line]) -> list[Pair]:
    count = max(len(removed), len(added))
    return [
        Pair(removed[at] if at < len(removed) else None, added[at] if at < len(added) else None) for at in range(count)
    ]
