"""Workloads and oracle of the vllm_moe_align task; trusted, and never inside a worktree.

What vLLM 0.7.3's `moe_align_block_size(topk_ids, block_size, num_experts)` promises is less than what the bundled
target's does, and no more than that is compared:

- `sorted_token_ids`, whole: [numel + num_experts * (block_size - 1)], experts ascending, positions ascending in an
  expert (its CUDA kernel for fewer than 224 experts and its Triton stages are stable), numel wherever nothing is;
- `expert_ids` as far as blocks are in use, and its length; what is behind is left as it was allocated;
- `num_tokens_post_pad`.

Ids are always in range: with others its kernels write where they must not.

vLLM is not built and not imported. `load` takes the one file from the tree through `moe_align_tests.standing_in`, which
the task lays beside vLLM's files before they are sealed: a patch that touches it is rejected, and whatever a patch
may do to it once it runs it does in the worker, where nothing is trusted. In place of the compiled operators the file's
own four Triton stages are called, for every number of experts.
"""

import random
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from harness.timing.bench import Workload

OUTPUTS = ("sorted_token_ids", "expert_ids", "num_tokens_post_pad")
ZIPF_EXPONENT = 1.2


def _workload(
    name: str,
    shape: tuple[int, int, int, int],
    *,
    routing: str = "uniform",
    dtype: str = "int32",
    held_out: bool = False,
) -> Workload:
    """A workload.

    Args:
        name: what reports call it.
        shape: tokens, experts a token is routed to, experts, rows in a block.
        routing: uniform; zipf (few experts take most tokens); crowd (one expert takes nearly all).
        dtype: of the ids, int32 or int64.
        held_out: whether the agent never sees it.
    """
    params = {**dict(zip(("tokens", "top_k", "experts", "block"), shape, strict=True)), "routing": routing}
    return Workload(name=name, held_out=held_out, params={**params, "dtype": dtype})


def workloads(device: str) -> list[Workload]:
    """The 13 shapes for which times of other implementations are published, and a few held out.

    Without a GPU only what Triton's interpreter can do in seconds.
    """
    if not device.startswith("cuda"):
        return [
            _workload("tiny-16x2-e8-b16", (16, 2, 8, 16)),
            _workload("tiny-60x4-e16-b8-zipf", (60, 4, 16, 8), routing="zipf", held_out=True),
        ]
    shapes = [
        ("decode", (1, 8, 256, 128)),
        ("decode", (1, 2, 64, 128)),
        ("decode", (16, 8, 256, 128)),
        ("decode", (64, 8, 64, 64)),
        ("decode", (256, 8, 256, 128)),
        ("decode", (256, 8, 512, 256)),
        ("chunk", (1024, 8, 64, 64)),
        ("prefill", (4096, 1, 64, 128)),
        ("prefill", (4096, 2, 64, 128)),
        ("prefill", (4096, 8, 128, 128)),
        ("prefill", (4096, 8, 256, 256)),
        ("prefill", (16384, 8, 256, 128)),
        ("prefill", (65536, 8, 256, 128)),
    ]
    shown = [_workload(f"{kind}-{s[0]}x{s[1]}-e{s[2]}-b{s[3]}", s) for kind, s in shapes]
    return [
        *shown,
        _workload("decode-32x6-e160-b64-zipf", (32, 6, 160, 64), routing="zipf", held_out=True),
        _workload("chunk-512x2-e8-b64-crowd", (512, 2, 8, 64), routing="crowd", held_out=True),
        _workload("chunk-2048x4-e60-b48-int64", (2048, 4, 60, 48), dtype="int64", held_out=True),
        _workload("prefill-8192x8-e64-b128-zipf", (8192, 8, 64, 128), routing="zipf", held_out=True),
    ]


def random_workload(rng: random.Random, device: str) -> Workload:
    """A workload of an odd shape, to be checked and not timed.

    Experts and blocks come from short lists: the base compiles its kernels anew for each of them.

    Args:
        rng: where the choices come from.
        device: "cpu" gets small ones, for Triton's interpreter.
    """
    small = not device.startswith("cuda")
    experts = rng.choice([1, 8, 33] if small else [1, 8, 60, 160, 300])
    shape = (
        rng.randint(1, 40) if small else rng.choice([1, 5, 77, 300, 1111]),
        rng.randint(1, min(4 if small else 8, experts)),
        experts,
        rng.choice([16, 48]),
    )
    return _workload(
        f"random-{rng.getrandbits(32):08x}",
        shape,
        routing=rng.choice(["uniform", "zipf", "crowd"]),
        dtype=rng.choice(["int32", "int64"]),
    )


