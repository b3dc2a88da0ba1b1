"""Workloads and oracle of the moe_align_native task: those of moe_align, whose contract it shares.

Trusted, and never inside a worktree. What differs is the name of the package, and that there is only a CPU path.
"""

import importlib.util
import random
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.timing.bench import Workload


def _load_sibling() -> ModuleType:
    """The bench of moe_align, by its path: a bench is no package."""
    path = Path(__file__).resolve().parents[1] / "moe_align" / "bench.py"
    spec = importlib.util.spec_from_file_location("_moe_align_bench", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_moe_align = _load_sibling()

make_inputs = _moe_align.make_inputs
check = _moe_align.check


def workloads(device: str) -> list[Workload]:
    """The same as moe_align's on the CPU."""
    found: list[Workload] = _moe_align.workloads(device)
    return found


def random_workload(rng: random.Random, device: str) -> Workload:
    """A workload of an odd shape, to be checked and not timed."""
    workload: Workload = _moe_align.random_workload(rng, device)
    return workload


# The worker runs the source of this function alone, so it refers to nothing outside itself.
def call(target: Any, inputs: dict[str, Any]) -> Any:  # noqa: ANN401
    """Call the function under test once.

    Args:
        target: the imported package `moe_align_native`.
        inputs: what `make_inputs` made.

    Returns:
        The three tensors.
    """
    return target.moe_align_block_size(
        inputs["topk_ids"], inputs["block_size"], inputs["num_experts"], inputs["expert_map"]
    )
