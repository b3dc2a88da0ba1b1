"""Playing recorded sessions: whole runs of the tiny task."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from recorded_elsewhere import ROLLOUT, lines
from synthetic_runs import started
from test_cli import harness
from test_run import FAST, assert_nothing_left, record_session, start
from tiny_task import TinyTask

from agent.trajectory import ToolEnded, Trajectory, TurnTaken, read_trajectory
from harness.brief import Brief, write_brief
from harness.errors import InfraFailed, UsageError
from harness.events import Event
from harness.import_session import import_session
from harness.replay import Recorded, Replayed, _agent, load_recorded, options_for, replay
from harness.replay_agent import ReplayAgent
from harness.run import RunOptions
from harness.source import seal
from harness.store import AttemptFolder, RunFolder
from harness.task_file import load_task
from harness.verdict import PatchStats

CALLS: list[tuple[str, dict[str, object]]] = [
    ("shell", {"command": "cat tiny/core.py; test -f tests/test_core.py"}),
    ("apply_patch", {"patch": FAST}),
    ("run_tests", {}),
    ("submit", {"summary": "one multiplication a value"}),
]


def _recorded(tiny: TinyTask, tmp_path: Path) -> AttemptFolder:
    record_session(tiny, tmp_path, *CALLS)
    outcome, _ = start(tiny, tmp_path, agent=None)
    return outcome.run_folder.attempt("001")


def _play(source: AttemptFolder, tmp_path: Path, *, task: str = "", forced: bool = False) -> Replayed:
    events: list[Event] = []
    recorded = load_recorded(source)
    options = RunOptions(task=task, out=tmp_path / "runs", worktrees=tmp_path / "worktrees")
    return replay(recorded, options_for(recorded, options), events.append, forced=forced)


@pytest.mark.slow
def test_a_session_is_played_again_and_stops_where_the_target_changed(tiny: TinyTask, tmp_path: Path) -> None:
    source = _recorded(tiny, tmp_path)
    played = _play(source, tmp_path)
    verdict = played.outcome.verdicts[0]
    assert verdict.status == "faster", verdict.message
    assert (verdict.agent, verdict.model) == ("replay", None)
    assert verdict.origin is not None and f"{source.run.name}/001" in verdict.origin
    assert played.differences == []
    folder = played.outcome.run_folder.attempt("001")
    assert folder.patch.read_bytes() == source.patch.read_bytes()
    assert json.loads((folder.path / "replay.json").read_text())["differences"] == []
    assert_nothing_left(tmp_path)

    # The target moves on: the patch's lines are no longer there.
    tiny.core.write_text(tiny.core.read_text().replace("range(20)", "range(25)"))
    runs = sorted((tmp_path / "runs").iterdir())
    with pytest.raises(UsageError, match=r"(?s)another version of the target: tree \w+, but .* tree \w+.*--force"):
        _play(source, tmp_path)
    assert sorted((tmp_path / "runs").iterdir()) == runs  # and nothing was left for the refusal

    forced = _play(source, tmp_path, forced=True)
    assert [each.tool for each in forced.differences] == ["apply_patch", "patch"]
    assert forced.differences[0].call == 2 and forced.differences[1].now == "no change"
    assert "succeeded" in forced.differences[0].then and "tiny/core.py" in forced.differences[0].now
    assert forced.outcome.verdicts[0].status == "no_patch"
    assert_nothing_left(tmp_path)


@pytest.mark.slow
def test_a_session_of_codex_is_played(tiny: TinyTask, tmp_path: Path) -> None:
    file = tmp_path / "rollout.jsonl"
    file.write_text(lines(*ROLLOUT))
    source = import_session(file, str(tiny.file), tmp_path / "runs").folder
    played = _play(source, tmp_path)
    verdict = played.outcome.verdicts[0]
    assert verdict.agent == "replay" and verdict.patch is not None and verdict.patch.files == ["tiny/core.py"]
    assert verdict.status == "faster", verdict.message
    assert verdict.origin is not None and "codex gpt-example" in verdict.origin
    assert verdict.cost.steps == 4  # three with calls, and the submission that Codex does without
    assert played.differences == []


@pytest.mark.slow
def test_results_that_differ_stop_the_play(tiny: TinyTask, tmp_path: Path) -> None:
    source = _recorded(tiny, tmp_path)
    events = [
        event.model_copy(update={"result": event.result.model_copy(update={"is_error": True})})
        if isinstance(event, ToolEnded) and event.step == 1
        else event
        for event in read_trajectory(source.trajectory)
    ]
    source.trajectory.unlink()
    with Trajectory(source.trajectory) as record:
        for event in events:
            record.write(event)
    played = _play(source, tmp_path)
    assert played.outcome.verdicts[0].status == "agent_failed"
    assert "turn 1: a call succeeded that failed" in played.outcome.verdicts[0].message
    assert [each.tool for each in played.differences] == ["shell", "session"]
    assert played.differences[1].now == "ended after 1"


def test_what_cannot_be_played_is_refused_in_words(tiny: TinyTask, tmp_path: Path) -> None:
    file = tmp_path / "rollout.jsonl"
    file.write_text(lines(*ROLLOUT))
    source = import_session(file, None, tmp_path / "runs").folder
    with pytest.raises(UsageError, match=r"imported without a task.*\n?.*--task"):
        _play(source, tmp_path)
    events = list(read_trajectory(source.trajectory))
    source.trajectory.unlink()
    with Trajectory(source.trajectory) as record:
        for event in events:
            if isinstance(event, TurnTaken):
                calls = [call.model_copy(update={"name": "file_change"}) for call in event.turn.tool_calls]
                event = event.model_copy(update={"turn": event.turn.model_copy(update={"tool_calls": calls})})  # noqa: PLW2901
            record.write(event)
    with pytest.raises(UsageError, match="turn 1 edits files, but the recording holds only their names"):
        _play(source, tmp_path, task=str(tiny.file))
    source.trajectory.write_text(source.trajectory.read_text().replace("file_change", "run_tests"))
    seen = load_recorded(source)
    patch = PatchStats(path="001/model_patch.diff", sha256="0", files=["tiny/core.py"], insertions=1, deletions=1)
    assert seen.verdict is not None
    seen = replace(seen, verdict=seen.verdict.model_copy(update={"patch": patch}))
    with pytest.raises(UsageError, match=r"none of its edits: .*\n`harness verify imported-.*/001` judges its patch"):
        replay(seen, RunOptions(task=str(tiny.file), out=tmp_path / "runs"), lambda _: None, forced=False)
    with source.trajectory.open("a") as trajectory:
        trajectory.write('{"event": "telepathy"}\n')
    with pytest.raises(UsageError, match=r"trajectory\.jsonl:\d+: .*'telepathy'.*newer version"):
        load_recorded(source)
    source.trajectory.write_text('{"event": "prompt", "text": "p"}\n')
    with pytest.raises(UsageError, match="nothing to play"):
        load_recorded(source)
    source.trajectory.unlink()
    with pytest.raises(UsageError, match=r"no trajectory\.jsonl"):
        load_recorded(source)


def test_the_recorded_task_is_found_by_file_or_name(tiny: TinyTask, tmp_path: Path) -> None:
    file = tmp_path / "rollout.jsonl"
    file.write_text(lines(*ROLLOUT))
    recorded = load_recorded(import_session(file, str(tiny.file), tmp_path / "runs").folder)
    assert recorded.task == str(tiny.file)
    moved = replace(recorded, started=recorded.started.model_copy(update={"task_file": "/none/tiny.yaml"}))
    assert moved.task == "tiny"
    assert options_for(moved, RunOptions(task="other")).task == "other"


def test_the_verb_refuses_what_is_not_there(tmp_path: Path) -> None:
    ended = harness("replay", "none/001", cwd=tmp_path)
    assert ended.returncode == 2 and "no runs in runs" in ended.stderr


def test_a_session_that_began_with_a_patch_is_played_from_there(tiny: TinyTask, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "moe_align-20261120-090000")
    run.attempt("001").create().patch.write_bytes(tiny.patch("range(20)", "range(10)"))
    write_brief(run.attempt("002"), Brief(strategy="refine", kind="refine", parents=["001"], start_from="001"))
    base = seal(load_task(str(tiny.file)), tmp_path / "base.git")
    for name, expected in (("001", "range(20)"), ("002", "range(10)")):
        tree = tmp_path / name
        base.check_out(tree)
        agent = _agent(Recorded(run.attempt(name), started(run.name, 2), None, [], []), base, forced=True)
        assert isinstance(agent, ReplayAgent)
        agent.start(tree)
        assert expected in (tree / "tiny" / "core.py").read_text()
    run.attempt("001").patch.unlink()
    with pytest.raises(InfraFailed, match=r"002 is to begin with the patch of 001: no .*001/model_patch\.diff"):
        agent.start(tmp_path / "001")
