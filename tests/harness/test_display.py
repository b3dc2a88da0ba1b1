"""Watching a run: what each observer makes of its events, and the summary at the end."""

from __future__ import annotations

import io
import json
import os
import re
import time
from pathlib import Path

import pytest
from records import AT, HOSTILE, progress, story, verdict, write_run
from rich.console import Console

from harness.display import JsonDisplay, PlainDisplay, print_summary
from harness.event_text import describe
from harness.events import (
    AgentStep,
    AttemptFinished,
    AttemptRetried,
    AttemptStarted,
    AttemptWaiting,
    EventAdapter,
    PhaseStarted,
    RunFinished,
    RunResumed,
    TimingProgress,
)
from harness.live_display import LiveDisplay
from harness.run_state import fold


class Screen(io.StringIO):
    """A terminal that remembers everything it was sent, and can forget."""

    def isatty(self) -> bool:
        return True

    def seen(self) -> str:
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())
        self.seek(0)
        self.truncate()
        return text


def terminal(screen: Screen) -> Console:
    return Console(file=screen, force_terminal=True, width=100, height=30, highlight=False)


def test_plain_lines_golden() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream)
    for event in story(verdict()):
        display(event)
    assert stream.getvalue().splitlines() == [
        "run moe_align-20261121-004512: moe_align, agent replay, attempts: 1",
        "Plays a recorded session.",
        "base: tests started",
        "base: tests passed: 41 passed",
        "base: noise: sessions 1/32  3.91x [3.70, 4.12]",
        "base: admitted, 41 tests, base against itself 1.00x [0.99, 1.01]",
        "001: agent",
        "001: step 1: shell python -m pytest -q",
        "001: step 2: measure ",
        "001: timing",
        "001  faster  3.91x [3.71, 4.11]: It is faster.",
        "run moe_align-20261121-004512: finished",
    ]


def test_a_measurement_does_not_flood_a_log() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream)
    for session in range(1, 33):
        display(TimingProgress(at=AT, attempt="001", phase="timing", progress=progress(session)))
    assert [line.split()[3] for line in stream.getvalue().splitlines()] == ["1/32", "32/32"]


def test_json_lines_read_back_and_the_last_is_the_end() -> None:
    stream = io.StringIO()
    display = JsonDisplay(stream)
    events = story(verdict(message="naïve"))
    for event in events:
        display(event)
    lines = stream.getvalue().splitlines()
    assert [EventAdapter.validate_json(line) for line in lines] == events
    assert json.loads(lines[-1])["event"] == "run_finished"