def make_inputs(workload: Workload, seed: int) -> dict[str, Any]:
    """Inputs of one call; equal for equal (workload, seed), and of fresh content for every seed.

    Args:
        workload: one of `workloads` or `random_workload`.
        seed: a non-negative integer of any size.

    Returns:
        topk_ids [tokens, top_k], block_size, num_experts.
    """
    params = workload.params
    experts, shape = params["experts"], (params["tokens"], params["top_k"])
    rng = np.random.default_rng([seed, zlib.crc32(repr(sorted(params.items())).encode())])
    ids = rng.integers(experts, size=shape)
    if params["routing"] == "zipf":
        popularity = (1.0 + rng.permutation(experts)) ** -ZIPF_EXPONENT
        ids = rng.choice(experts, size=shape, p=popularity / popularity.sum())
    elif params["routing"] == "crowd":
        ids = np.where(rng.random(shape) < 0.98, rng.integers(experts), ids)
    return {
        "topk_ids": torch.from_numpy(ids.astype(params["dtype"])),
        "block_size": params["block"],
        "num_experts": experts,
    }


# Workers run the source of these two alone, so they refer to nothing outside themselves.
def load(root: str) -> Any:  # noqa: ANN401
    """The module under test, from the tree at `root`."""
    import importlib  # noqa: PLC0415
    import sys  # noqa: PLC0415

    sys.path.insert(0, root)
    return importlib.import_module("moe_align_tests.standing_in").load(root)


def call(target: Any, inputs: dict[str, Any]) -> Any:  # noqa: ANN401
    """Call the function under test once.

    Args:
        target: vLLM's module `fused_moe`.
        inputs: what `make_inputs` made, on the worker's device.

    Returns:
        The three tensors.
    """
    return target.moe_align_block_size(inputs["topk_ids"], inputs["block_size"], inputs["num_experts"])


def check(workload: Workload, inputs: dict[str, Any], outputs: object) -> str | None:
    """Hold a call's outputs against the oracle.

    Args:
        workload: what the inputs were made for.
        inputs: the inputs, as made, not as the worker left them.
        outputs: whatever the worker sent back.

    Returns:
        None if all that is promised is right; otherwise one sentence that names the first wrong element, what was
        expected and what was found.
    """
    del workload  # the inputs say everything
    expected = expected_outputs(inputs)
    if not isinstance(outputs, (list, tuple)) or len(outputs) != len(OUTPUTS):
        return f"expected three tensors ({', '.join(OUTPUTS)}), found {type(outputs).__name__}"
    for name, (length, want), output in zip(OUTPUTS, expected, outputs, strict=True):
        # Exactly a Tensor: a subclass could bring its own idea of what comparing means.
        if type(output) is not torch.Tensor or output.dtype != torch.int32 or output.layout != torch.strided:
            return f"{name}: expected a dense int32 tensor, found {getattr(output, 'dtype', type(output).__name__)}"
        if output.shape != (length,):
            return f"{name}: expected shape [{length}], found {list(output.shape)}"
        found = output.numpy()[: len(want)]
        wrong = np.flatnonzero(want != found)
        if wrong.size:
            first = int(wrong[0])
            more = f"; {wrong.size} of {len(want)} elements are wrong" if wrong.size > 1 else ""
            return f"{name}[{first}]: expected {want[first]}, found {found[first]}{more}"
    return None


def least_bytes(workload: Workload) -> int:
    """What any implementation moves: it reads every id, and writes every slot and the number of slots in use.

    Of the blocks' owners only those in use need be written, which depends on the routing; none is counted.
    """
    params = workload.params
    numel = params["tokens"] * params["top_k"]
    slots = numel + params["experts"] * (params["block"] - 1)
    return int(numel * np.dtype(params["dtype"]).itemsize + 4 * (slots + 1))


def expected_outputs(inputs: dict[str, Any]) -> list[tuple[int, npt.NDArray[np.int32]]]:
    """The oracle, from a stable sort: of each output its length, and the elements from its start that are promised.

    Args:
        inputs: as `make_inputs` returns them.
    """
    ids: npt.NDArray[np.int64] = inputs["topk_ids"].numpy().reshape(-1).astype(np.int64)
    block, experts = inputs["block_size"], inputs["num_experts"]
    slots = ids.size + experts * (block - 1)
    order = np.argsort(ids.astype(np.uint16), kind="stable")  # 16 bits are sorted by radix, ten times as fast
    counts = np.bincount(ids, minlength=experts)
    blocks = -(-counts // block)
    shift = (np.cumsum(blocks) - blocks) * block - (np.cumsum(counts) - counts)
    sorted_token_ids = np.full(slots, ids.size, dtype=np.int32)
    sorted_token_ids[np.arange(ids.size) + shift[ids[order]]] = order
    owners = np.repeat(np.arange(experts, dtype=np.int32), blocks)
    end = np.array([blocks.sum() * block], dtype=np.int32)
    return [(slots, sorted_token_ids), (-(-slots // block), owners), (1, end)]
