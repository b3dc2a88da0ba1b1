"""Text for terminals and Markdown. Agents, tools and models wrote some of it: none of it is trusted."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from harness.verdict import Interval

if TYPE_CHECKING:
    from rich.text import Text

# Whole escape sequences first, so that what is left of "\x1b[31mred" is "red" and not "[31mred". Every run of
# characters stops at the next opener: megabytes of unfinished sequences are read once, not once for each.
_ESCAPES = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x80-\x9f]*+(?:\x07|\x1b\\|\x9c)"  # system commands: titles, links, clipboard
    r"|(?:\x1b[P^_X]|[\x90\x98\x9e\x9f])[^\x1b\x80-\x9f]*+(?:\x1b\\|\x9c)"  # device strings
    r"|(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]"  # colours, cursor movement, clearing
    r"|\x1b[ -/]*+[0-~]"
)
_BREAKS = re.compile(r"[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
# Marks that reorder the text around them: with these a line can read as its opposite (CVE-2021-42574).
_REORDERING = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF])
_LARGE = 10_000
_MOST_DECIMALS = 5
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$])")


def printable(text: str, *, multiline: bool = False) -> str:
    """Text that can do nothing to a terminal: no escape sequences, control characters or reordering marks.

    Args:
        text: anything.
        multiline: keep newlines and tabs; otherwise each run of them becomes one blank.
    """
    text = _ESCAPES.sub("", text).translate(_REORDERING)
    if not multiline:
        text = _BREAKS.sub(" ", text)
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))


def safe(text: str, style: str = "", *, multiline: bool = False) -> Text:
    """`printable` text for rich, which never reads markup in it: `[red]` stays five characters."""
    from rich.text import Text  # noqa: PLC0415 - plain output does without rich

    return Text(printable(text, multiline=multiline), style=style)


def shortened(text: str, width: int) -> str:
    """At most `width` characters of printable text, on one line."""
    text = printable(text)
    return text if len(text) <= width else text[: width - 1] + "…"


def without_middle(text: str, ends: int = 4000) -> str:
    """A text without its middle where it is longer than twice `ends` characters."""
    return text if len(text) <= 2 * ends else f"{text[:ends]} [...] {text[-ends:]}"


def markdown_cell(text: str) -> str:
    """Text for a Markdown table cell: neither markup nor HTML in it comes alive."""
    escaped = _MARKDOWN.sub(r"\\\1", printable(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table. Cells are made harmless, headings are taken as they are."""
    lines = ["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings)]
    return lines + ["| " + " | ".join(markdown_cell(cell) for cell in row) + " |" for row in rows]


def fenced(text: str, language: str = "text") -> str:
    """Text as a Markdown code block: its fence is longer than any run of backticks in it, so that nothing closes it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def speedup_text(ratio: float) -> str:
    """A ratio to three figures or two decimals: `0.98x`, `3.91x`, `128x`."""
    return f"{_ratio(ratio)}x"


def interval_text(interval: Interval, least: int = 0) -> str:
    """`3.91x [3.70, 4.12]`; an end that is not known yet is a question mark.

    An interval that leaves 1 out must not read as if it held it, and one that has a width not as if it had none: then
    more decimals are written, `0.997x [0.995, 0.999]`.

    Args:
        interval: what is written.
        least: the fewest decimals.
    """
    ends = (interval.estimate, interval.low, interval.high)
    for decimals in range(least, _MOST_DECIMALS + 1):
        written = [_ratio(end, decimals) for end in ends]
        if _is_told(interval, written):
            break
    return f"{written[0]}x [{written[1]}, {written[2]}]"


def _is_told(interval: Interval, written: list[str]) -> bool:
    """Whether what is written of an interval shows its width, and on which side of 1 it lies."""
    if not all(map(math.isfinite, (interval.estimate, interval.low, interval.high))) or interval.high >= _LARGE:
        return True
    low, high = map(float, written[1:])
    beside = (low > 1 or interval.low <= 1) and (high < 1 or interval.high >= 1)
    return beside and (low < high or interval.low == interval.high)


def _ratio(value: float, least: int = 0) -> str:
    """With as many decimals as three figures need, and at least so many."""
    if not math.isfinite(value):
        return "?"
    return ">9999" if value >= _LARGE else f"{value:.{max(least, _decimals(value))}f}"


def _decimals(value: float) -> int:
    return 0 if value >= 100 else 1 if value >= 10 else 2


def amount(count: int) -> str:
    """A count in at most four characters or so: `850`, `12k`, `3.4M`."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"


def counted(count: int, thing: str, things: str = "") -> str:
    """`1 attempt`, `12,000 attempts`.

    Args:
        count: how many.
        thing: the word for one, such as `attempt that has` where a sentence goes on.
        things: the word for none or several; by default with an s at its end.
    """
    return f"1 {thing}" if count == 1 else f"{count:,} {things or thing + 's'}"


def bar(done: int, total: int, width: int = 16) -> str:
    """A bar of `width` characters, `done` of `total` filled."""
    filled = width if total <= 0 else min(width, width * done // total)
    return "█" * filled + "░" * (width - filled)


def bytes_text(count: int) -> str:
    """A size for people: 512 B, 3.4 MB, 12 GB."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def duration_text(seconds: float) -> str:
    """`0:42`, `12:05`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def local_time(stamp: str) -> str:
    """An ISO time in this machine's zone, to the minute; anything else as it is, shortened."""
    try:
        return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return shortened(stamp, 20)
