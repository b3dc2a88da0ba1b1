"""A tiny target for a GPU: a few elementwise kernels, timed by whatever mode a test asks for."""

from pathlib import Path
from textwrap import dedent
from typing import Any

from harness.timing.job import MeasureJob, Protocol

BENCH = '''
"""Rectified differences from a row's first element; many are zero."""
import torch

from harness.timing.bench import Workload


def workloads(device):
    return [Workload(name="rows", params={"rows": 512}), Workload(name="few", held_out=True, params={"rows": 7})]


def make_inputs(workload, seed):
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randint(-99, 99, (workload.params["rows"], 256), generator=generator, dtype=torch.int32)}


def call(target, inputs):
    return target.rectify(inputs["x"])


def check(workload, inputs, outputs):
    expected = (inputs["x"] - inputs["x"][:, :1] - 80).clamp(min=0)
    if outputs.dtype != torch.int32 or outputs.shape != expected.shape:
        return f"expected int32 {list(expected.shape)}, found {outputs.dtype} {list(outputs.shape)}"
    wrong = (outputs != expected).nonzero()
    return f"element {wrong[0].tolist()}: found {int(outputs[tuple(wrong[0])])}" if len(wrong) else None
'''

HONEST = """
import torch
def rectify(x):
    return (x - x[:, :1] - 80).clamp(min=0)
"""

SLOW = """
import torch
def rectify(x):
    for _ in range(3):
        result = (x - x[:, :1] - 80).clamp(min=0)
    return result
"""

QUICK = Protocol(looks=[6], alpha=0.05, pairs=6, sessions_per_server=6)


class GpuTask:
    """Makes jobs over trees that hold the given sources."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bench = folder / "bench.py"
        self._bench.write_text(BENCH)

    def job(self, candidate: str, base: str = HONEST, mode: str = "latency", **changes: Any) -> MeasureJob:  # noqa: ANN401
        for name, source in (("base", base), ("candidate", candidate)):
            package = self._folder / name / "toy"
            package.mkdir(parents=True, exist_ok=True)
            (package / "__init__.py").write_text(dedent(source))
        job = MeasureJob(
            bench_file=str(self._bench),
            api="toy",
            device="cuda",
            mode=mode,
            base_root=str(self._folder / "base"),
            candidate_root=str(self._folder / "candidate"),
            held_out=True,
            seed=11,
            protocol=QUICK,
            scratch=str(self._folder / "scratch"),
        )
        return job.model_copy(update=changes)
