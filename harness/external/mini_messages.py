"""mini-swe-agent's trajectory file into our record: the whole history as one JSON document, saved after every step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.messages import ToolCall
from harness.external.recorder import Recorder, call_of
from harness.their_files import read_theirs

Json = dict[str, Any]
# Its system prompt, and the task in its own words: ours is recorded already.
_OPENING = 2
_MOST_BYTES = 512_000_000
_SUBMITTED = "Submitted"


class MiniMessages:
    """Reads what is new in the file each time it has changed.

    Its one tool, `bash`, becomes our `shell`.

    Attributes:
        exit_status: what it ended with: `Submitted`, or the name of what went wrong; empty while it goes on.
        submission: its last words.
        error: what went wrong, in its words.
        version: its version, as the file says it.
    """

    def __init__(self, record: Recorder, file: Path) -> None:
        self.exit_status = ""
        self.submission = ""
        self.error = ""
        self.version: str | None = None
        self._record = record
        self._file = file
        self._read = _OPENING
        self._seen: tuple[int, int] | None = None

    def look(self) -> None:
        """Take what is new. A file that is just being written is left for the next look."""
        try:
            stat = self._file.lstat()
            if (stat.st_mtime_ns, stat.st_size) == self._seen:
                return
            content = json.loads(read_theirs(self._file, _MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return
        self._seen = (stat.st_mtime_ns, stat.st_size)
        messages = content.get("messages") if isinstance(content, dict) else None
        if not isinstance(messages, list):
            return
        for message in messages[self._read :]:
            if isinstance(message, dict):
                self._take(message)
        self._read = max(self._read, len(messages))

    @property
    def has_submitted(self) -> bool:
        """Whether it ended as it should."""
        return self.exit_status == _SUBMITTED

    def _take(self, message: Json) -> None:
        extra = message.get("extra")
        extra = extra if isinstance(extra, dict) else {}
        text = message.get("content")
        text = text if isinstance(text, str) else ""
        match message.get("role"):
            case "assistant":
                calls = _calls(message)
                self._record.turn(text, *calls)
                for call in calls:
                    self._record.started(call, _command(call), at=extra.get("timestamp"))
            case "tool":
                failed = extra.get("returncode") != 0
                self._record.ended(str(message.get("tool_call_id")), text, is_error=failed, at=extra.get("timestamp"))
            case "user":
                self._record.prompt(text)
            case "exit":
                self.exit_status = str(extra.get("exit_status") or text)
                self.submission = str(extra.get("submission") or "").strip()
                self.error = str(extra.get("exception_str") or self.exit_status)


def _calls(message: Json) -> list[ToolCall]:
    calls = message.get("tool_calls")
    found = []
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            name = "shell" if function.get("name") == "bash" else str(function.get("name"))
            arguments = function.get("arguments")
            found.append(call_of(str(call.get("id")), name, arguments))
    return found


def _command(call: ToolCall) -> str:
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return call.arguments
    return str(arguments.get("command", "")) if isinstance(arguments, dict) else call.arguments
