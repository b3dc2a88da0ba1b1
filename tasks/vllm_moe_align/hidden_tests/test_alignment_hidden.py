"""What a patch of vLLM's alignment must keep, on a GPU: shapes of vLLM's tests, order, graphs, callers' tensors."""

import pytest
import torch
from moe_align_tests.standing_in import load

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

Layout = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module", name="align")
def the_function():  # noqa: ANN201
    return load().moe_align_block_size


def assert_aligned(outputs: Layout, ids: torch.Tensor, block: int, experts: int) -> None:
    """By a stable sort on the CPU: order in an expert, padding and the tail of the ids, owners of the blocks in use."""
    flat = ids.reshape(-1).cpu().long()
    owners, order = torch.sort(flat, stable=True)
    counts = torch.bincount(owners, minlength=experts)
    blocks = (counts + block - 1) // block
    region, run = (blocks.cumsum(0) - blocks) * block, counts.cumsum(0) - counts
    expected = torch.full((flat.numel() + experts * (block - 1),), flat.numel(), dtype=torch.int32)
    expected[region[owners] + torch.arange(flat.numel()) - run[owners]] = order.int()
    sorted_ids, expert_ids, end = (output.cpu() for output in outputs)
    assert torch.equal(sorted_ids, expected)
    assert end.tolist() == [int(blocks.sum()) * block]
    assert expert_ids.shape == (-(-len(expected) // block),)
    assert torch.equal(expert_ids[: int(blocks.sum())], torch.repeat_interleave(torch.arange(experts), blocks).int())


def routed(tokens: int, top_k: int, experts: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(experts, (tokens, top_k), generator=generator, dtype=torch.int32).cuda()


# Not vLLM's whole grid: the base compiles its kernels anew for every number of ids.
@pytest.mark.parametrize(
    ("tokens", "top_k", "experts", "block"),
    [(1, 2, 32, 32), (3, 16, 160, 128), (256, 32, 256, 32), (2256, 1, 257, 128), (4096, 16, 32, 32), (3, 4, 1025, 4)],
)
def test_shapes_of_vllms_own_tests(align, tokens: int, top_k: int, experts: int, block: int) -> None:  # noqa: ANN001
    ids = routed(tokens, top_k, experts)
    assert_aligned(align(ids, block, experts), ids, block, experts)


def test_repeated_calls_agree(align) -> None:  # noqa: ANN001
    ids = routed(4096, 8, 64)
    for _ in range(5):
        assert_aligned(align(ids, 128, 64), ids, 128, 64)


def test_a_captured_graph_sees_changed_inputs(align) -> None:  # noqa: ANN001
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        ids = routed(1024, 2, 64)
        align(ids, 32, 64)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            calls = [align(ids, 32, 64) for _ in range(3)]
        for seed in range(1, 4):
            ids.copy_(routed(1024, 2, 64, seed=seed))
            for outputs in calls:
                for output in outputs:
                    output.fill_(-77)
            graph.replay()
            stream.synchronize()
            for outputs in calls:
                assert_aligned(outputs, ids, 32, 64)


def test_inputs_and_earlier_outputs_stay_as_they_are(align) -> None:  # noqa: ANN001
    ids = routed(500, 4, 64)
    before = ids.clone()
    first = align(ids, 64, 64)
    other = routed(500, 4, 64, seed=1)
    second = align(other, 64, 64)
    assert torch.equal(ids, before)
    assert_aligned(first, ids, 64, 64)
    assert_aligned(second, other, 64, 64)
