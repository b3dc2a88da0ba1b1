r"""The "*** Begin Patch" envelope: how models that were taught `apply_patch` write an edit.

    *** Begin Patch
    *** Add File: path        (then lines that start with +)
    *** Delete File: path
    *** Update File: path     (then, optionally, *** Move to: path)
    @@ a line to look for     (optional; several narrow down one after the other)
     context line
    -line to take out
    +line to put in
    *** End of File           (optional: the hunk stands at the file's end)
    *** End Patch

There are no line numbers: a hunk is found by its context. This module reads the envelope; `patch_match` finds
where a hunk goes; `patch_apply` changes files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BEGIN = "*** Begin Patch"
_END = "*** End Patch"
_ADD = "*** Add File: "
_DELETE = "*** Delete File: "
_UPDATE = "*** Update File: "
_MOVE = "*** Move to: "
_END_OF_FILE = "*** End of File"

# Models sometimes write unified-diff headers. The numbers are ignored, what follows them is the anchor.
_NUMBERED_HEADER = re.compile(r"^-\d+(?:,\d+)? \+\d+(?:,\d+)? @@ ?")


class PatchError(Exception):
    """A patch that cannot be read or applied. The message names the file and the line that is wrong."""


@dataclass(frozen=True)
class HunkLine:
    """One line of a hunk: `mark` is a space (context), `-` (taken out) or `+` (put in)."""

    mark: str
    text: str


@dataclass(frozen=True)
class Hunk:
    """Lines that belong together.

    Attributes:
        anchors: the texts after `@@`, looked for in order before the hunk itself.
        lines: context, removals and additions.
        at_end: the hunk's context is the end of the file.
        patch_line: where the hunk starts in the patch, counted from 1.
        loose_end: the last line is an empty one without even a leading space: perhaps only layout.
    """

    anchors: tuple[str, ...]
    lines: tuple[HunkLine, ...]
    at_end: bool
    patch_line: int
    loose_end: bool = False


@dataclass(frozen=True)
class AddFile:
    """A file written whole, made or replaced."""

    path: str
    content: str


@dataclass(frozen=True)
class DeleteFile:
    """A file taken away."""

    path: str


@dataclass(frozen=True)
class UpdateFile:
    """A file changed in places, and moved if `moved_to` is given."""

    path: str
    moved_to: str | None
    hunks: tuple[Hunk, ...]


FileChange = AddFile | DeleteFile | UpdateFile


def parse_patch(text: str) -> tuple[FileChange, ...]:
    """Read a patch.

    Raises:
        PatchError: it is not in the envelope; the message gives the line of the patch.
    """
    return _Reader(text).patch()


class _Reader:
    def __init__(self, text: str) -> None:
        stripped = text.replace("\r\n", "\n").lstrip("\n")
        # Line numbers in messages count from the text as it was given.
        self._offset = len(text.replace("\r\n", "\n")) - len(stripped)
        self._lines = stripped.rstrip().split("\n")
        self._at = 0

    def patch(self) -> tuple[FileChange, ...]:
        if self._line().strip() != _BEGIN:
            raise self._error(f"a patch starts with {_BEGIN!r}, this one with {self._line()!r}")
        self._at += 1
        changes: list[FileChange] = []
        while not self._over():
            line = self._line()
            if line.rstrip() == _END:
                return self._finished(changes)
            if not line.strip():
                self._at += 1
            elif line.startswith(_ADD):
                changes.append(self._added())
            elif line.startswith(_DELETE):
                changes.append(DeleteFile(self._path(_DELETE)))
            elif line.startswith(_UPDATE):
                changes.append(self._updated())
            else:
                kinds = ", ".join(repr(kind.strip()) for kind in (_ADD, _DELETE, _UPDATE))
                raise self._error(f"expected one of {kinds} or {_END!r}, found {line!r}")
        raise self._error(f"the patch does not end with {_END!r}: was it cut off?")

    def _finished(self, changes: list[FileChange]) -> tuple[FileChange, ...]:
        if self._at != len(self._lines) - 1:
            self._at += 1
            raise self._error(f"there is text after {_END!r}: {self._line()!r}")
        if not changes:
            raise self._error("the patch changes no file")
        return tuple(changes)

    def _added(self) -> AddFile:
        path = self._path(_ADD)
        content: list[str] = []
        while not self._over() and not self._line().startswith("*** "):
            line = self._line()
            if line.startswith("+"):
                content.append(line[1:] + "\n")
            elif line.strip() or self._more_additions():
                raise self._error(f"every line of an added file starts with '+', found {line!r}")
            self._at += 1
        return AddFile(path, "".join(content))

    def _more_additions(self) -> bool:
        """Whether an empty line stands inside an added file: then the `+` is missing and must not be guessed."""
        following = (line for line in self._lines[self._at + 1 :] if line.strip())
        return next(following, "").startswith("+")

    def _updated(self) -> UpdateFile:
        path = self._path(_UPDATE)
        moved_to = None
        if not self._over() and self._line().startswith(_MOVE):
            moved_to = self._path(_MOVE)
        hunks: list[Hunk] = []
        while not self._over() and not self._starts_section():
            if self._line().strip() or hunks:
                hunk = self._hunk(path)
                if hunk.lines:
                    hunks.append(hunk)
            else:
                self._at += 1
        if not hunks and moved_to is None:
            raise self._error(f"{path}: the update has no hunk")
        return UpdateFile(path, moved_to, tuple(hunks))

    def _hunk(self, path: str) -> Hunk:
        start = self._number()
        anchors = self._anchors()
        lines: list[HunkLine] = []
        at_end = loose_end = False
        while not self._over() and not self._starts_section():
            line = self._line()
            if line.startswith("@@"):
                break
            if line.rstrip() == _END_OF_FILE:
                at_end = True
                self._at += 1
                break
            if line and line[0] not in " +-":
                raise self._error(f"{path}: a line of a hunk starts with ' ', '+' or '-', found {line!r}")
            # An empty line is an empty context line whose leading space an editor or a model took away.
            loose_end = not line
            lines.append(HunkLine(line[:1] or " ", line[1:]))
            self._at += 1
        if not any(line.text or line.mark != " " for line in lines):
            if anchors:
                raise self._error(f"{path}: the hunk at line {start} of the patch has an anchor and no lines")
            lines = []
        return Hunk(anchors, tuple(lines), at_end, start, loose_end)

    def _anchors(self) -> tuple[str, ...]:
        anchors = []
        while not self._over() and self._line().startswith("@@"):
            anchor = _NUMBERED_HEADER.sub("", self._line()[2:].removeprefix(" "))
            if anchor.strip():
                anchors.append(anchor)
            self._at += 1
        return tuple(anchors)

    def _starts_section(self) -> bool:
        line = self._line()
        return line.rstrip() == _END or line.startswith((_ADD, _DELETE, _UPDATE))

    def _path(self, prefix: str) -> str:
        path = self._line().removeprefix(prefix).strip()
        if not path:
            raise self._error(f"{prefix.strip()!r} names no file")
        self._at += 1
        return path

    def _over(self) -> bool:
        return self._at >= len(self._lines)

    def _line(self) -> str:
        return self._lines[min(self._at, len(self._lines) - 1)]

    def _number(self) -> int:
        return self._at + self._offset + 1

    def _error(self, what: str) -> PatchError:
        return PatchError(f"line {self._number()} of the patch: {what}")
