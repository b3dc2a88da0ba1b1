"""What `show` and `list` print: the facts of a verdict, and nothing an agent's text could smuggle in."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from records import DIFF, HOSTILE, interval, story, verdict, write_run
from rich.console import Console, RenderableType

from harness.run_lines import load_run_line, run_table
from harness.show import load_shown, shown_path
from harness.store import RunFolder
from harness.text import bar, counted, duration_text, interval_text, markdown_cell, printable


def printed(part: RenderableType, *, terminal: bool = False) -> str:
    stream = io.StringIO()
    Console(file=stream, width=160, force_terminal=terminal, highlight=False).print(part)
    return stream.getvalue()


def test_an_attempt_is_shown_with_its_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_run(Path("runs"), verdict())
    text = printed(load_shown(folder.attempt("001")).render(diff=False))
    for fact in (
        "faster  3.91x [3.71, 4.11]",
        "It is faster.",
        "1.23 ms",
        "316 µs",
        "held out",
        "+12 -3 in moe_align/align.py",
        "9 steps, 12k tokens in, 800 out, $0.25, 0:42",
        "base against itself 1.00x",
        "runs/moe_align-20261121-004512/001/model_patch.diff",
    ):
        assert fact in text, fact
    assert "+fast" not in text
    assert "+fast = [2]" in printed(load_shown(folder.attempt("001")).render(diff=True))


def test_an_attempt_without_a_verdict_says_how_far_it_came(tmp_path: Path) -> None:
    folder = write_run(tmp_path, verdict(), events=story(verdict())[:8])
    shown = load_shown(folder.attempt("001"))
    assert "no verdict yet: agent, 1 agent step\n" in printed(shown.render(diff=False))
    assert shown.as_json(diff=True) | {"files": None} == {
        "run": folder.name,
        "attempt": "001",
        "phase": "agent",
        "steps": 1,
        "brief": None,
        "verdict": None,
        "files": None,
        "diff": DIFF,
    }


def test_hostile_text_does_nothing_to_a_terminal(tmp_path: Path) -> None:
    judged = verdict("rejected", agent=HOSTILE, message=HOSTILE, cause=HOSTILE)
    folder = write_run(tmp_path, judged, story(judged, text=HOSTILE), diff=f"+{HOSTILE}\n")
    text = printed(load_shown(folder.attempt("001")).render(diff=True))
    assert "[bold red]x[/]" in text  # shown, not obeyed
    for character in "\x1b\x07\x08\x9b\r\u202e\udc80":
        assert character not in text
    drawn = printed(load_shown(folder.attempt("001")).render(diff=True), terminal=True)
    assert "\x1b[2J" not in drawn and "owned" not in drawn


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("\x1b]0;never ended", "0;never ended"),
        ("\x9b2Jx\x9d0;t\x9cy", "xy"),
        ("\x1bP+q544e\x1b\\z", "z"),
        ("one\r\ntwo\ttab\x00", "one two tab"),
        ("\u202ertl\u202c \u2066x\u2069", "rtl x"),
        ("\udcff", "\ufffd"),
        ("größe ✓ 漢字", "größe ✓ 漢字"),
    ],
)
def test_printable(hostile: str, harmless: str) -> None:
    assert printable(hostile) == harmless


@pytest.mark.parametrize("piece", ["\x1b]", "\x9d", "\x1b[", "\x1bP0", "\x1b[1", "\x1b ", "plain\n"])
def test_ten_megabytes_of_unfinished_sequences_take_no_minutes(piece: str) -> None:
    began = time.perf_counter()
    printable(piece * (10_000_000 // len(piece)), multiline=True)
    assert time.perf_counter() - began < 10


def test_markdown_cells_hold_no_markup() -> None:
    assert markdown_cell("a|b <b>*x*</b> [l](u) `c`") == ("a\\|b &lt;b&gt;\\*x\\*&lt;/b&gt; \\[l\\]\\(u\\) \\`c\\`")


def test_formats() -> None:
    assert interval_text(interval(3.91, 3.70, 4.12)) == "3.91x [3.70, 4.12]"
    assert interval_text(interval(123.4, 98.76, float("inf"))) == "123x [98.8, ?]"
    assert [duration_text(s) for s in (0, 42.9, 725, 3723)] == ["0:00", "0:42", "12:05", "1:02:03"]
    said = [counted(count, "process", "processes") for count in (0, 1, 2, 1500)]
    assert said == ["0 processes", "1 process", "2 processes", "1,500 processes"] and counted(2, "row") == "2 rows"
    assert bar(1, 4, width=8) == "██░░░░░░" and bar(9, 4, width=2) == "██" and bar(0, 0, width=2) == "██"


def test_runs_are_listed_with_their_status(tmp_path: Path) -> None:
    finished = write_run(tmp_path, verdict())
    killed = write_run(tmp_path, verdict(run="moe_align-20261122-000000"), story(verdict())[:8])
    damaged = RunFolder(tmp_path / "damaged")
    damaged.path.mkdir()
    damaged.journal.write_text("nonsense\n{}\n")
    lines = [load_run_line(folder) for folder in (finished, killed, damaged)]
    assert [line.status for line in lines] == ["finished", "killed", "damaged"]
    assert lines[0].as_json()["best"]["speedup"]["estimate"] == 3.91
    text = printed(run_table(lines))
    assert "1/1" in text and "0/1" in text and "3.91x [3.71, 4.11]" in text


def test_paths_are_shown_as_one_would_type_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = tmp_path / "work" / "runs", tmp_path / "elsewhere"
    inside.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    assert shown_path(Path("runs")) == "runs" == shown_path(inside)
    assert shown_path(outside) == str(outside)
