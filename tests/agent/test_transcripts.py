"""Reading sessions that other programs recorded. The texts are this project's own, in the forms of real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded_elsewhere import (
    DIFF,
    EDIT,
    EVENTS,
    HEADING,
    NEWER,
    ROLLOUT,
    TRANSCRIPT,
    WORKDIR,
    lines,
    rollout_line,
)

from agent.session import Session, TranscriptError
from agent.trajectory import ToolStarted, Trajectory, TurnTaken, read_trajectory
from agent.transcripts import read_session


def _read(folder: Path, content: str | bytes) -> Session:
    file = folder / "session.txt"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_session(file)


def _calls(session: Session) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for event in session.turns for call in event.turn.tool_calls]


def _outcomes(session: Session) -> list[tuple[str, bool]]:
    return [(event.result.name, event.result.is_error) for event in session.results]


def test_a_transcript_is_read(tmp_path: Path) -> None:
    session = _read(tmp_path, TRANSCRIPT)
    assert (session.agent, session.version, session.model, session.workdir) == (
        "codex",
        "0.87.0",
        "gpt-example",
        WORKDIR,
    )
    assert session.prompt == f"Make {WORKDIR} faster.\nexec is a word that a prompt may hold."
    assert _outcomes(session) == [
        ("shell", False),
        ("shell", True),
        ("update_plan", False),
        ("apply_patch", False),
        ("shell", False),
        ("shell", True),
    ]
    calls = _calls(session)
    assert json.loads(calls[0][1]) == {"command": "cat shop/cart.py"}
    # The folder of that machine is the worktree of this one, and a command's own folder is kept.
    assert json.loads(calls[1][1])["command"].startswith("mkdir -p ./.bench_scratch\ncat > .bench_scratch/time_it.py")
    assert json.loads(calls[4][1]) == {"command": "cd ./shop && git diff"}
    assert json.loads(calls[2][1])["steps"][1] == {"step": "Edit", "status": "in_progress"}
    assert "*** Update File: shop/cart.py\n@@ -2,3 +2,1 @@\n-    result = 0" in json.loads(calls[3][1])["patch"]
    first = session.turns[0].turn
    assert first.text == "I look at the cart first." and "First a look." in json.dumps(first.provider_items)
    assert session.results[0].result.output == "[exit code 0, 0.0 s]\ndef total(prices):\nexec\n    result = 0"
    assert [round(event.seconds, 3) for event in session.results] == [0.006, 1.39, 0, 0.004, 125, 0.004]
    assert session.end is not None and session.end.ended == "submitted"
    assert session.end.detail == "It is one call of `sum` now.\n\nI did not measure it."
    assert any("12,345 tokens" in note for note in session.notes)


def test_many_diffs_collapse_to_the_last(tmp_path: Path) -> None:
    session = _read(tmp_path, TRANSCRIPT)
    assert session.diffs == 4  # the one that `git diff` printed is output, and none of them
    assert session.diff is not None
    assert [file.path for file in session.diff] == [".bench_scratch/time_it.py", "shop/cart.py"]
    assert "# One pass in C." in session.diff[1].text


def test_a_transcript_of_the_newer_generation_is_read(tmp_path: Path) -> None:
    session = _read(tmp_path, NEWER)
    assert session.prompt == "Make it faster."
    assert [name for name, _ in _calls(session)] == ["shell", "file_change", "shell"]
    assert json.loads(_calls(session)[2][1]) == {"command": 'false; echo "it\'s\ntwo lines"; exit 3'}
    assert _outcomes(session)[2] == ("shell", True)
    assert "I look first." in json.dumps(session.turns[0].turn.provider_items)
    assert session.diff is not None and session.diff[0].path == "shop/cart.py"
    assert "codex_core" not in "".join(event.result.output for event in session.results)
    assert session.end is not None and session.end.detail == "Done."


@pytest.mark.parametrize("transcript", [TRANSCRIPT, NEWER])
def test_a_transcript_is_read_wherever_it_was_cut(tmp_path: Path, transcript: str) -> None:
    whole = _read(tmp_path, transcript)
    begin = transcript.index("user\n") + 5
    told = 0
    for end in range(begin, len(transcript), 7):
        try:
            session = _read(tmp_path, transcript[:end])
        except TranscriptError as error:
            assert "no answer of a model" in str(error)
            continue
        told += session.end is not None and session.end.ended == "interrupted"
        # What is read before the cut is what the whole one has there, but for the last turn, which may be cut itself.
        before = [event.turn.tool_calls for event in session.turns][:-1]
        assert before == [event.turn.tool_calls for event in whole.turns][: len(before)]
        assert session.diff is None or session.diff[-1].text.endswith("sum(prices)\n \n")
    assert told > 50


def test_a_command_that_never_ended_has_no_result(tmp_path: Path) -> None:
    cut = TRANSCRIPT[: TRANSCRIPT.index("PY\npython3")]
    session = _read(tmp_path, cut)
    assert len(session.turns) == 2 and len(session.results) == 1
    assert isinstance(session.events[-2], ToolStarted)
    assert any("cut off" in note for note in session.notes)


def test_events_of_codex_exec_are_read(tmp_path: Path) -> None:
    noise = "2026-01-02T03:04:05Z ERROR codex_core: something\n"
    session = _read(tmp_path, noise + lines(*EVENTS))
    assert [name for name, _ in _calls(session)] == ["shell", "file_change", "shell", "update_plan"]
    assert _outcomes(session)[:3] == [("shell", False), ("file_change", False), ("shell", True)]
    assert json.loads(_calls(session)[0][1]) == {"command": "ls -la"}
    assert session.end is not None
    assert (session.end.usage.input, session.end.usage.cached, session.end.usage.output) == (500, 300, 150)
    assert any("line 1 (1 in all)" in note for note in session.notes)
    assert any("hologram" in note for note in session.notes)
    assert session.diff is None and any("not the edits" in note for note in session.notes)


def test_a_failed_turn_is_told(tmp_path: Path) -> None:
    session = _read(tmp_path, lines(*EVENTS[:5], {"type": "turn.failed", "error": {"message": "quota"}}))
    assert session.end is not None and (session.end.ended, session.end.detail) == ("model_error", "quota")


def test_a_session_file_is_read(tmp_path: Path) -> None:
    session = _read(tmp_path, lines(*ROLLOUT))
    assert session.prompt == "Make it faster."
    assert (session.model, session.version, session.workdir) == ("gpt-example", "0.169.0", WORKDIR)
    # Two calls of one answer are one turn.
    assert [[call.name for call in event.turn.tool_calls] for event in session.turns] == [
        ["shell", "update_plan"],
        ["apply_patch"],
        ["shell"],
        [],
    ]
    assert json.loads(_calls(session)[0][1]) == {"command": "cd ./tiny && ls"}
    assert session.edits == (EDIT,)
    assert _outcomes(session)[-1] == ("shell", True)
    assert session.results[0].seconds == 1.5 and session.results[-1].result.output == "bad"
    assert [event.turn.usage.input for event in session.turns] == [100, 100, 100, 100]
    assert session.end is not None and session.end.usage.input == 400
    assert any("c0ffee" in note for note in session.notes)


def test_the_oldest_session_files_have_bare_items(tmp_path: Path) -> None:
    meta = {"id": "s", "timestamp": "2025-05-01T00:00:00Z", "instructions": None, "git": {"commit_hash": "abc"}}
    bare = [line["payload"] for line in ROLLOUT if line["type"] == "response_item"]
    session = _read(tmp_path, lines(meta, *bare))
    assert [name for name, _ in _calls(session)] == ["shell", "update_plan", "apply_patch", "shell"]


def test_a_torn_session_file_says_so(tmp_path: Path) -> None:
    session = _read(tmp_path, lines(*ROLLOUT)[:-30])
    assert any("cut off" in note for note in session.notes)
    assert session.end is not None and session.end.ended == "interrupted"


def test_our_own_trajectory_is_read(tmp_path: Path) -> None:
    events = _read(tmp_path, TRANSCRIPT).events
    file = tmp_path / "trajectory.jsonl"
    with Trajectory(file) as record:
        for event in events:
            record.write(event)
    session = read_session(file)
    assert session.events == events == tuple(read_trajectory(file))
    assert session.agent is None
    file.write_bytes(file.read_bytes()[:-20])
    assert any("never finished" in note for note in read_session(file).notes)
    file.write_text(file.read_text() + "\n" + json.dumps({"event": "dream", "at": ""}) + "\n")
    with pytest.raises(TranscriptError, match=r"trajectory\.jsonl:\d+: .*(dream|damaged)"):
        read_session(file)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (TRANSCRIPT.replace("\n", "\r\n").encode(), "CRLF"),
        (b"\xef\xbb\xbf" + TRANSCRIPT.encode(), "UTF-8"),
        (b"\xff\xfe" + TRANSCRIPT.encode("utf-16-le"), "UTF-16-LE"),
        (TRANSCRIPT.replace("thinking\n", "\x1b[3mthinking\x1b[0m\n").encode(), "Colours"),
        (TRANSCRIPT.replace("command not found", "nicht gef\udcfcnden").encode("utf-8", "surrogateescape"), "1 bytes"),
    ],
)
def test_odd_encodings_are_read_and_told(tmp_path: Path, content: bytes, note: str) -> None:
    session = _read(tmp_path, content)
    assert len(session.turns) == 7 and session.diffs == 4
    assert any(note in each for each in session.notes)
    with Trajectory(tmp_path / "t.jsonl") as record:
        for event in session.events:
            record.write(event)


def test_a_diffs_bytes_are_kept_whatever_their_encoding(tmp_path: Path) -> None:
    content = TRANSCRIPT.replace("One pass in C", "One pass, f\udcfcr C").encode("utf-8", "surrogateescape")
    session = _read(tmp_path, content)
    assert session.diff is not None
    assert b"f\xfcr C" in session.diff[1].text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"  \n\n", "is empty"),
        (b"just a text\n", "not a recorded session. It reads"),
        (b"\x7fELF\0\0\0\0", "a binary file"),
        (b"[1, 2]\n", "not a recorded session"),
        (b'{"a": 1}\n', "not a recorded session"),
        (b"[" * 100_000, "not a recorded session"),
        (DIFF.encode(), "not a recorded session"),
        (b'{"format": 1, "task": "t", "base_tree": "b", "model": "m"}\n', "played and not imported"),
        (b'{"event": "run_started", "run": "r"}\n', "a run's journal"),
        (b"[2025-08-05T10:00:00] OpenAI Codex v0.16.0 (research preview)\n--------\n", "an old Codex"),
        (HEADING.encode(), "no answer of a model"),
        (HEADING[:60].encode(), "nothing was recorded"),
        (lines(EVENTS[0]).encode(), "no answer of a model"),
        (lines(rollout_line("session_meta", id="s")).encode(), "no answer of a model"),
    ],
)
def test_what_is_no_session_is_refused_in_words(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(TranscriptError, match=says) as caught:
        _read(tmp_path, content)
    assert "session.txt" in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="no file"):
        read_session(tmp_path / "none")
    with pytest.raises(TranscriptError, match="is a folder"):
        read_session(tmp_path)


def test_a_file_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.transcripts.MAX_BYTES", 1_000_000)
    with pytest.raises(TranscriptError, match="too many"):
        read_session(Path("/dev/zero"))


def test_hostile_shapes_do_not_stop_the_reader(tmp_path: Path) -> None:
    odd: list[object] = [None, 1, "x", [], {}, [None], [[1]], {"text": 5}]
    keys = ("item", "usage", "error", "payload", "info", "content", "summary", "changes", "plan", "arguments")
    events = [{"type": kind["type"], **dict.fromkeys(keys, value)} for kind in EVENTS for value in odd]
    read = _read(tmp_path, lines(*EVENTS, *events))
    assert len(read.turns) >= 4
    payloads = [
        dict.fromkeys(line["payload"], value) | {"type": line["payload"].get("type")}
        for line in ROLLOUT
        for value in odd
    ]
    wrapped = [
        {"timestamp": value, "type": line["type"], "payload": payload}
        for line in ROLLOUT
        for payload in payloads
        for value in (1,)
    ]
    assert isinstance(_read(tmp_path, lines(*ROLLOUT, *wrapped)).turns[0], TurnTaken)


def test_megabytes_of_headings_take_no_minutes(tmp_path: Path) -> None:
    noise = "exec\n" * 200_000 + "a in b " * 200_000 + " succeeded in 1ms\n" + "file update:\n" * 100_000
    session = _read(tmp_path, TRANSCRIPT.replace("    result = 0\nexec", f"    result = 0\n{noise}exec", 1))
    assert len(session.turns) >= 7
