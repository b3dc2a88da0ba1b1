"""The agent that plays a recorded session: the loop, with a model that repeats what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.budget import Limits
from agent.loop import AgentOutcome, run_agent
from agent.model import RecordedHeader, RecordedModel, RecordedTurn
from agent.trajectory import Trajectory
from agent.workbench import Workbench
from harness.agents import LoopAgent, OnStep


@dataclass
class ReplayAgent(LoopAgent):
    """Plays a session that some agent had; every tool call in it really happens.

    Attributes:
        origin: where the session comes from, a sentence.
        turns: how many answers of the model it has.
        start: puts into the worktree what the session began with, where that was not the base.
    """

    origin: str = ""
    turns: int = 0
    start: Callable[[Path], None] = lambda _: None

    @classmethod
    def of(
        cls,
        header: RecordedHeader,
        turns: Sequence[RecordedTurn],
        source: str,
        origin: str,
        *,
        forced: bool,
        start: Callable[[Path], None] = lambda _: None,
    ) -> ReplayAgent:
        """An agent that plays these turns; `forced` plays on where results differ from the recorded ones."""
        return cls(
            name="replay",
            model=None,
            new_model=lambda: RecordedModel(header, turns, source, forced=forced),
            note=origin,
            origin=origin,
            turns=len(turns),
            start=start,
        )

    def work(
        self, workbench: Workbench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        """Play it to its end: a session longer than the task's limit of steps is not cut, for it costs nothing."""
        self.start(workbench.root)
        room = replace(limits, steps=max(limits.steps, self.turns + 1), usd=None)
        with Trajectory(trajectory) as record:
            # The model reads nothing, so nothing is made shorter for it; a summary would cost it a recorded turn.
            return run_agent(self.new_model(), workbench, prompt, room, record, on_step, context_tokens=None)
