"""The agent: ask the model, run its tool calls, until it submits, gives up, or a limit ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from agent.budget import Budget, LimitExceeded, Limits, Pricing
from agent.compaction import Compaction
from agent.context import Context
from agent.ledger import Ledger
from agent.messages import Message, ModelTurn, ToolCall, ToolResult, Usage, UserMessage
from agent.model import ContextOverflow, Model, ModelError
from agent.tokens import tool_tokens
from agent.toolbox import Toolbox
from agent.tools import describe, tool_specs
from agent.trajectory import Ended, LimitReached, ToolEnded, ToolStarted, Trajectory, TurnTaken
from agent.workbench import Workbench

CONTEXT_TOKENS = 160_000
MAX_NUDGES = 2

_NUDGE = (
    "You answered without calling a tool, so nothing was done. "
    "Go on with the tools, or call submit to end the work; the worktree is judged as it is then."
)

OnStep = Callable[[int, str, str], None]


@dataclass(frozen=True)
class AgentOutcome:
    """How an agent ended, and what it used up. Whatever it is, the worktree it leaves can be judged.

    Attributes:
        ended: `limit` and `model_error` are ends like the others, not crashes.
        detail: the submitted summary, the model's last words, or what the limit or the error says.
        steps: calls of the model.
        usage: tokens billed.
        usd: dollars; None when the price is unknown.
        seconds: wall-clock time.
        retryable: whether the model's failure may pass; only meaningful when `ended` is `model_error`.
        tree: which tree is judged, the one it left or the best it measured; whoever judges sets it.
    """

    ended: Literal["submitted", "gave_up", "limit", "model_error"]
    detail: str
    steps: int = 0
    usage: Usage = field(default_factory=Usage)
    usd: float | None = 0.0
    seconds: float = 0.0
    retryable: bool = False
    tree: Literal["left", "best_measured"] = "left"


def run_agent(
    model: Model,
    workbench: Workbench,
    prompt: str,
    limits: Limits,
    trajectory: Trajectory,
    on_step: OnStep = lambda step, tool, detail: None,
    *,
    prices: Pricing | None = None,
    context_tokens: int | None = CONTEXT_TOKENS,
) -> AgentOutcome:
    """Let a model work until it ends, recording every step before the next.

    Args:
        model: who decides.
        workbench: what it works with.
        prompt: the first message.
        limits: when it ends at the latest.
        trajectory: the record that every event is appended to.
        on_step: called before each tool runs, with the step's number, the tool and a few words of detail.
        prices: the model's prices; without them dollars are unknown and their limit does not hold.
        context_tokens: estimated size that what the model sees is kept below; None for a model that reads nothing.
    """
    session = _Session(model, workbench, Budget(limits, prices), trajectory, on_step, context_tokens)
    return session.run(prompt)


class _Session:
    def __init__(
        self,
        model: Model,
        workbench: Workbench,
        budget: Budget,
        record: Trajectory,
        on_step: OnStep,
        context_tokens: int | None,
    ) -> None:
        self._model = model
        self._tools = Toolbox(workbench)
        self._specs = tool_specs()
        self._budget = budget
        self._record = record
        self._on_step = on_step
        self._context = Context(context_tokens, tool_tokens(self._specs))
        self._ledger = Ledger(workbench.root)
        self._compaction = Compaction(model, self._specs, self._context, self._ledger, budget, record)
        self._nudges = 0

    def run(self, prompt: str) -> AgentOutcome:
        try:
            self._tell(prompt)
            while True:
                turn = self._ask()
                self._run_tools(turn.tool_calls)
                if self._tools.submitted is not None:
                    return self._end("submitted", self._tools.submitted)
                if not turn.tool_calls and not self._nudge():
                    return self._end("gave_up", turn.text)
        except LimitExceeded as limit:
            self._record.write(LimitReached(kind=limit.kind, value=limit.value, limit=limit.limit))
            return self._end("limit", str(limit))
        except ModelError as error:
            return self._end("model_error", str(error), retryable=error.retryable)
        except KeyboardInterrupt:
            self._write_end("interrupted", "")
            raise

    def _tell(self, text: str) -> None:
        self._record.prompt(text)
        self._keep(UserMessage(text=text))

    def _keep(self, message: Message) -> None:
        self._ledger.add(message)
        self._context.add(message)

    def _ask(self) -> ModelTurn:
        self._compaction.make_room()
        try:
            return self._complete()
        except ContextOverflow as overflow:
            # The estimate was too low. What the endpoint refused is made shorter, and asked once more.
            self._context.shrink(overflow.window)
            self._compaction.make_room()
            return self._complete()

    def _complete(self) -> ModelTurn:
        start = time.monotonic()
        with self._budget.call(self._context.size) as call:
            try:
                turn = self._model.complete(self._context.view(), self._specs)
            except ModelError as error:
                call.settle(error.usage)
                raise
            call.settle(turn.usage)
        seconds = time.monotonic() - start
        self._record.write(TurnTaken(step=self._budget.steps, seconds=seconds, turn=turn, usd=self._budget.usd))
        self._keep(turn)
        return turn

    def _run_tools(self, calls: list[ToolCall]) -> None:
        for call in calls:
            self._budget.check_time()
            self._on_step(self._budget.steps, call.name, describe(call))
            self._record.write(ToolStarted(step=self._budget.steps, call=call))
            start = time.monotonic()
            result = self._tools.run(call, seconds_left=self._budget.seconds_left)
            if call is calls[-1]:
                result = self._with_remaining(result)
            self._record.write(ToolEnded(step=self._budget.steps, seconds=time.monotonic() - start, result=result))
            self._keep(result)
            if self._tools.submitted is not None:
                return

    def _with_remaining(self, result: ToolResult) -> ToolResult:
        """Tell the model what is left, once a turn."""
        return result.model_copy(update={"output": f"{result.output}\n[left: {self._budget.remaining()}]"})

    def _nudge(self) -> bool:
        """Remind a model that only talked that it has tools; False when that was tried often enough."""
        self._nudges += 1
        if self._nudges > MAX_NUDGES:
            return False
        self._tell(_NUDGE)
        return True

    def _end(
        self,
        ended: Literal["submitted", "gave_up", "limit", "model_error"],
        detail: str,
        *,
        retryable: bool = False,
    ) -> AgentOutcome:
        self._write_end(ended, detail)
        budget = self._budget
        return AgentOutcome(ended, detail, budget.steps, budget.usage, budget.usd, budget.seconds, retryable)

    def _write_end(
        self, ended: Literal["submitted", "gave_up", "limit", "model_error", "interrupted"], detail: str
    ) -> None:
        budget = self._budget
        self._record.write(
            Ended(
                ended=ended,
                detail=detail,
                steps=budget.steps,
                bad_calls=self._tools.bad_calls,
                usage=budget.usage,
                usd=budget.usd,
                seconds=budget.seconds,
            )
        )
