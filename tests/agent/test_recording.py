from __future__ import annotations

import json

from agent.messages import ModelTurn, ToolCall, ToolResult, Usage
from agent.recording import recorded_turns
from agent.trajectory import Ended, Prompted, ToolEnded, ToolStarted, TrajectoryEvent, TurnTaken


def _turn(step: int, *names: str, text: str = "", call_id: str = "same") -> TurnTaken:
    calls = [ToolCall(id=f"{call_id}{n}", name=name, arguments="{}") for n, name in enumerate(names)]
    return TurnTaken(step=step, seconds=1, turn=ModelTurn(text=text, tool_calls=calls, usage=Usage(input=5)))


def _result(step: int, *, failed: bool, call_id: str = "same0") -> ToolEnded:
    result = ToolResult(call_id=call_id, name="shell", output="o", is_error=failed)
    return ToolEnded(step=step, seconds=0, result=result)


def _end(ended: str, detail: str) -> TrajectoryEvent:
    return Ended.model_validate(
        {"ended": ended, "detail": detail, "steps": 1, "bad_calls": 0, "usage": {}, "usd": None, "seconds": 0}
    )


def test_results_belong_to_their_own_turn_though_ids_repeat() -> None:
    events = [
        Prompted(text="p"),
        _turn(1, "shell"),
        _result(1, failed=True),
        _turn(2, "shell"),
        _result(2, failed=False),
        _turn(3, "submit"),
    ]
    turns = recorded_turns(events)
    assert [turn.expects_error for turn in turns] == [True, False, False]
    assert turns[0].usage == Usage(input=0) or turns[0].usage == Usage()


def test_words_without_a_call_go_with_the_next_one() -> None:
    events = [
        _turn(1, text="first"),
        _turn(2, text="second"),
        _turn(3, "shell", text="third"),
        _result(3, failed=False),
    ]
    turns = recorded_turns(events)
    assert turns[0].text == "first\n\nsecond\n\nthird"
    assert [turn.tool_calls[0].name for turn in turns] == ["shell", "submit"]


def test_a_session_that_did_not_submit_is_ended_for_it() -> None:
    events = [_turn(1, "shell"), _result(1, failed=False), _turn(2, text="bye"), _end("limit", "60 steps")]
    last = recorded_turns(events)[-1]
    assert last.text == "bye" and "limit: 60 steps" in json.loads(last.tool_calls[0].arguments)["summary"]


def test_a_call_without_a_result_expects_nothing() -> None:
    events = [_turn(1, "shell", "shell"), _result(1, failed=False)]
    assert recorded_turns(events)[0].expects_error is None
    ended_inside: list[TrajectoryEvent] = [
        _turn(1, "shell"),
        ToolStarted(step=1, call=ToolCall(id="x", name="shell", arguments="{}")),
    ]
    assert recorded_turns(ended_inside)[0].expects_error is None


def test_nobody_called_anything() -> None:
    assert recorded_turns([Prompted(text="p"), _turn(1, text="only words")]) == []
