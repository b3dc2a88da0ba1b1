"""An attempt's session for other tools: the trajectory, with what the run's record knows about it."""

from __future__ import annotations

from typing import Any

from agent.atif import SessionFacts, to_atif
from agent.trajectory import TrajectoryError, read_trajectory
from harness import __version__
from harness.errors import UsageError
from harness.journal import read_events
from harness.run_state import RunState, fold
from harness.store import AttemptFolder
from harness.verdict import Verdict

_LOOP = ("loop", "replay")


def session_as_atif(folder: AttemptFolder, known: RunState | None = None) -> dict[str, Any]:
    """An attempt's session in ATIF, as plain JSON values.

    Args:
        folder: the attempt's.
        known: what its run's journal says, if that was read already.

    Raises:
        UsageError: there is no session, it is empty, or a line of it cannot be read: half a session is not exported.
    """
    name = f"{folder.run.name}/{folder.name}"
    state = known or fold(read_events(folder.run.journal))
    attempt = state.attempts.get(folder.name)
    verdict = attempt.verdict if attempt else None
    started = state.started
    agent = verdict.agent if verdict else started.agent if started else "unknown"
    facts = SessionFacts(
        session_id=name,
        agent=agent,
        version=_version(verdict, agent),
        model=verdict.model if verdict else started.model if started else None,
        own_tools=agent in _LOOP,
        notes=verdict.origin if verdict else None,
        extra=_extra(verdict),
    )
    if not folder.trajectory.is_file():
        raise UsageError(f"{name} has no session: there is no {folder.trajectory}.")
    try:
        return to_atif(read_trajectory(folder.trajectory), facts).as_json()
    except TrajectoryError as error:
        raise UsageError(str(error), remedy="`harness show --session` shows what can be read of it.") from error
    except ValueError as error:
        raise UsageError(f"{name}: {error}.") from error


def _version(verdict: Verdict | None, agent: str) -> str:
    """The agent's own, or the harness's for the loop, which comes with it."""
    if agent in _LOOP:
        return verdict.harness_version if verdict else __version__
    return (verdict.agent_version if verdict else None) or "unknown"


def _extra(verdict: Verdict | None) -> dict[str, Any] | None:
    """What came of the session, for programs that learn from it."""
    if verdict is None:
        return None
    chosen = {"task", "status", "cause", "message", "speedup", "base_commit", "harness_version", "finished_at"}
    return {"perf_harness": verdict.model_dump(mode="json", include=chosen)}
