"""JSON lines of other programs: read as far as they go, every line that is none named."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from agent.messages import Usage


@dataclass(frozen=True)
class JsonLines:
    """The objects of a file, and the numbers of the lines that hold none.

    Attributes:
        objects: the JSON objects, in order.
        bad: lines that are no JSON object: a logger's, say.
        torn: the last line was cut off.
    """

    objects: list[dict[str, Any]]
    bad: list[int]
    torn: bool

    @property
    def notes(self) -> list[str]:
        """What was left out, a sentence each."""
        notes = []
        if self.bad:
            shown = ", ".join(str(number) for number in self.bad[:5]) + (", ..." if len(self.bad) > 5 else "")
            notes.append(f"Left out what is no JSON object: line {shown} ({len(self.bad)} in all).")
        if self.torn:
            notes.append("The last line is cut off and was left out.")
        return notes


def read_json_lines(text: str) -> JsonLines:
    """Read a text of one JSON object a line."""
    objects: list[dict[str, Any]] = []
    bad: list[int] = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            objects.append(content)
        else:
            bad.append(number)
    torn = bool(bad) and bad[-1] == len(lines) and lines[-1].lstrip().startswith("{")
    return JsonLines(objects, bad[:-1] if torn else bad, torn)


def text_of(value: object) -> str:
    """A field that should hold text: other things as JSON, nothing as an empty text."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def mapping(value: object) -> dict[str, Any]:
    """A field that should hold an object; an empty one where it does not."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """A field that should hold a list; an empty one where it does not."""
    return value if isinstance(value, list) else []


def usage_of(value: object) -> Usage:
    """Codex's count of tokens, a turn's or a session's."""
    counts = mapping(value)

    def count(name: str) -> int:
        number = counts.get(name)
        return number if isinstance(number, int) and number >= 0 else 0

    return Usage(
        input=count("input_tokens"),
        cached=count("cached_input_tokens"),
        output=count("output_tokens"),
        reasoning=count("reasoning_output_tokens"),
    )
