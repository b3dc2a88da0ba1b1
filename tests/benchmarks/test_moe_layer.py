"""How the layer's samples become a row: shares and gains, in percent of the layer."""

from __future__ import annotations

import random

import pytest
import torch

from benchmarks.fused_moe import TABLE, Routing, Tiles, space_for, tiles_for
from benchmarks.moe_layer import heading, line, summarise
from benchmarks.moe_layer_cases import DECODE, MODELS, PREFILL, Case, Experts, Model


@pytest.fixture
def case() -> Case:
    weights = Experts(torch.zeros(4, 64, 32), torch.zeros(4, 32, 32))
    routing = Routing(torch.tensor([[0, 1], [1, 3]], dtype=torch.int32), torch.full((2, 2), 0.5))
    tiles = Tiles(rows=16, columns=32, depth=32, group=1, warps=4, stages=2)
    x = torch.zeros(1, 2, 32)
    model = Model("tiny", experts=4, top_k=2, hidden=32, inner=32)
    return Case(model, tiles, [weights], x, [routing], space_for(4, weights), torch.zeros_like(x))


def test_gains_and_shares_are_of_the_layer_and_have_an_interval(case: Case) -> None:
    rng = random.Random(3)
    drift = [1 + 0.2 * rng.random() for _ in range(60)]  # of the machine, common to a round

    def timed(us: float) -> list[float]:
        return [us * each * (1 + 0.01 * (rng.random() - 0.5)) for each in drift]

    row = summarise(
        case,
        {
            ("layer", "base"): timed(100),
            ("layer", "reference"): timed(90),
            ("layer", "given"): timed(85),
            ("alone", "base"): timed(14),
            ("alone", "reference"): timed(3),
        },
    )
    base, record = row["alignments"]
    assert base["gain_percent"] is None
    assert base["share_percent"]["estimate"] == pytest.approx(15, abs=0.3)
    assert record["share_percent"]["estimate"] == pytest.approx(100 * 5 / 90, abs=0.3)
    gain = record["gain_percent"]
    assert gain["low"] < 10 < gain["high"]
    assert gain["high"] - gain["low"] < 0.5  # the drift cancels within a round
    assert row["experts_touched"] == 3
    assert (row["phase"], row["tokens"]) == ("decode", 2)
    assert f"{gain['estimate']:.2f} [{gain['low']:.2f}, {gain['high']:.2f}]" in line(row)
    assert line(row).count(" | ") == heading(["reference"]).count(" | ")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_size_has_tiles_that_divide_it(model: Model) -> None:
    used = {tiles_for(tokens * model.top_k, model.experts) for tokens in (*DECODE, *PREFILL)}
    assert len(used) > 1
    assert used <= {tiles for _, tiles in TABLE}
    for tiles in used:
        assert 2 * model.inner % tiles.columns == model.hidden % tiles.columns == 0
        assert model.hidden % tiles.depth == model.inner % tiles.depth == 0
