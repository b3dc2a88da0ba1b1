"""Make a recording that can be played from the trajectory of any session."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agent.messages import ToolCall
from agent.model import RecordedTurn
from agent.trajectory import Ended, ToolEnded, TrajectoryEvent, TurnTaken

SUBMIT = "submit"


def recorded_turns(events: Sequence[TrajectoryEvent]) -> list[RecordedTurn]:
    """The model's turns of a session, ready to be played; none where no model took one.

    Answers without a call are put before the next one with calls: played alone they would make the loop remind a
    model that cannot hear it. A session that did not end with a call of submit gets one, for what it left is judged
    whatever its end was.
    """
    turns: list[RecordedTurn] = []
    said: list[str] = []
    for event, failed in _with_outcomes(events):
        said += [event.turn.text] if event.turn.text else []
        if event.turn.tool_calls:
            calls = event.turn.tool_calls
            turns.append(
                RecordedTurn(text="\n\n".join(said), tool_calls=calls, expects_error=_expects_error(calls, failed))
            )
            said = []
    if turns and not any(call.name == SUBMIT for call in turns[-1].tool_calls):
        turns.append(RecordedTurn(text="\n\n".join(said), tool_calls=[_submit(events)]))
    return turns


def _with_outcomes(events: Sequence[TrajectoryEvent]) -> list[tuple[TurnTaken, dict[str, bool]]]:
    """Every turn with whether its calls failed, by their ids, which some providers use again in later turns."""
    turns: list[tuple[TurnTaken, dict[str, bool]]] = []
    for event in events:
        if isinstance(event, TurnTaken):
            turns.append((event, {}))
        elif isinstance(event, ToolEnded) and turns:
            turns[-1][1][event.result.call_id] = event.result.is_error
    return turns


def _expects_error(calls: Sequence[ToolCall], failed: dict[str, bool]) -> bool | None:
    outcomes = [failed.get(call.id) for call in calls if call.name != SUBMIT]
    if any(outcomes):
        return True
    return None if None in outcomes else False


def _submit(events: Sequence[TrajectoryEvent]) -> ToolCall:
    end = next((event for event in reversed(events) if isinstance(event, Ended)), None)
    how = f"{end.ended}: {end.detail}" if end and end.ended != "submitted" else end.detail if end else "it just stopped"
    summary = f"The recorded session ended here without a submission ({how})."
    return ToolCall(id="end_of_recording", name=SUBMIT, arguments=json.dumps({"summary": summary}, ensure_ascii=False))
