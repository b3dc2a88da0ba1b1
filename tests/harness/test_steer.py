"""A person's hints: kept beside the run, refused where nobody would read them, harmless wherever they are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from records import HOSTILE, verdict, write_run
from test_cli import ROOT, harness

from harness.errors import UsageError
from harness.events import AttemptStarted
from harness.hints import MOST_HINTS, add_hint, inbox, read_hints
from harness.journal import Journal
from harness.plan import Plan, Slot, write_plan
from harness.steer import steer
from harness.store import RunFolder


def a_run(out: Path, *, agent: str = "loop", attempts: int = 1) -> RunFolder:
    folder = write_run(out, verdict(agent=agent))
    slots = [Slot(name=f"{number:03d}") for number in range(1, attempts + 1)]
    write_plan(folder, Plan(options={}, seed=1, slots=slots, made_of={}))
    return folder


def test_a_hint_is_kept_with_the_run(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    first = steer(tmp_path, folder.name, "  look at the sort first\r\n")
    assert first.hint.text == "look at the sort first"
    assert first.state == "over" and f"resume {folder.name} -n N" in first.outlook
    steer(tmp_path, "latest", "and keep int64")
    assert [hint.text for hint in read_hints(folder)] == ["look at the sort first", "and keep int64"]


def test_the_outlook_says_who_will_read_it(tmp_path: Path) -> None:
    stopped = a_run(tmp_path, attempts=3)
    assert "2 attempts that have not started" in steer(tmp_path, stopped.name, "x").outlook
    with Journal(stopped.journal) as journal:
        assert steer(tmp_path, stopped.name, "x").state == "running"
        journal.append(AttemptStarted(at="2026-11-21T00:45:13+00:00", attempt="002"))
        assert "1 attempt that has not started" in steer(tmp_path, stopped.name, "x").outlook
    replayed = a_run(tmp_path / "other", agent="replay")
    assert "nobody will read it" in steer(tmp_path / "other", replayed.name, "x").outlook


def test_the_journal_of_a_running_run_is_left_alone(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    with Journal(folder.journal):
        before = folder.journal.read_bytes()
        steer(tmp_path, folder.name, "while it runs")
        assert folder.journal.read_bytes() == before


@pytest.mark.parametrize("text", ["", " \n\t ", "\x1b[2J\x07", "x" * 4_001, "y" * 10_000_000])
def test_what_says_nothing_or_too_much_is_refused(tmp_path: Path, text: str) -> None:
    folder = a_run(tmp_path)
    with pytest.raises(UsageError, match=r"empty|longer than 4,000"):
        steer(tmp_path, folder.name, text)
    assert not inbox(folder).exists()


def test_there_is_an_end_to_hints(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    for number in range(MOST_HINTS):
        add_hint(folder, str(number))
    with pytest.raises(UsageError, match="the most there can be"):
        add_hint(folder, "one more")


def test_a_run_that_nobody_goes_on_with_cannot_be_steered(tmp_path: Path) -> None:
    folder = write_run(tmp_path, verdict())
    with pytest.raises(UsageError, match="nobody would read a hint"):
        steer(tmp_path, folder.name, "x")


def test_the_verb(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "runs")
    said = harness("steer", folder.name, HOSTILE, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "\x1b" not in said.stdout + inbox(folder).read_text() and "\u202e" not in inbox(folder).read_text()
    told = json.loads(harness("steer", folder.name, "again", "--json", cwd=tmp_path).stdout)
    assert told["hint"]["text"] == "again" and told["run"] == folder.name

    missing = harness("steer", "no-such-run", "x", cwd=tmp_path)
    assert missing.returncode == 2 and "There is no run no-such-run" in missing.stderr
    nothing = harness("steer", folder.name, "", cwd=tmp_path)
    assert nothing.returncode == 2 and "The hint is empty" in nothing.stderr


def test_the_verb_reads_no_more_of_a_pipe_than_it_must(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    folder = a_run(tmp_path / "runs")
    command = [sys.executable, "-m", "harness.cli", "steer", folder.name, "-"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Path("/dev/zero").open("rb") as endless:
        ended = subprocess.run(
            command, stdin=endless, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
    assert ended.returncode == 2 and "The hint is empty" in ended.stderr
    ended = subprocess.run(
        command, input=b"\xff from a file\n", cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert read_hints(folder)[0].text.endswith("from a file")
