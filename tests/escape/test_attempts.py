"""Every attempt fails in every sandbox that works here, leaves no mark, and would have worked without one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory

import pytest
from attempts import NETWORK, READING, WRITING, Attempt
from field import Field, ground, sandbox, serving
from kernel_attempts import KERNEL, PROCESSES

from harness.sandbox import Sandbox

__all__ = ["ground", "sandbox"]

ALL = [*READING, *WRITING, *NETWORK, *PROCESSES, *KERNEL]
CONTROLS = [attempt for attempt in ALL if attempt.control]


@pytest.fixture(autouse=True)
def surroundings(ground: Field) -> Iterator[None]:
    segment = SharedMemory(create=True, size=100)
    ground.services["SHM"] = segment.name
    try:
        with serving(ground):
            yield
    finally:
        segment.close()
        segment.unlink()


@pytest.mark.parametrize("attempt", ALL, ids=lambda attempt: attempt.name)
def test_it_fails(attempt: Attempt, sandbox: Sandbox, ground: Field) -> None:
    if sandbox.name in attempt.beyond:
        pytest.skip(f"{sandbox.name} has no say over this, as docs/sandbox.md tells")
    before, harness = ground.picture(), ground.harness_state()
    result = ground.attempt(attempt.body, sandbox)
    assert "DONE" in result.output, result.output
    assert "ESCAPED" not in result.output, result.output
    assert ground.picture() == before
    assert ground.harness_state() == harness


@pytest.mark.parametrize("attempt", CONTROLS, ids=lambda attempt: attempt.name)
def test_it_would_have_worked(attempt: Attempt, ground: Field) -> None:
    if attempt.root and os.geteuid() != 0:
        pytest.skip("only root would have got through")
    result = ground.attempt(attempt.body, None)
    assert "ESCAPED" in result.output, result.output
