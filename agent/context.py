"""What the model sees of the history. The record stays whole; only old tool output is left out of the view."""

from __future__ import annotations

from collections.abc import Sequence

from agent.messages import Message, ModelTurn, ToolCall, ToolResult, UserMessage
from agent.text import shorten
from agent.tools import describe, plan_of

_CHARS_PER_TOKEN = 4
_MESSAGE_TOKENS = 8
# When room is made, it is made in one go: each dropping changes the prefix, and a provider's cache with it.
_ROOM_AFTER = 0.6
# The results the model is working with right now are never dropped, unless the room does not suffice without.
_KEEP_RESULTS = 6
# Shorter outputs are not worth a note in their place.
_WORTH_DROPPING_CHARS = 400
_LEDGER_REPORT_CHARS = 600


def estimate_tokens(history: Sequence[Message]) -> int:
    """A forecast of the tokens a history takes, at four characters each; billing goes by the provider's count."""
    return sum(_tokens(message) for message in history)


def view(history: Sequence[Message], limit_tokens: int, ledger: str) -> list[Message]:
    """The messages to send: all of them, or with the oldest tool outputs replaced by a note.

    The choice depends only on the messages up to the point where room was short, so the view of a longer
    history begins like the view of a shorter one and stays in the provider's cache.

    Args:
        history: everything that was said, which is not changed.
        limit_tokens: the estimated size above which outputs are dropped, oldest first.
        ledger: what was learnt, from records; added at the end when something was dropped.
    """
    shown: list[Message] = []
    size = 0
    dropped = False
    for message in history:
        shown.append(message)
        size += _tokens(message)
        if size > limit_tokens:
            saved = _make_room(shown, size - int(limit_tokens * _ROOM_AFTER))
            size -= saved
            dropped = dropped or saved > 0
    if dropped and ledger:
        shown.append(UserMessage(text=f"Old tool output was dropped to make room. What the records say:\n{ledger}"))
    return shown


def ledger_of(history: Sequence[Message]) -> str:
    """What was learnt, made from records and nothing else: the plan, the edits, the measurements and tests."""
    calls: dict[str, ToolCall] = {}
    plan = ""
    lines: list[str] = []
    for message in history:
        if isinstance(message, ModelTurn):
            for call in message.tool_calls:
                calls[call.id] = call
                if steps := plan_of(call):
                    plan = "\n".join(f"- [{step.status}] {step.step}" for step in steps)
        elif isinstance(message, ToolResult):
            lines += _learnt(message, calls.get(message.call_id))
    return "\n".join([*([f"Plan:\n{plan}"] if plan else []), *lines])


def _learnt(result: ToolResult, call: ToolCall | None) -> list[str]:
    if call is None:
        return []
    if result.name == "apply_patch":
        return [f"{'Failed edit' if result.is_error else 'Edit'}: {describe(call)}"]
    if result.name in ("measure", "run_tests"):
        return [f"{result.name}: {shorten(result.output.strip(), _LEDGER_REPORT_CHARS)}"]
    return []


def _make_room(shown: list[Message], tokens: int) -> int:
    """Replace outputs, oldest first, until so many tokens are saved; gives back how many really were."""
    results = [index for index, message in enumerate(shown) if _droppable(message)]
    saved = 0
    for index in results[:-_KEEP_RESULTS]:
        if saved >= tokens:
            return saved
        saved += _drop(shown, index)
    return saved


def _droppable(message: Message) -> bool:
    return isinstance(message, ToolResult) and len(message.output) > _WORTH_DROPPING_CHARS


def _drop(shown: list[Message], index: int) -> int:
    result = shown[index]
    if not isinstance(result, ToolResult):
        return 0
    note = f"[output of {len(result.output)} characters dropped to make room; run the tool again if it is needed]"
    shown[index] = result.model_copy(update={"output": note})
    return _tokens(result) - _tokens(shown[index])


def _tokens(message: Message) -> int:
    match message:
        case UserMessage():
            chars = len(message.text)
        case ToolResult():
            chars = len(message.output)
        case ModelTurn():
            if message.usage.output:
                # The provider counted it, reasoning and all, when it wrote it.
                return message.usage.output + _MESSAGE_TOKENS
            chars = len(message.text) + sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
    return chars // _CHARS_PER_TOKEN + _MESSAGE_TOKENS
