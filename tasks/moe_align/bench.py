"""Workloads and oracle of the moe_align task; trusted, and never inside a worktree.

The oracle is independent of the target: NumPy's stable argsort instead of counts and prefix sums. The contract
(the docstring of `moe_align_block_size`) fixes every element, the order inside an expert and the unused tails
included, so every element is compared. Open are only the sequence type that holds the three tensors, their
strides, and whether they share storage with one another.
"""

import random
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from harness.timing.bench import Workload

Int32Array = npt.NDArray[np.int32]

OUTPUTS = ("sorted_token_ids", "expert_ids", "num_tokens_post_pad")
ZIPF_EXPONENT = 1.2


def _workload(
    name: str,
    tokens: int,
    top_k: int,
    experts: int,
    block: int,
    *,
    routing: str = "uniform",
    dtype: str = "int32",
    mapped: bool = False,
    bad: float = 0.0,
    held_out: bool = False,
) -> Workload:
    """A workload.

    Args:
        name: what reports call it.
        tokens: tokens in the batch.
        top_k: experts a token is routed to, at most `experts`.
        experts: number of experts.
        block: rows in a block.
        routing: uniform; zipf (few experts take most tokens); one (a token's every choice is the same expert).
        dtype: of the ids, int32 or int64.
        mapped: whether an expert_map is given, as if half of the experts lived on this device.
        bad: the share of ids that are out of range.
        held_out: whether the agent never sees it.
    """
    params = {
        "tokens": tokens,
        "top_k": top_k,
        "experts": experts,
        "block": block,
        "routing": routing,
        "dtype": dtype,
        "mapped": mapped,
        "bad": bad,
    }
    return Workload(name=name, held_out=held_out, params=params)


def workloads(device: str) -> list[Workload]:
    """From decode to prefill. A GPU is timed on a few more, the CPU on no more than every session can afford."""
    shown = [
        _workload("decode-1x8-e256-b16", 1, 8, 256, 16),
        _workload("decode-32x2-e8-b16-zipf", 32, 2, 8, 16, routing="zipf"),
        _workload("decode-64x6-e64-b64-int64-bad", 64, 6, 64, 64, dtype="int64", bad=0.05),
        _workload("chunk-512x8-e128-b64-mapped", 512, 8, 128, 64, mapped=True),
        _workload("prefill-4096x2-e64-b128", 4096, 2, 64, 128),
        # A few bad ids: without them there would be only as many different inputs as experts to choose from.
        _workload("prefill-16384x1-e16-b128-one", 16384, 1, 16, 128, routing="one", bad=0.01),
    ]
    held_out = [
        _workload("decode-1x2-e64-b16", 1, 2, 64, 16, held_out=True),
        _workload("decode-16x8-e256-b128-zipf", 16, 8, 256, 128, routing="zipf", held_out=True),
        _workload("chunk-300x1-e32-b32-one", 300, 1, 32, 32, routing="one", bad=0.02, held_out=True),
        _workload("chunk-1000x4-e60-b48-int64-bad", 1000, 4, 60, 48, dtype="int64", bad=0.02, held_out=True),
        _workload("prefill-4096x6-e160-b64-mapped", 4096, 6, 160, 64, mapped=True, held_out=True),
        _workload("prefill-16384x8-e256-b256-zipf", 16384, 8, 256, 256, routing="zipf", held_out=True),
    ]
    if device.startswith("cuda"):
        # With "prefill-4096x2-e64-b128" these are the 13 shapes for which times of other implementations are published.
        shown += [
            _workload("decode-1x8-e256-b128", 1, 8, 256, 128),
            _workload("decode-1x2-e64-b128", 1, 2, 64, 128),
            _workload("decode-16x8-e256-b128", 16, 8, 256, 128),
            _workload("decode-64x8-e64-b64", 64, 8, 64, 64),
            _workload("decode-256x8-e256-b128", 256, 8, 256, 128),
            _workload("decode-256x8-e512-b256", 256, 8, 512, 256),
            _workload("chunk-1024x8-e64-b64", 1024, 8, 64, 64),
            _workload("prefill-4096x1-e64-b128", 4096, 1, 64, 128),
            _workload("prefill-4096x8-e128-b128", 4096, 8, 128, 128),
            _workload("prefill-4096x8-e256-b256", 4096, 8, 256, 256),
            _workload("prefill-16384x8-e256-b128", 16384, 8, 256, 128),
            _workload("prefill-65536x8-e256-b128", 65536, 8, 256, 128),
        ]
        held_out += [
            _workload("chunk-2048x8-e64-b64-zipf", 2048, 8, 64, 64, routing="zipf", held_out=True),
            _workload("prefill-8192x8-e8-b64", 8192, 8, 8, 64, held_out=True),
            _workload("prefill-16384x4-e128-b128-zipf", 16384, 4, 128, 128, routing="zipf", held_out=True),
        ]
    return shown + held_out


