"""Making room in what the model sees: drop old outputs, else ask the model for a summary, else drop old turns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from agent.budget import Budget, LimitExceeded
from agent.context import Context
from agent.ledger import Ledger
from agent.messages import ModelTurn, ToolSpec, UserMessage
from agent.model import Model, ModelError
from agent.prompt import render
from agent.trajectory import ContextCompacted, Trajectory

_CHARS_PER_WORD = 6
# With so few calls left there is nothing to remember for.
_STEPS_WORTH_A_SUMMARY = 3


class Compaction:
    """Keeps a context below its limit, at the cost of a model call where dropping old output does not suffice."""

    def __init__(
        self,
        model: Model,
        tools: Sequence[ToolSpec],
        context: Context,
        ledger: Ledger,
        budget: Budget,
        record: Trajectory,
    ) -> None:
        self._model = model
        self._tools = tools
        self._context = context
        self._ledger = ledger
        self._budget = budget
        self._record = record

    def make_room(self) -> None:
        """Bring the view below its limit, and write down how; nothing happens where it is below already."""
        if not self._context.is_full:
            return
        start, before = time.monotonic(), self._context.size
        ledger = self._ledger.text(self._context.note_chars)
        self._context.drop_outputs(ledger)
        how: Literal["outputs", "summary", "turns"] = "outputs"
        turn, error = None, None
        if not self._context.is_roomy:
            turn, error = self._summary()
            how = "turns" if error else "summary"
            self._context.drop_turns(turn.text if turn else "", ledger)
        self._record.write(
            ContextCompacted(
                step=self._budget.steps,
                seconds=time.monotonic() - start,
                how=how,
                tokens_before=before,
                tokens_after=self._context.size,
                limit=self._context.limit or 0,
                note=self._context.note,
                turn=turn,
                error=error,
            )
        )

    def _summary(self) -> tuple[ModelTurn | None, str | None]:
        """The model's answer, as far as there was one, and why it is no summary."""
        if self._budget.steps_left < _STEPS_WORTH_A_SUMMARY:
            return None, "too few steps are left for a summary"
        words = max(50, self._context.note_chars // _CHARS_PER_WORD)
        request = UserMessage(text=render("summary.md.j2", words=words))
        messages = self._context.to_summarise(request)
        try:
            with self._budget.call(self._context.size) as call:
                try:
                    turn = self._model.complete(messages, self._tools)
                except ModelError as failed:
                    call.settle(failed.usage)
                    return None, str(failed)
                call.settle(turn.usage)
        except LimitExceeded as limit:
            return None, str(limit)
        if not turn.text.strip():
            return turn, "the model gave no summary"
        return turn, None
