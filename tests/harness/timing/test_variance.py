"""Known slowdowns, and the analysis of variance between and within servers."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toy_task import HONEST, Toy

from harness.timing.bench import extra_calls, load_bench
from harness.timing.client import measure
from harness.timing.measurement import Measurement, Progress
from harness.timing.variance import spread

pytestmark = pytest.mark.slow

Ignore = Callable[[Progress], None]


@pytest.mark.parametrize(("base", "candidate", "truth"), [(0.5, 0.0, 1.5), (0.0, 1.0, 0.5)])
def test_an_injected_slowdown_comes_back(toy: Toy, ignore: Ignore, base: float, candidate: float, truth: float) -> None:
    job = toy.job(HONEST).model_copy(update={"base_slowdown": base, "candidate_slowdown": candidate})
    found = measure(job, ignore)
    assert isinstance(found, Measurement), found
    assert found.speedup.estimate == pytest.approx(truth, rel=0.15)


def groups(between: float, seed: int = 4) -> list[list[float]]:
    rng = random.Random(seed)
    return [[luck + rng.gauss(0, 0.01) for _ in range(8)] for luck in (rng.gauss(0, between) for _ in range(40))]


def test_independent_sessions_have_an_f_of_about_one() -> None:
    found = spread("a server each", "w", "ratio", groups(0.0))
    assert found.low < 1 < found.high
    assert found.within == pytest.approx(0.01, rel=0.1)


def test_shared_luck_shows() -> None:
    found = spread("one server", "w", "ratio", groups(0.02))
    assert found.low > 5


@pytest.mark.parametrize("bad", [[], [[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 2.0], [1.0, 2.0, 3.0]]])
def test_what_has_no_variance_is_an_error(bad: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="two or more groups"):
        spread("x", "w", "ratio", bad)


def test_all_three_designs_run() -> None:
    arguments = [sys.executable, "-m", "harness.timing.variance", "--rounds", "2", "--sessions", "2", "--json"]
    told = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=120)
    found = json.loads(told.stdout)
    assert {each["design"] for each in found} == {"one server", "a server each", "fresh interpreters"}
    assert {each["quantity"] for each in found} == {"ratio", "time"}
    assert len(found) == 12


@pytest.mark.parametrize(("calls", "slowdown", "extra"), [(64, 0.05, 3), (200, 0.02, 4), (512, 0.02, 10), (64, 0.0, 0)])
def test_a_captured_graph_gets_as_many_extra_calls_as_it_says(
    monkeypatch: pytest.MonkeyPatch, calls: int, slowdown: float, extra: int
) -> None:
    import torch

    capturing = False
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: capturing)
    shipped = load_bench(Path(__file__).parents[3] / "harness" / "calibration" / "bench.py").slowed_call_source
    scope: dict[str, Any] = {}
    exec(shipped(slowdown, "cuda", "device"), scope)  # noqa: S102  as the worker does
    made: list[int] = []
    target = SimpleNamespace(tally=lambda seed, length: made.append(seed))
    for number in range(2):
        scope["call"](target, {"seed": number, "length": 1})
    capturing = True
    for number in range(calls):
        scope["call"](target, {"seed": number, "length": 1})
    assert len(made) - 2 - calls == extra == extra_calls(calls, slowdown)
    assert set(made[2:]) == set(range(calls))
