"""Diffs as transcripts show them: found among other text, complete or cut, many times over."""

from __future__ import annotations

import re
from dataclasses import dataclass

START = "diff --git "
_HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_HEADER = ("index ", "--- ", "+++ ", "new file mode ", "deleted file mode ", "old mode ", "new mode ", "similarity ",
           "dissimilarity ", "rename ", "copy ", "Binary files ", "GIT binary patch")  # fmt: skip


@dataclass(frozen=True)
class FileDiff:
    """One file's part of a diff, its path as git writes it, without `a/` or `b/`."""

    path: str
    text: str


def read_diff(lines: list[str], at: int) -> tuple[list[FileDiff], int, bool]:
    """Read the diff that begins at `lines[at]`, by its hunks' own line counts: what follows it is not part of it.

    Args:
        lines: a text's lines, without their ends.
        at: the index of a line that begins with `diff --git `.

    Returns:
        The files, the index of the first line after the diff, and whether the diff is whole: a text that was cut
        off in a hunk is not.
    """
    files: list[FileDiff] = []
    while at < len(lines) and lines[at].startswith(START):
        begin = at
        at += 1
        body = [lines[begin]]
        while at < len(lines) and lines[at].startswith(_HEADER):
            body.append(lines[at])
            at += 1
        while at < len(lines) and _HUNK.match(lines[at]):
            hunk, at, whole = _read_hunk(lines, at)
            if not whole:
                return files, at, False
            body += hunk
        files.append(FileDiff(_path(body), "\n".join(body) + "\n"))
    return files, at, True


def _read_hunk(lines: list[str], at: int) -> tuple[list[str], int, bool]:
    header = _HUNK.match(lines[at])
    old, new = (int(count) if count is not None else 1 for count in header.groups()) if header else (0, 0)
    hunk = [lines[at]]
    at += 1
    while old > 0 or new > 0:
        if at >= len(lines):
            return hunk, at, False
        # Logs lose blanks at line ends: an empty line is an empty line of context.
        line = lines[at] or " "
        mark = line[0]
        if mark not in " +-\\":
            return hunk, at, False
        old -= mark in " -"
        new -= mark in " +"
        hunk.append(line)
        at += 1
    if at < len(lines) and lines[at].startswith("\\ No newline"):
        hunk.append(lines[at])
        at += 1
    return hunk, at, (old, new) == (0, 0)


def _path(body: list[str]) -> str:
    for mark in ("+++ ", "--- ", "rename to "):
        for line in body:
            if line.startswith(mark) and not line.endswith("/dev/null"):
                name = line.removeprefix(mark).split("\t")[0].strip('"')
                return name[2:] if name.startswith(("a/", "b/")) else name
    # A mode change, an empty or a binary file: the names are in the first line only.
    return body[0].rpartition(" b/")[2].strip('"')
