from __future__ import annotations

import json

import pytest
from agent_parts import update

from agent.context import estimate_tokens, ledger_of, view
from agent.messages import Message, ModelTurn, ToolCall, ToolResult, Usage, UserMessage


def _step(number: int, output: str = "o" * 4000, name: str = "shell", **arguments: object) -> list[Message]:
    call = ToolCall(id=f"c{number}", name=name, arguments=json.dumps(arguments or {"command": "ls"}))
    return [ModelTurn(tool_calls=[call]), ToolResult(call_id=call.id, name=name, output=output)]


def _history(steps: int) -> list[Message]:
    return [UserMessage(text="prompt"), *(message for n in range(steps) for message in _step(n))]


def test_a_short_history_is_shown_as_it_is() -> None:
    history = _history(5)
    assert view(history, 100_000, "ledger") == history


def test_the_oldest_outputs_go_first_and_the_record_stays_whole() -> None:
    history = _history(40)
    before = [message.model_copy(deep=True) for message in history]
    shown = view(history, 20_000, "best so far: 1.2x")
    assert history == before
    assert estimate_tokens(shown) <= 20_000
    results = [message for message in shown if isinstance(message, ToolResult)]
    assert len(results) == 40
    assert "dropped to make room" in results[0].output
    kept = [len(result.output) == 4000 for result in results]
    assert kept == sorted(kept)
    assert all(kept[-6:])
    last = shown[-1]
    assert isinstance(last, UserMessage)
    assert "best so far: 1.2x" in last.text


def test_turns_and_the_prompt_are_never_touched() -> None:
    history = _history(40)
    shown = view(history, 5_000, "")
    assert len(shown) == len(history)
    for was, now in zip(history, shown, strict=True):
        assert isinstance(now, ToolResult) or now == was


def test_the_view_changes_its_beginning_seldom() -> None:
    changes = 0
    previous: list[Message] = []
    for steps in range(1, 120):
        shown = view(_history(steps), 30_000, "")
        changes += shown[: len(previous)] != previous
        previous = shown
    # 119 steps of about 1,000 tokens; each dropping makes room for 12 of them.
    assert 0 < changes < 15


def test_what_the_provider_counted_is_believed() -> None:
    turn = ModelTurn(text="x", usage=Usage(output=5000), provider_items=[{"encrypted_content": "e" * 100_000}])
    assert estimate_tokens([turn]) == pytest.approx(5000, abs=20)


def test_the_ledger_holds_plan_edits_and_numbers() -> None:
    history: list[Message] = [
        UserMessage(text="prompt"),
        *_step(1, "The plan is written down.", "update_plan", steps=[{"step": "old plan"}]),
        *_step(2, "Done.", "apply_patch", patch=update("core.py", "-a", "+b")),
        *_step(3, "1.31x [1.30, 1.32]", "measure"),
        *_step(4, "secret file content"),
        *_step(5, "ok", "update_plan", steps=[{"step": "vectorise", "status": "in_progress"}]),
        ToolResult(call_id="unknown", name="measure", output="from nowhere"),
    ]
    ledger = ledger_of(history)
    assert ledger == "Plan:\n- [in_progress] vectorise\nEdit: core.py\nmeasure: 1.31x [1.30, 1.32]"
    assert ledger_of([]) == ""
