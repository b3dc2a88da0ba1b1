"""What a patch must keep, beyond what the target's own tests look at; run with the checkout on PYTHONPATH."""

from typing import Any

import moe_align_native
import numpy as np
import numpy.typing as npt
import pytest
import torch
from moe_align_native import _align, moe_align_block_size

IntArray = npt.NDArray[Any]

ROUTINGS = ["uniform", "skewed", "one", "sorted", "bad"]
GUARD = 64  # elements on either side of an output that must stay as they are


def make_ids(numel: int, experts: int, routing: str = "uniform", seed: int = 0) -> IntArray:
    """Ids of one routing pattern, int64 [numel]."""
    rng = np.random.default_rng([numel, experts, seed])
    uniform = rng.integers(experts, size=numel)
    return {
        "uniform": lambda: uniform,
        "skewed": lambda: np.minimum(rng.zipf(1.5, numel) - 1, experts - 1),
        "one": lambda: np.full(numel, rng.integers(experts)),
        "sorted": lambda: np.sort(uniform),
        "bad": lambda: np.where(
            rng.random(numel) < 0.3, rng.choice([-1, -(2**31), experts, 2**31 - 1], numel), uniform
        ),
    }[routing]()


def reference(
    ids: IntArray, block: int, experts: int, expert_map: IntArray | None = None
) -> tuple[IntArray, IntArray, IntArray]:
    """The contract in NumPy, an expert at a time."""
    numel = ids.size
    slots = min(numel + experts * (block - 1), numel * block if numel < experts else 2**62)
    regions, owners = [], []
    for expert in np.unique(ids[(ids >= 0) & (ids < experts)]):
        members = np.flatnonzero(ids == expert)
        blocks = -(-members.size // block)
        regions.append(np.pad(members, (0, blocks * block - members.size), constant_values=numel))
        owners += [expert if expert_map is None else expert_map[expert]] * blocks
    used = sum(region.size for region in regions)
    tail = np.full(slots - used, numel)
    unused = np.full(-(-slots // block) - len(owners), -1)
    return np.concatenate([*regions, tail]), np.concatenate([owners, unused]), np.array([used])


def assert_right(
    ids: IntArray, block: int, experts: int, *, dtype: torch.dtype = torch.int32, expert_map: IntArray | None = None
) -> None:
    map_tensor = None if expert_map is None else torch.from_numpy(expert_map)
    outputs = moe_align_block_size(torch.from_numpy(ids).to(dtype), block, experts, map_tensor)
    assert isinstance(outputs, tuple)
    for output, expected in zip(outputs, reference(ids, block, experts, expert_map), strict=True):
        assert output.dtype == torch.int32
        assert output.is_contiguous()
        np.testing.assert_array_equal(output.numpy(), expected)


@pytest.mark.parametrize("routing", ROUTINGS)
@pytest.mark.parametrize(
    ("numel", "experts", "block"),
    [
        (1, 1, 1),
        (1, 256, 256),
        (31, 32, 16),
        (32, 32, 16),
        (33, 32, 16),
        (257, 256, 1),
        (1000, 1, 17),
        (777, 60, 48),
        (4097, 129, 100),
        (6000, 1000, 8),
        (131072, 256, 128),
    ],
)
def test_shapes(numel: int, experts: int, block: int, routing: str) -> None:
    assert_right(make_ids(numel, experts, routing), block, experts)


@pytest.mark.parametrize("experts", [127, 128, 255, 257, 511, 512, 513, 2048, 2049, 32768, 65537])
@pytest.mark.parametrize("numel", [200, 3000])
def test_expert_counts_at_the_edges(experts: int, numel: int) -> None:
    ids = make_ids(numel, experts)
    ids[:3] = [experts - 1, experts, 0]
    assert_right(ids, 2, experts)


@pytest.mark.parametrize("numel", [255, 256, 32767, 32768, 65535, 65536, 65537])
def test_pair_counts_at_the_edges_of_narrow_integers(numel: int) -> None:
    assert_right(make_ids(numel, 5, "skewed"), 16, 5)
    assert_right(make_ids(numel, 40, "bad"), 16, 40)


@pytest.mark.parametrize(
    "wild", [2**32, 2**32 + 1, -(2**32), 2**31, 2**40 + 3, 2**63 - 1, -(2**63), 256, 65536, -65536]
)
def test_wide_bad_ids_do_not_wrap_round(wild: int) -> None:
    assert_right(np.array([1, wild, 0, 1, wild, 3], dtype=np.int64), 2, 4, dtype=torch.int64)


@pytest.mark.parametrize("routing", ["uniform", "bad"])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_expert_map(routing: str, dtype: torch.dtype) -> None:
    expert_map = np.full(72, -1, dtype=np.int32)
    expert_map[np.arange(3, 72, 2)] = np.arange(35)[::-1]
    assert_right(make_ids(5000, 72, routing), 32, 72, dtype=dtype, expert_map=expert_map)


@pytest.mark.parametrize("numel", [1, 8, 5000])
def test_a_call_leaves_its_arguments_and_earlier_results_alone(numel: int) -> None:
    ids = torch.from_numpy(make_ids(numel, 20))
    before = ids.clone()
    first = moe_align_block_size(ids, 16, 20)
    kept = [output.clone() for output in first]
    moe_align_block_size((ids + 1) % 20, 16, 20)
    assert torch.equal(ids, before)
    for old, copy in zip(first, kept, strict=True):
        assert torch.equal(old, copy)


@pytest.mark.parametrize("routing", ROUTINGS)
@pytest.mark.parametrize(("numel", "experts", "block"), [(1, 64, 16), (70, 8, 16), (300, 7, 1), (2000, 60, 48)])
def test_nothing_is_written_beside_the_outputs(numel: int, experts: int, block: int, routing: str) -> None:
    ids = make_ids(numel, experts, routing)
    expected = reference(ids, block, experts)
    buffers = [torch.full((array.size + 2 * GUARD,), -12345, dtype=torch.int32) for array in expected]
    tensor = torch.from_numpy(ids)
    slots, blocks = expected[0].size, expected[1].size
    sorted_ptr, expert_ptr, used_ptr = (buffer[GUARD:].data_ptr() for buffer in buffers)
    _align.align(tensor.data_ptr(), 8, numel, block, experts, 0, sorted_ptr, slots, expert_ptr, blocks, used_ptr)
    for buffer, values in zip(buffers, expected, strict=True):
        np.testing.assert_array_equal(buffer[GUARD:-GUARD].numpy(), values)
        assert (buffer[:GUARD] == -12345).all()
        assert (buffer[-GUARD:] == -12345).all()


@pytest.mark.parametrize("seed", range(20))
def test_random_cases(seed: int) -> None:
    rng = np.random.default_rng(seed)
    experts, block = int(rng.integers(1, 301)), int(rng.integers(1, 257))
    ids = make_ids(int(rng.integers(0, 5000)), experts, str(rng.choice(ROUTINGS)), seed)
    expert_map = rng.integers(-1, 99, experts).astype(np.int32) if rng.random() < 0.5 else None
    assert_right(ids, block, experts, expert_map=expert_map)


def test_public_api() -> None:
    assert moe_align_native.__all__ == ["moe_align_block_size"]
