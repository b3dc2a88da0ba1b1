"""`show --session` and `export-session`: readable, complete, and harmless whatever an agent wrote."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest
from records import HOSTILE, verdict, write_run
from rich.console import Console
from test_cli import harness

from agent.messages import ModelTurn, ToolCall, ToolResult, Usage
from agent.trajectory import Ended, LimitReached, Prompted, ToolEnded, ToolStarted, Trajectory, TurnTaken
from harness.errors import UsageError
from harness.session_view import folded, load_session
from harness.store import AttemptFolder

MEASURED = "Advisory timing against the base\n  small  1 us\nGeometric mean: {} from 8 sessions.\n[left: 3 steps]"
RUN = "moe_align-20261121-004512"


def _attempt(out: Path, text: str = "I look.", output: str = "core.py") -> AttemptFolder:
    folder = write_run(out, verdict()).attempt("001")
    with Trajectory(folder.trajectory) as record:
        record.write(Prompted(at="2026-01-01T00:00:00.000+00:00", text="Make it faster."))
        calls = [
            ("shell", json.dumps({"command": text}), output, True, "00:10"),
            ("measure", "{}", MEASURED.format("1.25x [1.20, 1.30]"), False, "00:20"),
            ("run_tests", "{}", "3 tests passed, 0 failed.\nThe outputs are right.", False, "00:30"),
            ("measure", "{}", MEASURED.format("2.50x [2.40, 2.60]"), False, "01:40"),
            ("measure", "{}", "NOT MEASURED: BUILD FAILED", False, "01:50"),
        ]
        for step, (name, arguments, result, failed, at) in enumerate(calls, 1):
            call = ToolCall(id="c", name=name, arguments=arguments)
            items = [{"type": "reasoning", "summary": [{"text": f"thought {step}"}]}]
            usage = Usage(input=12_000, cached=8_000, output=300)
            turn = ModelTurn(text=text, tool_calls=[call], usage=usage, provider_items=items)
            stamp = f"2026-01-01T00:{at}.000+00:00"
            record.write(TurnTaken(at=stamp, step=step, seconds=3, turn=turn))
            record.write(ToolStarted(at=stamp, step=step, call=call))
            ended = ToolResult(call_id="c", name=name, output=result, is_error=failed)
            record.write(ToolEnded(at=stamp, step=step, seconds=1.5, result=ended))
        record.write(LimitReached(kind="steps", value=5, limit=5))
        record.write(Ended(ended="limit", detail="steps", steps=5, bad_calls=0, usage=Usage(), usd=0.0, seconds=120))
    return folder


def _printed(folder: AttemptFolder, *, terminal: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=120, force_terminal=terminal, highlight=False)
    console.print(load_session(folder).render())
    return stream.getvalue()


def test_a_session_reads_as_a_conversation(tmp_path: Path) -> None:
    text = _printed(_attempt(tmp_path))
    for fact in (
        "Make it faster.",
        "step 1  12k in (8k cached), 300 out",
        "thought 2",
        "→ shell I look.  failed, 1.5 s",
        "core.py",
        "limit of steps reached: 5 of 5",
        "ended: limit (5 steps, 2:00)",
    ):
        assert fact in text, fact
    timeline = text[text.index("timeline") :].split("\n")
    measured = [line.split() for line in timeline if "measure" in line]
    assert [row[:5] for row in measured] == [
        ["2", "0:20", "measure", "1.25x", "[1.20,"],
        ["4", "1:40", "measure", "2.50x", "[2.40,"],
        ["5", "1:50", "measure", "NOT", "MEASURED:"],
    ]
    assert measured[1][-1] == "█" * 16 and measured[0][-1] == "█" * 8 + "░" * 8
    assert any("run_tests" in line and "3 tests passed" in line for line in timeline)


def test_long_texts_are_folded_to_head_and_tail() -> None:
    assert folded("\n".join(map(str, range(11)))) == [str(n) for n in range(11)]
    assert folded("\n".join(map(str, range(100)))) == [
        *("0", "1", "2", "3", "4", "5"),
        "... 90 lines not shown ...",
        *("96", "97", "98", "99"),
    ]
    assert len(folded("x" * 1000)[0]) == 160


@pytest.mark.parametrize("piece", ["x", "line\n", "\x1b]", "\x1b[31m", "\u202e", "exec\n"])
def test_ten_megabytes_cost_nothing(tmp_path: Path, piece: str) -> None:
    folder = _attempt(tmp_path, output=piece * (10_000_000 // len(piece)))
    began = time.perf_counter()
    text = _printed(folder)
    assert len(text) < 100_000
    assert time.perf_counter() - began < 10


def test_hostile_text_does_nothing_to_a_terminal(tmp_path: Path) -> None:
    folder = _attempt(tmp_path, HOSTILE.replace("\udc80", ""), HOSTILE.replace("\udc80", ""))
    text = _printed(folder)
    assert "[bold red]x[/]" in text
    for character in "\x1b\x07\x08\x9b\r\u202e":
        assert character not in text
    drawn = _printed(folder, terminal=True)
    assert "\x1b[2J" not in drawn and "owned" not in drawn


def test_what_cannot_be_read_is_named_and_hides_nothing_else(tmp_path: Path) -> None:
    folder = _attempt(tmp_path)
    lines = folder.trajectory.read_bytes().split(b"\n")
    lines[2] = b'{"event": "telepathy", "at": ""}'
    lines[4] = lines[4][:30]
    folder.trajectory.write_bytes(b"\n".join(lines)[:-40])
    view = load_session(folder)
    assert len(view.parts) > 5
    first, second, third = view.problems
    assert ":3: " in first and "'telepathy'" in first and "newer version" in first
    assert ":5: " in second and "damaged" in second
    assert "never finished" in third
    assert "NOT READ" in _printed(folder)


def test_the_verbs(tmp_path: Path) -> None:
    folder = _attempt(tmp_path / "runs")
    ended = harness("show", "--session", cwd=tmp_path)
    assert ended.returncode == 0 and "timeline" in ended.stdout and "3.91x" in ended.stdout, ended.stderr
    document = json.loads(harness("show", "--session", "--json", cwd=tmp_path).stdout)
    assert document["session"]["timeline"][0]["mean"]["estimate"] == 1.25
    assert document["session"]["parts"][1]["calls"][0]["output"] == "core.py"
    ended = harness("export-session", RUN, "-o", "s.json", cwd=tmp_path)
    assert ended.returncode == 0 and "s.json" in ended.stderr
    atif = json.loads((tmp_path / "s.json").read_text())
    assert atif["session_id"] == f"{RUN}/001" and atif["agent"]["name"] == "replay"
    assert atif["extra"]["perf_harness"]["status"] == "faster"
    assert json.loads(harness("export-session", RUN, cwd=tmp_path).stdout) == atif
    with folder.trajectory.open("a") as file:
        file.write('{"event": "telepathy"}\n')
    ended = harness("export-session", RUN, cwd=tmp_path)
    assert ended.returncode == 2 and "telepathy" in ended.stderr and ended.stdout == ""
    folder.trajectory.unlink()
    for verb in (["show", "--session"], ["export-session"]):
        ended = harness(*verb, cwd=tmp_path)
        assert ended.returncode == 2 and "has no session" in ended.stderr


def test_an_attempt_without_a_session_says_so(tmp_path: Path) -> None:
    folder = write_run(tmp_path, verdict()).attempt("001")
    with pytest.raises(UsageError, match="has no session"):
        load_session(folder)
