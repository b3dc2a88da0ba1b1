"""Side-by-side diffs with syntax colours and with the words that changed marked."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from harness.report.diffs import FileDiff, Hunk, Line, Pair, parse_diff, side_by_side
from harness.report.hidden import revealed

if TYPE_CHECKING:
    from pygments.lexer import Lexer

MOST_ROWS = 1_500
_LONG_LINE = 600
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class Span:
    """A piece of a line: its syntax class (Pygments' short name, or empty), and whether it changed."""

    text: str
    kind: str
    changed: bool = False


@dataclass(frozen=True)
class Cell:
    """One side of a row."""

    number: int
    kind: str
    spans: list[Span]


@dataclass(frozen=True)
class Row:
    """A row of two cells; a side that has no line there is None."""

    left: Cell | None
    right: Cell | None

    @property
    def same(self) -> bool:
        """Whether nothing changed in it."""
        return self.left is not None and self.left.kind == "same"


@dataclass(frozen=True)
class Block:
    """A hunk."""

    heading: str
    rows: list[Row]


@dataclass
class FileView:
    """One file of a diff, ready to be shown."""

    path: str
    notes: list[str]
    added: int
    removed: int
    blocks: list[Block] = field(default_factory=list)


@dataclass
class DiffView:
    """A diff, ready to be shown; `left_out` counts rows beyond what a page can hold."""

    files: list[FileView]
    left_out: int = 0


def view_diff(text: str, most_rows: int = MOST_ROWS) -> DiffView:
    """Lay out a diff. Hidden characters are shown as their names; nothing in it is ever markup."""
    view = DiffView([])
    room = most_rows
    for file in parse_diff(revealed(text)):
        shown = FileView(file.path, file.notes, file.added, file.removed)
        view.files.append(shown)
        for hunk in file.hunks:
            rows = side_by_side(hunk)
            view.left_out += max(0, len(rows) - room)
            if room > 0:
                shown.blocks.append(Block(hunk.heading, _rows(file, hunk, rows[:room])))
            room = max(0, room - len(rows))
    return view


def _rows(file: FileDiff, hunk: Hunk, pairs: list[Pair]) -> list[Row]:
    old = _coloured(file.path, {line.old: line.text for line in hunk.lines if line.old is not None})
    new = _coloured(file.path, {line.new: line.text for line in hunk.lines if line.new is not None})
    rows = []
    for pair in pairs:
        before = old[pair.left.old] if pair.left and pair.left.old is not None else None
        after = new[pair.right.new] if pair.right and pair.right.new is not None else None
        if before is not None and after is not None and pair.left is not pair.right:
            before, after = _marked(before, after)
        rows.append(Row(_cell(pair.left, before, old=True), _cell(pair.right, after, old=False)))
    return rows


def _cell(line: Line | None, spans: list[Span] | None, *, old: bool) -> Cell | None:
    if line is None or spans is None:
        return None
    number = line.old if old else line.new
    return None if number is None else Cell(number, line.kind, spans)


def _coloured(path: str, lines: dict[int, str]) -> dict[int, list[Span]]:
    """Each line's spans by its number. The lines of a hunk are read together: a string may run over several."""
    from pygments import lex  # noqa: PLC0415 - slow to import
    from pygments.token import STANDARD_TYPES  # noqa: PLC0415

    found: list[list[Span]] = [[]]
    lexer = _lexer(path)
    if lexer is None or any(len(text) > 20 * _LONG_LINE for text in lines.values()):
        found = [[Span(text, "")] for text in lines.values()]
    else:
        text = "\n".join(lines.values())
        inside = _begins_in_string(text)
        for token, value in lex(f"{inside}\n{text}" if inside else text, lexer):
            while token not in STANDARD_TYPES and token.parent is not None:
                token = token.parent  # noqa: PLW2901 - climbing to a token that has a name
            pieces = value.split("\n")
            for at, piece in enumerate(pieces):
                if at:
                    found.append([])
                if piece:
                    found[-1].append(Span(piece, STANDARD_TYPES.get(token, "")))
        found = found[1:] if inside else found
    found += [[] for _ in range(len(lines) - len(found))]
    return dict(zip(lines, found, strict=False))


def _begins_in_string(text: str) -> str:
    """The quotes of a string of many lines that was opened before the hunk, as its first quotes tell; or nothing."""
    for quotes in ('"""', "'''"):
        first = next((line.strip() for line in text.split("\n") if quotes in line), "")
        if text.count(quotes) % 2 and first.endswith(quotes) and not first.startswith(quotes + quotes):
            return quotes if first == quotes or not first.startswith(quotes) else ""
    return ""


@lru_cache(maxsize=64)
def _lexer(path: str) -> Lexer | None:
    from pygments.lexers import get_lexer_for_filename  # noqa: PLC0415
    from pygments.util import ClassNotFound  # noqa: PLC0415

    try:
        return get_lexer_for_filename(path, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _marked(before: list[Span], after: list[Span]) -> tuple[list[Span], list[Span]]:
    """The same spans with the words that differ marked; unmarked where the lines have little in common."""
    old, new = "".join(span.text for span in before), "".join(span.text for span in after)
    if max(len(old), len(new)) > _LONG_LINE:
        return before, after
    words, others = _WORDS.findall(old), _WORDS.findall(new)
    matcher = difflib.SequenceMatcher(None, words, others, autojunk=False)
    if matcher.ratio() < 0.5:
        return before, after
    gone, come = set[int](), set[int]()
    for action, a, b, c, d in matcher.get_opcodes():
        if action != "equal":
            gone |= _places(words, a, b)
            come |= _places(others, c, d)
    return _split(before, gone), _split(after, come)


def _places(words: list[str], first: int, last: int) -> set[int]:
    start = sum(len(word) for word in words[:first])
    return set(range(start, start + sum(len(word) for word in words[first:last])))


def _split(spans: list[Span], marked: set[int]) -> list[Span]:
    found: list[Span] = []
    place = 0
    for span in spans:
        for character in span.text:
            changed = place in marked
            if found and found[-1].kind == span.kind and found[-1].changed == changed and place:
                found[-1] = Span(found[-1].text + character, span.kind, changed)
            else:
                found.append(Span(character, span.kind, changed))
            place += 1
    return found
