"""The moe_align target passes its own tests and the hidden ones, the way the harness runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.patch_apply import apply_patch
from harness.source import seal
from harness.task_file import load_task

TASK = Path(__file__).resolve().parents[2] / "tasks" / "moe_align.yaml"
# Left behind by whoever worked in the folder; a checkout has none.
LEFTOVERS = shutil.ignore_patterns("__pycache__", ".pytest_cache")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the target, as a worktree would hold it."""
    task = load_task(str(TASK))
    assert task.task.source.path is not None
    return Path(shutil.copytree(task.resolve(task.task.source.path), tmp_path / "checkout", ignore=LEFTOVERS))


def _run(command: list[str], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_", "TRITON_"))}
    env |= {"PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)


def test_public_tests_pass(checkout: Path) -> None:
    (command,) = load_task(str(TASK)).task.tests.public
    result = _run(["bash", "-c", command.replace("python", sys.executable, 1)], checkout)
    assert result.returncode == 0, result.stdout + result.stderr


def test_hidden_tests_pass(checkout: Path, tmp_path: Path) -> None:
    hidden = load_task(str(TASK)).hidden_tests
    assert hidden is not None
    copy = shutil.copytree(hidden, tmp_path / "hidden", ignore=LEFTOVERS)
    result = _run([sys.executable, "-m", "pytest", "-q", str(copy)], tmp_path, PYTHONPATH=str(checkout))
    assert result.returncode == 0, result.stdout + result.stderr


def test_target_files_are_there(checkout: Path) -> None:
    for pattern in load_task(str(TASK)).task.target_files:
        assert list(checkout.glob(pattern)), pattern


def test_the_recorded_session_fits_the_target(checkout: Path, tmp_path: Path) -> None:
    loaded = load_task(str(TASK))
    assert loaded.task.recorded is not None
    lines = [json.loads(line) for line in loaded.resolve(loaded.task.recorded).read_text().splitlines()]
    assert lines[0]["base_tree"] == seal(loaded, tmp_path / "sealed").tree
    calls = [call for turn in lines[1:] for call in turn.get("tool_calls", []) if call["name"] == "apply_patch"]
    assert calls
    for call in calls:
        apply_patch(json.loads(call["arguments"])["patch"], checkout)
