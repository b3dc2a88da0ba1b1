from __future__ import annotations

from agent.conversation import Said, Told, conversation, reasoning_of
from agent.messages import ModelTurn, ToolCall, ToolResult
from agent.trajectory import LimitReached, Prompted, ToolEnded, ToolStarted, TrajectoryEvent, TurnTaken

CALL = ToolCall(id="c", name="shell", arguments='{"command": "ls"}')


def _turn(step: int, *calls: ToolCall) -> TurnTaken:
    return TurnTaken(step=step, seconds=1, turn=ModelTurn(text=f"t{step}", tool_calls=list(calls)))


def _done(step: int, output: str) -> list[TrajectoryEvent]:
    result = ToolResult(call_id="c", name="shell", output=output)
    return [ToolStarted(step=step, call=CALL), ToolEnded(step=step, seconds=2, result=result)]


def test_call_and_result_stand_together_though_ids_repeat() -> None:
    events = [
        Prompted(text="p"),
        _turn(1, CALL),
        *_done(1, "one"),
        _turn(2, CALL, CALL),
        *_done(2, "two"),
        *_done(2, "three"),
    ]
    parts = conversation([*events, LimitReached(kind="steps", value=2, limit=2)])
    assert isinstance(parts[0], Told) and isinstance(parts[-1], LimitReached)
    said = [part for part in parts if isinstance(part, Said)]
    assert [[made.result.output for made in each.calls if made.result] for each in said] == [["one"], ["two", "three"]]
    assert said[1].calls[1].seconds == 2 and said[1].calls[1].started


def test_a_session_that_ended_inside_a_tool() -> None:
    other = ToolCall(id="d", name="shell", arguments="{}")
    (said,) = conversation([_turn(1, CALL, other), ToolStarted(step=1, call=CALL)])
    assert isinstance(said, Said)
    assert [(made.started, made.result) for made in said.calls] == [(True, None), (False, None)]


def test_results_of_nobodys_call_are_left_out() -> None:
    assert conversation(_done(1, "x")) == []
    (said,) = conversation([_turn(1), *_done(1, "x")])
    assert isinstance(said, Said) and said.calls == []


def test_reasoning_is_read_from_what_the_provider_sent() -> None:
    items = [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "a"}, {"text": "b"}],
            "encrypted_content": "x",
        },
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "c"}]},
        {"type": "reasoning", "summary": "odd", "content": [1, {"text": 2}]},
        {"type": "message", "content": [{"text": "not this"}]},
    ]
    assert reasoning_of(ModelTurn(provider_items=items)) == "a\n\nb\n\nc"
