"""Writes an external agent's session down as our own loop's is written, whatever it speaks itself."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Literal

from agent.budget import Budget, LimitExceeded
from agent.messages import ModelTurn, ToolCall, ToolResult, Usage
from agent.text import clean, one_line, shorten
from agent.tools import describe
from agent.trajectory import Ended, LimitReached, ToolEnded, ToolStarted, Trajectory, TurnTaken

OnStep = Callable[[int, str, str], None]
# As much of a tool's output as our own tools keep.
MAX_OUTPUT_CHARS = 24_000
_MAX_ARGUMENT_CHARS = 200_000


class Recorder:
    """One session's record. May be called from several threads: an agent's tools answer on one of their own.

    The ledger is the gateway's, so tokens are written with the first turn that is known after they were billed; their
    sum is what was billed.
    """

    def __init__(self, trajectory: Trajectory, budget: Budget, on_step: OnStep) -> None:
        self._trajectory = trajectory
        self._budget = budget
        self._on_step = on_step
        self._lock = threading.RLock()
        self._written = Usage()
        self._last = time.monotonic()
        self._open: dict[str, tuple[int, ToolCall, float]] = {}
        self._step = 0
        self._served = 0

    @property
    def steps(self) -> int:
        """Calls of its model, as the gateway counts them; of an agent whose model is not ours, calls of our tools."""
        return self._budget.steps or self._served

    def prompt(self, text: str) -> None:
        """The agent was told something."""
        with self._lock:
            self._trajectory.prompt(text)

    def turn(self, text: str, *calls: ToolCall) -> None:
        """The agent said something, or asked for tools."""
        with self._lock:
            billed, now = self._budget.usage, time.monotonic()
            usage = _difference(billed, self._written)
            turn = ModelTurn(text=clean(text), tool_calls=list(calls), usage=usage)
            self._step = self.steps
            self._trajectory.write(
                TurnTaken(step=self._step, seconds=now - self._last, turn=turn, usd=self._budget.usd)
            )
            self._written, self._last = billed, now

    def started(self, call: ToolCall, detail: str, *, at: float | None = None) -> None:
        """A tool of the agent's own began to run.

        Args:
            call: the call.
            detail: a few words for who watches.
            at: when, seconds since 1970; now, where it is not known.
        """
        with self._lock:
            self._on_step(self._step, call.name, one_line(detail))
            self._trajectory.write(ToolStarted(step=self._step, call=call))
            self._open[call.id] = (self._step, call, time.time() if at is None else at)

    def ended(self, call_id: str, output: str, *, is_error: bool, at: float | None = None) -> None:
        """It gave its result; one that was never started is passed over."""
        with self._lock:
            if call_id not in self._open:
                return
            step, call, start = self._open.pop(call_id)
            text = shorten(clean(output), MAX_OUTPUT_CHARS)
            result = ToolResult(call_id=call.id, name=call.name, output=text, is_error=is_error)
            seconds = max(0.0, (time.time() if at is None else at) - start)
            self._trajectory.write(ToolEnded(step=step, seconds=seconds, result=result))
            self._last = time.monotonic()

    def served(self, event: ToolStarted | ToolEnded) -> None:
        """A tool of ours began or ended for the agent."""
        with self._lock:
            if isinstance(event, ToolStarted):
                self._served += 1
                self.turn("", event.call)
                self._on_step(self._step, event.call.name, describe(event.call))
            self._trajectory.write(event.model_copy(update={"step": self._step}))
            self._last = time.monotonic()

    def limit(self, limit: LimitExceeded) -> None:
        """A limit ended the session."""
        with self._lock:
            self._trajectory.write(LimitReached(kind=limit.kind, value=limit.value, limit=limit.limit))

    def end(
        self,
        ended: Literal["submitted", "gave_up", "limit", "model_error", "interrupted"],
        detail: str,
        bad_calls: int = 0,
    ) -> None:
        """The session is over."""
        with self._lock:
            budget = self._budget
            if budget.usage != self._written:
                self.turn("")
            self._trajectory.write(
                Ended(
                    ended=ended,
                    detail=clean(detail),
                    steps=self.steps,
                    bad_calls=bad_calls,
                    usage=budget.usage,
                    usd=budget.usd,
                    seconds=budget.seconds,
                )
            )


def call_of(call_id: str, name: str, arguments: object) -> ToolCall:
    """A tool call; arguments that are no text yet are written as JSON."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(id=call_id, name=clean(name), arguments=clean(text[:_MAX_ARGUMENT_CHARS]))


def _difference(now: Usage, before: Usage) -> Usage:
    return Usage(**{name: value - getattr(before, name) for name, value in now.model_dump().items()})
