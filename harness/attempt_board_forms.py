"""Boards of single attempts as people and programs take them; other boards are `harness.leaderboard_forms`'s."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from harness.attempt_board import AttemptBoard, AttemptRow
from harness.fitting_table import Column, FittingTable
from harness.leaderboard_forms import false_wins_text, inert
from harness.text import counted, interval_text, markdown_cell, markdown_table

HEADINGS = ("#", "attempt", "speedup", "verdict", "agent", "model")  # what a narrow window is to show comes first
NOTE = "An attempt a row, with its own 95 % interval; whose overlaps that of the first of its group shares its rank."
MOST_ROWS = 200  # on a page or a screen; CSV and JSON have all


def rows(board: AttemptBoard, most: int | None = None) -> list[list[str]]:
    """The board as text, in the order of `HEADINGS`; below it the base. Names are as they came."""
    found = [_cells(row, alone=_of_one_run(board)) for row in board.rows[:most]]
    base = [["-", "the base, against itself", interval_text(board.base), "-", "-", "-"]] if board.base else []
    return [*found, *base]


def _cells(row: AttemptRow, *, alone: bool) -> list[str]:
    return [
        str(row.rank or "-"),
        row.attempt.rpartition("/")[2] if alone else row.attempt,
        interval_text(row.speedup) if row.speedup else "-",
        row.status.replace("_", " "),
        row.agent,
        row.model or "-",
    ]


def _of_one_run(board: AttemptBoard) -> bool:
    return len({row.attempt.rpartition("/")[0] for row in board.rows}) == 1


def note_text(board: AttemptBoard, most: int | None = None) -> str:
    """The sentences beneath a board."""
    left_out = 0 if most is None else max(0, len(board.rows) - most)
    attempts = counted(left_out, "more attempt is", "more attempts are")
    more = f"{attempts} left out here, CSV and JSON have all. " * bool(left_out)
    return f"{more}{NOTE} {false_wins_text(board.false_wins)}"


def attempts_table(board: AttemptBoard) -> FittingTable:
    """A board for the terminal, for 80 columns; fewer down to 60."""
    found = rows(board, MOST_ROWS)
    agents = [agent if model == "-" else f"{agent} {model}" for *_, agent, model in found]
    return FittingTable(
        [
            Column("#", [row[0] for row in found]),
            Column("attempt", [row[1] for row in found], folds=True, justify="left"),
            Column("speedup [95 %]", [row[2] for row in found]),
            Column("verdict", [row[3] for row in found], goes=1, justify="left"),
            Column("agent", agents, folds=True, justify="left"),
        ],
        title=f"{board.task} on {board.device}",
        notes=[note_text(board, MOST_ROWS)],
    )


def attempts_markdown(boards: Sequence[AttemptBoard]) -> str:
    """Boards as Markdown, one table each."""
    parts = [
        "\n".join(
            [
                f"### {markdown_cell(board.task)} on {markdown_cell(board.device)}",
                "",
                *markdown_table(HEADINGS, rows(board)),
                "",
                note_text(board),
            ]
        )
        for board in boards
    ]
    return "\n\n".join(parts) + "\n" if parts else "No attempts yet.\n"


def attempts_csv(boards: Sequence[AttemptBoard]) -> str:
    """Boards as CSV, one attempt a line, numbers in full; None is an empty cell."""
    stream = io.StringIO()
    names = ["task", "device", "rank", "attempt", "agent", "model", "verdict"]
    names += ["speedup", "speedup_low", "speedup_high", "usd"]
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    for board in boards:
        for row in board.rows:
            told = {"task": board.task, "device": board.device, "attempt": row.attempt, "agent": row.agent}
            line = {name: inert(text) for name, text in told.items()} | {"model": inert(row.model)}
            ends = {"": "estimate", "_low": "low", "_high": "high"}
            line |= {f"speedup{tail}": getattr(row.speedup, end, None) for tail, end in ends.items()}
            writer.writerow(line | {"verdict": row.status, "rank": row.rank, "usd": row.usd})
    return stream.getvalue()
