"""Characters that a reader does not see and an interpreter does: shown as what they are."""

from __future__ import annotations

import re

# Format characters that reorder, join or hide text, controls, and lone surrogates. Newline and tab stay.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_NAMES = {"\x1b": "ESC", "\r": "CR", "\x00": "NUL", "\x07": "BEL", "\x08": "BS", "\x7f": "DEL"}


def revealed(text: str) -> str:
    """Text with each hidden character as its name: `⟨U+202E⟩`, `⟨ESC⟩`.

    A reviewer has to see them (CVE-2021-42574), so that, unlike `harness.text.printable`, this drops none. The
    carriage returns of a file with Windows line ends are dropped: they are noise on every line.
    """
    return _HIDDEN.sub(_named, text.replace("\r\n", "\n"))


def _named(found: re.Match[str]) -> str:
    character = found.group()
    return f"⟨{_NAMES.get(character, f'U+{ord(character):04X}')}⟩"
