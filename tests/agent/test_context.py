from __future__ import annotations

import json

import pytest

from agent.context import Context, limit_for
from agent.messages import Message, ModelTurn, ToolCall, ToolResult, Usage, UserMessage
from agent.model import ModelError
from agent.tokens import estimate_tokens


def _step(number: int, output: str = "o" * 4000, text: str = "") -> list[Message]:
    call = ToolCall(id=f"c{number}", name="shell", arguments=json.dumps({"command": "ls"}))
    return [ModelTurn(text=text, tool_calls=[call]), ToolResult(call_id=call.id, name="shell", output=output)]


def _context(limit: int | None, steps: int, output: str = "o" * 4000, text: str = "") -> Context:
    context = Context(limit)
    context.add(UserMessage(text="prompt"))
    for number in range(steps):
        for message in _step(number, output, text):
            context.add(message)
    return context


def test_a_short_history_is_shown_as_it_is() -> None:
    context = _context(100_000, 5)
    assert context.view() == [UserMessage(text="prompt"), *(message for n in range(5) for message in _step(n))]
    assert not context.is_full
    assert context.note == ""


def test_a_context_without_a_limit_is_never_full() -> None:
    assert not _context(None, 500).is_full


def test_the_oldest_outputs_go_first() -> None:
    context = _context(20_000, 40)
    assert context.is_full
    context.drop_outputs("best so far: 1.2x")
    assert context.is_roomy
    assert context.size == estimate_tokens(context.view()) <= 20_000
    results = [message for message in context.view() if isinstance(message, ToolResult)]
    assert len(results) == 40
    assert "4000 characters dropped" in results[0].output
    kept = [len(result.output) == 4000 for result in results]
    assert kept == sorted(kept)
    assert all(kept[-6:])
    assert "best so far: 1.2x" in context.note
    assert context.view()[1] == UserMessage(text=context.note)


def test_dropping_outputs_leaves_the_turns_alone() -> None:
    context = _context(5_000, 40)
    turns = [message for message in context.view() if isinstance(message, ModelTurn)]
    context.drop_outputs("")
    assert [message for message in context.view() if isinstance(message, ModelTurn)] == turns


def test_whole_old_turns_go_where_dropping_does_not_suffice() -> None:
    context = _context(5_000, 40, output="short", text="t" * 1000)
    context.drop_outputs("the ledger")
    assert not context.is_roomy
    context.drop_turns("the summary", "the ledger")
    assert context.is_roomy
    assert context.size == estimate_tokens(context.view())
    prompt, note, *rest = context.view()
    assert prompt == UserMessage(text="prompt")
    assert isinstance(note, UserMessage)
    assert note.text.index("the summary") < note.text.index("the ledger")
    assert isinstance(rest[0], ModelTurn)
    assert rest[-2:] == _step(39, "short", "t" * 1000)
    # A second time without a summary: the first one stays.
    for message in _step(40, "short", "t" * 20_000):
        context.add(message)
    context.drop_turns("", "a newer ledger")
    assert "the summary" in context.note
    assert "a newer ledger" in context.note


def test_a_last_step_too_long_for_the_room_is_cut() -> None:
    context = Context(4_000)
    context.add(UserMessage(text="prompt"))
    context.add(ModelTurn(tool_calls=[ToolCall(id=str(n), name="shell", arguments="{}") for n in range(20)]))
    for number in range(20):
        context.add(ToolResult(call_id=str(number), name="shell", output="o" * 9000))
    context.drop_outputs("")
    context.drop_turns("", "")
    assert context.size <= 4_000
    assert sum(isinstance(message, ToolResult) for message in context.view()) == 20


def test_a_request_for_a_summary_fits_too() -> None:
    context = _context(5_000, 40, output="short", text="t" * 1000)
    request = UserMessage(text="summarise")
    shown = context.to_summarise(request)
    assert estimate_tokens(shown) <= 5_000
    assert shown[-1] == request
    assert shown[:-1] == context.view()[: len(shown) - 1]


def test_one_output_never_fills_the_view() -> None:
    context = Context(4_000)
    for message in [UserMessage(text="prompt"), *_step(1, "o" * 24_000)]:
        context.add(message)
    assert context.size < 1_000


def test_the_view_changes_its_beginning_seldom() -> None:
    changes = 0
    previous: list[Message] = []
    context = _context(30_000, 0)
    for number in range(1, 120):
        for message in _step(number):
            context.add(message)
        if context.is_full:
            context.drop_outputs(f"ledger {number}")
        shown = context.view()
        changes += shown[: len(previous)] != previous
        previous = shown
    # 119 steps of about 1,000 tokens; each dropping makes room for 12 of them.
    assert 0 < changes < 15


def test_a_refusal_lowers_the_limit_below_what_was_refused() -> None:
    context = _context(100_000, 40)
    refused = context.size
    context.shrink(None)
    assert context.limit is not None
    assert context.limit < refused
    context = _context(100_000, 40)
    context.shrink(10_000)
    assert context.limit == limit_for(10_000) == 8_000


def test_a_prompt_that_leaves_no_room_is_said() -> None:
    with pytest.raises(ModelError, match="too little to work in"):
        Context(1_000, fixed_tokens=500).add(UserMessage(text="prompt"))


def test_what_the_provider_counted_is_believed() -> None:
    turn = ModelTurn(text="x", usage=Usage(output=5000), provider_items=[{"encrypted_content": "e" * 100_000}])
    assert estimate_tokens([turn]) == pytest.approx(5000, abs=20)
