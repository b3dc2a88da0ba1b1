"""What `codex exec --json` prints: one event a line, read back into a session.

The events tell which files an edit touched and not what it did, so that neither a patch nor a replay of the edits can
be made from them; Codex's session file (`codex_rollout`) of the same session holds both.
"""

from __future__ import annotations

from typing import Any

from agent.json_lines import JsonLines, mapping, sequence, text_of, usage_of
from agent.session import Builder, Session

FORM = "events of `codex exec --json`"
KINDS = (
    "thread.started",
    "turn.started",
    "turn.completed",
    "turn.failed",
    "item.started",
    "item.updated",
    "item.completed",
)


def is_event(first: dict[str, Any]) -> bool:
    """Whether an object is one of these events."""
    return first.get("type") in KINDS


def read_events(lines: JsonLines) -> Session:
    """Read the events of a session; kinds that a newer Codex adds are left out and named."""
    reader = _Reader()
    for event in lines.objects:
        reader.take(event)
    reader.end()
    notes = list(lines.notes)
    if reader.unknown:
        notes.append(f"Left out items of kinds that are not known here: {', '.join(sorted(reader.unknown))}.")
    if reader.edited:
        notes.append(
            "These events name the files that were edited and not the edits; Codex's session file of the same session "
            "(rollout-*.jsonl below its home folder's sessions/) holds them."
        )
    return reader.session.done(FORM, agent="codex", notes=notes)


class _Reader:
    def __init__(self) -> None:
        self.session = Builder()
        self.unknown: set[str] = set()
        self.edited = False
        self.failure: str | None = None
        self.whole = False
        self._open: set[str] = set()

    def take(self, event: dict[str, Any]) -> None:
        item = mapping(event.get("item"))
        match event.get("type"):
            case "item.started":
                self._started(item)
            case "item.completed":
                self._completed(item)
            case "turn.completed":
                # The sum over all of the model's answers, so it belongs to none of them.
                self.session.usage += usage_of(event.get("usage"))
                self.whole = True
            case "turn.failed":
                self.failure = text_of(mapping(event.get("error")).get("message")) or "the turn failed"
            case "error":
                self.failure = text_of(event.get("message"))
            case "turn.started":
                self.whole, self.failure = False, None

    def end(self) -> None:
        words = self.session.last_words()
        if self.failure is not None and not self.whole:
            self.session.end("model_error", self.failure)
        elif self.whole:
            self.session.end("submitted", words)
        else:
            self.session.end("interrupted", words)

    def _started(self, item: dict[str, Any]) -> None:
        if item.get("type") in ("command_execution", "file_change", "mcp_tool_call"):
            self._call(item)

    def _call(self, item: dict[str, Any]) -> None:
        """Record an item's call once, whether it is seen started or only completed."""
        name = text_of(item.get("id"))
        if name in self._open:
            return
        self._open.add(name)
        match item.get("type"):
            case "command_execution":
                self.session.shell(text_of(item.get("command")), name)
            case "file_change":
                self.edited = True
                paths = [text_of(mapping(change).get("path")) for change in sequence(item.get("changes"))]
                self.session.call("file_change", {"paths": paths}, name)
            case _:
                tool = f"{text_of(item.get('server'))}.{text_of(item.get('tool'))}"
                self.session.call(tool, mapping(item.get("arguments")), name)

    def _completed(self, item: dict[str, Any]) -> None:
        name, text = text_of(item.get("id")), text_of(item.get("text"))
        match item.get("type"):
            case "agent_message":
                self.session.say(text)
            case "reasoning":
                self.session.think(text)
            case "command_execution":
                self._call(item)
                code = item.get("exit_code")
                output = f"[exit code {code}]\n{text_of(item.get('aggregated_output'))}".rstrip("\n")
                self.session.result(name, output, failed=code != 0)
            case "file_change":
                self._call(item)
                status = text_of(item.get("status"))
                self.session.result(name, f"patch: {status}", failed=status != "completed")
            case "mcp_tool_call":
                self._call(item)
                failure = item.get("error")
                self.session.result(name, text_of(failure or item.get("result")), failed=failure is not None)
            case "todo_list":
                self._plan(item)
            case "error":
                pass  # a warning of Codex's own, such as unknown model metadata
            case other:
                self.unknown.add(text_of(other))

    def _plan(self, item: dict[str, Any]) -> None:
        steps = [
            {"step": text_of(one.get("text")), "status": "completed" if one.get("completed") else "pending"}
            for one in map(mapping, sequence(item.get("items")))
            if one.get("text")
        ]
        if steps:
            call = self.session.call("update_plan", {"steps": steps})
            self.session.result(call, "The plan is written down.", failed=False)
