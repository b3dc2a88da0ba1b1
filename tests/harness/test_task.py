"""The task file: what is accepted, and what each mistake is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import TaskError
from harness.task import task_schema
from harness.task_file import BUNDLED, find_task_file, load_task

GOOD = """\
name: tiny
title: A tiny task
description: For tests.
source:
  path: target
target_files: [pkg/core.py]
bench: bench.py
api: pkg
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    (tmp_path / "bench.py").write_text("")
    return tmp_path


def write(folder: Path, text: str) -> str:
    file = folder / "task.yaml"
    file.write_text(text)
    return str(file)


def test_a_good_file_loads_with_its_defaults(folder: Path) -> None:
    loaded = load_task(write(folder, GOOD))
    assert loaded.task.name == "tiny"
    assert loaded.task.min_effect == 0.02
    assert loaded.task.metric.device == "auto"
    assert loaded.bench_file == folder / "bench.py"


def test_an_unknown_key_is_told_its_line_and_nearest_neighbour(folder: Path) -> None:
    with pytest.raises(TaskError) as error:
        load_task(write(folder, GOOD + "min_efect: 0.03\n"))
    assert "task.yaml:9" in str(error.value)
    assert "did you mean 'min_effect'" in str(error.value)
    assert error.value.exit_code == 2


def test_an_unknown_key_in_a_section_is_matched_against_that_section(folder: Path) -> None:
    with pytest.raises(TaskError, match=r"task\.yaml:5.*'source\.pth'.*did you mean 'path'"):
        load_task(write(folder, GOOD.replace("  path: target", "  pth: target")))


@pytest.mark.parametrize("where", ["name", "  path"])
def test_a_duplicate_key_names_both_lines(folder: Path, where: str) -> None:
    line = next(line for line in GOOD.splitlines() if line.startswith(where))
    text = GOOD.replace(line, f"{line}\n{line}")
    with pytest.raises(TaskError, match="stands twice"):
        load_task(write(folder, text))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: tiny", "name: Tiny Task", "name:"),
        ("target_files: [pkg/core.py]", "target_files: pkg/core.py", "target_files"),
        ("target_files: [pkg/core.py]", "target_files: []", "target_files"),
        ("bench: bench.py", "bench: 3", "bench: Input should be a valid string (found 3); put it in quotes"),
        ("name: tiny", "name: tiny\ntitle: fast: a title", "task.yaml:2: not valid YAML"),
        ("name: tiny", "name: tiny\n\tx: 1", "indent with blanks, not with tabs"),
        ("bench: bench.py", "", "'bench' is missing"),
        ("bench: bench.py", "bench: no_such.py", "there is no file no_such.py"),
        ("  path: target", "  path: nowhere", "there is no folder nowhere"),
        ("  path: target", "  path: target\n  pypi: x==1", "exactly one"),
        ("  path: target", "  git: https://example.invalid/x.git", "needs a commit"),
        ("api: pkg", "api: pkg\nmin_effect: 2.0", "less than 1"),
        ("api: pkg", "api: pkg\nlimits: {steps: 0}", "greater than 0"),
        ("api: pkg", "api: pkg\nmetric: {device: gpu}", "'auto', 'cpu' or 'cuda'"),
        ("api: pkg", "api: pkg\nstrategy: refined", "'best-of-n'"),
        ("api: pkg", "api: pkg\nstrategy: {name: refine, tip: 2}", "'strategy.tip'; did you mean 'top'"),
        ("api: pkg", "api: pkg\nstrategy: {name: refine, top: 0}", "strategy.top: Input should be greater than"),
        ("api: pkg", "api: pkg\nstrategy: {top: 2}", "strategy"),
    ],
)
def test_every_mistake_names_file_and_line(folder: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(TaskError) as error:
        load_task(write(folder, GOOD.replace(old, new)))
    assert expected in str(error.value)
    assert f"{folder / 'task.yaml'}:" in str(error.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [unclosed\n", "\t\n"])
def test_what_is_not_a_mapping_is_refused(folder: Path, text: str) -> None:
    with pytest.raises(TaskError, match=r"task\.yaml"):
        load_task(write(folder, text))


def test_a_binary_file_is_refused(folder: Path) -> None:
    (folder / "task.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(TaskError, match="cannot be read as text"):
        load_task(str(folder / "task.yaml"))


def test_a_bundled_task_is_found_from_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("tasks/moe_align.yaml", "moe_align.yaml", "moe_align"):
        assert find_task_file(name) == BUNDLED / "moe_align.yaml"


def test_a_misspelt_task_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TaskError, match=r"Did you mean tasks/moe_align\.yaml"):
        find_task_file("tasks/moe_aline.yaml")


def test_a_task_of_ones_own_is_guessed_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "rolling.yaml").write_text(GOOD)
    (tmp_path / "other.yml").write_text(GOOD)
    for name, found in (
        ("rolling", "tasks/rolling.yaml"),
        ("roling.yaml", "tasks/rolling.yaml"),
        ("othre", "other.yml"),
    ):
        with pytest.raises(TaskError, match=rf"Did you mean {found}\?"):
            find_task_file(name)


def test_a_file_of_ones_own_wins_over_the_bundled_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "tasks").mkdir()
    (folder / "tasks" / "moe_align.yaml").write_text(GOOD)
    monkeypatch.chdir(folder)
    assert find_task_file("tasks/moe_align.yaml") == folder / "tasks" / "moe_align.yaml"


def test_every_bundled_task_loads() -> None:
    tasks = sorted(BUNDLED.glob("*.yaml"))
    assert tasks
    for file in tasks:
        load_task(str(file))


def test_the_committed_schema_is_the_models(folder: Path) -> None:
    committed = json.loads((BUNDLED / "task.schema.json").read_text())
    assert committed == task_schema(), "run `make schema` and commit the result"
