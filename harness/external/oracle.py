"""The task's reference patch as an agent: what an expert's answer comes to in the place of an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.budget import Limits
from agent.loop import AgentOutcome
from agent.messages import Usage
from agent.trajectory import Ended, Trajectory
from agent.workbench import Workbench
from harness.agents import AgentRequest, OnStep
from harness.errors import AgentFailed, Rejected, UsageError
from harness.git import Repository
from harness.patch import apply


@dataclass
class OracleAgent:
    """Applies the reference patch.

    Attributes:
        patch: the patch file.
        base: the sealed base it is applied to.
    """

    patch: Path
    base: Repository
    name: str = "oracle"
    model: str | None = None
    note: str | None = None
    version: str | None = None
    own_tools: bool = False

    def work(
        self, workbench: Workbench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        """Apply it, whole.

        Raises:
            AgentFailed: it does not apply.
        """
        with Trajectory(trajectory) as record:
            record.prompt(prompt)
            try:
                apply(self.base, self.patch, workbench.root)
            except Rejected as error:
                raise AgentFailed("reference_patch", f"{self.patch}: {error.message}") from error
            detail = f"applied {self.patch.name}"
            record.write(
                Ended(ended="submitted", detail=detail, steps=0, bad_calls=0, usage=Usage(), usd=0.0, seconds=0.0)
            )
        return AgentOutcome(ended="submitted", detail=detail)


def make_oracle(request: AgentRequest) -> OracleAgent:
    """The agent of `--agent oracle`.

    Raises:
        UsageError: the task names no reference patch.
    """
    patch = request.loaded.reference_patch
    if patch is None:
        raise UsageError(
            f"The task {request.loaded.task.name} has no reference patch for the oracle to apply.",
            remedy=f"Name one in {request.loaded.file} (reference_patch: a.diff), or choose another --agent.",
        )
    return OracleAgent(patch=patch, base=request.base)
