"""The task's own patch as an agent, and a person in another process."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from external_parts import Attempt, Ground
from tiny_task import make_tiny_task

from agent.budget import Limits
from agent.loop import AgentOutcome
from harness.agents import make_agent
from harness.errors import AgentFailed, UsageError
from harness.task_file import load_task

ROOT = Path(__file__).parents[3]


def oracle(ground: Ground, folder: Path, patch: bytes) -> tuple[Attempt, AgentOutcome]:
    """The oracle of a task that names this patch, at work."""
    tiny = make_tiny_task(folder)
    (folder / "fast.diff").write_bytes(patch)
    tiny.edit_task("min_effect", "reference_patch: fast.diff\nmin_effect")
    agent = make_agent("oracle", None, None, load_task(str(tiny.file)), ground.sealed)
    attempt = ground.attempt()
    return attempt, attempt.run(agent)


def test_the_oracle_applies_the_reference_patch(ground: Ground, tmp_path: Path) -> None:
    attempt, outcome = oracle(ground, tmp_path, ground.tiny.patch("range(20)", "range(1)"))
    assert (outcome.ended, outcome.detail) == ("submitted", "applied fast.diff")
    assert "+        for _ in range(1)" in attempt.diff


def test_a_reference_patch_that_is_missing_or_does_not_fit_is_told(ground: Ground, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no reference patch"):
        ground.agent("oracle")
    stale = ground.tiny.patch("range(20)", "range(1)").replace(b"range(20)", b"range(30)")
    with pytest.raises(AgentFailed, match=r"fast\.diff") as failed:
        oracle(ground, tmp_path, stale)
    assert failed.value.cause == "reference_patch"


def by_hand(tree: Path, *lines: str) -> subprocess.Popen[str]:
    """A person who goes on as soon as the attempt is open."""
    harness = shlex.join([sys.executable, "-P", "-m", "harness.cli"])
    opened = f"until {harness} run-tests; do sleep 0.2; done"
    return subprocess.Popen(
        ["bash", "-c", "\n".join([f'harness() {{ {harness} "$@"; }}', opened, *lines])],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_a_person_works_in_another_process_and_submits(ground: Ground) -> None:
    attempt = ground.attempt()
    edit = "sed -i 's/range(20)/range(1)/' tiny/core.py"
    with by_hand(attempt.tree, edit, "harness submit 'once is enough'") as person:
        outcome = attempt.run(ground.agent("manual"))
        said, _ = person.communicate(timeout=30)
    assert (outcome.ended, outcome.detail) == ("submitted", "once is enough")
    assert "2 tests passed" in said and "Submitted." in said
    assert "+        for _ in range(1)" in attempt.diff
    assert attempt.calls == ["run_tests", "submit"]
    step, kind, invitation = attempt.steps[0]
    assert (step, kind) == (0, "notice")
    assert str(attempt.tree) in invitation and "harness submit" in invitation


def test_a_person_who_does_not_come_in_time_is_judged_by_what_is_there(ground: Ground) -> None:
    attempt = ground.attempt()
    outcome = attempt.run(ground.agent("manual"), Limits(steps=9, seconds=1.0, usd=None, tokens=1))
    assert outcome.ended == "limit"
    assert attempt.events[-1].event == "end"
