"""Worktrees: many at once, none lost, and nothing left of them."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tiny_task import TinyTask

from harness import worktree
from harness.git import Repository, run_git
from harness.source import seal
from harness.task_file import load_task

MANY = 24
ADD = """
import sys
from pathlib import Path
from harness import worktree
from harness.git import Repository
worktree.add(Repository(Path(sys.argv[1]), sys.argv[2], ""), Path(sys.argv[3]))
"""


@pytest.fixture
def sealed(tiny: TinyTask, tmp_path: Path) -> Repository:
    return seal(load_task(str(tiny.file)), tmp_path / "judge.git").copy(tmp_path / "agents.git")


def whole(path: Path) -> bool:
    """Whether a worktree has its files, and git believes that they are the base's."""
    return (path / "tiny" / "core.py").is_file() and run_git(path, "status", "--porcelain") == b""


def test_24_at_once_in_threads_lose_none(sealed: Repository, tmp_path: Path) -> None:
    trees = [tmp_path / "trees" / f"{number:03d}" for number in range(MANY)]
    threads = [threading.Thread(target=worktree.add, args=(sealed, tree)) for tree in trees]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(whole(tree) for tree in trees)
    for tree in trees:
        worktree.remove(sealed, tree)
    listed = run_git(sealed.path, "worktree", "list", "--porcelain").decode()
    assert listed.count("worktree ") == 1  # the bare repository itself
    assert list((tmp_path / "trees").iterdir()) == []


def test_some_at_once_from_several_processes_lose_none(sealed: Repository, tmp_path: Path) -> None:
    trees = [tmp_path / "trees" / f"{number:03d}" for number in range(6)]
    arguments = [sys.executable, "-c", ADD, str(sealed.path), sealed.commit]
    adding = [subprocess.Popen([*arguments, str(tree)]) for tree in trees]
    assert [process.wait(60) for process in adding] == [0] * len(trees)
    assert all(whole(tree) for tree in trees)
