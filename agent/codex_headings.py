"""The headings of Codex's plain-text transcript, told from lines of output that only look like one."""

from __future__ import annotations

import re

from agent.turn_diff import START

HEADINGS = ("thinking", "codex", "exec", "file update", "file update:", "apply patch", "Plan update", "tokens used")
CHANGE = re.compile(r"^(?P<kind>[AMDR]) (?P<path>.+?)(?: (?:->|→) (?P<to>.+))?$")
PATCHED = re.compile(r"^patch: (?P<how>\w+)")
_ENDED = re.compile(r" (?P<how>succeeded|failed|timed out|exited (?P<code>-?\d+)) in (?P<time>[\d.]+m?s|\d+m ?\d+s):$")
_ENDED_CHARS = 80
_BOLD = re.compile(r"^\*\*[^*]+\*\*$")
_COUNT = re.compile(r"[\d,. ]+")
_FOLLOWED_BY = {
    "file update": CHANGE,
    "file update:": re.compile(re.escape(START)),
    "apply patch": PATCHED,
    "tokens used": _COUNT,
}
_LONGEST_COMMAND_LINES = 2_000


def is_heading(lines: list[str], at: int, *, newer: bool) -> bool:
    """Whether a line is a heading, by what follows it.

    Args:
        lines: the transcript's.
        at: which of them.
        newer: whether the newer generation wrote it, whose reasoning has no heading but a line in bold type.
    """
    line = lines[at]
    if line not in HEADINGS:
        return newer and _BOLD.match(line) is not None
    if at + 1 >= len(lines):
        return True
    if line == "exec":
        return command_end(lines, at + 1) is not None
    if line in _FOLLOWED_BY:
        return _FOLLOWED_BY[line].match(lines[at + 1]) is not None
    return lines[at + 1] not in HEADINGS


def command_end(lines: list[str], at: int) -> int | None:
    """The line that says how the command that begins at `at` ended; past the last line if it was cut off first.

    The older generation says it behind the command and its folder, the newer one on a line of its own.
    """
    most = at + _LONGEST_COMMAND_LINES
    for n in range(at, min(len(lines), most)):
        line = lines[n]
        ended = how_it_ended(line)
        if ended and " in " in (lines[n - 1] if ended.start() == 0 else line[: ended.start()]):
            return n
        if n > at and line in HEADINGS:
            return None
    return len(lines) if most >= len(lines) else None


def how_it_ended(line: str) -> re.Match[str] | None:
    """` succeeded in 6ms:` or ` exited 1 in 1.39s:` at a line's end, with groups `how`, `code` and `time`."""
    return _ENDED.search(line, max(0, len(line) - _ENDED_CHARS))


def seconds_of(text: str) -> float:
    """`6ms`, `1.39s`, `2m 05s`."""
    if text.endswith("ms"):
        return float(text[:-2]) / 1000
    minutes, _, rest = text.rpartition("m")
    return float(minutes or 0) * 60 + float(rest.strip().rstrip("s"))
