"""A session that another program recorded, put into our own events."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.messages import ModelTurn, ToolCall, ToolResult, Usage
from agent.text import clean
from agent.trajectory import Ended, Prompted, ToolEnded, ToolStarted, TrajectoryEvent, TurnTaken
from agent.turn_diff import FileDiff

_SHELLS = ("bash", "sh", "zsh")
_HEREDOC = re.compile(
    r"^\s*apply_patch\s+<<\s*(['\"]?)(\w+)\1\n(?P<patch>\*\*\* Begin Patch\n.*?\*\*\* End Patch)\n\2\s*$", re.S
)


class TranscriptError(Exception):
    """A file is not a recorded session, or one that cannot be read; names the file, the line and the way out."""


@dataclass(frozen=True)
class Session:
    """What a recording holds.

    Attributes:
        form: what kind of file it was, for people.
        agent: who worked, such as `codex`; None where the recording does not say.
        version: the agent's version, where it is told.
        model: the model, where it is told.
        workdir: the folder it worked in, on the machine of that time.
        events: the session in our own events; times are empty where the recording has none.
        diff: the last whole diff the recording shows, file by file; None where it shows none. Bytes that are not
            UTF-8 stand in it as surrogates.
        diffs: how many diffs were found and collapsed into that one.
        edits: the patches in the `*** Begin Patch` envelope that were applied, in order.
        notes: what a reader should know about how it was read, a sentence each.
    """

    form: str
    agent: str | None
    version: str | None
    model: str | None
    workdir: str | None
    events: tuple[TrajectoryEvent, ...]
    diff: tuple[FileDiff, ...] | None = None
    diffs: int = 0
    edits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def turns(self) -> list[TurnTaken]:
        """The model's turns."""
        return [event for event in self.events if isinstance(event, TurnTaken)]

    @property
    def results(self) -> list[ToolEnded]:
        """The results of the calls."""
        return [event for event in self.events if isinstance(event, ToolEnded)]

    @property
    def prompt(self) -> str:
        """What the agent was told first; empty where the recording does not hold it."""
        return next((event.text for event in self.events if isinstance(event, Prompted)), "")

    @property
    def end(self) -> Ended | None:
        """How it ended, if that is recorded."""
        return next((event for event in reversed(self.events) if isinstance(event, Ended)), None)


