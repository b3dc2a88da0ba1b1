"""Where calls of served tools are written down: the attempt's trajectory, and whoever watches."""

from __future__ import annotations

from collections.abc import Callable

from agent.loop import OnStep
from agent.tools import describe
from agent.trajectory import ToolEnded, ToolStarted, Trajectory

OnCall = Callable[[ToolStarted | ToolEnded], None]
"""Told of every call as it starts and as it ends, in the thread that serves the tools."""


def recorder(trajectory: Trajectory, on_step: OnStep) -> OnCall:
    """Write every call into `trajectory` before it runs and after it has, and report it to `on_step`.

    A call's step is its number among the calls of served tools: how many turns the agent's model took is not known.
    """

    def record(event: ToolStarted | ToolEnded) -> None:
        trajectory.write(event)
        if isinstance(event, ToolStarted):
            on_step(event.step, event.call.name, describe(event.call))

    return record
