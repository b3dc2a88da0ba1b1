"""Workloads of the calibration where no task is given: 0.1 ms and 1 ms of plain Python, or a few GPU kernels."""

from __future__ import annotations

import random
from typing import Any

from harness.timing.bench import Workload

_NAMES = 256


def workloads(device: str) -> list[Workload]:
    """Sizes that take about as long as their names say on a machine of 2024; on a GPU in mode `device`."""
    if device == "cuda":
        return [
            # Small outputs: every one is brought home and bound, which for large ones takes longer than all the rest.
            Workload(name="gpu-10us", params={"elements": 1 << 14, "repeats": 4}),
            Workload(name="gpu-40us", params={"elements": 1 << 14, "repeats": 16}),
        ]
    return [
        Workload(name="python-100us", params={"length": 500}),
        Workload(name="python-1ms", params={"length": 5000}),
    ]


def make_inputs(workload: Workload, seed: int) -> dict[str, Any]:
    """A number for the CPU's workloads, a tensor for the GPU's."""
    if "length" in workload.params:
        return {"seed": seed & 0x7FFFFFFF, "length": workload.params["length"]}
    import torch  # noqa: PLC0415 - only where there is a GPU

    generator = torch.Generator().manual_seed(seed)
    return {
        "values": torch.rand(workload.params["elements"], generator=generator),
        "repeats": workload.params["repeats"],
    }


def random_workload(rng: random.Random, device: str) -> Workload:
    """Not needed here: nothing is judged. A small one all the same, so that the bench is a whole one."""
    del device
    return Workload(name="random", params={"length": rng.randrange(1, 100)})


def call(target: Any, inputs: dict[str, Any]) -> Any:  # noqa: ANN401 - the bench protocol
    """One call."""
    if "values" in inputs:
        return target.scale(inputs["values"], inputs["repeats"])
    return target.tally(inputs["seed"], inputs["length"])


def check(workload: Workload, inputs: dict[str, Any], outputs: object) -> str | None:
    """Exact for the counts; within rounding for the tensors, whose multiply and add a GPU may fuse."""
    if "values" in inputs:
        import torch  # noqa: PLC0415

        expected = inputs["values"]
        for _ in range(inputs["repeats"]):
            expected = expected * 1.5 + 0.25
        right = isinstance(outputs, torch.Tensor) and torch.allclose(outputs, expected)
        return None if right else f"{workload.name}: expected 1.5 x + 0.25, {inputs['repeats']} times over"
    counts = [0] * _NAMES
    state = inputs["seed"]
    for _ in range(inputs["length"]):
        state = (1103515245 * state + 12345) & 0x7FFFFFFF
        counts[state >> 23] += 1
    return None if outputs == counts else f"{workload.name}: the counts differ"
