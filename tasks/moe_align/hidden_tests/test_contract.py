"""What a patch must keep, beyond what the target's own tests look at; run with the checkout on PYTHONPATH."""

import inspect
from typing import Any

import moe_align
import numpy as np
import numpy.typing as npt
import pytest
import torch
from moe_align import moe_align_block_size

IntArray = npt.NDArray[Any]

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
ROUTINGS = ["uniform", "skewed", "one", "sorted", "reversed", "bad"]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make_ids(numel: int, experts: int, routing: str = "uniform", seed: int = 0) -> IntArray:
    """Ids of one routing pattern, int64 [numel]."""
    rng = np.random.default_rng([numel, experts, seed])
    uniform = rng.integers(experts, size=numel)
    return {
        "uniform": lambda: uniform,
        "skewed": lambda: np.minimum(rng.zipf(1.5, numel) - 1, experts - 1),
        "one": lambda: np.full(numel, rng.integers(experts)),
        "sorted": lambda: np.sort(uniform),
        "reversed": lambda: np.flip(np.sort(uniform)).copy(),
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
    ids: IntArray,
    block: int,
    experts: int,
    device: str,
    *,
    dtype: torch.dtype = torch.int32,
    expert_map: IntArray | None = None,
) -> None:
    topk_ids = torch.from_numpy(ids).to(device, dtype)
    map_tensor = None if expert_map is None else torch.from_numpy(expert_map).to(device)
    outputs = moe_align_block_size(topk_ids, block, experts, map_tensor)
    assert isinstance(outputs, tuple)
    assert len(outputs) == 3
    for name, output, expected in zip(
        ("sorted_token_ids", "expert_ids", "num_tokens_post_pad"),
        outputs,
        reference(ids.reshape(-1), block, experts, expert_map),
        strict=True,
    ):
        assert output.dtype == torch.int32, name
        assert output.device == topk_ids.device, name
        assert output.is_contiguous(), name
        np.testing.assert_array_equal(output.cpu().numpy(), expected, err_msg=name)


@pytest.mark.parametrize("routing", ROUTINGS)
@pytest.mark.parametrize(
    ("numel", "experts", "block"),
    [
        (1, 1, 1),
        (1, 256, 256),
        (2, 3, 64),
        (31, 32, 16),
        (32, 32, 16),
        (33, 32, 16),
        (255, 256, 3),
        (257, 256, 1),
        (1000, 1, 17),
        (777, 60, 48),
        (2048, 300, 128),
        (4097, 129, 100),
        (6000, 1000, 8),
        (40000, 7, 255),
        (131072, 256, 128),
    ],
)
def test_shapes(numel: int, experts: int, block: int, routing: str, device: str) -> None:
    assert_right(make_ids(numel, experts, routing), block, experts, device)


@pytest.mark.parametrize("experts", [127, 128, 129, 255, 257, 32767, 32768, 32769, 65537])
def test_expert_counts_at_the_edges_of_narrow_integers(experts: int, device: str) -> None:
    if device == "cuda" and experts > 1024:
        pytest.skip("the kernels compare a tile of ids with all experts at once")
    ids = make_ids(200, experts)
    ids[:3] = [experts - 1, experts, 0]
    assert_right(ids, 2, experts, device)


@pytest.mark.parametrize("numel", [127, 128, 255, 256, 257, 32767, 32768, 32769, 65535, 65536, 65537])
def test_pair_counts_at_the_edges_of_narrow_integers(numel: int, device: str) -> None:
    assert_right(make_ids(numel, 5, "skewed"), 16, 5, device)
    assert_right(make_ids(numel, 40, "bad"), 16, 40, device)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("routing", ["uniform", "bad"])
def test_dtypes(dtype: torch.dtype, routing: str, device: str) -> None:
    assert_right(make_ids(3000, 50, routing), 24, 50, device, dtype=dtype)


@pytest.mark.parametrize(
    "wild", [2**32, 2**32 + 1, -(2**32), 2**31, 2**40 + 3, 2**63 - 1, -(2**63), 256, 65536, -65536, 2**16 + 1]
)
def test_wide_bad_ids_do_not_wrap_round(wild: int, device: str) -> None:
    ids = np.array([1, wild, 0, 1, wild, 3], dtype=np.int64)
    assert_right(ids, 2, 4, device, dtype=torch.int64)


@pytest.mark.parametrize("numel", [10, 5000])
@pytest.mark.parametrize("routing", ["uniform", "bad"])
def test_expert_map(numel: int, routing: str, device: str) -> None:
    expert_map = np.full(72, -1, dtype=np.int32)
    expert_map[np.arange(3, 72, 2)] = np.arange(35)[::-1]
    assert_right(make_ids(numel, 72, routing), 32, 72, device, expert_map=expert_map)


def test_expert_map_of_any_values(device: str) -> None:
    expert_map = np.array([2**31 - 1, -5, -(2**31), 0], dtype=np.int32)
    assert_right(make_ids(100, 4), 8, 4, device, expert_map=expert_map)


def test_expert_map_with_strides(device: str) -> None:
    ids = torch.tensor([2, 0, 1, 2], device=device)
    expert_map = torch.tensor([5, 9, 6, 9, 7, 9], dtype=torch.int32, device=device)[::2]
    assert moe_align_block_size(ids, 2, 3, expert_map)[1].tolist() == [5, 6, 7, -1]


def test_everything_is_bad(device: str) -> None:
    assert_right(np.full(5000, -1), 16, 8, device)
    assert_right(np.full(3, 8), 16, 8, device)


@pytest.mark.parametrize("shape", [(0,), (0, 8), (5, 0)])
@pytest.mark.parametrize("mapped", [False, True])
def test_empty(shape: tuple[int, ...], mapped: bool, device: str) -> None:
    expert_map = np.arange(4, dtype=np.int32) if mapped else None
    assert_right(np.empty(shape, dtype=np.int64), 16, 4, device, expert_map=expert_map)


