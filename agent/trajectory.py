"""What happened in an attempt, one JSON object a line, on the disk before the next thing happens."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.messages import ModelTurn, ToolCall, ToolResult, Usage

_TAIL_STEP = 65_536


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str = Field(default_factory=_now, description="When, ISO 8601 in UTC; empty where a recording does not say.")


class Prompted(_Entry):
    """The agent was told something: the prompt first, the loop's reminders later."""

    event: Literal["prompt"] = "prompt"
    text: str


class TurnTaken(_Entry):
    """The model answered. `usd` is what the session cost up to here; None where nobody knows."""

    event: Literal["turn"] = "turn"
    step: int
    seconds: float
    turn: ModelTurn
    usd: float | None = None


class ToolStarted(_Entry):
    """A tool began to run. Without a result after it, the attempt ended inside that tool."""

    event: Literal["tool_call"] = "tool_call"
    step: int
    call: ToolCall


class ToolEnded(_Entry):
    """A tool gave its result, the one the model was shown."""

    event: Literal["tool_result"] = "tool_result"
    step: int
    seconds: float
    result: ToolResult


class ContextCompacted(_Entry):
    """Room was made in what the model sees; the record, this file, stays whole.

    `how`: old tool `outputs` were dropped; or whole old turns were replaced by a `summary` that the model wrote
    (`turn`, billed like any other); or, where there was no summary (`error` says why), whole old `turns` were
    dropped. `note` is what stands in their place. Sizes are estimates, in tokens.
    """

    event: Literal["compaction"] = "compaction"
    step: int
    seconds: float
    how: Literal["outputs", "summary", "turns"]
    tokens_before: int
    tokens_after: int
    limit: int
    note: str
    turn: ModelTurn | None = None
    error: str | None = None


class LimitReached(_Entry):
    """A limit ended the attempt."""

    event: Literal["limit"] = "limit"
    kind: str
    value: float
    limit: float


class Ended(_Entry):
    """The last event of a session that did not just stop."""

    event: Literal["end"] = "end"
    ended: Literal["submitted", "gave_up", "limit", "model_error", "interrupted"]
    detail: str
    steps: int
    bad_calls: int
    usage: Usage
    usd: float | None
    seconds: float


TrajectoryEvent = Prompted | TurnTaken | ToolStarted | ToolEnded | ContextCompacted | LimitReached | Ended
_Adapter: TypeAdapter[TrajectoryEvent] = TypeAdapter(Annotated[TrajectoryEvent, Field(discriminator="event")])


class TrajectoryError(Exception):
    """A trajectory cannot be read; names file and line."""


class Trajectory:
    """An append-only file of events; a context manager. Opening one goes on where it ended. Threads may share it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._turn = threading.Lock()
        _cut_torn_line(path)

    def write(self, event: TrajectoryEvent) -> None:
        """Add an event and hand it to the operating system: a killed process loses none that returned."""
        line = event.model_dump_json().encode("utf-8") + b"\n"
        with self._turn:
            self._file.write(line)
            self._file.flush()

    def prompt(self, text: str) -> None:
        """Record what the agent is told."""
        self.write(Prompted(text=text))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


@dataclass
class ReadBack:
    """What could be read of a trajectory, and what could not.

    Attributes:
        events: those that this version knows, in order.
        problems: one sentence for each line that was left out; names file and line.
    """

    events: list[TrajectoryEvent] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_trajectory(path: Path) -> Iterator[TrajectoryEvent]:
    """The events of a trajectory. A last line that was being written when the process died is left out.

    Raises:
        TrajectoryError: any other line is not an event; says whether a newer version seems to have written it. Or the
            file cannot be read.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise TrajectoryError(f"{path}: cannot be read ({error.strerror}).") from error
    with file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield _Adapter.validate_json(line)
            except ValidationError as error:
                raise TrajectoryError(_explain(path, number, line, error)) from error


def read_back(path: Path) -> ReadBack:
    """All that can be read of a trajectory, for looking at it: a line that makes no sense hides no other.

    Raises:
        TrajectoryError: the file cannot be read at all.
    """
    found = ReadBack()
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    found.events.append(_Adapter.validate_json(line))
                except ValidationError as error:
                    found.problems.append(_explain(path, number, line, error))
    except OSError as error:
        raise TrajectoryError(f"{path}: cannot be read ({error.strerror}).") from error
    return found


def _explain(path: Path, number: int, line: bytes, error: ValidationError) -> str:
    """Why a line is no event of this version: torn, damaged, or of a kind or with a field that is not known here."""
    where = f"{path}:{number}:"
    if not line.endswith(b"\n"):
        return f"{where} the line was never finished: the process died while it wrote it."
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return f"{where} not an event of a trajectory, and not JSON: the file is damaged there."
    if not isinstance(content, dict) or "event" not in content:
        return f"{where} not an event of a trajectory: it has no `event`."
    kind = content["event"]
    if any(problem["type"] == "union_tag_invalid" for problem in error.errors(include_url=False)):
        return (
            f"{where} not an event that this version knows: {kind!r}. A newer version of harness may have written it."
        )
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    newer = " A newer version of harness may have written it." if first["type"] == "extra_forbidden" else ""
    return f"{where} not an event of a trajectory: {kind!r}, {place}: {first['msg']}.{newer}"


def _cut_torn_line(path: Path) -> None:
    """Take off what a dead process left of a line, so that the next event does not stick to it."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        keep = end
        while keep > 0:
            start = max(0, keep - _TAIL_STEP)
            file.seek(start)
            newline = file.read(keep - start).rfind(b"\n")
            if newline >= 0:
                keep = start + newline + 1
                break
            keep = start
        if keep != end:
            file.truncate(keep)
