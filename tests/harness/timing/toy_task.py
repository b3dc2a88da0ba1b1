"""A toy task that needs no torch: a few lines of Python, timed in milliseconds."""

from pathlib import Path
from textwrap import dedent

from harness.timing.job import MeasureJob, Protocol

BENCH = '''
"""Bench of the toy: the sum of squares of a list."""
import random

from harness.timing.bench import Workload


def workloads(device):
    return [Workload(name="short", params={"n": 300}), Workload(name="secret", held_out=True, params={"n": 2000})]


def make_inputs(workload, seed):
    rng = random.Random(seed)
    return [rng.randrange(1000) for _ in range(workload.params["n"])]


def call(target, inputs):
    return target.squares(inputs)


def check(workload, inputs, outputs):
    expected = [sum(value * value for value in inputs)]
    return None if outputs == expected else f"element 0: expected {expected[0]}, found {outputs}"


def random_workload(rng, device):
    return Workload(name="random", params={"n": rng.randrange(1, 50)})
'''

HONEST = """
def squares(values):
    total = 0
    for value in values:
        total += value * value
    return [total]
"""

SLOW = """
def squares(values):
    for _ in range(5):
        total = 0
        for value in values:
            total += value * value
    return [total]
"""

QUICK = Protocol(looks=[6], alpha=0.05, pairs=4, sample_ms=1.0, workload_ms=15.0, patience_seconds=10.0)


class Toy:
    """Makes jobs over trees that hold the given sources."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bench = folder / "bench.py"
        self.bench.write_text(BENCH)

    def tree(self, name: str, source: str) -> Path:
        package = self.folder / name / "toy"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text(dedent(source))
        return self.folder / name

    def job(
        self,
        candidate: str,
        base: str = HONEST,
        *,
        held_out: bool = True,
        protocol: Protocol = QUICK,
        seed: int = 7,
        sandbox: str = "auto",
    ) -> MeasureJob:
        return MeasureJob(
            bench_file=str(self.bench),
            api="toy",
            device="cpu",
            mode="latency",
            base_root=str(self.tree("base", base)),
            candidate_root=str(self.tree("candidate", candidate)),
            held_out=held_out,
            seed=seed,
            protocol=protocol,
            scratch=str(self.folder / "scratch"),
            sandbox=sandbox,
        )
