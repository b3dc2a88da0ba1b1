"""`harness submit` and its kin: a person in a worktree, in another terminal than the run's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from service_parts import SlowBench, served

ROOT = Path(__file__).parents[3]


def harness(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "harness.cli", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_attempt_is_found_by_the_folder_one_stands_in(tmp_path: Path) -> None:
    with served(tmp_path, SlowBench(tmp_path / "tree")) as access:
        deep = tmp_path / "tree" / "src"
        deep.mkdir()
        (tmp_path / "tree" / "go").touch()
        assert harness("measure", cwd=deep).stdout == "1.25x [1.20, 1.30]\n"
        assert harness("run-tests", cwd=deep).stdout == "exit code 0\n"
        assert harness("profile", cwd=deep).returncode == 1
        done = harness("submit", "sorted once", "--worktree", str(deep), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "Submitted.\n")
        assert access.wait(5) == "sorted once"
    late = harness("submit", cwd=deep)
    assert late.returncode == 2
    assert f"{deep} is in no worktree of an attempt under way." in late.stderr


@pytest.mark.parametrize("verb", ["measure", "run-tests", "profile", "submit"])
def test_elsewhere_it_says_where_to_go(verb: str, tmp_path: Path) -> None:
    done = harness(verb, cwd=tmp_path)
    assert done.returncode == 2
    assert "harness run --agent manual" in done.stderr
    assert "Traceback" not in done.stderr
