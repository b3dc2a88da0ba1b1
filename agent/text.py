"""Two small repairs every text needs on its way to a model: a length that fits, and characters that encode."""

from __future__ import annotations

# A shorter "key" is a word that a server without keys is given, and may stand in any text.
_SHORTEST_KEY = 8


def clean(text: str) -> str:
    """The text without lone surrogates: JSON can carry them, UTF-8 and pydantic cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def without_key(text: str, key: str | None) -> str:
    """The text without a key that somebody put into it: endpoints like to say which key they refuse."""
    return text.replace(key, "[the key]") if key and len(key) >= _SHORTEST_KEY else text


def shorten(text: str, max_chars: int) -> str:
    """The head and the tail of a text, with a note between them of how many characters were cut."""
    if len(text) <= max_chars:
        return text
    half = max_chars // 2
    cut = len(text) - 2 * half
    return f"{text[:half]}\n[... {cut} characters cut here ...]\n{text[len(text) - half :]}"


def one_line(text: str, max_chars: int = 80) -> str:
    """The first line that says something, for a live display."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"
