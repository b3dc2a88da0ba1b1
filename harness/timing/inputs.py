"""Inputs for timed calls: new content for every call, made from a secret seed, the same for both arms.

A call's inputs are never given to the same process twice, so that nothing can be gained by remembering them, by
content, pointer or shape.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from harness.errors import TaskError
from harness.timing.bench import Bench, Workload, last_line
from harness.timing.wire import UnsendableError, encode


@dataclass(frozen=True)
class Given:
    """Inputs of one call: as the bench made them (for the oracle) and as they are sent."""

    made: Any
    packed: bytes


def derive_seed(secret: int, *parts: object) -> int:
    """A 32-bit seed (what numpy's oldest generator takes) that says nothing about the secret or its siblings."""
    digest = hashlib.sha256(repr((secret, *parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def make_given(bench: Bench, workload: Workload, seed: int) -> Given:
    """Make one call's inputs.

    Raises:
        TaskError: the bench cannot make them, or makes something that cannot be sent to a worker.
    """
    try:
        made = bench.make_inputs(workload, seed)
    except Exception as error:
        raise TaskError(f"{bench.file}: make_inputs failed on {workload.name} ({last_line(error)}).") from error
    try:
        return Given(made, encode(made))
    except UnsendableError as error:
        raise TaskError(f"{bench.file}: make_inputs of {workload.name}: {error}.") from error
