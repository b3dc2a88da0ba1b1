"""What the target's repository tells agents: its AGENTS.md files, found as the Codex CLI finds them.

From the repository's root down to the folder of every target file, each folder's `AGENTS.override.md`, or else its
`AGENTS.md`, in this order; empty ones are passed over, and what goes beyond 32 KiB together is cut off
(https://developers.openai.com/codex/guides/agents-md). They are read from the base's checkout, which no agent wrote to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent.text import clean
from harness.patch import matches

MAX_BYTES = 32 * 1024
_NAMES = ("AGENTS.override.md", "AGENTS.md")
_CUT = "\n[... cut off here: more than 32 KiB of instructions]"


@dataclass(frozen=True)
class Instructions:
    """One file's words; `path` is relative to the repository's root."""

    path: str
    text: str


def repository_words(root: Path, files: list[str], target_files: list[str]) -> list[Instructions]:
    """The instructions for agents that go with a task's target files.

    Args:
        root: the base's checkout.
        files: the paths of the files in it, relative to `root`.
        target_files: the globs of the files that may change.

    Returns:
        Files from the root to the leaves, at most 32 KiB of text together.
    """
    found: list[Instructions] = []
    left = MAX_BYTES
    for folder in _folders([path for path in files if matches(path, target_files)]):
        words = _words_in(root, folder)
        if words is None or left <= 0:
            continue
        found.append(Instructions(words.path, _cut(words.text, left)))
        left -= len(words.text.encode())
    return found


def _folders(targets: list[str]) -> list[PurePosixPath]:
    """The folders on the way to these files, the root first; a folder comes before those in it."""
    found = {PurePosixPath(".")}
    for path in targets:
        found.update(PurePosixPath(path).parents)
    return sorted(found, key=lambda folder: (len(folder.parts), str(folder)))


def _words_in(root: Path, folder: PurePosixPath) -> Instructions | None:
    for name in _NAMES:
        path = root / folder / name
        # A link out of the repository would hand an agent, and its model's provider, a file of this machine.
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            continue
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode("utf-8", "replace").strip()
        if text:
            return Instructions(clean(str(folder / name)), text)
    return None


def _cut(text: str, most_bytes: int) -> str:
    raw = text.encode()
    return text if len(raw) <= most_bytes else raw[:most_bytes].decode("utf-8", "ignore") + _CUT
