"""`harness verify`: patches from anywhere, as they arrive; one Verdict on stdout, and an exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_task import TinyTask, make_tiny_task

from harness.admission import admit
from harness.agents import PatchAgent
from harness.attempt import verify_patch
from harness.attempt_setup import Setup
from harness.evaluate import Judge
from harness.source import seal
from harness.store import create_run
from harness.task_file import load_task
from harness.verdict import Verdict
from harness.workspace import workspace

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    """The tiny task's base, admitted once."""
    folder = tmp_path_factory.mktemp("admitted")
    loaded = load_task(str(make_tiny_task(folder / "task").file))
    sealed = seal(loaded, folder / "judge.git")
    base = admit(loaded, sealed, folder / "base", folder / "scratch", 1, lambda _: None)
    with workspace(folder / "space") as space:
        yield Setup(
            judge=Judge(loaded=loaded, base=base, seed=3, workspace=space / "judging"),
            agent=PatchAgent(),
            repository=sealed,
            folder=create_run("tiny", folder / "runs"),
            worktrees=space / "worktrees",
            keep_worktrees=False,
            emit=lambda _: None,
        )


def verdict_on(setup: Setup, tmp_path: Path, patch: bytes) -> Verdict:
    file = tmp_path / "some.diff"
    file.write_bytes(patch)
    return verify_patch(replace(setup, folder=create_run("tiny", tmp_path / "runs")), "001", file)


def test_an_empty_file_is_no_patch(setup: Setup, tmp_path: Path) -> None:
    for content in (b"", b"\n\n"):
        verdict = verdict_on(setup, tmp_path, content)
        assert (verdict.status, verdict.cause) == ("no_patch", "empty")


@pytest.mark.parametrize(
    ("encode", "words"),
    [
        (lambda patch: patch.replace(b"\n", b"\r\n"), "CRLF: convert it with dos2unix"),
        (lambda patch: patch.decode().encode("utf-16"), "UTF-16"),
    ],
)
def test_a_patch_that_was_mangled_on_its_way_says_how(
    setup: Setup, tiny: TinyTask, tmp_path: Path, encode: object, words: str
) -> None:
    verdict = verdict_on(setup, tmp_path, encode(tiny.patch("range(20)", "range(1)")))  # type: ignore[operator]
    assert (verdict.status, verdict.cause) == ("rejected", "does_not_apply")
    assert words in verdict.message


def test_a_patch_of_another_base_does_not_apply(setup: Setup, tiny: TinyTask, tmp_path: Path) -> None:
    patch = tiny.patch("result = 0", "result = 1").replace(b"-    result = 0", b"-    other = 0")
    verdict = verdict_on(setup, tmp_path, patch)
    assert (verdict.status, verdict.cause) == ("rejected", "does_not_apply")
    assert "CRLF" not in verdict.message
    assert "tiny/core.py" in verdict.message


def test_a_plain_diff_without_git_headers_is_judged(setup: Setup, tiny: TinyTask, tmp_path: Path) -> None:
    patch = tiny.patch("result = 0", "result = len(values) * 0 + 1")
    verdict = verdict_on(setup, tmp_path, patch.split(b"\n", 1)[1])
    assert (verdict.status, verdict.cause) == ("incorrect", "test_failed")


def verify(tiny: TinyTask, cwd: Path, patch: Path | str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", "verify", str(patch), "--task", str(tiny.file), *options],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_json_is_one_verdict_and_nothing_else(tiny: TinyTask, tmp_path: Path) -> None:
    """With every folder at its default, relative to where the command is given."""
    (tmp_path / "fast.diff").write_bytes(tiny.patch("range(20)", "range(1)"))
    ended = verify(tiny, tmp_path, "fast.diff", "--json", "--require", "1.5")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\n") == 1
    verdict = Verdict.model_validate_json(ended.stdout)
    assert (verdict.status, verdict.agent, verdict.attempt) == ("faster", "patch", "001")
    assert verdict.speedup is not None and verdict.speedup.low > 1.5
    assert "base: known effect passed" in ended.stderr
    assert "workload" in ended.stderr
    assert list((tmp_path / "worktrees").iterdir()) == []
    kept = tmp_path / "runs" / str(verdict.run) / "001" / "verdict.json"
    assert json.loads(kept.read_text()) == json.loads(ended.stdout)


def test_a_requirement_unmet_is_exit_code_1(tiny: TinyTask, tmp_path: Path) -> None:
    (tmp_path / "test.diff").write_bytes(tiny.patch("== 14", "== 14 or True", file="tests/test_core.py"))
    ended = verify(tiny, tmp_path, "test.diff", "--require", "1.1")
    assert ended.returncode == 1, ended.stderr
    assert "rejected" in ended.stdout and "outside_target_files" in ended.stdout
    assert "--require 1.1 is not met" in ended.stderr


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "There is no patch"),
        (lambda path: path.mkdir(), "is a folder, not a patch"),
        (lambda path: path.write_text("---\nname: tiny\n"), "is no diff"),
        (lambda path: path.symlink_to(path), "cannot be read"),
    ],
)
def test_no_file_is_a_usage_error(tiny: TinyTask, tmp_path: Path, make: object, words: str) -> None:
    make(tmp_path / "a.diff")  # type: ignore[operator]
    ended = verify(tiny, tmp_path, "a.diff", "--json")
    assert ended.returncode == 2
    assert words in ended.stderr and "a.diff" in ended.stderr
    assert ended.stdout == ""
    assert not (tmp_path / "runs").exists()


def test_an_unknown_task_is_a_usage_error(tiny: TinyTask, tmp_path: Path) -> None:
    (tmp_path / "a.diff").write_text("")
    tiny.file.unlink()
    ended = verify(tiny, tmp_path, "a.diff")
    assert ended.returncode == 2
    assert "There is no task file" in ended.stderr
