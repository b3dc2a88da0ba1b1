"""Tests by id: what a suite's exit code would hide."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_task import TinyTask

from harness.correctness import TestReport, require_all, run_tests
from harness.errors import Incorrect
from harness.task_file import load_task

PASSING = "tests.test_core::test_total"


def report_of(tiny: TinyTask, tmp_path: Path, *, hidden: bool = True) -> TestReport:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return run_tests(load_task(str(tiny.file)), tiny.folder / "target", scratch, tmp_path / "tests.xml", hidden=hidden)


def test_public_and_hidden_tests_run_by_id(tiny: TinyTask, tmp_path: Path) -> None:
    report = report_of(tiny, tmp_path)
    assert report.passed == {PASSING, "tests.test_core::test_empty", "test_hidden::test_negative"}
    assert not report.failed
    assert not report.broken
    text = (tmp_path / "tests.xml").read_text()
    assert "test_negative" in text
    assert "test_total" in text


def test_the_agents_run_leaves_hidden_tests_out(tiny: TinyTask, tmp_path: Path) -> None:
    assert "test_hidden::test_negative" not in report_of(tiny, tmp_path, hidden=False).passed


def test_nothing_is_left_in_the_checkout(tiny: TinyTask, tmp_path: Path) -> None:
    before = sorted((tiny.folder / "target").rglob("*"))
    report_of(tiny, tmp_path)
    assert sorted((tiny.folder / "target").rglob("*")) == before


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("result = 0", "result = 1", "test_failed"),
        ("result = 0", "result = (", "test"),
        ("result = 0", "import pytest; pytest.skip('x')", "test_missing"),
        ("result = 0", "import os; os._exit(0)", "test_missing"),
        ("result = 0", "import sys; sys.exit(0)", "test_"),
        ("result = 0", "import pytest; pytest.exit('done', 0)", "test_missing"),
    ],
)
def test_every_test_of_the_base_must_pass(tiny: TinyTask, tmp_path: Path, old: str, new: str, cause: str) -> None:
    expected = report_of(tiny, tmp_path).passed
    tiny.core.write_text(tiny.core.read_text().replace(old, new))
    with pytest.raises(Incorrect) as end:
        require_all(expected, report_of(tiny, tmp_path))
    assert end.value.cause.startswith(cause)


def test_a_command_that_is_not_pytest_counts_by_its_exit_code(tiny: TinyTask, tmp_path: Path) -> None:
    tiny.edit_task('["python -m pytest -q tests"]', "[\"python -c 'import tiny; assert tiny.total([2]) == 5'\"]")
    report = report_of(tiny, tmp_path, hidden=False)
    with pytest.raises(Incorrect) as end:
        require_all(frozenset(), report)
    assert end.value.cause == "tests_broken"
    assert "AssertionError" in end.value.message


LEAVES = {
    "a pipe": "os.unlink(xml); os.mkfifo(xml)",
    "a link": "os.unlink(xml); os.symlink('/dev/zero', xml)",
    "depth": "open(xml, 'w').write('<testsuites>' + '<testsuite>' * 9999 + '</testsuite>' * 9999 + '</testsuites>')",
    "a folder": "os.unlink(xml); os.mkdir(xml)",
    "a folder for the next": "os.mkdir(xml.replace('junit-0', 'junit-1'))",
    "no folder": "os.unlink(xml); os.rmdir(os.path.dirname(xml)); os.symlink('/', os.path.dirname(xml))",
}


@pytest.mark.parametrize("leave", LEAVES.values(), ids=LEAVES.keys())
def test_what_is_left_in_a_reports_place_is_not_followed(tiny: TinyTask, tmp_path: Path, leave: str) -> None:
    core = tiny.folder / "target" / "tiny" / "core.py"
    source = f"""
import atexit, os, shlex

def leave():
    words = shlex.split(os.environ["PYTEST_ADDOPTS"])
    xml = next(word for word in words if word.startswith("--junitxml=")).partition("=")[2]
    if "junit-0" in xml:
        {leave}

atexit.register(leave)
"""
    core.write_text(core.read_text() + source)
    report = report_of(tiny, tmp_path)
    assert "test_hidden::test_negative" in report.passed
    assert (PASSING in report.passed) == (leave == LEAVES["a folder for the next"])


def test_hidden_tests_are_not_there_for_the_public_ones(tiny: TinyTask, tmp_path: Path) -> None:
    core = tiny.folder / "target" / "tiny" / "core.py"
    source = """
import os, pathlib
for each in pathlib.Path(os.environ["TMPDIR"]).glob("hidden_tests/*.py"):
    if "junit-0" in os.environ["PYTEST_ADDOPTS"]:
        each.write_text("def test_negative(): pass")
"""
    core.write_text(core.read_text().replace("result += square", "result += square if value > 0 else 0") + source)
    assert "test_hidden::test_negative" in report_of(tiny, tmp_path).failed


def test_a_hostile_report_is_no_report(tiny: TinyTask, tmp_path: Path) -> None:
    bomb = (
        "import pathlib\npathlib.Path(__import__('os').environ['PYTEST_ADDOPTS'].split('=')[1].split()[0])"
        '.write_text(\'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuites>&b;</testsuites>\')'
    )
    tiny.edit_task('["python -m pytest -q tests"]', '["python evil.py"]')
    (tiny.folder / "target" / "evil.py").write_text(bomb)
    report = report_of(tiny, tmp_path, hidden=False)
    assert report.passed == frozenset()
