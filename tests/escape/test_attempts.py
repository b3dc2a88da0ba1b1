"""Every attempt fails in every sandbox that works here, leaves no mark, and would have worked without one."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from attempts import NETWORK, READING, WRITING, Attempt
from field import SANDBOXES, Field, make_field, sandbox, serving
from kernel_attempts import KERNEL, PROCESSES

from harness.sandbox import Sandbox

pytestmark = pytest.mark.slow

__all__ = ["sandbox"]

ALL = [*READING, *WRITING, *NETWORK, *PROCESSES, *KERNEL]
CONTROLS = [attempt for attempt in ALL if attempt.control]
# An attempt mostly waits for the kernel to make namespaces and to clear them away.
AT_ONCE = 8
OWNER = """
import sys
from multiprocessing.shared_memory import SharedMemory

segment = SharedMemory(create=True, size=100)
print(segment.name, flush=True)
sys.stdin.read()
segment.close()
segment.unlink()
"""


@dataclass(frozen=True)
class Outcome:
    """What one attempt came to: what it said, and what it changed outside."""

    output: str
    changed: list[str]
    harness_unharmed: bool


Outcomes = Callable[[str | None], dict[str, Outcome]]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """The outcomes of all attempts in one sandbox, or without one; made together, the first time they are asked for."""

    @functools.cache
    def made(name: str | None) -> dict[str, Outcome]:
        attempts = CONTROLS if name is None else ALL
        folder = tmp_path_factory.mktemp("fields")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(lambda attempt: make(attempt, name, folder / attempt.name), attempts)
            return {attempt.name: outcome for attempt, outcome in zip(attempts, found, strict=True)}

    return made


def make(attempt: Attempt, name: str | None, folder: Path) -> Outcome:
    with make_field(folder) as ground, serving(ground), shared_memory(ground):
        before, harness = ground.picture(), ground.harness_state()
        result = ground.attempt(attempt.body, None if name is None else SANDBOXES[name])
        after = ground.picture()
        changed = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]
        return Outcome(result.output, changed, harness_unharmed=ground.harness_state() == harness)


@contextlib.contextmanager
def shared_memory(ground: Field) -> Iterator[None]:
    """A segment of somebody else's: of a process of its own, because Python leaves one behind that tracks segments."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdin and owner.stdout
    with owner:
        ground.services["SHM"] = owner.stdout.readline().strip()
        yield
        owner.stdin.close()
    assert owner.returncode == 0


@pytest.mark.parametrize("attempt", ALL, ids=lambda attempt: attempt.name)
def test_it_fails(attempt: Attempt, sandbox: Sandbox, outcomes: Outcomes) -> None:
    if sandbox.name in attempt.beyond:
        pytest.skip(f"{sandbox.name} has no say over this, as docs/sandbox.md tells")
    outcome = outcomes(sandbox.name)[attempt.name]
    assert "DONE" in outcome.output, outcome.output
    assert "ESCAPED" not in outcome.output, outcome.output
    assert outcome.changed == []
    assert outcome.harness_unharmed


@pytest.mark.parametrize("attempt", CONTROLS, ids=lambda attempt: attempt.name)
def test_it_would_have_worked(attempt: Attempt, outcomes: Outcomes) -> None:
    if attempt.root and os.geteuid() != 0:
        pytest.skip("only root would have got through")
    outcome = outcomes(None)[attempt.name]
    assert "ESCAPED" in outcome.output, outcome.output
