"""An admitted tiny base, and attempts on it that end before the judge: quick enough for many of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tiny_task import TinyTask, make_tiny_task

from agent.budget import Limits
from agent.loop import AgentOutcome
from agent.trajectory import ToolEnded, ToolStarted, TrajectoryEvent, TurnTaken, read_trajectory
from harness import worktree
from harness.admission import Base, admit
from harness.agents import Agent, make_agent
from harness.git import Repository
from harness.patch import take_diff
from harness.source import seal
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.workbench import WorktreeBench

PROMPT = "Make tiny.total faster. ünïcode\n"
LIMITS = Limits(steps=20, seconds=60, usd=None, tokens=100_000)


@dataclass
class Ground:
    """A base to work on."""

    tiny: TinyTask
    loaded: LoadedTask
    sealed: Repository
    agents: Repository
    base: Base
    folder: Path
    attempts: int = 0

    @classmethod
    def make(cls, folder: Path) -> Ground:
        tiny = make_tiny_task(folder / "task")
        loaded = load_task(str(tiny.file))
        sealed = seal(loaded, folder / "judge.git")
        base = admit(loaded, sealed, folder / "base", folder / "scratch", 1, lambda _: None)
        return cls(tiny, loaded, sealed, sealed.copy(folder / "agents.git"), base, folder)

    def agent(
        self, name: str, *, model: str | None = None, base_url: str | None = None, hosts: tuple[str, ...] = ()
    ) -> Agent:
        return make_agent(name, model, base_url, self.loaded, self.sealed, hosts)

    def attempt(self) -> Attempt:
        """A fresh worktree."""
        self.attempts += 1
        tree = self.folder / "worktrees" / f"{self.attempts:03d}"
        worktree.add(self.agents, tree)
        bench = WorktreeBench(self.loaded, self.base, tree, self.agents, self.folder / f"agent-{self.attempts}")
        return Attempt(self, tree, bench, self.folder / "records" / f"{self.attempts:03d}" / "trajectory.jsonl")


@dataclass
class Attempt:
    """One agent's work on it."""

    ground: Ground
    tree: Path
    bench: WorktreeBench
    trajectory: Path
    steps: list[tuple[int, str, str]] = field(default_factory=list)

    def run(self, agent: Agent, limits: Limits = LIMITS, prompt: str = PROMPT) -> AgentOutcome:
        return agent.work(self.bench, prompt, limits, self.trajectory, lambda *step: self.steps.append(step))

    @property
    def diff(self) -> str:
        return take_diff(self.ground.sealed, self.tree).text.decode()

    @property
    def events(self) -> list[TrajectoryEvent]:
        return list(read_trajectory(self.trajectory))

    @property
    def turns(self) -> list[TurnTaken]:
        return [event for event in self.events if isinstance(event, TurnTaken)]

    @property
    def calls(self) -> list[str]:
        return [event.call.name for event in self.events if isinstance(event, ToolStarted)]

    def result(self, name: str) -> ToolEnded:
        """The last result of a tool."""
        return next(e for e in reversed(self.events) if isinstance(e, ToolEnded) and e.result.name == name)
