"""What was learnt so far, made from records and nothing else, so that no summary can forget or embellish it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agent.messages import Message, ModelTurn, ToolCall, ToolResult
from agent.text import one_line, shorten
from agent.tools import describe, plan_of, shell_command

# The reports of `measure` end with the mean over the workloads, an estimate and its interval.
_MEAN = re.compile(r"(\d+(?:\.\d+)?)x \[\d+(?:\.\d+)?, \d+(?:\.\d+)?\]")
_PATH = re.compile(r"[\w@+./-]*\w\.\w+")
_MOST_FILES = 200
_WORDS = 120


@dataclass(frozen=True)
class _Try:
    """One measurement: what had been edited since the one before, and what came of it."""

    number: int
    edits: str
    result: str
    speedup: float | None

    def line(self) -> str:
        return f"{self.number}. {self.edits} -> {self.result}"


class Ledger:
    """Plan, edits, measurements, tests and files read, kept up to date message by message.

    Args:
        root: the worktree, to tell which words of a command are files in it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._calls: dict[str, ToolCall] = {}
        self._said = ""
        self._plan = ""
        self._edits: list[str] = []
        self._tries: list[_Try] = []
        self._tests = ""
        self._files: dict[str, None] = {}

    def add(self, message: Message) -> None:
        """Take note of what happened."""
        if isinstance(message, ModelTurn):
            self._said = one_line(message.text, _WORDS)
            self._calls = {call.id: call for call in message.tool_calls}
        elif isinstance(message, ToolResult) and (call := self._calls.get(message.call_id)) is not None:
            self._learn(call, message)

    def text(self, max_chars: int) -> str:
        """The ledger in at most so many characters: the best and the newest tries are kept longest."""
        lines = []
        if best := self._best():
            lines.append(f"Best measured so far: {best.result} (try {best.number})")
        if self._tests:
            lines.append(f"Tests, last run: {self._tests}")
        if self._plan:
            lines.append(f"Plan:\n{shorten(self._plan, max_chars // 5)}")
        if self._files:
            lines.append(f"Files read: {shorten(', '.join(self._files), max_chars // 5)}")
        used = sum(len(line) + 1 for line in lines)
        return shorten("\n".join([*lines, *self._tried(max_chars - used)]), max_chars)

    def _learn(self, call: ToolCall, result: ToolResult) -> None:
        if call.name == "update_plan" and (steps := plan_of(call)):
            self._plan = "\n".join(f"- [{step.status}] {step.step}" for step in steps)
        elif call.name == "apply_patch":
            idea = f" ({self._said})" if self._said else ""
            self._edits.append(f"{'failed edit of ' if result.is_error else ''}{describe(call)}{idea}")
        elif call.name == "measure":
            self._tries.append(self._tried_now(result))
            self._edits = []
        elif call.name == "run_tests":
            self._tests = shorten(_body(result.output), 3 * _WORDS)
        elif not result.is_error and (command := shell_command(call)):
            self._read(command)

    def _tried_now(self, result: ToolResult) -> _Try:
        body = _body(result.output)
        means = list(_MEAN.finditer(body))
        measured = means[-1] if means else None
        words = measured.group(0) if measured else one_line(body, 2 * _WORDS)
        return _Try(
            number=len(self._tries) + 1,
            edits="; ".join(self._edits) or "no edit by apply_patch since the last try",
            result=words,
            speedup=float(measured.group(1)) if measured else None,
        )

    def _best(self) -> _Try | None:
        measured = [(found.speedup, found) for found in self._tries if found.speedup is not None]
        return max(measured, key=lambda pair: pair[0])[1] if measured else None

    def _tried(self, max_chars: int) -> list[str]:
        """The tries, newest first into the room there is, then shown in order."""
        best = self._best()
        kept: list[_Try] = []
        left = max_chars - 2 * _WORDS
        for found in sorted(self._tries, key=lambda found: (found is best, found.number), reverse=True):
            left -= len(found.line()) + 1
            if left < 0 and kept:
                break
            kept.append(found)
        if not kept and not self._edits:
            return []
        lines = ["Tries, each with what was edited before it:"]
        if len(kept) < len(self._tries):
            lines.append(f"({len(self._tries) - len(kept)} older tries left out)")
        lines += [found.line() for found in sorted(kept, key=lambda found: found.number)]
        return [*lines, *([f"Edited since, not measured: {'; '.join(self._edits)}"] if self._edits else [])]

    def _read(self, command: str) -> None:
        for word in _PATH.findall(command):
            if len(self._files) >= _MOST_FILES:
                return
            if not word.startswith("/") and ".." not in word and (self._root / word).is_file():
                self._files.setdefault(word.removeprefix("./"))


def _body(output: str) -> str:
    """A report without the line that tells what is left of the budget."""
    return re.sub(r"\n\[left: [^\n]*\]$", "", output.strip())
