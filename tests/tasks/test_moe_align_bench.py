"""The moe_align bench: its workloads, its inputs, its self-contained call, and an oracle that nothing gets past."""

from __future__ import annotations

import importlib.util
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from harness.task_file import load_task
from harness.timing.bench import Workload, load_bench

TASK = Path(__file__).resolve().parents[2] / "tasks" / "moe_align.yaml"
Outputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _load(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    return _load("moe_align_bench", load_task(str(TASK)).bench_file)


@pytest.fixture(scope="module")
def target() -> ModuleType:
    source = load_task(str(TASK)).resolve("moe_align/target")
    return _load("moe_align.align", source / "moe_align" / "align.py")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_workloads_span_decode_to_prefill(bench: ModuleType, device: str) -> None:
    for held_out in (False, True):
        params = [workload.params for workload in bench.workloads(device) if workload.held_out is held_out]
        assert min(one["tokens"] for one in params) == 1
        assert max(one["tokens"] for one in params) >= 16384
        assert {"uniform", "zipf", "one"} <= {one["routing"] for one in params}
        assert {"int32", "int64"} <= {one["dtype"] for one in params}
        assert any(one["mapped"] for one in params)
        assert any(one["bad"] for one in params)
    assert bench.workloads(device) == bench.workloads(device)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_shown_and_held_out_workloads_are_disjoint(bench: ModuleType, device: str) -> None:
    workloads = bench.workloads(device)
    names = [workload.name for workload in workloads]
    assert len(set(names)) == len(names)
    shown = [workload.params for workload in workloads if not workload.held_out]
    assert not [workload.name for workload in workloads if workload.held_out and workload.params in shown]


def test_inputs_depend_on_workload_and_seed_alone(bench: ModuleType) -> None:
    for workload in bench.workloads("cpu"):
        first, again, other = (bench.make_inputs(workload, seed) for seed in (2**70, 2**70, 2**70 + 1))
        assert torch.equal(first["topk_ids"], again["topk_ids"])
        if workload.params["routing"] != "one":
            assert not torch.equal(first["topk_ids"], other["topk_ids"])
        if first["expert_map"] is not None:
            assert torch.equal(first["expert_map"], again["expert_map"])


def test_inputs_are_what_the_workload_says(bench: ModuleType) -> None:
    for workload in bench.workloads("cuda"):
        params = workload.params
        inputs = bench.make_inputs(workload, 3)
        ids = inputs["topk_ids"]
        assert ids.shape == (params["tokens"], params["top_k"])
        assert ids.dtype == getattr(torch, params["dtype"])
        in_range = ((ids >= 0) & (ids < params["experts"])).float().mean()
        assert in_range == pytest.approx(1 - params["bad"], abs=0.05)
        busiest = torch.bincount(ids[(ids >= 0) & (ids < params["experts"])].long()).max() / ids.numel()
        if params["tokens"] >= 1000 and params["routing"] != "uniform":
            assert busiest > 2 / params["experts"], "a skewed routing has a busy expert"


def test_call_is_self_contained(bench: ModuleType, target: ModuleType) -> None:
    scope: dict[str, Any] = {}
    exec(load_bench(load_task(str(TASK)).bench_file).call_source, scope)  # noqa: S102  as the worker does
    workload = bench.workloads("cpu")[0]
    inputs = bench.make_inputs(workload, 1)
    assert bench.check(workload, inputs, scope["call"](target, inputs)) is None


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_oracle_accepts_the_target(bench: ModuleType, target: ModuleType, device: str) -> None:
    for workload in bench.workloads(device):
        inputs = bench.make_inputs(workload, 7)
        assert bench.check(workload, inputs, bench.call(target, inputs)) is None, workload.name
        assert bench.check(workload, inputs, list(bench.call(target, inputs))) is None, workload.name


def test_oracle_accepts_the_target_on_random_workloads(bench: ModuleType, target: ModuleType) -> None:
    rng = random.Random(5)
    workloads = [bench.random_workload(rng, "cpu") for _ in range(60)]
    for seed, workload in enumerate(workloads):
        inputs = bench.make_inputs(workload, seed)
        assert bench.check(workload, inputs, bench.call(target, inputs)) is None, workload
    params = [workload.params for workload in workloads]
    assert any(one["tokens"] == 0 for one in params), "an empty batch turns up"
    assert any(one["experts"] == 1 for one in params), "one expert turns up"
    assert any(one["bad"] == 1.0 for one in params), "a batch of bad ids turns up"


def test_a_contract_example_by_hand(bench: ModuleType) -> None:
    inputs = {
        "topk_ids": torch.tensor([[0, 2], [2, 1], [0, -3]]),
        "block_size": 2,
        "num_experts": 3,
        "expert_map": torch.tensor([5, -1, 4], dtype=torch.int32),
    }
    expected = [[0, 4, 3, 6, 1, 2, 6, 6, 6], [5, -1, 4, -1, -1], [6]]
    assert [array.tolist() for array in bench.expected_outputs(inputs)] == expected


@pytest.fixture(scope="module")
def right(bench: ModuleType) -> tuple[Workload, dict[str, Any], Outputs]:
    """A workload with padding, tails and unused blocks, its inputs, and right outputs."""
    workload = next(one for one in bench.workloads("cpu") if one.params["bad"] and not one.held_out)
    inputs = bench.make_inputs(workload, 11)
    outputs = tuple(torch.from_numpy(array) for array in bench.expected_outputs(inputs))
    assert bench.check(workload, inputs, outputs) is None
    return workload, inputs, outputs


def _set(which: int, position: int | Callable[[Outputs, int], int], value: int) -> Callable[[Outputs, int], Any]:
    """A corruption: one element of one output is set."""

    def corrupt(outputs: Outputs, numel: int) -> Outputs:
        at = position if isinstance(position, int) else position(outputs, numel)
        assert outputs[which][at] != value
        outputs[which][at] = value
        return outputs

    return corrupt


def _replace(which: int, make: Callable[[torch.Tensor], Any]) -> Callable[[Outputs, int], Any]:
    """A corruption: one output is replaced."""
    return lambda outputs, _: [make(output) if i == which else output for i, output in enumerate(outputs)]


def _first_padding(outputs: Outputs, numel: int) -> int:
    return int((outputs[0] == numel).nonzero()[0])


def _swap_first_two(outputs: Outputs, _: int) -> Outputs:
    assert outputs[1][0] == 0
    outputs[0][[0, 1]] = outputs[0][[1, 0]]
    return outputs


class _Subclass(torch.Tensor):
    """Claims to equal everything."""

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        return True

    __hash__ = torch.Tensor.__hash__


CORRUPTIONS = {
    "wrong pair": (_set(0, 0, 12345), "sorted_token_ids[0]: expected"),
    "wrong padding": (_set(0, _first_padding, 0), "(padding), found 0"),
    "padding of -1": (_set(0, _first_padding, -1), "(padding), found -1"),
    "wrong tail": (_set(0, -1, 0), "(unused tail), found 0"),
    "swapped order": (_swap_first_two, "sorted_token_ids[0]: expected"),
    "all padding": (_replace(0, lambda ids: torch.full_like(ids, int(ids.max()))), "sorted_token_ids[0]: expected"),
    "reversed": (_replace(0, lambda ids: ids.flip(0)), "sorted_token_ids[0]: expected"),
    "wrong owner": (_set(1, 3, 63), "expert_ids[3]: expected"),
    "unused block owned": (_set(1, -1, 0), "(unused tail), found 0"),
    "owners gone": (_replace(1, lambda ids: ids.fill_(-1)), "expert_ids[0]: expected 0, found -1"),
    "count a block too many": (_replace(2, lambda count: count + 64), "num_tokens_post_pad[0]: expected"),
    "count a block too few": (_replace(2, lambda count: count - 64), "num_tokens_post_pad[0]: expected"),
    "count of nothing": (_set(2, 0, 0), "num_tokens_post_pad[0]: expected"),
    **{
        f"{label}, output {which}": (_replace(which, make), f"{name}: expected {message}")
        for which, name in enumerate(("sorted_token_ids", "expert_ids", "num_tokens_post_pad"))
        for label, make, message in [
            ("int64", torch.Tensor.long, "a dense int32 tensor, found dtype int64"),
            ("NaN", lambda output: torch.full(output.shape, float("nan")), "a dense int32 tensor, found dtype float32"),
            ("complex", lambda output: output.to(torch.complex64), "a dense int32 tensor, found dtype complex64"),
            ("one too many", lambda output: torch.cat([output, output[-1:]]), "shape ["),
            ("one too few", lambda output: output[:-1], "shape ["),
            ("empty", lambda output: output[:0], "shape ["),
            ("another shape", lambda output: output[None], "shape ["),
            ("scalar", lambda output: output[0], "shape ["),
            ("None", lambda _: None, "a dense int32 tensor, found NoneType"),
            ("list", torch.Tensor.tolist, "a dense int32 tensor, found list"),
            ("array", torch.Tensor.numpy, "a dense int32 tensor, found ndarray"),
            ("text", lambda _: "right, honestly", "a dense int32 tensor, found str"),
            ("sparse", torch.Tensor.to_sparse, "a dense int32 tensor, found a sparse_coo tensor on cpu"),
            ("meta", lambda output: output.to("meta"), "a dense int32 tensor, found a strided tensor on meta"),
            ("subclass", lambda output: output.as_subclass(_Subclass), "a dense int32 tensor, found _Subclass"),
        ]
    },
    "nothing": (lambda _outputs, _: None, "expected three tensors"),
    "text": (lambda _outputs, _: "abc", "expected three tensors (sorted_token_ids, expert_ids, num_tokens_post_pad), "),
    "dict": (lambda outputs, _: dict(enumerate(outputs)), "found dict"),
    "one tensor": (lambda outputs, _: outputs[0], "found Tensor"),
    "two outputs": (lambda outputs, _: outputs[:2], "found 2 outputs"),
    "four outputs": (lambda outputs, _: (*outputs, outputs[2]), "found 4 outputs"),
    "no outputs": (lambda _outputs, _: [], "found 0 outputs"),
    "order": (lambda outputs, _: outputs[::-1], "sorted_token_ids: expected shape"),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_oracle_refuses_every_corruption(
    bench: ModuleType, right: tuple[Workload, dict[str, Any], Outputs], kind: str
) -> None:
    workload, inputs, outputs = right
    corrupt, message = CORRUPTIONS[kind]
    corrupted = corrupt(tuple(output.clone() for output in outputs), inputs["topk_ids"].numel())
    found = bench.check(workload, inputs, corrupted)
    assert found is not None
    assert message in found


def test_any_single_wrong_element_is_found(bench: ModuleType, right: tuple[Workload, dict[str, Any], Outputs]) -> None:
    workload, inputs, outputs = right
    rng = np.random.default_rng(0)
    for name, output in zip(bench.OUTPUTS, outputs, strict=True):
        for position in rng.choice(output.numel(), size=min(200, output.numel()), replace=False):
            true = int(output[position])
            output[position] = true + int(rng.choice([-1, 1, 2**20]))
            found = bench.check(workload, inputs, outputs)
            output[position] = true
            assert found is not None
            assert found.startswith(f"{name}[{position}]: expected {true}")
    assert bench.check(workload, inputs, outputs) is None


def test_any_strides_are_accepted(bench: ModuleType, right: tuple[Workload, dict[str, Any], Outputs]) -> None:
    workload, inputs, outputs = right
    strided = [torch.stack([output, output], dim=1)[:, 0] for output in outputs]
    assert not strided[0].is_contiguous()
    assert bench.check(workload, inputs, strided) is None


def test_oracle_is_fast(bench: ModuleType) -> None:
    workload = max(bench.workloads("cpu"), key=lambda one: one.params["tokens"] * one.params["top_k"])
    inputs = bench.make_inputs(workload, 0)
    outputs = [torch.from_numpy(array) for array in bench.expected_outputs(inputs)]
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        assert bench.check(workload, inputs, outputs) is None
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.05
