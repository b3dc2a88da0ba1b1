"""Where runs live: names that sort and never collide, and a place for every file."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from records import verdict, write_run

from harness.errors import StorageError
from harness.find_run import find_attempt, find_run
from harness.store import RunFolder, create_run, find_runs, new_run_name


def test_runs_made_in_the_same_second_get_names_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: create_run("moe_align", tmp_path / "a" / "b"), range(24)))
    assert len({folder.path for folder in folders}) == 24
    assert all(re.fullmatch(r"moe_align-\d{8}-\d{6}(-\d+)?", folder.name) for folder in folders)
    assert new_run_name("moe_align", tmp_path).count("-") == 2


def test_the_newest_run_is_found_across_tasks_and_suffixes(tmp_path: Path) -> None:
    names = ["zz-20261121-004512", "aa-20261121-004512-2", "aa-20261121-004512-10", "mm-20261122-000000"]
    for name in names:
        write_run(tmp_path, verdict(run=name))
    (tmp_path / "not-a-run").mkdir()
    assert [run.name for run in find_runs(tmp_path)] == names[::-1]
    assert find_run(tmp_path).name == find_run(tmp_path, "latest").name == names[-1]
    assert find_attempt(tmp_path).run.name == names[-1]


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    for out in (tmp_path / "runs", tmp_path / "runs" / "deeper"):
        with pytest.raises(StorageError, match=r"runs.*\n.*--out"):
            create_run("t", out)
    with pytest.raises(StorageError, match="Not a directory"):
        find_runs(tmp_path / "runs")


def test_a_name_too_long_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="shorter folder"):
        create_run("t", tmp_path / ("x" * 300))


def test_every_file_of_an_attempt_has_its_place(tmp_path: Path) -> None:
    attempt = RunFolder(tmp_path).attempt("001")
    assert set(attempt.files) == {
        "prompt.md",
        "trajectory.jsonl",
        "model_patch.diff",
        "verdict.json",
        "samples.json",
        "build.log",
        "tests.xml",
    }
    assert all(path.parent == tmp_path / "001" for path in attempt.files.values())
