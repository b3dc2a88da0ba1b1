"""`moe_align_block_size` of vLLM 0.7.3: what it gives, on the GPU where there is one and by Triton's interpreter else.

Not vLLM's own tests, which need a vLLM that is built.
"""

import pytest
import torch

from moe_align_tests.standing_in import load

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
fused_moe = load()


def assert_aligned(ids: torch.Tensor, block_size: int, num_experts: int) -> None:
    outputs = fused_moe.moe_align_block_size(ids.to(DEVICE), block_size, num_experts)
    sorted_ids, expert_ids, num_tokens_post_pad = (output.cpu() for output in outputs)
    regions: list[int] = []
    owners: list[int] = []
    for expert in range(num_experts):
        positions = (ids.flatten() == expert).nonzero().view(-1).tolist()
        blocks = -(-len(positions) // block_size)
        regions += positions + [ids.numel()] * (blocks * block_size - len(positions))
        owners += [expert] * blocks
    slots = ids.numel() + num_experts * (block_size - 1)
    assert num_tokens_post_pad.tolist() == [len(regions)]
    assert sorted_ids.tolist() == regions + [ids.numel()] * (slots - len(regions))
    assert expert_ids.numel() == -(-slots // block_size)
    assert expert_ids[: len(owners)].tolist() == owners  # what is behind them says nothing
    assert {output.dtype for output in outputs} == {torch.int32}
    assert {output.device.type for output in outputs} == {DEVICE}


def routed(tokens: int, top_k: int, num_experts: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(tokens)
    return torch.randint(num_experts, (tokens, top_k), generator=generator, dtype=torch.int32)


@pytest.mark.parametrize("block_size", [1, 16, 64])
@pytest.mark.parametrize(("tokens", "top_k", "num_experts"), [(1, 2, 8), (33, 2, 8), (70, 8, 32), (9, 1, 64)])
def test_routing(tokens: int, top_k: int, num_experts: int, block_size: int) -> None:
    assert_aligned(routed(tokens, top_k, num_experts), block_size, num_experts)


@pytest.mark.parametrize("expert", [0, 7])
def test_one_expert_takes_everything(expert: int) -> None:
    assert_aligned(torch.full((40, 2), expert, dtype=torch.int32), 16, 8)


def test_wide_ids() -> None:
    assert_aligned(routed(20, 3, 8).long(), 16, 8)


def test_the_function_that_fills_buffers_of_the_callers() -> None:
    ids = routed(30, 2, 8).to(DEVICE)
    expected = fused_moe.moe_align_block_size(ids, 16, 8)
    made = [torch.full_like(expected[0], ids.numel()), torch.empty_like(expected[1]), torch.empty_like(expected[2])]
    fused_moe.moe_align_block_size_triton(ids, 8, 16, *made)
    used = int(expected[2])
    assert torch.equal(made[0], expected[0])
    assert torch.equal(made[1][: used // 16], expected[1][: used // 16])
    assert torch.equal(made[2], expected[2])
