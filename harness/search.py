"""Which strategy a run searches with: what it was asked for, unless its agent reads nothing it could be told."""

from __future__ import annotations

from harness.agents import UNREADING
from harness.options import RunOptions
from harness.strategy import Strategy, strategy_for
from harness.strategy.best_of_n import BestOfN
from harness.task import Task


def strategy_of(options: RunOptions, task: Task, agent: str) -> Strategy:
    """A run's strategy.

    Agents that do the same whatever they are told begin at the base: a recorded session was recorded there, and the
    task's own patch applies to nothing else.

    Args:
        options: the run's.
        task: what is run.
        agent: the name of who works on it.

    Raises:
        UsageError: there is no such strategy.
    """
    wanted = strategy_for(options.strategy, task.strategy)
    return BestOfN() if agent in UNREADING else wanted


def strategy_note(options: RunOptions, task: Task, agent: str) -> str | None:
    """One line for whoever starts a run whose strategy is not the one that was asked for.

    Raises:
        UsageError: there is no such strategy.
    """
    wanted = strategy_for(options.strategy, task.strategy)
    if wanted.name == strategy_of(options, task, agent).name:
        return None
    return (
        f"{agent} does the same whatever it is told: {wanted.name} has nothing to work with, every attempt begins anew."
    )