@pytest.mark.parametrize("numel", [6, 6000])
def test_strides(numel: int, device: str) -> None:
    flat = torch.from_numpy(make_ids(numel, 11)).to(device)
    for view in (flat.view(3, -1).t(), flat[::2], flat.view(2, 3, -1).permute(2, 0, 1), flat.view(3, -1)[:, 1:]):
        assert_right(view.cpu().numpy(), 4, 11, device)
        outputs = moe_align_block_size(view, 4, 11)
        copied = moe_align_block_size(view.contiguous(), 4, 11)
        for output, expected in zip(outputs, copied, strict=True):
            assert torch.equal(output, expected)


@pytest.mark.parametrize("numel", [4, 5000])
def test_arguments_are_left_alone(numel: int, device: str) -> None:
    ids = torch.from_numpy(make_ids(numel, 20, "bad")).to(device)
    expert_map = torch.arange(19, -1, -1, dtype=torch.int32, device=device)
    before = ids.clone(), expert_map.clone()
    moe_align_block_size(ids, 16, 20, expert_map)
    assert torch.equal(ids, before[0])
    assert torch.equal(expert_map, before[1])


@pytest.mark.parametrize("numel", [4, 5000])
def test_repeated_calls_agree(numel: int, device: str) -> None:
    ids = torch.from_numpy(make_ids(numel, 20)).to(device)
    first = moe_align_block_size(ids, 16, 20)
    for _ in range(5):
        for output, expected in zip(moe_align_block_size(ids, 16, 20), first, strict=True):
            assert torch.equal(output, expected)


@pytest.mark.parametrize("numel", [1, 8, 5000])
def test_a_call_leaves_earlier_results_alone(numel: int, device: str) -> None:
    ids = torch.from_numpy(make_ids(numel, 20)).to(device)
    first = moe_align_block_size(ids, 16, 20)
    kept = [output.clone() for output in first]
    second = moe_align_block_size((ids + 1) % 20, 16, 20)
    for old, new, copy in zip(first, second, kept, strict=True):
        assert torch.equal(old, copy)
        assert old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr()
        old.fill_(-9)
    for output, expected in zip(second, reference(((ids + 1) % 20).cpu().numpy(), 16, 20), strict=True):
        np.testing.assert_array_equal(output.cpu().numpy(), expected)


def test_a_changed_input_is_seen(device: str) -> None:
    ids = torch.from_numpy(make_ids(600, 9)).to(device)
    moe_align_block_size(ids, 8, 9)
    ids.copy_(torch.from_numpy(make_ids(600, 9, "bad")))
    expected = reference(ids.cpu().numpy(), 8, 9)
    for output, values in zip(moe_align_block_size(ids, 8, 9), expected, strict=True):
        np.testing.assert_array_equal(output.cpu().numpy(), values)


@pytest.mark.parametrize("seed", range(20))
def test_random_cases(seed: int, device: str) -> None:
    rng = np.random.default_rng(seed)
    experts, block = int(rng.integers(1, 301)), int(rng.integers(1, 257))
    ids = make_ids(int(rng.integers(0, 5000)), experts, str(rng.choice(ROUTINGS)), seed)
    expert_map = rng.integers(-1, 99, experts).astype(np.int32) if rng.random() < 0.5 else None
    assert_right(ids, block, experts, device, expert_map=expert_map)


IDS = torch.zeros(4, 2, dtype=torch.int32)
MAP = torch.zeros(8, dtype=torch.int32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, 16, 8), "topk_ids must be a tensor, not NoneType"),
        ((IDS.double(), 16, 8), "topk_ids must be int32 or int64, not torch.float64"),
        ((IDS.bool(), 16, 8), "topk_ids must be int32 or int64, not torch.bool"),
        ((IDS.to(torch.uint8), 16, 8), "topk_ids must be int32 or int64, not torch.uint8"),
        ((IDS[:0].half(), 16, 8), "topk_ids must be int32 or int64, not torch.float16"),
        ((IDS, -1, 8), "block_size must be at least 1, not -1"),
        ((IDS, 0, 8), "block_size must be at least 1, not 0"),
        ((IDS, None, 8), "block_size must be an int, not NoneType"),
        ((IDS, 16, -3), "num_experts must be at least 1, not -3"),
        ((IDS, 16, 8.0), "num_experts must be an int, not float"),
        ((IDS, 16, False), "num_experts must be an int, not bool"),
        ((IDS, 2**29, 8), "the result needs 4294967296 slots, more than int32 can index"),
        ((IDS, 16, 8, 3), "expert_map must be a tensor or None, not int"),
        ((IDS, 16, 8, MAP.float()), "expert_map must be int32, not torch.float32"),
        ((IDS, 16, 8, MAP.repeat(2)), r"expert_map must have shape \[8\], not \[16\]"),
        ((IDS, 16, 8, MAP[:0]), r"expert_map must have shape \[8\], not \[0\]"),
        ((IDS, 16, 8, MAP.to("meta")), "expert_map is on meta, topk_ids on cpu"),
    ],
)
def test_wrong_arguments(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        moe_align_block_size(*arguments)


def test_public_api() -> None:
    assert moe_align.__all__ == ["moe_align_block_size"]
    parameters = inspect.signature(moe_align_block_size).parameters
    assert list(parameters) == ["topk_ids", "block_size", "num_experts", "expert_map"]
    assert parameters["expert_map"].default is None
    outputs = moe_align_block_size(topk_ids=IDS, block_size=16, num_experts=8, expert_map=None)
    assert [output.numel() for output in outputs] == [128, 8, 1]
