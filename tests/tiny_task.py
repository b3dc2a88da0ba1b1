"""A tiny task that builds and times in milliseconds, for tests of everything that needs a task."""

from __future__ import annotations

import difflib
import textwrap
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TinyTask:
    """A task of a few lines: `tiny.total(values)` sums squares, slowly."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "tiny.yaml"

    @property
    def core(self) -> Path:
        return self.folder / "target" / "tiny" / "core.py"

    def edit_task(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def patch(self, old: str, new: str, file: str = "tiny/core.py") -> bytes:
        """A git-style diff that replaces `old` by `new` in one file of the target."""
        before = (self.folder / "target" / file).read_text()
        assert old in before
        after = before.replace(old, new)
        lines = difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{file}", f"b/{file}"
        )
        return f"diff --git a/{file} b/{file}\n{''.join(lines)}".encode()


TASK = """\
name: tiny
title: Sum of squares
description: tiny.total(values) gives the sum of the squares of a list of integers.
source: {path: target}
target_files: [tiny/core.py]
bench: bench.py
tests: {public: ["python -m pytest -q tests"], hidden: hidden_tests}
api: tiny
# Wide: these tests are about ends, and run on machines that are busy with others.
min_effect: 0.2
recorded: recorded.jsonl
limits: {steps: 20, seconds: 120}
"""

CORE = '''\
"""The slow part."""


def total(values):
    """The sum of the squares of a list of integers."""
    result = 0
    for value in values:
        for _ in range(20):  # the work a first version does too often
            square = value * value
        result += square
    return result
'''

BENCH = '''\
"""Bench of the tiny task."""

import random

from harness.timing.bench import Workload


def workloads(device):
    """Three sizes; one is held out."""
    return [
        Workload(name="small", params={"length": 50}),
        Workload(name="large", params={"length": 400}),
        Workload(name="secret", held_out=True, params={"length": 233}),
    ]


def make_inputs(workload, seed):
    """Random integers."""
    rng = random.Random(f"{workload.name}:{seed}")
    return {"values": [rng.randrange(1_000_000) for _ in range(workload.params["length"])]}


def call(target, inputs):
    """One call."""
    return target.total(inputs["values"])


def check(workload, inputs, outputs):
    """Exact."""
    expected = sum(value * value for value in inputs["values"])
    if type(outputs) is not int or outputs != expected:
        return f"total: expected {expected}, found {outputs!r}"
    return None
'''

PUBLIC_TEST = """\
import tiny


def test_total():
    assert tiny.total([1, 2, 3]) == 14


def test_empty():
    assert tiny.total([]) == 0
"""

HIDDEN_TEST = """\
import tiny


def test_negative():
    assert tiny.total([-2, 2]) == 8
"""


def make_tiny_task(folder: Path) -> TinyTask:
    """Write the task's files into `folder`."""
    files = {
        "tiny.yaml": TASK,
        "bench.py": BENCH,
        "target/tiny/__init__.py": '"""Tiny."""\n\nfrom tiny.core import total\n\n__all__ = ["total"]\n',
        "target/tiny/core.py": CORE,
        "target/tests/test_core.py": PUBLIC_TEST,
        "target/README.md": "A target for tests.\n",
        "hidden_tests/test_hidden.py": HIDDEN_TEST,
        "recorded.jsonl": "",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return TinyTask(folder)
