"""Git runs programs that a repository names: those an agent plants stay unrun when the harness takes the diff."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from field import sandbox
from tiny_task import TinyTask

from agent.shell import run_command
from harness import worktree
from harness.git import Repository
from harness.patch import take_diff
from harness.sandbox import Confinement, Sandbox, scrubbed_environment
from harness.source import seal
from harness.task_file import load_task

__all__ = ["sandbox"]

# Its filter runs where git has to see whether a file has changed whose time has and whose size has not.
NESTED = (
    "mkdir tiny/sub; cd tiny/sub; git init -q .; echo a > a; echo 'a filter=x' > .gitattributes; git add .; "
    "git -c user.name=a -c user.email=b commit -qm x; git config filter.x.clean $OLDPWD/run.sh; echo b > a; "
    "touch -d 2001-01-01 a; cd ../.."
)
PLANTS = {
    "fsmonitor": "git config core.fsmonitor $PWD/run.sh",
    "textconv": "git config diff.x.textconv $PWD/run.sh; echo '*.py diff=x' > .gitattributes",
    "external_diff": "git config diff.external $PWD/run.sh",
    "filter": "git config filter.x.clean $PWD/run.sh; echo '*.py filter=x' > .gitattributes",
    "hook": "h=$(git rev-parse --git-common-dir)/hooks; mkdir -p $h; for n in post-index-change post-commit; "
    "do cp run.sh $h/$n; chmod +x $h/$n; done",
    "nested_repository": NESTED,
    "nested_repository_by_name": NESTED
    + "; printf '[submodule \"s\"]\\n\\tpath = tiny/sub\\n\\turl = ./x\\n\\tignore = none\\n' > .gitmodules",
    "own_git_folder": "rm -rf .git; git init -q .; git config core.fsmonitor $PWD/run.sh",
}


@pytest.fixture
def judge(tiny: TinyTask, tmp_path: Path) -> Repository:
    return seal(load_task(str(tiny.file)), tmp_path / "judge.git")


@pytest.fixture
def agents(judge: Repository, tmp_path: Path) -> Repository:
    return judge.copy(tmp_path / "agents.git")


@pytest.fixture
def tree(agents: Repository, tmp_path: Path) -> Path:
    path = tmp_path / "trees" / "mine"
    worktree.add(agents, path)
    return path


def plant(tree: Path, command: str, wrap: list[str], scratch: Path) -> str:
    marker = tree / "marker"
    script = f"printf '#!/bin/sh\\ntouch {marker}\\ncat \"$1\" 2>/dev/null\\n' > run.sh; chmod +x run.sh; {command}"
    script += "; echo '# faster' >> tiny/core.py; rm -f marker"
    return run_command(script, cwd=tree, env=scrubbed_environment(tree, scratch), seconds=20, wrap=wrap).output


@pytest.mark.parametrize("name", PLANTS)
def test_what_an_agent_plants_is_not_run(
    sandbox: Sandbox, judge: Repository, agents: Repository, tree: Path, tmp_path: Path, name: str
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    # The worst case: its repository can be written to.
    plant(tree, PLANTS[name], sandbox.wrap(Confinement(writable=(tree, scratch, agents.path))), scratch)
    patch = take_diff(judge, tree)
    assert "tiny/core.py" in patch.files
    assert not (tree / "marker").exists()


@pytest.mark.parametrize("name", PLANTS)
def test_plain_git_would_have_run_it(tree: Path, tmp_path: Path, name: str) -> None:
    plant(tree, PLANTS[name], [], tmp_path / "scratch")
    for line in (["status"], ["diff"], ["add", "-A"], ["diff"]):
        subprocess.run(["git", *line], cwd=tree, capture_output=True, check=False)
    assert (tree / "marker").exists()


def test_the_repository_cannot_be_changed_from_a_worktree(
    sandbox: Sandbox, agents: Repository, tree: Path, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    wrap = sandbox.wrap(Confinement(writable=(tree, scratch), readable=(agents.path,)))
    before = {path: path.read_bytes() for path in agents.path.rglob("*") if path.is_file()}
    plant(tree, PLANTS["fsmonitor"] + "; " + PLANTS["hook"] + "; git add -A; git commit -qm x", wrap, scratch)
    assert {path: path.read_bytes() for path in agents.path.rglob("*") if path.is_file()} == before