@pytest.mark.parametrize("kind", [PlainDisplay, JsonDisplay])
def test_a_reader_that_went_away_does_not_end_the_run(kind: type[PlainDisplay] | type[JsonDisplay]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    display = kind(stream)
    for event in story(verdict()):
        display(event)
    with pytest.raises(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize("kind", [PlainDisplay, JsonDisplay])
def test_a_log_on_a_full_disk_does_not_end_the_run(kind: type[PlainDisplay] | type[JsonDisplay]) -> None:
    stream = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")
    display = kind(stream)
    for event in story(verdict()):
        display(event)
    with pytest.raises(OSError, match="No space left"):
        stream.close()


def test_a_terminal_shows_phases_steps_and_the_interval_narrowing() -> None:
    screen = Screen()
    with LiveDisplay(terminal(screen)) as display:
        for event in story(verdict())[:8]:
            display(event)
        drawn = screen.seen()
        assert "moe_align · replay" in drawn
        assert "base: admitted, 41 tests" in drawn
        assert "step 1  shell  python -m pytest -q" in drawn
        for event in story(verdict())[8:11]:
            display(event)
        drawn = screen.seen()
        assert "✓ agent (2 steps)  → timing" in drawn
        assert "██████░░░░░░░░░░ 12/32  3.91x [3.70, 4.12]" in drawn
        display(story(verdict())[11])
        assert "001  faster  3.91x [3.71, 4.11]" in screen.seen()


def test_a_terminal_shows_what_an_attempt_goes_on_from_and_a_persons_hints() -> None:
    screen = Screen()
    with LiveDisplay(terminal(screen)) as display:
        told = {"event": "attempt_briefed", "at": AT, "strategy": "refine"}
        display(EventAdapter.validate_python({**told, "attempt": "001", "kind": "fresh"}))
        display(
            EventAdapter.validate_python(
                {**told, "attempt": "003", "kind": "refine", "parents": ["001"], "hints": ["x", f"mind {HOSTILE}"]}
            )
        )
        drawn = screen.seen()
    assert "003: refine of 001, hints: 2, the last: mind" in drawn and "001:" not in drawn


def test_time_passes_on_the_screen_except_while_something_is_timed() -> None:
    screen = Screen()
    with LiveDisplay(terminal(screen)) as display:
        display(PhaseStarted(at=AT, attempt="001", phase="agent"))
        screen.seen()
        time.sleep(1.2)
        assert "→ agent" in screen.seen()
        for quiet in (
            AgentStep(at=AT, attempt="001", step=1, tool="measure", detail=""),
            PhaseStarted(at=AT, attempt="001", phase="timing"),
        ):
            display(quiet)
            screen.seen()
            time.sleep(1.2)
            assert screen.seen() == ""


def test_an_attempt_that_waits_to_measure_says_so_until_it_has_its_turn() -> None:
    waits = AttemptWaiting(at=AT, attempt="001")
    turn = AttemptWaiting(at=AT, attempt="001", over=True)
    step = AgentStep(at=AT, attempt="001", step=4, tool="measure", detail="")
    screen, stream = Screen(), io.StringIO()
    plain = PlainDisplay(stream)
    for event in (step, waits, turn):
        plain(event)
    assert [line[:23] for line in stream.getvalue().splitlines()] == [
        "001: step 4: measure ",
        "001: waiting its turn t",
    ]
    with LiveDisplay(terminal(screen)) as display:
        display(step)
        assert "waiting" not in screen.seen()
        display(waits)
        assert "waiting its turn to measure" in screen.seen()
        display(turn)
        shown = screen.seen()
        assert "waiting" not in shown and "step 4  measure" in shown
    started = PhaseStarted(at=AT, attempt="001", phase="agent")
    assert fold([started, step, waits]).attempts["001"].doing == "agent, waiting its turn"
    assert fold([started, step, waits, turn]).attempts["001"].doing == "agent"
    assert fold([started, step, waits, step]).attempts["001"].doing == "agent"


def test_several_at_once_have_a_line_each_and_those_that_do_not_fit_are_counted() -> None:
    screen = Screen()
    with LiveDisplay(terminal(screen)) as display:
        display(RunResumed(at=AT, run="r-1", attempts=40, finished=3, harness_version="0"))
        for number in range(4, 8):
            display(AttemptStarted(at=AT, attempt=f"{number:03d}"))
            display(PhaseStarted(at=AT, attempt=f"{number:03d}", phase="agent"))
        screen.seen()
        display(AgentStep(at=AT, attempt="006", step=3, tool="shell", detail="make"))
        shown = screen.seen()
        assert "r-1  3/40 judged" in shown
        assert all(f"{number:03d}  → agent" in shown for number in range(4, 8))
        assert "step 3  shell  make" in shown
        retried = AttemptRetried(
            at=AT, attempt="005", tries=1, cause="infrastructure", message="git failed", pause_seconds=2
        )
        display(retried)
        assert "005: again in 2 s (infrastructure: git failed)" in screen.seen()
        display(AgentStep(at=AT, attempt="006", step=4, tool="shell", detail="make"))
        assert "005  → agent" not in screen.seen()
        display(AttemptFinished(at=AT, attempt="004", verdict=verdict(attempt="004")))
        assert "4/40 judged" in screen.seen()
        for number in range(8, 30):
            display(AttemptStarted(at=AT, attempt=f"{number:03d}"))
        assert re.search(r"\.\.\. and \d+ more at work", screen.seen())


def test_hostile_text_is_shown_harmlessly_by_all() -> None:
    judged = verdict("incorrect", message=HOSTILE, cause=HOSTILE, agent=HOSTILE)
    plain, lines, screen = io.StringIO(), io.StringIO(), Screen()
    with LiveDisplay(terminal(screen)) as live:
        for event in story(judged, text=HOSTILE):
            for display in (PlainDisplay(plain), JsonDisplay(lines), live):
                display(event)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\udc80]", plain.getvalue())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e\udc80]", lines.getvalue().replace("\u202e", ""))
    assert "[bold red]x[/]" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue() and "\x1b]0;" not in screen.getvalue()


def test_a_failed_and_an_interrupted_run_say_so() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream)
    display(RunFinished(at=AT, run="r", attempts=[], interrupted=True))
    display(RunFinished(at=AT, run="r", attempts=[], error="The disk is full."))
    assert stream.getvalue() == "run r: interrupted\nrun r: failed\n"


def test_the_summary_has_verdict_table_patch_and_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    judged = verdict()
    write_run(Path("runs"), verdict("incorrect", run="moe_align-20261120-000000", agent="nop"))
    write_run(Path("runs"), verdict(run="other-20261120-000000", task="other"))
    folder = write_run(Path("runs"), judged)
    stream = io.StringIO()
    print_summary([judged], folder, console=Console(file=stream, width=200))
    text = stream.getvalue()
    for fact in (
        "001  faster  3.91x [3.71, 4.11]",
        "decode-1",
        "held out",
        "patch: runs/moe_align-20261121-004512/001/model_patch.diff",
        "moe_align on AMD EPYC",
        "run: runs/moe_align-20261121-004512",
    ):
        assert fact in text, fact
    assert "nop" in text  # the board is made of the other runs, too
    assert "other on" not in text


def test_many_attempts_get_a_line_each_and_none_is_said(tmp_path: Path) -> None:
    folder = write_run(tmp_path, verdict())
    stream = io.StringIO()
    verdicts = [verdict(attempt=f"{n:03d}") for n in range(5)]
    print_summary(verdicts, folder, console=Console(file=stream, width=200))
    assert "decode-1" not in stream.getvalue() and "004  faster" in stream.getvalue()
    print_summary([], folder, console=Console(file=stream, width=200))
    assert "No attempt was judged." in stream.getvalue()


def test_a_run_with_nothing_left_to_do_says_what_would_add_to_it() -> None:
    done = RunResumed(at=AT, run="r-1", attempts=3, finished=3, harness_version="0")
    assert describe(done) == "run r-1: resumed, 3 of 3 judged; `harness resume r-1 -n K` adds attempts"
    assert "adds attempts" not in describe(done.model_copy(update={"attempts": 4}))
