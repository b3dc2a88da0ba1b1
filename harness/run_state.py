"""How far a run and its attempts came: what folding its events gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from harness.events import (
    Admitted,
    AgentStep,
    AttemptBriefed,
    AttemptFinished,
    AttemptStarted,
    AttemptWaiting,
    Event,
    Phase,
    PhaseStarted,
    RunFinished,
    RunResumed,
    RunStarted,
)
from harness.verdict import Verdict


@dataclass(frozen=True)
class AttemptState:
    """How far an attempt came: the phase it is in, the agent's steps so far, and its verdict once it has one.

    `waits` while it waits to measure, or for a measurement to end.
    """

    phase: Phase | None = None
    steps: int = 0
    verdict: Verdict | None = None
    waits: bool = False

    @property
    def doing(self) -> str:
        """What it is at, in words; empty before its first phase."""
        return f"{self.phase}, waiting its turn" if self.phase and self.waits else self.phase or ""


@dataclass(frozen=True)
class RunState:
    """What a journal says about its run. `attempts` is in the order in which they started.

    `started.attempts` counts those that were added since.

    `finished` is false for a run that was killed or is still going; `interrupted` means that it was told to end,
    `error` that it ended before its attempts did, and why; `budget` that one of the run's own limits ended it.
    `briefs` is what the search strategy told each attempt, by its name; empty for runs of older versions.
    """

    started: RunStarted | None = None
    admitted: Admitted | None = None
    attempts: dict[str, AttemptState] = field(default_factory=dict)
    finished: bool = False
    interrupted: bool = False
    error: str | None = None
    budget: str | None = None
    briefs: dict[str, AttemptBriefed] = field(default_factory=dict)

    @property
    def verdicts(self) -> list[Verdict]:
        """Verdicts of the attempts that have one, in the order in which they started."""
        return [state.verdict for state in self.attempts.values() if state.verdict is not None]


def fold(events: Iterable[Event]) -> RunState:
    """The state of a run after these events. An attempt that starts over loses what it had not finished."""
    started: RunStarted | None = None
    admitted: Admitted | None = None
    attempts: dict[str, AttemptState] = {}
    briefs: dict[str, AttemptBriefed] = {}
    last: Event | None = None
    for event in events:
        if isinstance(event, RunStarted):
            started = event
        elif isinstance(event, RunResumed) and started is not None:
            started = started.model_copy(update={"attempts": event.attempts - started.controls})
        elif isinstance(event, Admitted):
            admitted = event
        elif isinstance(event, AttemptBriefed):
            briefs[event.attempt] = event
        elif isinstance(event, AttemptStarted):
            attempts[event.attempt] = AttemptState()
        elif isinstance(event, PhaseStarted | AgentStep | AttemptWaiting | AttemptFinished):
            attempts[event.attempt] = _after(attempts.get(event.attempt, AttemptState()), event)
        elif isinstance(event, RunFinished):
            # Only when all is over is it known from how many the best was chosen: the last word counts.
            for verdict in event.attempts:
                name = str(verdict.attempt)
                attempts[name] = replace(attempts.get(name, AttemptState()), verdict=verdict)
        last = event
    if not isinstance(last, RunFinished):  # Never ended, or ended and was resumed.
        return RunState(started, admitted, attempts, briefs=briefs)
    return RunState(started, admitted, attempts, True, last.interrupted, last.error, last.budget, briefs)


def _after(state: AttemptState, event: PhaseStarted | AgentStep | AttemptWaiting | AttemptFinished) -> AttemptState:
    match event:
        case PhaseStarted():
            return replace(state, phase=event.phase, waits=False)
        case AgentStep():
            return replace(state, steps=event.step, waits=False)
        case AttemptWaiting():
            return replace(state, waits=not event.over)
        case AttemptFinished():
            return replace(state, verdict=event.verdict)
