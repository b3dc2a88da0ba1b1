"""Codex's session files (`rollout-*.jsonl` below its home folder's `sessions/`), read back into a session.

Each line holds a `type` and a `payload`; `response_item` lines are what the model said and was told, in the words of
the Responses API, and count here. `event_msg` lines repeat them for displays; of those the billing and the end are
read. The oldest files have the items bare, without a payload around them.
"""

from __future__ import annotations

import json
import re
from typing import Any

from agent.json_lines import JsonLines, mapping, sequence, text_of, usage_of
from agent.session import Builder, Session

FORM = "a session file of Codex"
_OURS = ("<environment_context>", "<user_instructions>", "<permissions", "<skills", "# AGENTS.md instructions")
_EXIT = re.compile(r"^(?:Process exited with code|Exit code:) (?P<code>-?\d+)$", re.M)
_WALL = re.compile(r"^Wall time: (?P<seconds>[\d.]+) seconds$", re.M)
_HEAD_CHARS = 400
_SHELL_TOOLS = ("shell", "exec_command", "shell_command", "container.exec", "local_shell")
_SHELL_WORDS = ("command", "cmd")


def is_rollout(first: dict[str, Any]) -> bool:
    """Whether an object is a line of such a file."""
    wrapped = isinstance(first.get("payload"), dict) and isinstance(first.get("type"), str)
    return wrapped or ("id" in first and "timestamp" in first and ("instructions" in first or "git" in first))


def read_rollout(lines: JsonLines) -> Session:
    """Read the lines of a session file."""
    reader = _Reader()
    for line in lines.objects:
        reader.take(line)
    reader.end()
    notes = [*lines.notes, *([f"It was recorded on commit {reader.commit}."] if reader.commit else [])]
    return reader.session.done(FORM, agent="codex", version=reader.version, model=reader.model, notes=notes)


class _Reader:
    def __init__(self) -> None:
        self.session = Builder(one_call_a_turn=False)
        self.version: str | None = None
        self.model: str | None = None
        self.commit: str | None = None
        self._whole = False
        self._failure: str | None = None
        self._billed = 0

    def take(self, line: dict[str, Any]) -> None:
        at = text_of(line.get("timestamp"))
        payload = mapping(line.get("payload")) or line
        match line.get("type"):
            case "session_meta":
                self._meta(payload)
            case "turn_context":
                self.model = text_of(payload.get("model")) or self.model
            case "event_msg":
                self._event(payload)
            case "response_item":
                self._item(payload, at)
            case _ if payload is line and "type" in line:
                self._item(line, at)
            case _ if payload is line:
                self._meta(line)

    def end(self) -> None:
        words = self.session.last_words()
        if self._failure is not None:
            self.session.end("model_error", self._failure)
        else:
            self.session.end("submitted" if self._whole else "interrupted", words)

    def _meta(self, meta: dict[str, Any]) -> None:
        self.version = text_of(meta.get("cli_version")) or self.version
        self.session.workdir = text_of(meta.get("cwd")) or self.session.workdir
        self.commit = text_of(mapping(meta.get("git")).get("commit_hash")) or self.commit

    def _event(self, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "token_count":
                info = mapping(event.get("info"))
                total = mapping(info.get("total_token_usage")).get("total_tokens")
                # The same count is told again when only the rate limits changed.
                if isinstance(total, int) and total > self._billed:
                    self._billed = total
                    self.session.bill(usage_of(info.get("last_token_usage")))
            case "task_complete" | "turn_complete":
                self._whole, self._failure = True, None
            case "task_started" | "turn_started":
                self._whole = False
            case "error":
                self._failure = text_of(event.get("message"))
            case "turn_aborted":
                self._whole = False

    def _item(self, item: dict[str, Any], at: str) -> None:
        match item.get("type"):
            case "message":
                self._message(item, at)
            case "reasoning":
                parts = [text_of(mapping(part).get("text")) for part in sequence(item.get("summary"))]
                self.session.think("\n\n".join(filter(None, parts)), at)
            case "function_call":
                self._call(text_of(item.get("name")), text_of(item.get("arguments")), text_of(item.get("call_id")), at)
            case "custom_tool_call":
                name, given = text_of(item.get("name")), text_of(item.get("input"))
                arguments = {"patch": given} if name == "apply_patch" else {"input": given}
                self.session.call(name, arguments, text_of(item.get("call_id")), at)
            case "local_shell_call":
                action = mapping(item.get("action"))
                self.session.shell(sequence(action.get("command")), text_of(item.get("call_id")), at)
            case "function_call_output" | "custom_tool_call_output":
                self._output(text_of(item.get("call_id")), item.get("output"), at)

    def _message(self, item: dict[str, Any], at: str) -> None:
        parts = [text_of(mapping(part).get("text")) for part in sequence(item.get("content"))]
        text = "\n\n".join(filter(None, parts))
        if item.get("role") == "assistant":
            self.session.say(text, at)
        elif item.get("role") == "user" and not text.lstrip().startswith(_OURS):
            self.session.tell(text, at)

    def _call(self, name: str, arguments: str, call_id: str, at: str) -> None:
        """Codex's own tools in the words of ours, others as they are."""
        try:
            given = mapping(json.loads(arguments))
        except (ValueError, RecursionError):
            given = {}
        command = next((given[word] for word in _SHELL_WORDS if word in given), None)
        if name in _SHELL_TOOLS and isinstance(command, str | list):
            folder = text_of(given.get("workdir")) or None
            self.session.shell(_as_patch(command), call_id, at, folder)
        elif name == "update_plan" and "plan" in given:
            steps = [{k: text_of(v) for k, v in mapping(s).items()} for s in sequence(given["plan"])]
            self.session.call(name, {"steps": steps}, call_id, at)
        elif name == "apply_patch" and "input" in given:
            self.session.call(name, {"patch": text_of(given["input"])}, call_id, at)
        else:
            self.session.call(name, arguments, call_id, at)

    def _output(self, call_id: str, output: object, at: str) -> None:
        if isinstance(output, list):
            output = "\n".join(text_of(mapping(part).get("text")) for part in output)
        text, failed, seconds = _outcome(text_of(output))
        self.session.result(call_id, text, failed=failed, seconds=seconds, at=at)


def _as_patch(command: str | list[Any]) -> str | list[Any]:
    """`["apply_patch", PATCH]`, which Codex takes for an edit, as the shell would write it."""
    if isinstance(command, list) and len(command) == 2 and command[0] == "apply_patch":
        return f"apply_patch <<'EOF'\n{text_of(command[1]).strip()}\nEOF\n"
    return command


def _outcome(output: str) -> tuple[str, bool, float]:
    """What a tool gave, whether it failed, and the seconds it took: all three stand in one text, in three fashions."""
    try:
        whole = mapping(json.loads(output)) if output.startswith("{") else {}
    except (ValueError, RecursionError):
        whole = {}
    about = mapping(whole.get("metadata"))
    if "output" in whole and about:
        code, seconds = about.get("exit_code"), about.get("duration_seconds")
        return (
            text_of(whole["output"]),
            code not in (0, None),
            float(seconds) if isinstance(seconds, int | float) else 0.0,
        )
    head = output[:_HEAD_CHARS].partition("\nOutput:\n")[0]
    code, wall = _EXIT.search(head), _WALL.search(head)
    refused = output.startswith(("unsupported call", "failed to parse", "apply_patch verification failed"))
    return output, refused or (code is not None and code["code"] != "0"), float(wall["seconds"]) if wall else 0.0
