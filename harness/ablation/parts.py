"""A patch in parts that can be left out: its hunks, the groups of changed lines in them, or whole files.

Every part is a set of edits to lines of the base, and no two touch the same line. So the patch without some of them
is made by editing the base's own lines, not by applying what is left of a diff: nothing can miss its place.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from harness.errors import InfrastructureError, Rejected
from harness.git import GitError, Repository, run_git
from harness.patch import Change, Patch, hold_against_policy, read_diff
from harness.verdict import Record

if TYPE_CHECKING:
    from unidiff.patch import Hunk, PatchedFile

By = Literal["hunk", "line-group", "file"]
_LETTER: dict[By, str] = {"hunk": "h", "line-group": "g", "file": "f"}


class Part(Record):
    """One part of a patch, as people are told of it.

    Attributes:
        name: `h1`, `h2`, ... for hunks, `g1` for line groups, `f1` for files.
        path: the file it is in.
        new_file: whether it makes that file.
        line: the first line of the base that it touches, from 1; 0 for a new file.
        heading: what git found above it: a function, say.
        added: lines.
        removed: lines.
        text: its own diff.
    """

    name: str
    path: str
    new_file: bool = False
    line: int
    heading: str
    added: int
    removed: int
    text: str


@dataclass(frozen=True)
class Edit:
    """`length` lines of the base, from the one at index `start` on, become `lines`."""

    start: int
    length: int
    lines: tuple[bytes, ...]


@dataclass(frozen=True)
class _Piece:
    part: Part
    change: Change
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class DividedPatch:
    """A patch and its parts.

    Attributes:
        repository: the judge's, which holds the base.
        whole: the patch as git writes it against the base.
        parts: in the order of the patch.
    """

    repository: Repository
    whole: Patch
    pieces: tuple[_Piece, ...]

    @property
    def parts(self) -> list[Part]:
        """See the class."""
        return [piece.part for piece in self.pieces]

    def without(self, left_out: Iterable[str]) -> Patch:
        """The patch less the parts of these names."""
        out = frozenset(left_out)
        kept: dict[str, list[_Piece]] = {}
        for piece in self.pieces:
            if piece.part.name not in out:
                kept.setdefault(piece.change.path, []).append(piece)
        with TemporaryDirectory(prefix="parts-", dir=self.repository.path) as name:
            folder = Path(name)
            with self.repository.index_over(folder) as env:
                for path, pieces in kept.items():
                    self._stage(folder, env, path, pieces)
                return read_diff(self.repository, folder, env, "--cached")

    def _stage(self, folder: Path, env: dict[str, str], path: str, pieces: list[_Piece]) -> None:
        change = pieces[0].change
        lines: list[bytes] = []
        if change.kind != "A":
            lines = io.BytesIO(self.repository.git("cat-file", "blob", f"{self.repository.commit}:{path}")).readlines()
        edits = sorted((edit for piece in pieces for edit in piece.edits), key=lambda each: each.start, reverse=True)
        for edit in edits:  # from the end, so that the lines before keep their numbers
            lines[edit.start : edit.start + edit.length] = edit.lines
        content = folder / "content"
        content.write_bytes(b"".join(lines))
        blob = run_git(folder, "hash-object", "-w", "--no-filters", str(content), env=env).decode().strip()
        run_git(folder, "update-index", "--add", "--cacheinfo", f"{change.new_mode},{blob},{path}", env=env)


def divide(repository: Repository, patch_file: Path, target_files: list[str], by: By) -> DividedPatch:
    """Take a patch apart.

    Args:
        repository: the judge's.
        patch_file: the patch, as git or anybody else wrote it.
        target_files: what the task lets a patch touch.
        by: into what.

    Raises:
        NoPatch: it changes nothing.
        Rejected: it does not apply, or the task's rules forbid it (a deleted, renamed or binary file, say).
        InfrastructureError: git's diff of it cannot be put together again.
    """
    pieces: list[_Piece] = []
    with TemporaryDirectory(prefix="whole-", dir=repository.path) as name:
        folder = Path(name)
        with repository.index_over(folder) as env:
            try:
                if patch_file.read_bytes().strip():
                    run_git(folder, "apply", "--cached", "--whitespace=nowarn", str(patch_file.resolve()), env=env)
            except GitError as error:
                raise Rejected("does_not_apply", f"The patch does not apply to the base: {error.stderr}") from error
            whole = read_diff(repository, folder, env, "--cached")
            hold_against_policy(whole, target_files)
            for change in whole.changes:
                diff = _diff_of(repository, folder, env, change.path)
                pieces += _pieces(change, diff, by, len(pieces))
    divided = DividedPatch(repository, whole, tuple(pieces))
    if divided.without(()).text != whole.text:
        raise InfrastructureError("The patch was taken apart and comes out otherwise when it is put together.")
    return divided


def _diff_of(repository: Repository, folder: Path, env: dict[str, str], path: str) -> bytes:
    """The staged difference of one file."""
    options = ("--cached", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "--full-index")
    return run_git(folder, "diff", *options, repository.commit, "--", f":(literal){path}", env=env)


def _pieces(change: Change, diff: bytes, by: By, before: int) -> list[_Piece]:
    from unidiff.patch import PatchSet  # noqa: PLC0415 - used by this verb only

    # Bytes that are not UTF-8 go through as surrogates; lines end at a line feed and nowhere else.
    files: list[PatchedFile] = list(PatchSet.from_string(diff.decode("utf-8", "surrogateescape")))
    hunks = [hunk for file in files for hunk in file]
    groups = [[hunk] for hunk in hunks] if by == "hunk" and change.kind != "A" else [hunks]
    found: list[_Piece] = []
    for group in groups:
        edits = [(hunk, edit) for hunk in group for edit in _edits(hunk)]
        split = [[each] for each in edits] if by == "line-group" and change.kind != "A" else [edits]
        for part in split:
            name = f"{_LETTER[by]}{before + len(found) + 1}"
            text = None if by == "line-group" else "".join(str(hunk) for hunk in group)
            found.append(_piece(name, change, part, text))
    return found


def _piece(name: str, change: Change, edits: list[tuple[Hunk, Edit]], text: str | None) -> _Piece:
    hunk, first = edits[0] if edits else (None, Edit(0, 0, ()))
    removed = sum(edit.length for _, edit in edits)
    part = Part(
        name=name,
        path=_readable(change.path),
        new_file=change.kind == "A",
        line=0 if change.kind == "A" else first.start + 1,
        heading=_readable(hunk.section_header or "") if hunk is not None else "",
        added=sum(len(edit.lines) for _, edit in edits),
        removed=removed,
        text=_readable(_as_diff(hunk, first) if text is None and hunk is not None else text or ""),
    )
    return _Piece(part, change, tuple(edit for _, edit in edits))


def _edits(hunk: Hunk) -> Iterator[Edit]:
    """The runs of changed lines in a hunk."""
    at = hunk.source_start - (1 if hunk.source_length else 0)
    start, length, new = at, 0, list[bytes]()
    last_added = False
    for line in hunk:
        if line.is_context:
            if length or new:
                yield Edit(start, length, tuple(new))
            at += 1
            start, length, new, last_added = at, 0, [], False
        elif line.is_removed:
            at, length, last_added = at + 1, length + 1, False
        elif line.is_added:
            new.append(line.value.encode("utf-8", "surrogateescape"))
            last_added = True
        elif last_added:  # the mark that the file ends without a line feed
            new[-1] = new[-1].removesuffix(b"\n")
    if length or new:
        yield Edit(start, length, tuple(new))


def _as_diff(hunk: Hunk, edit: Edit) -> str:
    """One group of lines as a hunk without context."""
    first = hunk.source_start - (1 if hunk.source_length else 0)
    source = [line for line in hunk if line.is_context or line.is_removed]
    removed = [f"-{line.value}" for line in source[edit.start - first : edit.start - first + edit.length]]
    added = [f"+{line.decode('utf-8', 'surrogateescape')}" for line in edit.lines]
    lines = [each if each.endswith("\n") else f"{each}\n" for each in removed + added]
    return f"@@ -{edit.start + 1},{edit.length} @@ {hunk.section_header}\n" + "".join(lines)


def _readable(text: str) -> str:
    """Without surrogates, which no JSON and no terminal takes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
