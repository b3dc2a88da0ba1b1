"""What a call of another agent's own tool is about: Codex's edits, a web search, a tool of some MCP server."""

from __future__ import annotations

import json

CANNOT_BE_READ = "(a call that cannot be read)"


def foreign_subject(arguments: str) -> str:
    """A call's arguments in a few words: the files that it changed, its only text, or the arguments as they are.

    Args:
        arguments: JSON, as it was recorded; anything else is said to be unreadable.
    """
    try:
        content = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return CANNOT_BE_READ
    if not isinstance(content, dict):
        return CANNOT_BE_READ
    if files := changed_files(content):
        return ", ".join(files)
    values = list(content.values())
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return json.dumps(content, ensure_ascii=False) if content else ""


def changed_files(content: dict[str, object]) -> list[str]:
    """The files that Codex's `file_change` names, each with what was done to it where that was not an update."""
    paths, changes = content.get("paths"), content.get("changes")
    if isinstance(paths, list):
        return [str(path) for path in paths]
    found = [change for change in changes if isinstance(change, dict)] if isinstance(changes, list) else []
    return [_named(str(change.get("path")), change.get("kind")) for change in found]


def _named(path: str, kind: object) -> str:
    # Newer versions of Codex tell the kind as an object with more in it.
    word = kind.get("type") if isinstance(kind, dict) else kind
    return path if word in (None, "update") else f"{path} ({word})"
