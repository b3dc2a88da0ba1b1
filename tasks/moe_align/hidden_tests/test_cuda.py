"""What a patch must keep on a GPU: every shape that vLLM and SGLang test, order, graphs, streams and devices."""

from collections.abc import Iterator

import pytest
import torch
from moe_align import moe_align_block_size

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

Layout = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def reference(ids: torch.Tensor, block: int, experts: int) -> Layout:
    """The contract by a stable sort, on the CPU."""
    flat = ids.reshape(-1).cpu().long()
    numel = flat.numel()
    slots = numel + experts * (block - 1)
    if numel < experts:
        slots = min(slots, numel * block)
    positions = ((flat >= 0) & (flat < experts)).nonzero().view(-1)
    owners, order = torch.sort(flat[positions], stable=True)
    counts = torch.bincount(owners, minlength=experts)
    blocks = (counts + block - 1) // block
    region = (blocks.cumsum(0) - blocks) * block
    run = counts.cumsum(0) - counts
    sorted_ids = torch.full((slots,), numel, dtype=torch.int32)
    sorted_ids[region[owners] + torch.arange(len(owners)) - run[owners]] = positions[order].int()
    expert_ids = torch.full((-(-slots // block),), -1, dtype=torch.int32)
    expert_ids[: int(blocks.sum())] = torch.repeat_interleave(torch.arange(experts, dtype=torch.int32), blocks)
    return sorted_ids, expert_ids, (blocks.sum() * block).int().view(1)


def assert_layout(outputs: Layout, ids: torch.Tensor, block: int, experts: int) -> None:
    for output, expected in zip(outputs, reference(ids, block, experts), strict=True):
        assert output.device == ids.device
        torch.testing.assert_close(output.cpu(), expected, rtol=0, atol=0)


def assert_mapped_layout(ids: torch.Tensor, block: int, experts: int) -> None:
    """With every other expert elsewhere."""
    expert_map = torch.full((experts,), -1, dtype=torch.int32)
    expert_map[::2] = torch.arange(experts // 2, dtype=torch.int32)
    sorted_ids, expert_ids, end = moe_align_block_size(ids, block, experts, expert_map.to(ids.device))
    expected_ids, owners, expected_end = reference(ids, block, experts)
    assert torch.equal(sorted_ids.cpu(), expected_ids)
    assert torch.equal(end.cpu(), expected_end)
    assert torch.equal(expert_ids.cpu(), torch.where(owners < 0, owners, expert_map[owners.clamp(min=0).long()]))


def routed(tokens: int, top_k: int, experts: int, seed: int = 0) -> torch.Tensor:
    """Ids int32 [tokens, top_k] on the GPU; a token's are distinct while there are enough experts."""
    generator = torch.Generator().manual_seed(seed)
    if top_k <= experts and tokens * experts < 2**21:
        ids = torch.rand(tokens, experts, generator=generator).topk(top_k, dim=1).indices
    else:
        ids = torch.randint(experts, (tokens, top_k), generator=generator)
    return ids.int().cuda()


@pytest.mark.parametrize("block", [32, 128])
@pytest.mark.parametrize("experts", [32, 160, 256, 257])
@pytest.mark.parametrize("top_k", [1, 2, 16, 32])
@pytest.mark.parametrize("tokens", [1, 3, 256, 2256, 4096])
def test_the_grid_of_vllm(tokens: int, top_k: int, experts: int, block: int) -> None:
    ids = routed(tokens, top_k, experts)
    assert_layout(moe_align_block_size(ids, block, experts), ids, block, experts)


@pytest.mark.parametrize("experts", [8, 64])
@pytest.mark.parametrize("top_k", [2, 4])
@pytest.mark.parametrize("tokens", [16, 32, 2048])
def test_the_grid_of_vllm_with_experts_elsewhere(tokens: int, top_k: int, experts: int) -> None:
    assert_mapped_layout(routed(tokens, top_k, experts), 64, experts)


@pytest.mark.parametrize("tokens", [7, 64, 513, 5000])
@pytest.mark.parametrize("experts", [8, 64, 65, 129, 1024, 1025])
def test_order_inside_an_expert_as_sglang_tests_it(experts: int, tokens: int) -> None:
    ids = routed(tokens, 4, experts, seed=experts)
    ids[ids % 3 == 0] = 5  # crowds
    assert_layout(moe_align_block_size(ids, 16, experts), ids, 16, experts)


@pytest.mark.parametrize(
    "numel", [1, 31, 32, 33, 127, 129, 511, 512, 513, 2047, 2049, 4097, 16385, 65537, 131073, 300_000]
)
def test_sizes_where_an_implementation_may_change_its_way(numel: int) -> None:
    for experts in (1, 33, 300):
        ids = torch.randint(-1, experts + 1, (numel,), generator=torch.Generator().manual_seed(numel)).cuda()
        assert_layout(moe_align_block_size(ids, 24, experts), ids, 24, experts)


def test_repeated_calls_agree_bit_for_bit() -> None:
    ids = routed(4096, 8, 256)
    first = moe_align_block_size(ids, 128, 256)
    for _ in range(20):
        for one, again in zip(first, moe_align_block_size(ids, 128, 256), strict=True):
            assert torch.equal(one, again)


@pytest.fixture
def stream() -> Iterator[torch.cuda.Stream]:
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        yield stream
    torch.cuda.synchronize()


@pytest.mark.parametrize("tokens", [4, 50, 1024, 20_000])
def test_a_captured_graph_sees_changed_inputs(stream: torch.cuda.Stream, tokens: int) -> None:
    ids = routed(tokens, 2, 64)
    moe_align_block_size(ids, 32, 64)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        calls = [moe_align_block_size(ids, 32, 64) for _ in range(3)]
    for seed in range(4):
        ids.copy_(routed(tokens, 2, 64, seed=seed + 1))
        for outputs in calls:
            for output in outputs:
                output.fill_(-77)
        graph.replay()
        stream.synchronize()
        for outputs in calls:
            assert_layout(outputs, ids, 32, 64)


@pytest.mark.parametrize("tokens", [50, 2000, 20_000])
def test_work_stays_on_the_current_stream(stream: torch.cuda.Stream, tokens: int) -> None:
    ids = torch.zeros(tokens, 2, dtype=torch.int32, device="cuda")
    wanted = routed(tokens, 2, 64)
    moe_align_block_size(ids, 32, 64)
    stream.synchronize()
    torch.cuda._sleep(20_000_000)
    ids.copy_(wanted)  # behind the sleep: who reads on another stream reads zeros
    outputs = moe_align_block_size(ids, 32, 64)
    ids.fill_(63)  # and who reads later reads this
    stream.synchronize()
    assert_layout(outputs, wanted, 32, 64)


@pytest.mark.parametrize("tokens", [50, 2000, 20_000])
def test_ids_that_another_kernel_is_still_writing(stream: torch.cuda.Stream, tokens: int) -> None:
    scores = torch.rand(tokens, 64, device="cuda")
    moe_align_block_size(scores.topk(2, dim=1).indices, 32, 64)
    for _ in range(20):
        scores = torch.rand(tokens, 64, device="cuda")
        ids = scores.topk(2, dim=1).indices
        outputs = moe_align_block_size(ids, 32, 64)
        assert_layout(outputs, ids, 32, 64)


@pytest.mark.parametrize("tokens", [50, 2000])
def test_a_slice_that_begins_anywhere(tokens: int) -> None:
    ids = routed(tokens + 1, 2, 64).view(-1)[1:]
    assert_layout(moe_align_block_size(ids, 32, 64), ids, 32, 64)
    ids = routed(tokens, 4, 64)[:, 1::2]
    assert_layout(moe_align_block_size(ids, 32, 64), ids, 32, 64)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("tokens", [50, 2000, 20_000])
def test_ids_on_a_gpu_that_is_not_the_current_one(tokens: int) -> None:
    ids = routed(tokens, 2, 64).to("cuda:1")
    assert_layout(moe_align_block_size(ids, 32, 64), ids, 32, 64)
    assert torch.cuda.current_device() == 0


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("tokens", [50, 2000, 20_000])
def test_two_gpus_in_turn(tokens: int) -> None:
    for device in ("cuda:0", "cuda:1", "cuda:0", "cuda:1"):
        ids = routed(tokens, 2, 64).to(device)
        assert_layout(moe_align_block_size(ids, 32, 64), ids, 32, 64)
        assert_mapped_layout(ids, 32, 64)
        assert torch.cuda.current_device() == 0
