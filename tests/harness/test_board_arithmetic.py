"""Boards made in one pass against the definitions, written out with no thought for time, on random boards."""

from __future__ import annotations

import math
import random
from itertools import groupby
from math import comb
from statistics import fmean, stdev
from typing import Any

import pytest
from scipy import stats

from harness.leaderboard import ALL_DEVICES, UNKNOWN_DEVICE, Row, boards_of
from harness.result import Result

STATUSES = ("faster", "faster", "faster", "same", "slower", "incorrect", "rejected", "no_patch", "infra_failed")


def results_at_random(rng: random.Random, count: int) -> list[Result]:
    """Of some tasks, runs, devices, agents and models, with ties, unknown prices, and what an old board may lack."""
    found = []
    for number in range(count):
        status = rng.choice(STATUSES)
        timed = status in ("faster", "same", "slower") and rng.random() < 0.95
        speedup = rng.choice([1.0, 2.0, math.exp(rng.gauss(0.5, 0.6))]) if timed else None
        low = None if speedup is None or rng.random() < 0.1 else speedup * rng.choice([0.9, 0.95])
        found.append(
            Result(
                run=rng.choice([None, "run-1", "run-2", "run-3"]),
                attempt=None if rng.random() < 0.05 else f"{number:03d}",
                task=rng.choice(["sort", "hash"]),
                agent=rng.choice(["a", "b", "placebo", "reference"]),
                model=rng.choice([None, "m"]),
                status=status,
                speedup=speedup,
                published=speedup,
                low=low,
                high=None if low is None or speedup is None else speedup * 1.1,
                device=rng.choice(["CPU", "CPU", "GPU"]) if timed else None,
                usd=None if rng.random() < 0.02 else rng.random(),
                tokens=rng.randrange(10**6),
                seconds=rng.random() * 100,
            )
        )
        if found[-1].agent in ("placebo", "reference"):
            found[-1] = found[-1]._replace(model=None)
    return found


def device_of(result: Result, results: list[Result]) -> str:
    if result.device:
        return result.device
    used = {each.device for each in results if each.run == result.run and result.run and each.device}
    return str(*used) if len(used) == 1 else UNKNOWN_DEVICE


def best_of(logs: list[float], k: int) -> float:
    """The mean of the best of k, over all choices: the i-th smallest is the best of C(i, k-1)."""
    return sum(comb(i, k - 1) * value for i, value in enumerate(sorted(logs))) / comb(len(logs), k)


def is_row(row: Row, results: list[Result]) -> None:
    counted = [each for each in results if each.status != "infra_failed"]
    timed = {"faster", "same", "slower"}
    correct = [each.speedup for each in counted if each.status in timed and each.speedup is not None]
    worth = [each.speedup if each.status in timed and each.speedup else 1.0 for each in counted]
    logs = [math.log(value) for value in worth]
    wins = [each for each in counted if each.status == "faster" and each.speedup is not None]
    assert (row.attempts, row.faster, row.infra_failed) == (len(counted), len(wins), len(results) - len(counted))
    assert row.tokens == sum(each.tokens for each in results)
    assert row.seconds == pytest.approx(sum(each.seconds for each in results))
    prices = [each.usd for each in results if each.usd is not None]
    assert row.usd == (pytest.approx(sum(prices)) if len(prices) == len(results) else None)
    assert row.geometric_mean == (pytest.approx(math.exp(fmean(logs))) if logs else None)
    assert row.mean_of_correct == (pytest.approx(math.exp(fmean(map(math.log, correct)))) if correct else None)
    if len(logs) > 1 and set(logs) != {0.0}:
        # Student's, and with one failure and one more of the best beside them: the wider ends.
        ends = [
            stats.t.interval(0.95, len(each) - 1, fmean(each), stdev(each) / math.sqrt(len(each)))
            for each in (logs, [*logs, min(0.0, *logs), max(0.0, *logs)])
            if stdev(each) > 0
        ]
        assert row.interval is not None
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        assert (row.interval.low, row.interval.high) == pytest.approx((math.exp(low), math.exp(high)), rel=1e-6)
    else:
        assert row.interval is None
    with_interval = [each for each in wins if each.low is not None]
    first = sorted(with_interval or wins, key=lambda each: (-(each.low or 0.0), each.name or ""))[:1]
    assert row.best_attempt == (first[0].name if first else None)
    assert (None if row.best is None else row.best.low) == (first[0].low if first else None)
    for found in row.fast_p:
        assert found.rate.estimate == sum((each.speedup or 0) > found.factor for each in wins) / len(counted)
    above = [max(0.0, value) for value in logs]
    for at in row.at_k:
        assert math.log(at.best_estimate) == pytest.approx(best_of(above, at.k), abs=1e-12)
        assert at.passed.estimate == pytest.approx(1 - comb(len(above) - len(wins), at.k) / comb(len(above), at.k))
        if len(above) == 1:
            continue
        left = [best_of(above[:out] + above[out + 1 :], at.k) for out in range(len(above))]
        error = math.sqrt((len(left) - 1) / len(left) * sum((value - fmean(left)) ** 2 for value in left))
        if error < 1e-12:
            assert (at.best is None) == (not any(above))
        else:
            assert at.best is not None
            half = stats.t.ppf(0.975, len(above) - 1) * error
            assert math.log(at.best.high) - math.log(at.best_estimate) >= half * (1 - 1e-6)


@pytest.mark.parametrize("mix", [False, True])
@pytest.mark.parametrize("by", ["agent and model", "agent", "model"])
@pytest.mark.parametrize(("seed", "count"), [(1, 12), (2, 60), (3, 60), (4, 300)])
def test_boards_are_what_the_definitions_say(seed: int, count: int, by: Any, mix: bool) -> None:  # noqa: ANN401
    rng = random.Random(seed)
    results = results_at_random(rng, count)

    def who(result: Result) -> tuple[str, str]:
        if by == "agent and model" or result.agent in ("placebo", "reference"):
            return result.agent, result.model or ""
        return (result.agent, "") if by == "agent" else ("any", result.model or "no model")

    def where(result: Result) -> tuple[str, str]:
        return result.task, ALL_DEVICES if mix else device_of(result, results)

    boards = boards_of(iter(results), by=by, mix=mix)
    expected = {key: list(group) for key, group in groupby(sorted(results, key=where), key=where)}
    assert [(board.task, board.device) for board in boards] == sorted(expected)
    for board in boards:
        here = expected[board.task, board.device]
        rows = {(row.agent, row.model or ""): row for row in board.rows}
        assert set(rows) == {who(each) for each in here if each.agent in ("a", "b")}
        for name, row in rows.items():
            is_row(row, [each for each in here if who(each) == name])
        references = [each for each in here if each.agent == "reference"]
        assert (board.reference is not None) == bool(references)
        if board.reference is not None:
            is_row(board.reference, references)
        placebos = [each.status for each in here if each.agent == "placebo" and each.status != "infra_failed"]
        assert (board.false_wins is None) == (not placebos)
        if board.false_wins is not None:
            assert (board.false_wins.faster, board.false_wins.placebos) == (placebos.count("faster"), len(placebos))
    rng.shuffle(results)
    assert boards_of(results, by=by, mix=mix) == boards  # to the last digit: a database has no order
