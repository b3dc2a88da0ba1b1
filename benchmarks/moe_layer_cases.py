"""Layers of three models to time an alignment in, one GPU's share of each, with random weights and routing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.fused_moe import Align, Aligned, Experts, Routing, Space, Tiles, fused_moe, space_for, tiles_for

LAYERS = 4  # weights in rotation: a decode step of one layer reads at least 75 MB, an H100's L2 cache holds 50
ALONE = 64  # calls in a graph of alignments alone
DECODE = (1, 16, 64, 256)
PREFILL = (1024, 4096, 16384)


@dataclass(frozen=True)
class Model:
    """One GPU's share of a model's layer; `inner` is an expert's width, divided where the model is split in 8."""

    name: str
    experts: int
    top_k: int
    hidden: int
    inner: int


MODELS = (
    Model("Mixtral-8x7B-like, 1/8 of each expert", experts=8, top_k=2, hidden=4096, inner=1792),
    Model("Qwen3-30B-A3B-like", experts=128, top_k=8, hidden=2048, inner=768),
    Model("DeepSeek-V3-like, 1/8 of each expert", experts=256, top_k=8, hidden=7168, inner=256),
)


@dataclass(frozen=True)
class Case:
    """The layers of one graph: `x` [calls, tokens, hidden] and a routing a call, over the model's layers in turn."""

    model: Model
    tiles: Tiles
    weights: Sequence[Experts]
    x: torch.Tensor
    routings: Sequence[Routing]
    space: Space
    out: torch.Tensor

    def layers(self, aligns: Sequence[Align]) -> list[Callable[[], None]]:
        """The layers as calls, each with an alignment of its own."""
        return [
            partial(
                fused_moe,
                self.x[call],
                self.weights[call % len(self.weights)],
                routing,
                aligns[call],
                self.tiles,
                self.space,
                self.out[call],
            )
            for call, routing in enumerate(self.routings)
        ]

    def alignments(self, align: Align) -> list[Callable[[], Aligned]]:
        """The alignments of the layers alone, a call each."""
        return [partial(align, each.ids, self.tiles.rows, self.model.experts) for each in self.routings]


def make_weights(model: Model, seed: int) -> Experts:
    """Random weights of one layer, scaled so that activations keep their size."""
    generator = torch.Generator("cuda").manual_seed(seed)
    made = []
    for rows, depth in ((2 * model.inner, model.hidden), (model.hidden, model.inner)):
        empty = torch.empty(model.experts, rows, depth, dtype=torch.bfloat16, device="cuda")
        made.append(empty.normal_(0, depth**-0.5, generator=generator))
    return Experts(*made)


def make_case(model: Model, weights: Sequence[Experts], tokens: int) -> Case:
    """Tokens and routing for a graph's calls: a token's experts are distinct, and its weights sum to 1."""
    generator = torch.Generator("cuda").manual_seed(tokens)
    calls = LAYERS * (4 if tokens <= DECODE[-1] else 1)
    x = torch.empty(calls, tokens, model.hidden, dtype=torch.bfloat16, device="cuda").normal_(generator=generator)
    routings = []
    for _ in range(calls):
        scores = torch.rand(tokens, model.experts, device="cuda", generator=generator)
        best = scores.topk(model.top_k, dim=1)
        routings.append(Routing(best.indices.int(), torch.softmax(best.values, dim=1)))
    pairs = tokens * model.top_k
    tiles = tiles_for(pairs, model.experts)
    return Case(model, tiles, weights, x, routings, space_for(pairs, weights[0]), torch.empty_like(x))
