"""The command line, as a program: its answers and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from records import DIFF, HOSTILE, story, verdict, write_run
from tiny_task import TinyTask

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "triton", "openai", "scipy", "numpy", "pydantic", "git", "jinja2", "yaml"}


def harness(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "120", "TERM": "dumb", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_the_verbs(tmp_path: Path) -> None:
    ended = harness("--help", cwd=tmp_path)
    assert ended.returncode == 0
    for verb in ("run", "verify", "check", "calibrate", "list", "show", "leaderboard", "--version"):
        assert verb in ended.stdout


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from harness import cli\ntry: cli.app(['--help'], prog_name='harness')\nexcept SystemExit: pass\n"
    )
    code += "print('MODULES', *{name.split('.')[0] for name in sys.modules})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(ended.stdout.rsplit("MODULES", 1)[1].split())


def test_version(tmp_path: Path) -> None:
    ended = harness("--version", cwd=tmp_path)
    assert ended.returncode == 0 and ended.stdout.startswith("harness ")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["lst"], "list"),
        (["run"], "Missing argument"),
        (["run", "moe_align", "-n", "0"], "--attempts"),
        (["run", "moe_align", "--require", "fast"], "--require"),
        (["show", "--nonsense"], "--nonsense"),
    ],
)
def test_usage_errors_exit_2(tmp_path: Path, arguments: list[str], hint: str) -> None:
    ended = harness(*arguments, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert hint in ended.stderr and "Traceback" not in ended.stderr


def test_an_error_of_ours_is_one_message_and_its_exit_code(tmp_path: Path) -> None:
    ended = harness("show", "nothing/001", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "error: There is no run nothing: there are no runs in runs.\n"
        "Start one with `harness run`, or point --out at another folder.\n"
    )
    (tmp_path / "runs").write_text("a file")
    ended = harness("list", cwd=tmp_path)
    assert ended.returncode == 4
    assert ended.stderr.startswith("error: Cannot read runs: Not a directory.") and "Traceback" not in ended.stderr


def test_list_show_and_leaderboard(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs", verdict())
    listed = harness("list", cwd=tmp_path).stdout
    assert folder.name in listed and "3.91x" in listed and "finished" in listed
    shown = harness("show", "--diff", cwd=tmp_path).stdout
    assert "faster  3.91x [3.71, 4.11]" in shown and "+fast = [2]" in shown
    assert "moe_align on AMD EPYC" in harness("leaderboard", cwd=tmp_path).stdout
    markdown = harness("leaderboard", folder.name, "--format", "markdown", cwd=tmp_path).stdout
    assert markdown.startswith("### moe\\_align on AMD EPYC\n")


def test_words_have_no_underscores_for_people(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", verdict("no_patch"))
    assert "no patch" in harness("list", cwd=tmp_path).stdout
    assert json.loads(harness("list", "--json", cwd=tmp_path).stdout)["runs"][0]["best"]["status"] == "no_patch"


def test_every_verb_prints_one_json_document(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs", verdict())
    [line] = json.loads(harness("list", "--json", cwd=tmp_path).stdout)["runs"]
    assert line["best"]["speedup"]["low"] == pytest.approx(3.7145) and line["status"] == "finished"
    shown = json.loads(harness("show", f"{folder.name}/001", "--json", "--diff", cwd=tmp_path).stdout)
    assert shown["verdict"] == verdict().model_dump() and shown["diff"] == DIFF
    [board] = json.loads(harness("leaderboard", "--json", cwd=tmp_path).stdout)["boards"]
    assert board["rows"][0]["agent"] == "replay"


def test_nothing_yet_is_no_error(tmp_path: Path) -> None:
    for verb in ("list", "leaderboard"):
        ended = harness(verb, cwd=tmp_path)
        assert ended.returncode == 0 and "harness run moe_align" in ended.stdout
    assert json.loads(harness("list", "--json", cwd=tmp_path).stdout) == {"runs": []}


def test_a_damaged_run_is_named_and_hides_no_other(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", verdict())
    bad = write_run(tmp_path / "runs", verdict(run="moe_align-20261122-000000"))
    bad.journal.write_text("nonsense\n" + bad.journal.read_text())
    ended = harness("leaderboard", cwd=tmp_path)
    assert ended.returncode == 0 and "moe_align on AMD EPYC" in ended.stdout
    assert "journal.jsonl:1:" in ended.stderr
    assert "damaged" in harness("list", cwd=tmp_path).stdout
    ended = harness("show", cwd=tmp_path)
    assert ended.returncode == 4 and "journal.jsonl:1:" in ended.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_hostile_text_and_poor_terminals(tmp_path: Path, encoding: str) -> None:
    judged = verdict("agent_failed", message=HOSTILE, cause=HOSTILE, model=HOSTILE)
    write_run(tmp_path / "runs", judged, story(judged, text=HOSTILE), diff=HOSTILE)
    for arguments in (["show", "--diff"], ["list"], ["leaderboard"], ["leaderboard", "--format", "markdown"]):
        ended = harness(*arguments, cwd=tmp_path, PYTHONIOENCODING=encoding)
        assert ended.returncode == 0, ended.stderr
        assert "\x1b" not in ended.stdout and "\u202e" not in ended.stdout and "\x07" not in ended.stdout
    json.loads(harness("show", "--json", "--diff", cwd=tmp_path, PYTHONIOENCODING="utf-8").stdout)


def test_a_reader_that_went_away_does_not_change_the_exit_code(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    verb = [sys.executable, "-m", "harness.cli", "show", "nothing", "--out", str(tmp_path)]
    assert subprocess.run(verb, stderr=writing, check=False, timeout=60).returncode == 2
    os.close(writing)


@pytest.mark.slow
def test_run_verify_and_require_on_a_real_task(tiny: TinyTask, tmp_path: Path) -> None:
    patch = tmp_path / "fast.diff"
    patch.write_bytes(tiny.patch("range(20)", "range(1)"))
    ended = harness("verify", "fast.diff", "--task", str(tiny.file), "--json", "--require", "1.5", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    [line] = ended.stdout.splitlines()
    assert json.loads(line)["status"] == "faster"
    assert "speedup [95 %]" in ended.stderr and "model_patch.diff" in ended.stderr and "tiny on " in ended.stderr

    ended = harness("run", str(tiny.file), "--agent", "nop", "--json", "--require", "1.01", cwd=tmp_path)
    assert ended.returncode == 1
    assert "--require 1.01 is not met" in ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (events[0]["event"], events[-1]["event"]) == ("run_started", "run_finished")
    assert events[-1]["attempts"][0]["status"] == "no_patch"

    board = harness("leaderboard", cwd=tmp_path).stdout
    assert "tiny on " in board and "nop" in board


def test_a_bad_task_is_one_message_and_leaves_no_folder(tiny: TinyTask, tmp_path: Path) -> None:
    tiny.edit_task("min_effect: 0.2", "min_efect: 0.2")
    ended = harness("run", str(tiny.file), cwd=tmp_path)
    assert ended.returncode == 2
    assert "did you mean 'min_effect'" in ended.stderr and "Traceback" not in ended.stderr
    assert not (tmp_path / "runs").exists() and not (tmp_path / "worktrees").exists()
