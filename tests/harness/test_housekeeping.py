"""Cleaning: what the dead left goes, what the living use stays, and nothing goes unasked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from records import AT, verdict, write_run
from test_memory import entry

import harness
from harness.age import parse_age
from harness.errors import StorageError, UsageError
from harness.housekeeping import clean, look, look_elsewhere
from harness.journal import Journal
from harness.memory import Memory
from harness.state import mcp_folders
from harness.temporary import NODE_SPACES, Use, is_temporary, temporary_folder
from harness.workspace import end_processes_in, is_in_use, workspace

HOLD = """
import sys, time
from pathlib import Path
from harness.workspace import workspace
with workspace(Path(sys.argv[1]), run=Path(sys.argv[2])) as space:
    (space / "judge.git").mkdir()
    print("made", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What others have left in the system's is not this test's business."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def held(space: Path, tmp_path: Path) -> subprocess.Popen[str]:
    """A process that uses a folder for checkouts, as a run does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(space), str(tmp_path / "runs" / space.name)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "made\n"
    return process


def test_checkouts_of_the_living_stay_and_those_of_the_dead_go(tmp_path: Path) -> None:
    out, worktrees = tmp_path / "runs", tmp_path / "worktrees"
    process = held(worktrees / "one", tmp_path)
    found = look(out, worktrees, None)
    assert (found.leftovers, found.in_use) == ([], [str(worktrees / "one")])
    process.kill()
    process.wait()
    found = look(out, worktrees, None)
    assert [leftover.why for leftover in found.leftovers] == ["its process is dead"]
    assert (worktrees / "one").is_dir()  # looking removes nothing
    assert clean(found.leftovers) == []
    assert list(worktrees.iterdir()) == []


def test_what_comes_into_use_between_looking_and_cleaning_stays(tmp_path: Path) -> None:
    worktrees = tmp_path / "worktrees"
    process = held(worktrees / "one", tmp_path)
    process.kill()
    process.wait()
    found = look(tmp_path / "runs", worktrees, None)
    again = held(worktrees / "two", tmp_path)
    (worktrees / "one").rename(worktrees / "gone")
    (worktrees / "two").rename(worktrees / "one")
    try:
        clean(found.leftovers)
        assert (worktrees / "one" / "judge.git").is_dir()
    finally:
        again.kill()
        again.wait()


def test_folders_that_are_nobodys_business_stay(tmp_path: Path) -> None:
    worktrees, out = tmp_path / "worktrees", tmp_path / "runs"
    (worktrees / "my thesis").mkdir(parents=True)
    (out / "notes").mkdir(parents=True)
    (worktrees / "link").symlink_to(tmp_path)
    for path in (worktrees / "my thesis", out / "notes"):
        os.utime(path, (0, 0))
    assert look(out, worktrees, timedelta(0)).leftovers == []


def test_a_file_where_a_folder_is_meant_is_not_clean(tmp_path: Path) -> None:
    file = tmp_path / "runs.txt"
    file.touch()
    with pytest.raises(StorageError, match=r"runs\.txt: Not a directory"):
        look(file, tmp_path / "worktrees", None, tmp_path)
    with pytest.raises(StorageError, match=r"runs\.txt: Not a directory\.\n.*choose another folder with --worktrees\."):
        look(tmp_path / "runs", file, None, tmp_path)
    assert look(tmp_path / "no runs", tmp_path / "no worktrees", None, tmp_path).leftovers == []


def test_checkouts_that_were_asked_to_stay_go_only_by_age(tmp_path: Path) -> None:
    with workspace(tmp_path / "worktrees" / "one", keep=True) as space:
        (space / "001").mkdir()
    assert look(tmp_path / "runs", tmp_path / "worktrees", None).leftovers == []
    assert look(tmp_path / "runs", tmp_path / "worktrees", timedelta(hours=1)).leftovers == []
    os.utime(space, (0, 0))
    found = look(tmp_path / "runs", tmp_path / "worktrees", timedelta(hours=1))
    assert [Path(leftover.path) for leftover in found.leftovers] == [space]


def test_records_go_by_the_age_of_their_last_event_and_never_while_written(tmp_path: Path) -> None:
    out, worktrees = tmp_path / "runs", tmp_path / "worktrees"
    old = write_run(out, verdict(run="old-20200101-000000"))
    new = write_run(out, verdict(run="new-20200101-000000"))
    age = datetime.now(UTC) - datetime.fromisoformat(AT)
    text = new.journal.read_text().replace(AT, (datetime.now(UTC) - timedelta(hours=1)).isoformat())
    new.journal.write_text(text)
    assert look(out, worktrees, None).leftovers == []
    if age < timedelta(hours=2):
        old.journal.write_text(old.journal.read_text().replace(AT, "2020-01-01T00:00:00+00:00"))
    with Journal(old.journal):
        assert look(out, worktrees, timedelta(hours=2)).in_use == [str(old.path)]
    found = look(out, worktrees, timedelta(hours=2))
    assert [leftover.path for leftover in found.leftovers] == [str(old.path)]
    with Journal(old.journal):
        clean(found.leftovers)
        assert old.path.is_dir()
    clean(found.leftovers)
    assert [path.name for path in out.iterdir()] == [new.name]


def test_a_run_killed_before_its_first_event_goes_once_it_is_old(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "tiny-20200101-000000"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").touch()
    assert look(tmp_path / "runs", tmp_path / "worktrees", None).leftovers == []
    os.utime(folder, (time.time() - 3600,) * 2)
    assert [each.kind for each in look(tmp_path / "runs", tmp_path / "worktrees", None).leftovers] == ["nameless"]


@pytest.mark.parametrize("by", ["folder", "environment", "argument"])
def test_processes_that_work_in_a_folder_are_found_and_ended(tmp_path: Path, by: str) -> None:
    space = tmp_path / "space"
    (space / "in").mkdir(parents=True)
    bystander = subprocess.Popen(["sleep", "62.5"], cwd=tmp_path)
    cwd = space / "in" if by == "folder" else tmp_path
    env = {"PATH": "/usr/bin:/bin"} | ({"HOME": f"{space}/home"} if by == "environment" else {})
    script = f"sleep 62.5; : {space}/x" if by == "argument" else "sleep 62.5; :"
    process = subprocess.Popen(["bash", "-c", script], cwd=cwd, env=env, start_new_session=True)
    time.sleep(0.2)
    try:
        assert end_processes_in(space) >= 1
        assert process.wait(5) == -9
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("text", ["", "7", "d", "7y", "-1d", "1.5d", "7 d"])
def test_an_age_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--older-than"):
        parse_age(text)


def test_ages() -> None:
    assert [parse_age(text) for text in ("90m", "36h", "7d", "2w")] == [
        timedelta(minutes=90),
        timedelta(hours=36),
        timedelta(days=7),
        timedelta(weeks=2),
    ]


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_the_verb_shows_first_and_removes_when_told(tmp_path: Path) -> None:
    folders = ["--out", str(tmp_path / "runs"), "--worktrees", str(tmp_path / "worktrees")]
    process = held(tmp_path / "worktrees" / "one", tmp_path)
    process.kill()
    process.wait()
    shown = cli("clean", *folders)
    assert shown.returncode == 0
    assert "Nothing was touched" in shown.stdout
    assert (tmp_path / "worktrees" / "one").is_dir()
    removed = json.loads(cli("clean", *folders, "--yes", "--json").stdout)
    assert [leftover["kind"] for leftover in removed["leftovers"]] == ["checkouts"]
    assert not (tmp_path / "worktrees" / "one").exists()
    assert not is_in_use(tmp_path / "worktrees" / "one")
    assert "Nothing to clean" in cli("clean", *folders).stdout
    assert cli("clean", *folders, "--older-than", "soon").returncode == 2


def test_what_killed_processes_left_among_temporary_files_goes_after_a_day(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"  # the fixture's
    old, young, used = (temporary / f"harness-calibrate-{name:_<8}" for name in ("old", "young", "used"))
    others = [temporary / name for name in ("perf-harness-gate", "perf-harness-gpu", "harness-notes", "my-thesis")]
    for path in (old, young, used, *others):
        path.mkdir(parents=True)
    for path in (old, used, *others):
        os.utime(path, (0, 0))
    process = subprocess.Popen(["sleep", "63.5"], cwd=used)
    try:
        found = look(tmp_path / "runs", tmp_path / "worktrees", None)
        assert [leftover.path for leftover in found.leftovers] == [str(old)]
        assert clean(found.leftovers) == []
        assert sorted(temporary.iterdir()) == sorted([young, used, *others])
    finally:
        process.kill()
        process.wait()


def test_every_temporary_folder_of_ours_is_known_by_its_name(tmp_path: Path) -> None:
    for use in get_args(Use):
        with temporary_folder(use) as folder:
            assert Path(folder).parent == tmp_path / "tmp"
            assert is_temporary(Path(folder).name)
    assert not any(is_temporary(name) for name in ("harness-thesis-chapter1", "perf-harness-gate", "tmp12345678"))
    # Whatever is made elsewhere is made in a folder that somebody is known to own.
    makers = re.compile(r"(TemporaryDirectory|mkdtemp|mkstemp)\(([^)]*)\)")
    for source in Path(harness.__file__).parent.rglob("*.py"):
        for _, arguments in makers.findall(source.read_text(encoding="utf-8")):
            assert "dir=" in arguments or source.name == "temporary.py", source


def test_a_folder_for_checkouts_whose_owner_was_never_written_down_goes_once_it_is_old(tmp_path: Path) -> None:
    space = tmp_path / "worktrees" / "one"
    space.mkdir(parents=True)
    (space / ".owner.json").touch()  # killed, or the disk full, just then
    assert look(tmp_path / "runs", tmp_path / "worktrees", None).leftovers == []
    os.utime(space, (0, 0))
    assert [Path(each.path) for each in look(tmp_path / "runs", tmp_path / "worktrees", None).leftovers] == [space]


def test_what_is_remembered_of_tasks_goes_only_when_asked_for(tmp_path: Path) -> None:
    memory = Memory.of("tiny", {})
    memory.add(entry(1))
    nowhere = (tmp_path / "runs", tmp_path / "worktrees")
    assert look(*nowhere, timedelta(0)).leftovers == []
    assert look(*nowhere, timedelta(days=1), memories=True).leftovers == []
    found = look(*nowhere, None, memories=True).leftovers
    assert [(each.kind, each.path) for each in found] == [("memory", str(memory.path))]
    assert found[0].bytes > 100 and "1 attempt " in found[0].why
    assert clean(found) == []
    assert list(memory.path.parent.iterdir()) == []


def test_checkouts_of_a_killed_server_of_tools_are_found_and_its_records_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    out, worktrees = mcp_folders()
    record = write_run(out, verdict(run="old-20200101-000000"))
    process = held(worktrees / "one", tmp_path)
    nowhere = ["--out", str(tmp_path / "no runs"), "--worktrees", str(tmp_path / "no worktrees")]
    try:
        assert "in use" in cli("clean", *nowhere, "--yes", "--older-than", "0d").stdout
        assert (worktrees / "one" / "judge.git").is_dir()
    finally:
        process.kill()
        process.wait()
    assert cli("clean", *nowhere, "--yes", "--older-than", "0d").returncode == 0
    assert list(worktrees.iterdir()) == []
    assert record.journal.is_file()


def test_checkouts_that_a_killed_place_of_a_cluster_left_on_its_node_are_found(tmp_path: Path) -> None:
    space = tmp_path / "tmp" / NODE_SPACES / "one"
    process = held(space, tmp_path)
    assert [look_elsewhere().leftovers, look_elsewhere().in_use] == [[], [str(space)]]
    process.kill()
    process.wait()
    assert [Path(leftover.path) for leftover in look_elsewhere().leftovers] == [space]
