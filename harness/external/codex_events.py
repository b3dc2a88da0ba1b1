"""What `codex exec --json` prints, into our record: one JSON object a line, of threads, turns and items."""

from __future__ import annotations

import json
import shlex
from pathlib import Path, PurePath
from typing import Any

from agent.messages import ToolCall
from harness.external.recorder import Recorder, call_of

Json = dict[str, Any]
# Items that are done when they are told: no output of theirs follows.
_SAID = ("agent_message", "error")
_MOST_ERRORS = 20


class CodexEvents:
    """Reads the events as they come.

    Every tool of Codex's becomes a turn that asks for it, the call and its result. Commands are our `shell` and plans
    our `update_plan`; of `file_change` Codex tells the files and not their content, which the diff has. Reasoning, a
    summary where it is told at all, is left out. Calls of our own tools are written down by the tools themselves.

    Attributes:
        message: what the agent said last.
        failure: what ended the turn, where it failed.
        errors: what Codex complained of.
        turns: how many turns were begun.
    """

    def __init__(self, record: Recorder, root: Path, own_server: str) -> None:
        self.message = ""
        self.failure: str | None = None
        self.errors: list[str] = []
        self.turns = 0
        self._record = record
        self._root = root
        self._own_server = own_server
        self._begun: set[str] = set()

    def add(self, line: bytes) -> None:
        """Take one line of standard output.

        What is no event is passed over, and so are threads and turns that end as they should, and what later versions
        of Codex tell.
        """
        if not line.strip():
            return
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return
        item = event.get("item") if isinstance(event, dict) else None
        match event:
            case {"type": "turn.started"}:
                self.turns += 1
                self.failure = None
            case {"type": "turn.failed"}:
                self.failure = _text_of(event.get("error")) or "the turn failed, and Codex did not say why"
            case {"type": "error"}:
                self._complain(_text_of(event))
            case {"type": "item.started" | "item.completed" | "item.updated" as kind} if isinstance(item, dict):
                self._take(item, completed=kind == "item.completed")

    def _take(self, item: Json, *, completed: bool) -> None:
        kind = str(item.get("type"))
        if kind in _SAID:
            if completed:
                self._say(kind, _text_of(item))
            return
        call = self._call(kind, item)
        if call is None:
            return
        if call.id not in self._begun:
            self._begun.add(call.id)
            self._record.turn("", call)
            self._record.started(call, _describe(kind, item, self._root))
        if completed:
            self._record.ended(call.id, _output(kind, item), is_error=_has_failed(item))

    def _say(self, kind: str, text: str) -> None:
        if kind == "error":
            self._complain(text)
            return
        self.message = text
        self._record.turn(text)

    def _complain(self, text: str) -> None:
        if text and len(self.errors) < _MOST_ERRORS:
            self.errors.append(text)

    def _call(self, kind: str, item: Json) -> ToolCall | None:
        name: str = kind
        arguments: Json
        match kind:
            case "command_execution":
                name, arguments = "shell", {"command": _command(item)}
            case "file_change":
                arguments = {"changes": _changes(item, self._root)}
            case "todo_list":
                name, arguments = "update_plan", {"steps": _plan(item)}
            case "web_search":
                arguments = {"query": item.get("query")}
            case "mcp_tool_call" if item.get("server") != self._own_server:
                name, arguments = f"{item.get('server')}.{item.get('tool')}", item.get("arguments") or {}
            case _:
                return None
        return call_of(str(item.get("id")), name, arguments)


def _command(item: Json) -> str:
    """The command a model asked for: Codex tells the shell it is run by as well."""
    command = str(item.get("command", ""))
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    is_shell = len(words) == 3 and PurePath(words[0]).name in ("bash", "sh", "zsh") and words[1] in ("-lc", "-c")
    return words[2] if is_shell else command


def _changes(item: Json, root: Path) -> list[Json]:
    changes = item.get("changes")
    found = [change for change in changes if isinstance(change, dict)] if isinstance(changes, list) else []
    return [{"path": _within(str(change.get("path")), root), "kind": change.get("kind")} for change in found]


def _within(path: str, root: Path) -> str:
    return str(Path(path).relative_to(root)) if Path(path).is_relative_to(root) else path


def _plan(item: Json) -> list[Json]:
    steps = item.get("items")
    found = [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    return [
        {"step": str(step.get("text")), "status": "completed" if step.get("completed") else "pending"} for step in found
    ]


def _describe(kind: str, item: Json, root: Path) -> str:
    match kind:
        case "command_execution":
            return _command(item)
        case "file_change":
            return ", ".join(str(change["path"]) for change in _changes(item, root))
        case "todo_list":
            return next((step["step"] for step in _plan(item) if step["status"] == "pending"), "")
    return str(item.get("query") or item.get("arguments") or "")


def _output(kind: str, item: Json) -> str:
    match kind:
        case "command_execution":
            return f"[exit code {item.get('exit_code')}]\n{item.get('aggregated_output') or ''}".rstrip("\n")
        case "mcp_tool_call":
            return _text_of(item.get("error")) or json.dumps(item.get("result"), ensure_ascii=False)
    return str(item.get("status", "completed"))


def _has_failed(item: Json) -> bool:
    return item.get("status") in ("failed", "declined") or item.get("exit_code") not in (None, 0)


def _text_of(value: object) -> str:
    """The words in an item, an error, or an error's message, which may be JSON again."""
    if isinstance(value, dict):
        return _text_of(value.get("message") or value.get("text") or value.get("error") or "")
    text = value if isinstance(value, str) else ""
    if text.startswith("{"):
        try:
            return _text_of(json.loads(text)) or text
        except (ValueError, RecursionError):
            return text
    return text
