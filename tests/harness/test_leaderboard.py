"""The leaderboard: its arithmetic by hand, its intervals against published values, its ranks."""

from __future__ import annotations

import math

import pytest
from records import HOSTILE, device, verdict
from scipy import stats

from harness.intervals import geometric_interval, t_quantile, wilson
from harness.leaderboard import UNKNOWN_DEVICE, leaderboard
from harness.leaderboard_forms import boards_json, boards_markdown
from harness.verdict import Cost


def test_failures_count_as_one_and_infrastructure_not_at_all() -> None:
    verdicts = [
        verdict("faster", 4.0, attempt="001"),
        verdict("faster", 9.0, attempt="002"),
        verdict("incorrect", attempt="003"),
        verdict("no_patch", attempt="004"),
        verdict("infra_failed", attempt="005"),
    ]
    [board] = leaderboard(verdicts)
    [row] = board.rows
    assert (row.attempts, row.faster, row.infra_failed) == (4, 2, 1)
    assert row.geometric_mean == pytest.approx(math.sqrt(6))  # (4 * 9 * 1 * 1) ** (1/4)
    assert row.mean_of_correct == pytest.approx(6)
    assert row.best is not None and row.best.estimate == 9.0
    assert row.best_attempt == "moe_align-20261121-004512/002"
    assert row.rate is not None and row.rate.estimate == 0.5
    assert row.usd == pytest.approx(1.25) and row.tokens == 64000


def test_same_and_slower_count_with_what_they_measured() -> None:
    [board] = leaderboard([verdict("same", 1.01), verdict("slower", 0.5)])
    assert board.rows[0].geometric_mean == pytest.approx(math.sqrt(0.505))
    assert board.rows[0].faster == 0 and board.rows[0].best is None


def test_one_unknown_price_makes_the_sum_unknown() -> None:
    [board] = leaderboard([verdict(), verdict(cost=Cost(usd=None))])
    assert board.rows[0].usd is None


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_against_newcombe_1998_table_1(successes: int, trials: int, low: float, high: float) -> None:
    rate = wilson(successes, trials)
    assert rate.low == pytest.approx(low, abs=5e-5)
    assert rate.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 99, 200, 201, 5000])
def test_t_quantile_against_scipy(freedom: int) -> None:
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-6)


def test_the_interval_of_the_geometric_mean_against_scipy() -> None:
    ratios = [1.0, 1.0, 3.2, 4.1, 2.7]
    expected = stats.t.interval(0.95, 4, *(f([math.log(r) for r in ratios]) for f in (lambda x: sum(x) / 5, stats.sem)))
    found = geometric_interval(ratios)
    assert found is not None
    assert (math.log(found.low), math.log(found.high)) == pytest.approx(expected)


def test_no_interval_without_spread_or_from_one_attempt() -> None:
    assert geometric_interval([3.0]) is None
    assert geometric_interval([1.0, 1.0]) is None


def test_rows_that_cannot_be_told_apart_share_a_rank() -> None:
    def agent(name: str, *speedups: float) -> list[object]:
        return [verdict("faster", speedup, agent=name) for speedup in speedups]

    rows = [
        *agent("a", *[4.0, 4.1, 4.2] * 3),
        *agent("b", *[3.9, 4.0, 4.2] * 3),
        *agent("c", *[1.5, 1.6, 1.7] * 3),
        *agent("d", 1.2),
        *[verdict("incorrect", agent="e") for _ in range(9)],
        verdict("infra_failed", agent="f"),
    ]
    known = [row for row in leaderboard(rows) if row.device != UNKNOWN_DEVICE]  # type: ignore[arg-type]
    ranks = {row.agent: row.rank for row in known[0].rows}
    # d has one attempt and cannot be told from its group's leader c; e never earned anything in nine.
    assert ranks == {"a": 1, "b": 1, "c": 3, "d": 3, "e": 5, "f": 6}


def test_one_board_for_each_task_and_device() -> None:
    boards = leaderboard(
        [
            verdict(run="r1", device=device("H100")),
            verdict("rejected", run="r1"),
            verdict(run="r2"),
            verdict(run="r3", task="other"),
            verdict("no_patch", run="r4"),
        ]
    )
    assert [(board.task, board.device, board.rows[0].attempts) for board in boards] == [
        ("moe_align", "AMD EPYC", 1),
        ("moe_align", "H100", 2),  # the rejected one was never timed, but its run used one device
        ("moe_align", UNKNOWN_DEVICE, 1),
        ("other", "AMD EPYC", 1),
    ]


def test_markdown_and_json_hold_the_same_rows_and_nothing_comes_alive() -> None:
    boards = leaderboard([verdict(agent="codex", model=HOSTILE)])
    text = boards_markdown(boards)
    assert text.startswith("### moe\\_align on AMD EPYC\n\n| # | agent |")
    [line] = [line for line in text.splitlines() if "codex" in line]
    assert "<script>" not in line and "\x1b" not in line and "\u202e" not in line
    assert line.replace("\\|", "").count("|") == 14
    assert boards_json(boards)[0]["rows"][0]["agent"] == "codex"  # type: ignore[index]
    assert boards_markdown([]) == "No attempts yet.\n"


def test_the_order_of_verdicts_does_not_matter() -> None:
    verdicts = [verdict("faster", 1 + n / 10, agent="ab"[n % 2], attempt=f"{n:03d}") for n in range(20)]
    assert leaderboard(verdicts) == leaderboard(sorted(verdicts, key=lambda v: v.agent, reverse=True))


def test_a_hundred_thousand_verdicts_are_all_counted() -> None:
    verdicts = [verdict("faster", 2.0), verdict("incorrect"), verdict("faster", 3.0)] * 33_334
    (board,) = leaderboard(verdicts)
    assert sum(row.attempts for row in board.rows) == 100_002


def test_attempts_that_go_on_from_each_other_are_a_row_of_their_own() -> None:
    told = [verdict("faster", 3.0, attempt=f"00{n}", strategy="refine") for n in (1, 2)]
    alone = [verdict("same", 1.0, attempt="003", strategy="best-of-n"), verdict("same", 1.0, attempt="004")]
    [board] = leaderboard([*told, *alone])
    assert {(row.agent, row.attempts) for row in board.rows} == {("replay (refine)", 2), ("replay", 2)}