@dataclass
class Builder:
    """Puts a session together, turn by turn, in the order in which things are found in a recording.

    A turn holds what the model said and thought, and then its calls; saying something after a call begins the next
    one. Where a recording does not mark the model's answers, `one_call_a_turn` makes every call a turn of its own.
    """

    workdir: str | None = None
    one_call_a_turn: bool = True
    events: list[TrajectoryEvent] = field(default_factory=list)
    edits: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    said: list[str] = field(default_factory=list)
    thought: list[str] = field(default_factory=list)
    bad_calls: int = 0
    _calls: list[ToolCall] = field(default_factory=list)
    _waiting: list[TrajectoryEvent] = field(default_factory=list)
    _names: dict[str, ToolCall] = field(default_factory=dict)
    _bill: Usage = field(default_factory=Usage)
    _steps: int = 0
    _at: str = ""

    def tell(self, text: str, at: str = "") -> None:
        """The agent was told something."""
        self.flush()
        self.events.append(Prompted(at=at, text=clean(text)))

    def say(self, text: str, at: str = "") -> None:
        """The model said something."""
        if text.strip():
            self._begin(at)
            self.said.append(clean(text).strip("\n"))

    def think(self, text: str, at: str = "") -> None:
        """The model's reasoning, or a summary of it."""
        if text.strip():
            self._begin(at)
            self.thought.append(clean(text).strip("\n"))

    def call(self, name: str, arguments: dict[str, Any] | str, call_id: str | None = None, at: str = "") -> str:
        """The model called a tool; gives the call's id."""
        if self._calls and (self.one_call_a_turn or self._waiting):
            self.flush()
        self._at = self._at or at
        known = call_id or f"call_{len(self._names) + 1}"
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        call = ToolCall(id=clean(known), name=clean(name), arguments=clean(text))
        self._calls.append(call)
        self._names[known] = call
        return known

    def result(self, call_id: str, output: str, *, failed: bool, seconds: float = 0.0, at: str = "") -> None:
        """A call gave its result; one that nobody asked for is left out."""
        call = self._names.get(call_id)
        if call is None:
            return
        result = ToolResult(call_id=call.id, name=call.name, output=clean(output), is_error=failed)
        if call in self._calls:
            self._waiting.append(ToolStarted(at=at, step=self._steps + 1, call=call))
            self._waiting.append(ToolEnded(at=at, step=self._steps + 1, seconds=seconds, result=result))
        else:  # its turn is over: the result came late
            self.events.append(ToolEnded(at=at, step=self._steps, seconds=seconds, result=result))
        if call.name == "apply_patch" and not failed:
            patch = json.loads(call.arguments).get("patch")
            self.edits += [patch] if isinstance(patch, str) else []

    def bill(self, usage: Usage) -> None:
        """Tokens of the turn under way."""
        self._bill += usage
        self.usage += usage

    def flush(self) -> None:
        """End the turn under way."""
        if self._calls or self.said or self.thought:
            self._steps += 1
            items = [{"type": "reasoning", "summary": [{"type": "summary_text", "text": t} for t in self.thought]}]
            turn = ModelTurn(
                text="\n\n".join(self.said),
                tool_calls=self._calls,
                usage=self._bill,
                provider_items=items if self.thought else [],
            )
            self.events.append(TurnTaken(at=self._at, step=self._steps, seconds=0.0, turn=turn))
            answered = {event.call.id for event in self._waiting if isinstance(event, ToolStarted)}
            # A call without a result: the session ended in it.
            started = [ToolStarted(at=self._at, step=self._steps, call=c) for c in self._calls if c.id not in answered]
            self.events += [*self._waiting, *started]
        self.said, self.thought, self._calls, self._waiting = [], [], [], []
        self._bill, self._at = Usage(), ""

    def end(
        self,
        ended: Literal["submitted", "gave_up", "limit", "model_error", "interrupted"],
        detail: str,
        *,
        at: str = "",
        seconds: float = 0.0,
    ) -> None:
        """The session is over."""
        self.flush()
        self.events.append(
            Ended(
                at=at,
                ended=ended,
                detail=clean(detail),
                steps=self._steps,
                bad_calls=self.bad_calls,
                usage=self.usage,
                usd=None,
                seconds=seconds,
            )
        )

    def done(
        self,
        form: str,
        *,
        agent: str,
        version: str | None = None,
        model: str | None = None,
        notes: Iterable[str] = (),
    ) -> Session:
        """The session, as far as it was put together."""
        return Session(
            form=form,
            agent=agent,
            version=version,
            model=model,
            workdir=self.workdir,
            events=tuple(self.events),
            edits=tuple(self.edits),
            notes=tuple(notes),
        )

    def last_words(self) -> str:
        """What the model said last."""
        if self.said:
            return "\n\n".join(self.said)
        return next((e.turn.text for e in reversed(self.events) if isinstance(e, TurnTaken) and e.turn.text), "")

    def _begin(self, at: str) -> None:
        """What the model says after a result is the next turn's."""
        if self._calls and (self.one_call_a_turn or self._waiting):
            self.flush()
        self._at = self._at or at

    def shell(
        self, command: str | Iterable[str], call_id: str | None = None, at: str = "", folder: str | None = None
    ) -> str:
        """A shell command, run in `folder`; one that only feeds a patch to `apply_patch` is recorded as that edit."""
        text = in_here(script_of(command), self.workdir)
        heredoc = _HEREDOC.match(text)
        if heredoc:
            return self.call("apply_patch", {"patch": heredoc["patch"]}, call_id, at)
        if folder and self.workdir and (place := in_here(folder, self.workdir)) != ".":
            text = f"cd {shlex.quote(place)} && {text}"
        return self.call("shell", {"command": text}, call_id, at)


def script_of(command: str | Iterable[str]) -> str:
    """The script in `bash -lc SCRIPT`, given as words or as a quoted line; anything else as one shell line."""
    if isinstance(command, str):
        try:
            words = shlex.split(command)
        except ValueError:  # cut off, or no shell's quoting: shown as it is
            return command
    else:
        words = [str(word) for word in command]
    if len(words) == 3 and words[0].rpartition("/")[2] in _SHELLS and words[1] in ("-lc", "-c", "-l -c"):
        return words[2]
    return command if isinstance(command, str) else shlex.join(words)


def in_here(text: str, workdir: str | None) -> str:
    """The text with the recording's working folder written as `.`, so that it means the worktree it is played in."""
    if not workdir or workdir == "/":
        return text
    return re.sub(re.escape(workdir.rstrip("/")) + r"(?=$|[/\s'\";:)&|,])", ".", text)
