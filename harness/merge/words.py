"""Strangers' words in a commit message or a pull request: read there, and able to do nothing.

A commit message is no plain text. `git am` ends it at a line that looks like a patch, throws away what stands above a
pair of scissors, and forges close issues, notify people and link pages that a message names, wherever it names them.
"""

from __future__ import annotations

import re
import textwrap

from harness.report.hidden import revealed
from harness.text import printable

WIDTH = 76
MOST_LINES = 40
MOST_CHARACTERS = 4_000

# What forges act upon: @user, #12, GH-12, addresses; and git's scissors.
_ACTING = (
    (re.compile(r"@(?=\w)"), "@ "),
    (re.compile(r"#(?=\w)"), "# "),
    (re.compile(r"\b(GH)-(?=\d)", re.IGNORECASE), r"\1 - "),
    (re.compile(r"://"), ": //"),
    (re.compile(r"\b(www)\.(?=\w)", re.IGNORECASE), r"\1 ."),
    (re.compile(r">(?=[8%])"), "> "),
    (re.compile(r"([8%])(?=<)"), r"\1 "),
)


def inert(text: str, *, multiline: bool = False) -> str:
    """Text that neither a terminal, nor git, nor a forge does anything about; hidden characters show as names."""
    found = revealed(printable(text, multiline=multiline))
    for pattern, replacement in _ACTING:
        found = pattern.sub(replacement, found)
    return found


def quoted(text: str) -> str:
    """Somebody's words for a commit message, each line behind `> ` so that none is the message's own."""
    lines: list[str] = []
    for line in inert(text[:MOST_CHARACTERS], multiline=True).strip().splitlines():
        lines += textwrap.wrap(line, WIDTH - 2, replace_whitespace=True) or [""]
    left_out = len(lines) > MOST_LINES or len(text) > MOST_CHARACTERS
    shown = [*lines[:MOST_LINES], *(["[... the rest is left out]"] if left_out else [])]
    return "\n".join(f"> {line}".rstrip() for line in shown)


def item(text: str) -> str:
    """A sentence as an item of a list in a commit message."""
    return textwrap.fill(inert(text), WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)


def code(text: object) -> str:
    """Text as a code span for a cell of a Markdown table: nothing in it is markup, a link or a mention."""
    found = inert(str(text)).replace("`", "'").strip()
    return f"`{found.replace('|', chr(92) + '|')}`" if found else ""
