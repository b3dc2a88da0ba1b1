"""What a patch goes about, as far as a look at its diff can tell: where it works, what it brings in, how large it is.

Two patches that are equally fast are worth keeping both where they got there in different ways: they can be brought
together. A diff's text says little about that (one renamed variable makes two diffs of one idea), and asking a model
would make the search depend on its mood. The functions that are rewritten and the modules that are brought in are
cheap, are the same every time, and differ where ideas differ: a loop done by numpy is not the loop rewritten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.report.diffs import Hunk, parse_diff

_DEFINED = re.compile(r"\s*(?:async\s+)?(?:def|class)\s+(\w+)")
_BROUGHT = re.compile(r"\s*(?:import|from)\s+(\w+)")
_PLAIN = re.compile(r"[\w./+:-]{1,200}")
MOST_NAME = 60
# Changed lines up to which a patch is of a class; what is larger is of the class after the last.
SIZE_CLASSES = (6, 25, 100)


@dataclass(frozen=True)
class Approach:
    """A patch's approach. Equal ones are taken for variations of one idea.

    Attributes:
        places: what it changes, `file:function` each, or the file alone outside any function.
        brings: modules that it imports and the lines before it did not.
        size: 0 to `len(SIZE_CLASSES)`, by lines changed.
    """

    places: frozenset[str] = field(default_factory=frozenset)
    brings: frozenset[str] = field(default_factory=frozenset)
    size: int = 0

    def __str__(self) -> str:
        places = ", ".join(map(_named, sorted(self.places)[:4])) or "nothing"
        more = f" and {len(self.places) - 4} more" if len(self.places) > 4 else ""
        return f"{places}{more}" + (f"; brings in {', '.join(sorted(self.brings)[:6])}" if self.brings else "")


def _named(place: str) -> str:
    """A place as later attempts are told of it. Who makes a file may call it what he likes, a sentence included."""
    if _PLAIN.fullmatch(place):
        return place
    said = place.replace('"', "'")
    return f'"{said if len(said) <= MOST_NAME else said[: MOST_NAME - 1] + "…"}"'


def approach_of(diff: str) -> Approach:
    """The approach of a patch. Nothing in a diff is an error; what is not understood has no place."""
    places: set[str] = set()
    added: set[str] = set()
    removed: set[str] = set()
    changed = 0
    for file in parse_diff(diff):
        changed += file.added + file.removed
        for hunk in file.hunks:
            places |= {f"{file.path}:{name}" if name else file.path for name in _functions(hunk)}
            for line in hunk.lines:
                found = _BROUGHT.match(line.text)
                if found and line.kind != "same":
                    (added if line.kind == "added" else removed).add(found.group(1))
    size = sum(changed > most for most in SIZE_CLASSES)
    return Approach(frozenset(places), frozenset(added - removed), size)


def _functions(hunk: Hunk) -> set[str]:
    """The functions that a hunk's changed lines stand in; an empty name for those outside any."""
    heading = _DEFINED.match(hunk.heading)
    inside = heading.group(1) if heading else ""
    found = set()
    for line in hunk.lines:
        defined = _DEFINED.match(line.text)
        if defined:
            inside = defined.group(1)
        elif line.text and not line.text[0].isspace() and line.text[0] not in ")]}#@":
            inside = ""  # back at the module's own level
        if line.kind != "same" and line.text.strip():
            found.add(inside)
    return found
