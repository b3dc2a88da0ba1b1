"""What a model is to the loop, the ways it can fail, and one that plays back a recorded session."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.messages import Message, ModelTurn, ToolResult, ToolSpec, Usage
from agent.text import shorten

_SHOWN_CHARS = 1_500


class Model(Protocol):
    """Anything that answers a history with a turn."""

    @property
    def name(self) -> str:
        """The model's name, for records."""

    def complete(self, history: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelTurn:
        """The next turn.

        Raises:
            ModelError: there is none, and asking again has been tried where that makes sense.
        """


class ModelError(Exception):
    """The model gave no turn.

    Attributes:
        retryable: whether the same call may succeed later (the endpoint was down, say).
        usage: what was billed nevertheless.
    """

    def __init__(self, message: str, *, retryable: bool, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.usage = usage or Usage()


class ContextOverflow(ModelError):
    """The request is longer than the model can read. A shorter one may succeed.

    Attributes:
        window: how many tokens the model can read, where the endpoint says so.
    """

    def __init__(self, message: str, *, window: int | None = None, usage: Usage | None = None) -> None:
        super().__init__(message, retryable=False, usage=usage)
        self.window = window


class ReplayDiverged(ModelError):
    """The recorded session no longer fits what it is played against: going on would be pretending."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class RecordedHeader(BaseModel):
    """The first line of a recorded session. `base_tree` is the git tree the session was recorded against."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    task: str
    base_tree: str
    model: str
    note: str = ""


class RecordedTurn(ModelTurn):
    """A turn, and whether one of its calls failed when it was recorded (and so is expected to fail again).

    `expects_error` is None where the recording does not hold all results: then nothing is expected.
    """

    expects_error: bool | None = False


class RecordedModel:
    """Plays a recorded session and stops when the results are not those of the recording.

    Only the model's turns are replayed: every tool call in them really happens. The file is JSON lines: a
    `RecordedHeader`, then one `RecordedTurn` a line.

    Args:
        header: what the session was recorded against.
        turns: the model's turns, the last of which calls submit.
        source: what it is called in messages.
        forced: play on where the results are not those of the recording.
    """

    def __init__(
        self,
        header: RecordedHeader,
        turns: Sequence[RecordedTurn],
        source: str = "the recording",
        *,
        forced: bool = False,
    ) -> None:
        self.header = header
        self._turns = list(turns)
        self._source = source
        self._forced = forced
        self._played = 0

    @classmethod
    def load(cls, path: Path) -> RecordedModel:
        """Read a recorded session.

        Raises:
            ModelError: the file cannot be read, or a line of it is not what it should be; names the line.
        """
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: cannot be read ({error}).", retryable=False) from error
        header = _read_line(path, 1, lines[0] if lines else "", RecordedHeader)
        turns = [_read_line(path, n, line, RecordedTurn) for n, line in enumerate(lines[1:], 2) if line.strip()]
        return cls(header, turns, source=str(path))

    @property
    def name(self) -> str:
        """The model's name, from the header."""
        return self.header.model

    def check_base(self, tree: str) -> None:
        """Refuse a base that is not the one recorded against.

        Args:
            tree: the git tree hash of the sealed base.

        Raises:
            ReplayDiverged: the trees differ.
        """
        if tree != self.header.base_tree:
            raise ReplayDiverged(
                f"{self._source} was recorded against another version of the target: tree {self.header.base_tree}, "
                f"but the target's tree is {tree}. Record a new session, or use another agent."
            )

    def complete(self, history: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelTurn:
        """The next recorded turn.

        Raises:
            ReplayDiverged: the last turn's calls did not end as they did in the recording, or no turn is left.
        """
        del tools
        self._check_results(history)
        if self._played >= len(self._turns):
            raise ReplayDiverged(
                f"{self._source} has {len(self._turns)} turns and all are played, but the session did not end: "
                "a recording ends with a call of submit."
            )
        turn = self._turns[self._played]
        self._played += 1
        # Nothing is billed for a replay, whatever the recording cost.
        return ModelTurn(text=turn.text, tool_calls=turn.tool_calls, usage=Usage())

    def _check_results(self, history: Sequence[Message]) -> None:
        if self._played == 0 or self._forced:
            return
        expected = self._turns[self._played - 1].expects_error
        if expected is None:
            return
        since = takewhile(lambda message: not isinstance(message, ModelTurn), reversed(history))
        results = [message for message in since if isinstance(message, ToolResult)]
        failed = [result for result in results if result.is_error]
        where = f"{self._source}, turn {self._played}"
        if failed and not expected:
            shown = shorten(failed[0].output, _SHOWN_CHARS)
            raise ReplayDiverged(f"{where}: {failed[0].name} failed, and did not when it was recorded.\n{shown}")
        if results and expected and not failed:
            raise ReplayDiverged(f"{where}: a call succeeded that failed when it was recorded.")


_Line = TypeVar("_Line", RecordedHeader, RecordedTurn)


def _read_line(path: Path, number: int, line: str, kind: type[_Line]) -> _Line:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        what = "the header" if kind is RecordedHeader else "a turn"
        problem = error.errors()[0]
        where = "".join(f"{part}: " for part in problem["loc"])
        why = "it is empty" if not line.strip() else f"{where}{problem['msg']}"
        raise ModelError(f"{path}:{number}: not {what} of a recorded session ({why}).", retryable=False) from error
