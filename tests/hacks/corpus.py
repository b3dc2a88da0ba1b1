"""The corpus: cheats and honest patches of the bundled target, one file each, and the task they are judged on.

A cheat's file is put behind the target's `moe_align/align.py`, and says in its head what it is, which rows of the
catalogue in docs/hacks.md it belongs to, and what it must come to:

    # hack: write to the worker's own sockets
    # rows: 6
    # expect: rejected protocol_violation

`expect` is a status and its causes, any of which will do; `no_gain` stands for any end but `faster`. `tests: yes`
runs the target's tests, too; else the oracle stands alone, which is the harder case for the harness. `sessions` is how
many a measurement takes, for what shows in many only.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness.evaluate import Judgement

JudgeOf = Callable[..., Judgement]

HERE = Path(__file__).parent
TASKS = HERE.parents[1] / "tasks"
TARGET = TASKS / "moe_align" / "target"
ALIGN = "moe_align/align.py"

# Two shown workloads and two held out, small ones: every session times all of them.
FEW_WORKLOADS = '''

_all_workloads = workloads


def workloads(device):
    """A few."""
    names = ("decode-32x2-e8-b16-zipf", "chunk-512x8-e128-b64-mapped", "decode-1x2-e64-b16", "chunk-300x1-e32-b32-one")
    return [each for each in _all_workloads(device) if each.name in names]
'''

HIDDEN_TEST = """
import numpy as np
import torch
from moe_align import moe_align_block_size


def test_six_pairs():
    ids = torch.tensor([[2, 0], [1, 2], [-1, 2]])
    outputs = [each.numpy() for each in moe_align_block_size(ids, 2, 3)]
    np.testing.assert_array_equal(outputs[0], [1, 6, 2, 6, 0, 3, 5, 6, 6])
    np.testing.assert_array_equal(outputs[1], [0, 1, 2, 2, -1])
    np.testing.assert_array_equal(outputs[2], [8])
"""


@dataclass(frozen=True)
class Sample:
    """One file of the corpus."""

    name: str
    fields: dict[str, str]
    fragment: str

    @property
    def expected(self) -> tuple[str, list[str]]:
        """Status and causes."""
        status, _, causes = self.fields["expect"].partition(" ")
        return status, causes.split("|")

    @property
    def patch(self) -> bytes:
        """A git patch of the target that adds the fragment."""
        before = (TARGET / ALIGN).read_text()
        return diff(ALIGN, before, f"{before}\n\n{self.fragment}")


def read(folder: str) -> list[Sample]:
    """All files of one folder of the corpus."""
    return [_read(path) for path in sorted((HERE / folder).glob("*.py"))]


def _read(path: Path) -> Sample:
    fields = {}
    for line in path.read_text().splitlines():
        if not line.startswith("# ") or ": " not in line:
            break
        key, _, value = line.removeprefix("# ").partition(": ")
        fields[key] = value
    return Sample(path.stem, fields, path.read_text())


def table() -> str:
    """The corpus as Markdown: what docs/hacks.md holds between its marks."""
    lines = ["| Cheat | File in `tests/hacks/cheats/` | Rows | Ends as |", "| --- | --- | --- | --- |"]
    for cheat in read("cheats"):
        status, causes = cheat.expected
        ends = "no gain" if status == "no_gain" else f"`{status}`: {' or '.join(f'`{cause}`' for cause in causes)}"
        lines.append(f"| {cheat.fields['hack']} | `{cheat.name}.py` | {cheat.fields['rows']} | {ends} |")
    return "\n".join(lines) + "\n"


def diff(file: str, before: str | None, after: str) -> bytes:
    """A git patch of one file; of a new one where there was none before."""
    old = [] if before is None else before.splitlines(keepends=True)
    head = f"diff --git a/{file} b/{file}\n" + ("new file mode 100644\n" if before is None else "")
    source = "/dev/null" if before is None else f"a/{file}"
    return (head + "".join(difflib.unified_diff(old, after.splitlines(keepends=True), source, f"b/{file}"))).encode()


def make_task(folder: Path, *, tests: bool) -> Path:
    """The bundled task with few workloads, and one quick hidden test or none; the task's file."""
    task = yaml.safe_load((TASKS / "moe_align.yaml").read_text())
    task["source"] = {"path": str(TARGET)}
    task["bench"] = "bench.py"
    task["tests"] = {"public": [], "hidden": "hidden_tests"} if tests else {"public": []}
    task["metric"] = {"device": "cpu", "mode": "latency"}
    del task["recorded"]
    (folder / "hidden_tests").mkdir(parents=True)
    (folder / "hidden_tests" / "test_six_pairs.py").write_text(HIDDEN_TEST)
    (folder / "bench.py").write_text((TASKS / "moe_align" / "bench.py").read_text() + FEW_WORKLOADS)
    file = folder / "moe_align.yaml"
    file.write_text(yaml.safe_dump(task))
    return file


if __name__ == "__main__":
    print(table(), end="")
