"""The package as its users get it: a wheel that holds all it needs, and a quick command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel unpacked in it, as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    site = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return site


def run(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "harness.cli", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_holds_agent_harness_prompts_and_tasks(installed: Path) -> None:
    for name in (
        "agent/loop.py",
        "harness/cli.py",
        "harness/timing/worker.py",
        "harness/probe/sitecustomize.py",
        "harness/drafting/templates/bench.py.j2",
        "prompts/task.md.j2",
        "prompts/summary.md.j2",
        "prompts/compacted.md.j2",
        "tasks/moe_align.yaml",
        "tasks/moe_align/bench.py",
        "tasks/moe_align/recorded.jsonl",
        "tasks/moe_align/target/pyproject.toml",
        "tasks/moe_align/target/tests/test_align.py",
        "tasks/moe_align/hidden_tests/test_contract.py",
    ):
        assert (installed / name).is_file(), name
    assert not list(installed.glob("tests"))


@pytest.mark.slow
def test_an_installed_wheel_runs_the_bundled_task_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    where = "import harness; print(harness.__file__)"
    env = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-P", "-c", where]
    found = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(installed))

    ended = run(installed, tmp_path, "run", "tasks/moe_align.yaml", "--agent", "nop", "--json")
    assert ended.returncode == 0, ended.stderr
    last = json.loads(ended.stdout.splitlines()[-1])
    assert last["event"] == "run_finished"
    assert [verdict["status"] for verdict in last["attempts"]] == ["no_patch"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "worktrees"]
    assert list((tmp_path / "worktrees").iterdir()) == []


def test_nothing_of_this_checkout_is_named_in_what_is_shipped(installed: Path) -> None:
    for path in installed.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".md", ".yaml", ".json", ".jsonl", ".toml", ".j2"):
            assert str(ROOT) not in path.read_text(encoding="utf-8"), path
