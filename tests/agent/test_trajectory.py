from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.messages import ModelTurn, ToolCall, ToolResult
from agent.trajectory import (
    LimitReached,
    Prompted,
    ToolEnded,
    ToolStarted,
    Trajectory,
    TrajectoryError,
    TurnTaken,
    read_trajectory,
)

EVENTS = [
    Prompted(text="line one\nline two \u2028 é"),
    TurnTaken(step=1, seconds=0.5, turn=ModelTurn(text="t", provider_items=[{"a": [None, 1.5]}])),
    ToolStarted(step=1, call=ToolCall(id="c", name="shell", arguments="{not json")),
    ToolEnded(step=1, seconds=0.1, result=ToolResult(call_id="c", name="shell", output="o")),
    LimitReached(kind="steps", value=1, limit=1),
]


def _write(path: Path) -> None:
    with Trajectory(path) as record:
        for event in EVENTS:
            record.write(event)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    _write(tmp_path / "deep" / "t.jsonl")
    assert list(read_trajectory(tmp_path / "deep" / "t.jsonl")) == EVENTS


def test_each_event_is_on_the_disk_before_the_next(tmp_path: Path) -> None:
    with Trajectory(tmp_path / "t.jsonl") as record:
        for count in range(1, 4):
            record.prompt(f"p{count}")
            assert len(list(read_trajectory(tmp_path / "t.jsonl"))) == count


def test_times_are_utc(tmp_path: Path) -> None:
    assert datetime.fromisoformat(EVENTS[0].at).utcoffset() == timedelta(0)


def test_a_torn_last_line_is_left_out_wherever_it_tears(tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole.jsonl", tmp_path / "torn.jsonl"
    _write(whole)
    data = whole.read_bytes()
    last = data.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(last, len(data)):
        torn.write_bytes(data[:end])
        assert list(read_trajectory(torn)) == EVENTS[:-1]


def test_going_on_after_a_tear_does_not_stick_to_it(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    _write(path)
    with path.open("ab") as file:
        file.write(b'{"event": "prompt", "text": "' + b"x" * 200_000)
    with Trajectory(path) as record:
        record.prompt("again")
    read = list(read_trajectory(path))
    assert read[:-1] == EVENTS
    assert isinstance(read[-1], Prompted)


def test_a_tear_is_all_there_is(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"event"')
    assert list(read_trajectory(path)) == []
    with Trajectory(path) as record:
        record.prompt("p")
    assert len(list(read_trajectory(path))) == 1


def test_any_other_broken_line_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    _write(path)
    lines = path.read_bytes().split(b"\n")
    lines[1] = lines[1][:20]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(TrajectoryError, match=r"t\.jsonl:2: not an event"):
        list(read_trajectory(path))
