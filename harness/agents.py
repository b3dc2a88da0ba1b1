"""The agents a run can be asked for by name, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent.budget import Limits, Pricing
from agent.loop import AgentOutcome, run_agent
from agent.model import Model, ModelError, RecordedModel
from agent.trajectory import Trajectory
from agent.workbench import Workbench
from harness.errors import TaskError, UsageError
from harness.git import Repository
from harness.live_model import LiveOptions, live_model, pricing_of
from harness.task import LoadedTask
from harness.verdict import REFERENCE
from harness.workbench import WorktreeBench

if TYPE_CHECKING:
    from harness.external.reach import Reach

OnStep = Callable[[int, str, str], None]
BUILT_IN = ("replay", "loop", "nop")
# These do the same whatever their prompt says; nobody need tell them anything, or learn from them.
UNREADING = ("replay", "nop", "oracle", "patch")
# A "step" by which an agent tells the person who watches something, whole, before it begins.
NOTICE = "notice"


# These reach nobody, whatever --allow-host says.
_WITHOUT_NETWORK = ("replay", "loop", "nop", "manual", "oracle")


class Agent(Protocol):
    """Whoever edits the code.

    Attributes:
        name: what boards call it.
        model: the model behind it, None where there is none.
        note: one line for the person who started the run, or None.
        version: of the program that edits, as it calls itself; None for what comes with the harness.
        own_tools: whether it brings a shell and an editor of its own; its prompt then names ours as commands.
    """

    name: str
    model: str | None
    note: str | None
    version: str | None
    own_tools: bool

    def work(
        self, workbench: WorktreeBench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        """Work on the tree until done or a limit ends it. What counts is what is in the tree afterwards."""


@dataclass
class LoopAgent:
    """Our own loop over a model; `new_model` gives a fresh one for every attempt.

    Without `pricing` the model's dollars are not counted; without `context_tokens` it is shown everything.
    """

    name: str
    model: str | None
    new_model: Callable[[], Model]
    note: str | None = None
    version: str | None = None
    own_tools: bool = False
    pricing: Pricing | None = None
    context_tokens: int | None = None

    def work(
        self, workbench: Workbench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        """Run the loop, every event on disk as it happens."""
        with Trajectory(trajectory) as record:
            return run_agent(
                self.new_model(),
                workbench,
                prompt,
                limits,
                record,
                on_step,
                prices=self.pricing,
                context_tokens=self.context_tokens,
            )


@dataclass
class NopAgent:
    """Changes nothing: what a run costs without an agent, and a check that nothing gets no credit."""

    name: str = "nop"
    model: str | None = None
    note: str | None = None
    version: str | None = None
    own_tools: bool = False

    def work(
        self, workbench: Workbench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        """Leave the tree as it is."""
        with Trajectory(trajectory) as record:
            record.prompt(prompt)
        return AgentOutcome(ended="submitted", detail="the nop agent changes nothing")


@dataclass
class PatchAgent(NopAgent):
    """Stands for whoever made a patch that `harness verify` judges; it does no work of its own."""

    name: str = "patch"


@dataclass
class ReferenceAgent(NopAgent):
    """Stands for the expert whose patch the task names; judged once a run, and never ranked."""

    name: str = REFERENCE


@dataclass(frozen=True)
class AgentRequest:
    """What a user asked for with `--agent NAME[:ARGUMENT]` and the options beside it.

    Attributes:
        argument: what follows the colon.
        model: what `-m` names.
        base_url: what `--base-url` names.
        allow_hosts: what `--allow-host` names, `HOST` or `HOST:PORT` each.
        loaded: the task.
        base: the sealed base.
        live: what was said about the model beside its name.
    """

    argument: str | None
    model: str | None
    base_url: str | None
    allow_hosts: tuple[str, ...]
    loaded: LoadedTask
    base: Repository
    live: LiveOptions = field(default_factory=LiveOptions)

    def refuse_argument(self) -> None:
        """Raise UsageError where something follows the colon and nothing should."""
        if self.argument is not None:
            raise UsageError(f"This agent takes nothing after a colon (found: {self.argument!r}).")

    def reach(self, *, needs_model: bool) -> Reach:
        """What an agent with a program of its own may reach.

        Without `-m` and `--base-url` it gets no model of ours: a key in the environment alone pays for nothing.

        Raises:
            UsageError: it needs a model and none is named, there is no key for it, nobody knows its price, or
                `--allow-host` names no host.
            SandboxUnavailable: the sandbox gives commands no way out at all.
        """
        from harness.external.reach import Reach  # noqa: PLC0415 - slow to import, both
        from harness.network import Endpoint, require_access  # noqa: PLC0415

        if needs_model and self.model is None:
            raise UsageError("This agent needs a model.", remedy="Name one with -m MODEL.")
        if self.model is None and self.base_url is None:
            require_access(None, self.allow_hosts)
            return Reach(allow_hosts=self.allow_hosts)
        endpoint = Endpoint.from_environment(self.base_url, (self.model,) if self.model else ())
        require_access(endpoint, self.allow_hosts)
        offer = pricing_of(self.model, endpoint.base_url, self.live, self.loaded.task) if self.model else None
        return Reach(endpoint, self.allow_hosts, offer.pricing if offer else None)


def make_agent(
    wanted: str | None,
    model: str | None,
    base_url: str | None,
    loaded: LoadedTask,
    base: Repository,
    allow_hosts: tuple[str, ...] = (),
    *,
    live: LiveOptions | None = None,
) -> Agent:
    """The agent a user means.

    Without a name: a live model where one is named with `-m`, else the task's recorded session. A key in the
    environment alone starts nothing that costs money.

    Raises:
        UsageError: no such agent, or it lacks something it needs.
        TaskError: the recorded session is missing, unreadable, or was recorded on another base.
    """
    name, colon, argument = (wanted or ("loop" if model else "replay")).partition(":")
    if allow_hosts and name in _WITHOUT_NETWORK:
        raise UsageError(
            f"--allow-host is for agents that bring a program; {name} runs its commands with the network closed.",
            remedy="Leave it out, or name such an agent: --agent codex, mini, command:'...'.",
        )
    if name == "nop":
        return NopAgent()
    if name == "replay":
        return _replay(loaded, base, asked=wanted is not None)
    if name == "loop":
        return _live(model, base_url, live or LiveOptions(), loaded)
    from harness.external.registry import make_external  # noqa: PLC0415 - the loop does without what it imports

    request = AgentRequest(
        argument if colon else None, model, base_url, allow_hosts, loaded, base, live or LiveOptions()
    )
    return make_external(name, request)


def _replay(loaded: LoadedTask, base: Repository, *, asked: bool) -> Agent:
    if loaded.task.recorded is None:
        raise UsageError(
            f"The task {loaded.task.name} has no recorded session to play.",
            remedy="Name a model with -m MODEL (and OPENAI_API_KEY or --base-url), or another --agent.",
        )
    recording = loaded.resolve(loaded.task.recorded)
    try:
        RecordedModel.load(recording).check_base(base.tree)
    except ModelError as error:
        raise TaskError(
            str(error), remedy="Mend `recorded` in the task file, or name a model with -m MODEL or another --agent."
        ) from error
    note = None if asked else "No model was named: playing the task's recorded session (-m MODEL runs a live one)."
    return LoopAgent(name="replay", model=None, new_model=lambda: RecordedModel.load(recording), note=note)


def _live(model: str | None, base_url: str | None, options: LiveOptions, loaded: LoadedTask) -> Agent:
    if model is None:
        raise UsageError("--agent loop needs a model.", remedy="Name one with -m MODEL.")
    live = live_model(model, base_url, options, loaded.task)
    return LoopAgent(
        name="loop",
        model=model,
        new_model=live.new,
        note=live.note,
        pricing=live.pricing,
        context_tokens=live.context_tokens,
    )
