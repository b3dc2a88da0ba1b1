from __future__ import annotations

import json
from pathlib import Path

import pytest
from agent_parts import recording, turn

from agent.messages import Message, ToolResult, Usage, UserMessage
from agent.model import ModelError, RecordedModel, ReplayDiverged


def _result(*, is_error: bool, output: str = "out") -> ToolResult:
    return ToolResult(call_id="c1", name="shell", output=output, is_error=is_error)


def test_plays_its_turns_in_order_and_bills_nothing(tmp_path: Path) -> None:
    first = json.loads(turn("shell", command="ls")) | {"usage": {"input": 9, "output": 9}}
    model = recording(tmp_path / "r.jsonl", json.dumps(first), "", turn("submit", summary="s"))
    history: list[Message] = [UserMessage(text="go")]
    one = model.complete(history, [])
    assert (one.tool_calls[0].name, one.usage) == ("shell", Usage())
    two = model.complete([*history, one, _result(is_error=False)], [])
    assert two.tool_calls[0].name == "submit"
    assert model.name == "recorded"


def test_another_base_is_refused(tmp_path: Path) -> None:
    model = recording(tmp_path / "r.jsonl", base_tree="abc")
    model.check_base("abc")
    with pytest.raises(ReplayDiverged, match=r"r\.jsonl was recorded against another version.*abc.*def"):
        model.check_base("def")


def test_running_out_of_turns_is_an_error(tmp_path: Path) -> None:
    model = recording(tmp_path / "r.jsonl", turn(text="hm"))
    said = model.complete([], [])
    with pytest.raises(ReplayDiverged, match="has 1 turns and all are played"):
        model.complete([said], [])


def test_an_unexpected_error_stops_the_replay(tmp_path: Path) -> None:
    model = recording(tmp_path / "r.jsonl", turn("shell", command="ls"), turn("submit", summary="s"))
    said = model.complete([], [])
    with pytest.raises(ReplayDiverged, match=r"turn 1: shell failed, and did not when it was recorded.\nNo module"):
        model.complete([said, _result(is_error=True, output="No module named x"), _result(is_error=False)], [])


def test_an_expected_error_must_happen(tmp_path: Path) -> None:
    turns = [turn("shell", command="ls", fails=True), turn("submit", summary="s")]
    model = recording(tmp_path / "r.jsonl", *turns)
    said = model.complete([], [])
    assert model.complete([said, _result(is_error=True)], []).tool_calls[0].name == "submit"
    model = recording(tmp_path / "r.jsonl", *turns)
    model.complete([], [])
    with pytest.raises(ReplayDiverged, match="succeeded that failed"):
        model.complete([said, _result(is_error=False)], [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r":1: not the header of a recorded session \(it is empty\)\.$"),
        ("{}", r":1: not the header of a recorded session \(format: Field required\)\.$"),
        ('{"format": 2, "task": "t", "base_tree": "b", "model": "m"}', ":1: not the header"),
        ('{"format": 1, "task": "t", "base_tree": "b", "model": "m"}\n\n{"kind": "turn"', ":3: not a turn"),
        ('{"format": 1, "task": "t", "base_tree": "b", "model": "m"}\n{"tool": 1}', ":2: not a turn"),
    ],
)
def test_a_broken_recording_names_its_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text(text)
    with pytest.raises(ModelError, match=says) as caught:
        RecordedModel.load(file)
    assert not caught.value.retryable


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"r\.jsonl: cannot be read"):
        RecordedModel.load(tmp_path / "r.jsonl")