def random_workload(rng: random.Random, device: str) -> Workload:
    """A workload of an odd shape, to be checked and not timed: every corner of the contract turns up.

    Args:
        rng: where the choices come from.
        device: as in `workloads`; the choices do not depend on it.
    """
    del device
    experts = rng.choices([1, rng.randint(2, 16), rng.randint(17, 300)], weights=[1, 4, 5])[0]
    # Sizes are drawn evenly on a logarithmic scale, so that small batches are as common as large ones.
    tokens = 0 if rng.random() < 0.05 else int(3000 ** rng.random())
    return _workload(
        f"random-{rng.getrandbits(32):08x}",
        tokens,
        min(rng.randint(1, 8), experts),
        experts,
        rng.randint(1, 256),
        routing=rng.choice(["uniform", "zipf", "one"]),
        dtype=rng.choice(["int32", "int64"]),
        mapped=rng.random() < 0.3,
        bad=rng.choices([0.0, 0.1, 1.0], weights=[14, 5, 1])[0],
    )


def make_inputs(workload: Workload, seed: int) -> dict[str, Any]:
    """Inputs of one call; equal for equal (workload, seed), and of fresh content for every seed.

    Args:
        workload: one of `workloads` or `random_workload`.
        seed: a non-negative integer of any size.

    Returns:
        topk_ids [tokens, top_k], block_size, num_experts, expert_map (int32 [experts] or None).
    """
    params = workload.params
    tokens, top_k, experts = params["tokens"], params["top_k"], params["experts"]
    rng = np.random.default_rng([seed, zlib.crc32(repr(sorted(params.items())).encode())])

    # Choices are drawn with replacement: a router's are distinct for each token, but the contract does not say so,
    # and distinct ones take many times as long to draw.
    if params["routing"] == "uniform":
        ids = rng.integers(experts, size=(tokens, top_k))
    elif params["routing"] == "zipf":
        popularity = (1.0 + rng.permutation(experts)) ** -ZIPF_EXPONENT
        ids = rng.choice(experts, size=(tokens, top_k), p=popularity / popularity.sum())
    else:
        ids = np.full((tokens, top_k), rng.integers(experts))
    if params["bad"] > 0:
        outside = rng.choice([-1, -7, experts, experts + 5, 2**31 - 1], size=ids.shape)
        ids = np.where(rng.random(ids.shape) < params["bad"], outside, ids)

    expert_map = None
    if params["mapped"]:
        local = np.full(experts, -1, dtype=np.int32)
        here = np.sort(rng.permutation(experts)[: -(-experts // 2)])
        local[here] = np.arange(len(here))
        expert_map = torch.from_numpy(local)
    return {
        "topk_ids": torch.from_numpy(ids.astype(params["dtype"])),
        "block_size": params["block"],
        "num_experts": experts,
        "expert_map": expert_map,
    }


# The worker runs the source of this function alone, so it refers to nothing outside itself.
def call(target: Any, inputs: dict[str, Any]) -> Any:  # noqa: ANN401
    """Call the function under test once.

    Args:
        target: the imported package `moe_align`.
        inputs: what `make_inputs` made, on the worker's device.

    Returns:
        The three tensors.
    """
    return target.moe_align_block_size(
        inputs["topk_ids"], inputs["block_size"], inputs["num_experts"], inputs["expert_map"]
    )


def check(workload: Workload, inputs: dict[str, Any], outputs: object) -> str | None:
    """Hold a call's outputs against the oracle.

    Args:
        workload: what the inputs were made for.
        inputs: the inputs, as made, not as the worker left them.
        outputs: whatever the worker sent back.

    Returns:
        None if every element is right; otherwise one sentence that names the first wrong element, what was
        expected and what was found.
    """
    del workload  # the inputs say everything
    expected = expected_outputs(inputs)
    if not isinstance(outputs, (list, tuple)):
        return f"expected three tensors ({', '.join(OUTPUTS)}), found {type(outputs).__name__}"
    if len(outputs) != len(OUTPUTS):
        return f"expected three tensors ({', '.join(OUTPUTS)}), found {len(outputs)} outputs"
    found = []
    for name, want, output in zip(OUTPUTS, expected, outputs, strict=True):
        array = _as_array(output)
        if isinstance(array, str):
            return f"{name}: expected a dense int32 tensor, found {array}"
        if array.shape != want.shape:
            return f"{name}: expected shape {list(want.shape)}, found {list(array.shape)}"
        found.append(array)

    used_slots = int(expected[2][0])
    used = {"sorted_token_ids": used_slots, "expert_ids": used_slots // inputs["block_size"]}
    for name, want, got in zip(OUTPUTS, expected, found, strict=True):
        wrong = np.flatnonzero(want != got)
        if wrong.size:
            first = int(wrong[0])
            role = ""
            if first >= used.get(name, want.size):
                role = " (unused tail)"
            elif name == "sorted_token_ids" and want[first] == inputs["topk_ids"].numel():
                role = " (padding)"
            more = f"; {wrong.size} of {want.size} elements are wrong" if wrong.size > 1 else ""
            return f"{name}[{first}]: expected {want[first]}{role}, found {got[first]}{more}"
    return None


def least_bytes(workload: Workload) -> int:
    """What any implementation moves: it reads every id, and writes every slot, block and the number of used slots."""
    params = workload.params
    numel = params["tokens"] * params["top_k"]
    slots = _slots(numel, params["experts"], params["block"])
    read = numel * np.dtype(params["dtype"]).itemsize
    return int(read + 4 * (slots + -(-slots // params["block"]) + 1))


def _slots(numel: int, experts: int, block: int) -> int:
    """The length of sorted_token_ids."""
    slots = numel + experts * (block - 1)
    return min(slots, numel * block) if numel < experts else slots


def _as_array(output: object) -> Int32Array | str:
    """The tensor's values, or what it is instead of a dense int32 CPU tensor."""
    # Exactly a Tensor: a subclass could bring its own idea of what comparing means.
    if type(output) is not torch.Tensor:
        return type(output).__name__
    if output.dtype != torch.int32:
        return f"dtype {str(output.dtype).removeprefix('torch.')}"
    if output.layout != torch.strided or output.device.type != "cpu":
        return f"a {str(output.layout).removeprefix('torch.')} tensor on {output.device}"
    array: Int32Array = output.detach().resolve_neg().numpy()
    return array


def expected_outputs(inputs: dict[str, Any]) -> tuple[Int32Array, Int32Array, Int32Array]:
    """The oracle: what the contract says, from a stable sort.

    Args:
        inputs: as `make_inputs` returns them.

    Returns:
        sorted_token_ids, expert_ids and num_tokens_post_pad as int32 arrays.
    """
    ids: npt.NDArray[np.int64] = inputs["topk_ids"].numpy().reshape(-1).astype(np.int64)
    block, experts, expert_map = inputs["block_size"], inputs["num_experts"], inputs["expert_map"]
    numel = ids.size
    slots = _slots(numel, experts, block)

    positions = np.flatnonzero((ids >= 0) & (ids < experts))
    # NumPy sorts 16-bit keys by radix, ten times as fast as wider ones.
    keys = ids[positions].astype(np.uint16 if experts <= 2**16 else np.int64)
    order = np.argsort(keys, kind="stable")
    positions, keys = positions[order], keys[order]

    blocks_of = -(-np.bincount(keys, minlength=experts) // block)
    region_start = (np.cumsum(blocks_of) - blocks_of) * block
    run_start = np.searchsorted(keys, np.arange(experts))
    sorted_token_ids = np.full(slots, numel, dtype=np.int32)
    sorted_token_ids[np.arange(positions.size) + (region_start - run_start)[keys]] = positions

    expert_ids = np.full(-(-slots // block), -1, dtype=np.int32)
    owners = np.arange(experts) if expert_map is None else expert_map.numpy()
    expert_ids[: blocks_of.sum()] = np.repeat(owners, blocks_of)
    return sorted_token_ids, expert_ids, np.array([blocks_of.sum() * block], dtype=np.int32)
