"""Where in a file does a hunk go? Exact first, then ever more forgiving of white space and typography."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from agent.patch_format import Hunk, PatchError

# Characters that models write instead of the plain ones, and the plain ones.
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u200a\u202f\u205f\u3000", " "),
    }
)
_SIMILAR_SEARCH_LINES = 5_000


def _plain(line: str) -> str:
    return line.strip().translate(_TYPOGRAPHY)


_READINGS: tuple[Callable[[str], str], ...] = (str, str.rstrip, str.strip, _plain)


def apply_hunks(path: str, text: str, hunks: Sequence[Hunk]) -> str:
    """The text with the hunks applied, in order. Context lines stay as the file has them, to the byte.

    Args:
        path: the file's name, for messages.
        text: its content, with its own line endings; added lines take the same.
        hunks: what to change; each is looked for after the one before.

    Raises:
        PatchError: a hunk or an anchor is nowhere; names the file, the line, expected and found.
    """
    raw = _split(text)
    bare = [line.removesuffix("\n").removesuffix("\r") for line in raw]
    windows = sum(line.endswith("\r\n") for line in raw) * 2 > len(raw)
    ending = "\r\n" if windows else "\n"
    result: list[str] = []
    cursor = 0
    for number, hunk in enumerate(hunks, 1):
        where = f"{path}: hunk {number} (line {hunk.patch_line} of the patch)"
        at, length = _locate(where, bare, hunk, cursor)
        result += raw[cursor:at]
        line_in_file = at
        for line in hunk.lines[:length]:
            if line.mark == "+":
                result.append(line.text + ending)
                continue
            if line.mark == " ":
                result.append(raw[line_in_file])
            line_in_file += 1
        cursor = line_in_file
    result += raw[cursor:]
    # A last line without a newline needs one as soon as another follows it.
    return "".join(line if line.endswith("\n") else line + ending for line in result[:-1]) + "".join(result[-1:])


def _split(text: str) -> list[str]:
    """Lines with their endings; only newline ends a line (`splitlines` also breaks at form feeds and others)."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _locate(where: str, bare: Sequence[str], hunk: Hunk, start: int) -> tuple[int, int]:
    """Where the hunk goes (index into the file) and how many of its lines count."""
    start, anchored = _after_anchors(where, bare, hunk, start)
    pattern = [line.text for line in hunk.lines if line.mark != "+"]
    if not pattern:
        # Nothing but additions: after the anchor, or at the end of the file.
        at_anchor = anchored and not hunk.at_end
        return (min(start + 1, len(bare)) if at_anchor else len(bare)), len(hunk.lines)
    found = _find(bare, pattern, start, at_end=hunk.at_end)
    if found is not None:
        return found, len(hunk.lines)
    if hunk.loose_end and len(pattern) > 1:
        found = _find(bare, pattern[:-1], start, at_end=hunk.at_end)
        if found is not None:
            return found, len(hunk.lines) - 1
    raise PatchError(f"{where} does not fit. {_explain(bare, pattern, start, at_end=hunk.at_end)}")


def _after_anchors(where: str, bare: Sequence[str], hunk: Hunk, start: int) -> tuple[int, bool]:
    """The last anchor's line, from where the hunk is looked for; the hunk may repeat that line as context."""
    for index, anchor in enumerate(hunk.anchors):
        found = _find(bare, [anchor], start + 1 if index else start, at_end=False)
        if found is None:
            raise PatchError(
                f"{where}: no line from line {start + 1} on equals the anchor.\n"
                f"  expected: {anchor}\n{_similar(bare, anchor)}"
            )
        start = found
    return start, bool(hunk.anchors)


def _find(bare: Sequence[str], pattern: Sequence[str], start: int, *, at_end: bool) -> int | None:
    last = len(bare) - len(pattern)
    if at_end:
        start = max(start, last)
    for reading in _READINGS:
        wanted = [reading(line) for line in pattern]
        for at in range(start, last + 1):
            if all(reading(bare[at + offset]) == line for offset, line in enumerate(wanted)):
                return at
    return None


def _explain(bare: Sequence[str], pattern: Sequence[str], start: int, *, at_end: bool) -> str:
    """Why the lines are nowhere: the place where most of them agree, and the first that does not."""
    if (elsewhere := _find(bare, pattern, start, at_end=False)) is not None and at_end:
        return f"Its lines stand at line {elsewhere + 1}, but it says 'End of File' and the file goes on after them."
    if (earlier := _find(bare, pattern, 0, at_end=False)) is not None:
        return (
            f"Its lines stand at line {earlier + 1}, before line {start + 1} where the search starts: "
            "hunks and anchors go in the order of the file."
        )
    best, agree = start, 0
    wanted = [_plain(line) for line in pattern]
    have = [_plain(line) for line in bare]
    for at in range(start, len(have)):
        count = 0
        while count < len(wanted) and at + count < len(have) and have[at + count] == wanted[count]:
            count += 1
        if count > agree:
            best, agree = at, count
    if not agree:
        return f"Its first line is nowhere from line {start + 1} on.\n  expected: {pattern[0]}\n" + _similar(
            bare, pattern[0]
        )
    line = best + agree
    found = bare[line] if line < len(bare) else "(the end of the file)"
    return (
        f"It got furthest at line {best + 1}, where {agree} of its {len(pattern)} lines agree; "
        f"then line {line + 1} differs.\n  expected: {pattern[agree]}\n  found:    {found}"
    )


def _similar(bare: Sequence[str], line: str) -> str:
    near = difflib.get_close_matches(line, bare[:_SIMILAR_SEARCH_LINES], n=1, cutoff=0.6)
    if not near:
        return "  found:    nothing like it; read the file again before patching it."
    return f"  found:    {near[0]}\n            (line {bare.index(near[0]) + 1}, the most similar one)"
