"""A person, or an IDE, as an agent: the worktree and the prompt are opened, and `harness submit` ends the work.

A person is not confined, and need not be: what counts is the difference in the worktree, judged like anybody's.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from agent.budget import Limits
from agent.loop import AgentOutcome
from harness.agents import NOTICE, AgentRequest, OnStep
from harness.external.ran import Ran
from harness.external.reach import Reach
from harness.external.session import open_session
from harness.stopping import check_stop
from harness.text import duration_text
from harness.workbench import WorktreeBench

# How long to wait at once: an interrupt is only heard between two waits.
_LOOK_SECONDS = 0.5


@dataclass
class ManualAgent:
    """Waits for a person."""

    name: str = "manual"
    model: str | None = None
    note: str | None = None
    version: str | None = None
    own_tools: bool = True

    def work(
        self, workbench: WorktreeBench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        """Say where the worktree is, and wait until it is submitted or the time is over."""
        with open_session(workbench, prompt, limits, trajectory, on_step, Reach()) as session:
            on_step(0, NOTICE, _invitation(session.root, session.prompt, limits))
            while session.budget.seconds_left > 0:
                check_stop()
                if session.tools.wait(min(_LOOK_SECONDS, session.budget.seconds_left)) is not None:
                    break
            return session.end(Ran(None, "", "time" if session.submitted is None else "submitted"))


def _invitation(root: Path, prompt: Path, limits: Limits) -> str:
    here = shlex.quote(str(root))
    return "\n".join(
        [
            "It is your turn. Edit the worktree with whatever you like; what you leave there is what is judged.",
            f"  worktree: {root}",
            f"  the task: {prompt}",
            f"  in another terminal:  cd {here}",
            "    harness run-tests                 builds, tests, checks the outputs",
            "    harness measure                   times it against the base",
            "    harness profile                   shows where the time goes",
            '    harness submit "what was done"    ends the work',
            f"You have {duration_text(limits.seconds)}. Ctrl-C here gives up.",
        ]
    )


def make_manual(request: AgentRequest) -> ManualAgent:
    """The agent of `--agent manual`.

    Raises:
        UsageError: it was given an argument.
    """
    request.refuse_argument()
    return ManualAgent(model=request.model)
