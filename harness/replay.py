"""Play a recorded session against today's target: the model's turns are the recording's, all that follows is real."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.model import RecordedHeader, RecordedModel, RecordedTurn, ReplayDiverged
from agent.recording import recorded_turns
from agent.trajectory import TrajectoryError, TrajectoryEvent, read_back, read_trajectory
from harness.agents import Agent
from harness.brief import read_brief
from harness.errors import UsageError
from harness.events import Emit, RunStarted
from harness.git import Repository
from harness.import_session import UNKNOWN
from harness.journal import read_events
from harness.replay_agent import ReplayAgent
from harness.run import RunOptions, RunOutcome, run_agent_once
from harness.run_state import fold
from harness.session_differences import Difference, differences
from harness.start import begin_with
from harness.store import AttemptFolder
from harness.strict_json import strict_json
from harness.text import safe
from harness.verdict import Verdict
from harness.whole_file import write_atomic

if TYPE_CHECKING:
    from rich.console import Group

REPORT = "replay.json"
_NO_CONTENT = "file_change"
_CAN_EDIT = frozenset({"shell", "apply_patch"})


@dataclass(frozen=True)
class Recorded:
    """A session that can be played.

    Attributes:
        source: the attempt it is from.
        started: that attempt's run.
        verdict: what came of it then; None for an attempt without a verdict.
        events: everything that happened in it.
        turns: the model's turns.
    """

    source: AttemptFolder
    started: RunStarted
    verdict: Verdict | None
    events: list[TrajectoryEvent]
    turns: list[RecordedTurn]

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{self.source.run.name}/{self.source.name}"

    @property
    def origin(self) -> str:
        """Where it comes from, a sentence."""
        who = " ".join(filter(None, (self.started.agent, self.started.model)))
        return f"Replay of {self.name}: {who}, {self.started.at[:16]}, base tree {self.started.base_tree[:12]}."

    @property
    def task(self) -> str:
        """The task it was recorded on: its file where that is still there, else its name."""
        return self.started.task_file if Path(self.started.task_file).is_file() else self.started.task


@dataclass(frozen=True)
class Replayed:
    """What playing a session came to.

    Attributes:
        outcome: the run it made, judged like any other.
        origin: where the session comes from.
        differences: what went otherwise than when it was recorded, as far as it matters.
    """

    outcome: RunOutcome
    origin: str
    differences: list[Difference]

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {
            "origin": self.origin,
            "differences": [each.model_dump() for each in self.differences],
            "verdict": self.outcome.verdicts[0].model_dump() if self.outcome.verdicts else None,
        }

    def render(self) -> Group:
        """What went otherwise, for a person."""
        from rich.console import Group  # noqa: PLC0415 - rich is slow to import

        nothing = "Every call ended as it did when the session was recorded."
        told = [f"OTHERWISE  {each}" for each in self.differences] or [nothing]
        return Group(*(safe(line) for line in (self.origin, *told)))


def load_recorded(source: AttemptFolder) -> Recorded:
    """Read an attempt's session.

    Raises:
        UsageError: there is none, it cannot be read, or no model took a turn in it.
    """
    state = fold(read_events(source.run.journal))
    if state.started is None:
        raise UsageError(f"{source.run.journal}: the run never started, so there is nothing to play.")
    name = f"{source.run.name}/{source.name}"
    if not source.trajectory.is_file():
        raise UsageError(
            f"{name} has no trajectory.jsonl: nothing was recorded.",
            remedy="Only an attempt that an agent made can be replayed; `harness verify` judges a patch again.",
        )
    try:
        events = list(read_trajectory(source.trajectory))
    except TrajectoryError as error:
        raise UsageError(str(error), remedy="`harness show --session` shows what can be read of it.") from error
    turns = recorded_turns(events)
    if not turns:
        raise UsageError(
            f"{name}: no model called a tool in this session (agent {state.started.agent}): nothing to play.",
            remedy="`harness verify` judges its patch again.",
        )
    attempt = state.attempts.get(source.name)
    return Recorded(source, state.started, attempt.verdict if attempt else None, events, turns)


def replay(recorded: Recorded, options: RunOptions, emit: Emit, *, forced: bool) -> Replayed:
    """Play a session in a new run, and say what went otherwise.

    Args:
        recorded: the session.
        options: where the run goes; its task may be another than the recorded one, if its base is the same.
        emit: where events go.
        forced: play on another base too, and go on where results differ from the recorded ones.

    Raises:
        UsageError: the target is not the one recorded on, or the recording lacks what its edits were.
        HarnessError: as a run.
    """
    if not forced:
        _require_contents(recorded)
    outcome = run_agent_once(options, lambda _, base: _agent(recorded, base, forced=forced), emit)
    found: list[Difference] = []
    if outcome.verdicts:
        folder = outcome.run_folder.attempt("001")
        played = read_back(folder.trajectory).events if folder.trajectory.is_file() else []
        found = differences(recorded.events, played, recorded.verdict, outcome.verdicts[0])
        report = {
            "origin": recorded.origin,
            "recorded_tree": recorded.started.base_tree,
            "forced": forced,
            "differences": [each.model_dump() for each in found],
        }
        write_atomic(folder.path / REPORT, strict_json(report, indent=2) + "\n")
    return Replayed(outcome, recorded.origin, found)


def options_for(recorded: Recorded, options: RunOptions) -> RunOptions:
    """The options with the recorded task where none was asked for.

    Raises:
        UsageError: nobody knows which task it was.
    """
    if options.task:
        return options
    if recorded.started.task_file == "" and recorded.started.task == "imported":
        raise UsageError(
            f"{recorded.name} was imported without a task.", remedy="Say which target to play it on with --task TASK."
        )
    return replace(options, task=recorded.task)


def _require_contents(recorded: Recorded) -> None:
    calls = {call.name for turn in recorded.turns for call in turn.tool_calls}
    patch = recorded.verdict.patch if recorded.verdict else None
    if patch is not None and patch.files and not calls & _CAN_EDIT and _NO_CONTENT not in calls:
        raise UsageError(
            f"{recorded.name}: the recording has {recorded.started.agent}'s calls of our tools and none of its edits: "
            "playing it would end without a patch.",
            remedy=f"`harness verify {recorded.name}` judges its patch again. --force plays the calls all the same.",
        )
    for number, turn in enumerate(recorded.turns, 1):
        if any(call.name == _NO_CONTENT for call in turn.tool_calls):
            raise UsageError(
                f"{recorded.name}: turn {number} edits files, but the recording holds only their names, not the edit: "
                "playing it would leave the edit out.",
                remedy="Import Codex's session file of the same session, or play the rest with --force.",
            )


def _agent(recorded: Recorded, base: Repository, *, forced: bool) -> Agent:
    started = recorded.started
    header = RecordedHeader(
        format=1, task=started.task, base_tree=started.base_tree, model=started.model or started.agent
    )
    if started.base_tree != UNKNOWN and not forced:
        try:
            RecordedModel(header, recorded.turns, recorded.name).check_base(base.tree)
        except ReplayDiverged as error:
            raise UsageError(str(error), remedy="Or play it all the same with --force.") from error
    # A session under a strategy may have begun with another attempt's patch: it is played where it was had.
    start = partial(begin_with, read_brief(recorded.source), recorded.source, base)
    return ReplayAgent.of(header, recorded.turns, recorded.name, recorded.origin, forced=forced, start=start)
