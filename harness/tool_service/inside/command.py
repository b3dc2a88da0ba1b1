"""The tools as plain commands: `measure`, `run_tests`, `profile`, `submit "what was done"`."""

from __future__ import annotations

import json
import sys
from typing import Any

from .pipes import BadRequest, NotServed, call

OK, NOT_OK, USAGE = 0, 1, 2


def main(arguments: list[str]) -> None:
    """Run the tool `arguments[1]` of the folder `arguments[0]` and exit: 0 if all is well, 1 if not, 2 for usage."""
    try:
        sys.exit(_run(arguments[0], arguments[1], arguments[2:]))
    except (NotServed, BadRequest, OSError) as error:
        sys.exit(_complain(arguments[1], f"{error}. It only works while an attempt is under way.", NOT_OK))
    except KeyboardInterrupt:
        sys.exit(130)


def _run(folder: str, tool: str, words: list[str]) -> int:
    if words and words[0] in ("-h", "--help"):
        print(_help(folder, tool))
        return OK
    fields: dict[str, Any] = {}
    if tool == "submit":
        if not words:
            return _complain(tool, 'say what was done: submit "what was changed and why it is faster"', USAGE)
        fields = {"summary": " ".join(words)}
    elif words:
        return _complain(tool, f"takes no arguments (found: {' '.join(words)})", USAGE)
    answer = call(folder, tool, fields, _show_progress, lambda: _complain(tool, "waiting for another call to end", OK))
    print(answer["text"])
    return OK if answer.get("ok") else NOT_OK


def _help(folder: str, tool: str) -> str:
    arguments = ' "SUMMARY"' if tool == "submit" else ""
    ends = "Exit code: 0, or 1 where something fails, is wrong or cannot be done."
    try:
        # pathlib would double the time to start.
        with open(f"{folder}/tools.json", encoding="utf-8") as file:
            description = {each["name"]: each["description"] for each in json.load(file)}[tool]
    except OSError:
        description = "(The attempt this belongs to is over.)"
    return f"usage: {tool}{arguments}\n\n{description}\n\n{ends}"


def _show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def _complain(tool: str, text: str, code: int) -> int:
    print(f"{tool}: {text}", file=sys.stderr, flush=True)
    return code
