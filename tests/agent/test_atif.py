"""ATIF: the rules of the format, and Harbor's own models where they are installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recorded_elsewhere import ROLLOUT, TRANSCRIPT, lines

from agent.atif import SessionFacts, to_atif
from agent.messages import ModelTurn, ToolCall, ToolResult, Usage
from agent.trajectory import (
    ContextCompacted,
    Ended,
    LimitReached,
    Prompted,
    ToolEnded,
    ToolStarted,
    TrajectoryEvent,
    TurnTaken,
)
from agent.transcripts import read_session

FACTS = SessionFacts("run/001", "loop", "0.1.0", "gpt-example", notes="a note", extra={"task": "tiny"})
AGENT_ONLY = {"model_name", "reasoning_effort", "reasoning_content", "tool_calls", "metrics"}


def _everything() -> list[TrajectoryEvent]:
    call = ToolCall(id="c1", name="shell", arguments='{"command": "ls"}')
    bad = ToolCall(id="c2", name="shell", arguments="{not json")
    items = [{"type": "reasoning", "summary": [{"text": "I think"}]}]
    usage = Usage(input=100, cached=60, output=30, reasoning=20)
    at = "2026-01-02T03:04:05.000+00:00"
    return [
        Prompted(at=at, text="Make it faster."),
        TurnTaken(
            at=at,
            step=1,
            seconds=1.25,
            turn=ModelTurn(text="I look.", tool_calls=[call, bad], usage=usage, provider_items=items),
        ),
        ToolStarted(at=at, step=1, call=call),
        ToolEnded(at=at, step=1, seconds=0.5, result=ToolResult(call_id="c1", name="shell", output="a\n")),
        ToolStarted(at=at, step=1, call=bad),
        ToolEnded(
            at=at, step=1, seconds=0, result=ToolResult(call_id="c2", name="shell", output="not JSON", is_error=True)
        ),
        ContextCompacted(
            at=at, step=1, seconds=0, how="outputs", tokens_before=9, tokens_after=5, limit=8, note="dropped"
        ),
        Prompted(at=at, text="Go on."),
        TurnTaken(at=at, step=2, seconds=1, turn=ModelTurn(text="hm", usage=usage)),
        LimitReached(at=at, kind="steps", value=2, limit=2),
        Ended(at=at, ended="limit", detail="steps", steps=2, bad_calls=1, usage=usage + usage, usd=0.25, seconds=7.0),
    ]


def _check(document: dict[str, Any]) -> None:
    """The rules that RFC 0001 states in words."""
    assert document["schema_version"] == "ATIF-v1.8"
    assert [step["step_id"] for step in document["steps"]] == list(range(1, len(document["steps"]) + 1))
    for step in document["steps"]:
        assert step["source"] in ("user", "agent", "system")
        assert step["source"] == "agent" or not AGENT_ONLY & step.keys()
        known = {call["tool_call_id"] for call in step.get("tool_calls", [])}
        assert {result["source_call_id"] for result in step.get("observation", {}).get("results", [])} <= known
        assert all(isinstance(call["arguments"], dict) for call in step.get("tool_calls", []))
    assert document["final_metrics"]["total_steps"] == len(document["steps"])
    assert None not in document.values()


def test_a_session_of_ours() -> None:
    document = to_atif(_everything(), FACTS).as_json()
    _check(document)
    steps = document["steps"]
    assert [step["source"] for step in steps] == ["user", "agent", "system", "user", "agent", "system"]
    answer = steps[1]
    assert (answer["message"], answer["reasoning_content"], answer["llm_call_count"]) == ("I look.", "I think", 1)
    assert answer["tool_calls"][0]["arguments"] == {"command": "ls"}
    assert answer["tool_calls"][1] == {
        "tool_call_id": "c2",
        "function_name": "shell",
        "arguments": {},
        "extra": {"raw_arguments": "{not json"},
    }
    assert [result["extra"]["is_error"] for result in answer["observation"]["results"]] == [False, True]
    assert (answer["metrics"]["prompt_tokens"], answer["metrics"]["cached_tokens"]) == (100, 60)
    assert answer["metrics"]["extra"]["reasoning_tokens"] == 20
    final = document["final_metrics"]
    assert (final["total_prompt_tokens"], final["total_completion_tokens"]) == (200, 60)
    assert (final["total_cached_tokens"], final["total_cost_usd"]) == (120, 0.25)
    assert document["agent"]["model_name"] == "gpt-example"
    assert {tool["function"]["name"] for tool in document["agent"]["tool_definitions"]} >= {"shell", "submit"}
    assert document["extra"] == {"task": "tiny"} and document["notes"] == "a note"


def test_a_session_without_an_end_is_summed_from_its_turns() -> None:
    final = to_atif(_everything()[:-1], FACTS).as_json()["final_metrics"]
    assert final["total_prompt_tokens"] == 200 and "total_cost_usd" not in final


def test_an_empty_session_has_no_place_in_the_format() -> None:
    with pytest.raises(ValueError, match="nothing happened"):
        to_atif([], FACTS)


@pytest.mark.parametrize("content", [TRANSCRIPT, lines(*ROLLOUT), TRANSCRIPT[:900]])
def test_imported_sessions_keep_the_rules(tmp_path: Path, content: str) -> None:
    (tmp_path / "s").write_text(content)
    session = read_session(tmp_path / "s")
    _check(to_atif(session.events, FACTS).as_json())


def test_harbors_own_models_accept_it(tmp_path: Path) -> None:
    harbor = pytest.importorskip(
        "harbor.models.trajectories", reason="Harbor needs Python 3.12 and is installed by hand"
    )
    (tmp_path / "s").write_text(TRANSCRIPT)
    for events in (_everything(), read_session(tmp_path / "s").events):
        text = json.dumps(to_atif(events, FACTS).as_json())
        read = harbor.Trajectory.model_validate_json(text)
        assert read.to_json_dict() == json.loads(text)
