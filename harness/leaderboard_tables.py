"""A leaderboard for the terminal: who is ranked where, and what more attempts are worth."""

from __future__ import annotations

from collections.abc import Sequence

from harness.fitting_table import Column, FittingTable
from harness.leaderboard import Board
from harness.leaderboard_forms import (
    CURVES_NOTE,
    HEADINGS,
    NOTE,
    best_at_text,
    board_ks,
    cells,
    false_wins_text,
    has_curves,
    rate_text,
    shown_rows,
    success_text,
)


def board_table(board: Board) -> FittingTable:
    """A board with `HEADINGS` drawn together, without the best attempt, to fit 100 columns; fewer down to 60."""
    rows = shown_rows(board)
    found = [dict(zip(HEADINGS, cells(row), strict=True)) for row in rows]
    faster = [
        f"{row.faster}/{row.attempts} {each['faster rate'].partition(' ')[2]}"
        for row, each in zip(rows, found, strict=True)
    ]
    return FittingTable(
        [
            Column("#", [each["#"] for each in found]),
            Column("agent", [f"{row.agent} {row.model or ''}" for row in rows], folds=True, justify="left"),
            Column("faster", faster, goes=5),
            Column("geo. mean", [each["geo. mean"] for each in found]),
            Column("of correct", [each["mean of correct"] for each in found], goes=1),
            Column("best", [each["best"] for each in found], goes=4),
            Column("infra", [each["infra"] for each in found], goes=2),
            Column("cost", [each["cost"].split(",")[0] for each in found], goes=3),
        ],
        title=f"{board.task} on {board.device}",
        notes=[NOTE, false_wins_text(board.false_wins)],
    )


def curves_table(board: Board) -> FittingTable:
    """What more attempts are worth: fast_p at a few factors, pass@k, best@k, cost of a success."""
    rows = shown_rows(board)
    most = max(board_ks(board), default=1)
    at = [{each.k: each for each in row.at_k} for row in rows]
    fast = [{each.factor: f"{each.rate.estimate:.0%}" for each in row.fast_p} for row in rows]
    return FittingTable(
        [
            Column("agent", [f"{row.agent} {row.model or ''}" for row in rows], folds=True, justify="left"),
            Column("fast 1", [each.get(1.0, "-") for each in fast], goes=6),
            Column("1.5", [each.get(1.5, "-") for each in fast], goes=2),
            Column("2", [each.get(2.0, "-") for each in fast], goes=3),
            Column("5", [each.get(5.0, "-") for each in fast], goes=1),
            *([Column("pass@1", [f"{each[1].passed.estimate:.0%}" for each in at], goes=4)] if most > 1 else []),
            Column(f"pass@{most}", [rate_text(each[most].passed) if most in each else "-" for each in at], goes=7),
            Column(f"best@{most}", [best_at_text(each[most]) if most in each else "-" for each in at]),
            Column("per success", [success_text(row) for row in rows], goes=5),
        ],
        notes=[CURVES_NOTE],
    )


def boards_rendered(boards: Sequence[Board]) -> list[FittingTable]:
    """Boards, each with its second table where that says more."""
    parts = []
    for board in boards:
        parts.append(board_table(board))
        if has_curves(board):
            parts.append(curves_table(board))
    return parts
