"""A leaderboard as people and programs take it: Markdown, CSV, JSON, and the texts of its cells.

Tables for the terminal are `harness.leaderboard_tables`, HTML is `harness.report.board_page`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from harness.estimators import THRESHOLDS, AtK
from harness.intervals import Rate
from harness.leaderboard import Board, FalseWins, Row
from harness.text import amount, interval_text, markdown_cell, markdown_table, printable, speedup_text

HEADINGS = (
    "#",
    "agent",
    "model",
    "attempts",
    "faster",
    "faster rate",
    "geo. mean",
    "mean of correct",
    "best",
    "best attempt",
    "infra",
    "cost",
    "per success",
)
NOTE = (
    "Geometric mean over attempts, failures as 1.0x; intervals are 95 %. "
    "A row has the rank of the first one that the data do not tell it apart from."
)
CURVES_NOTE = (
    "fast p: share of attempts faster by more than p. pass@k: chance that one of k attempts is faster; best@k: the "
    "best of k, failures as 1.0x."
)


def rate_text(rate: Rate) -> str:
    """`50% [24%, 76%]`."""
    return f"{rate.estimate:.0%} [{rate.low:.0%}, {rate.high:.0%}]"


def false_wins_text(found: FalseWins | None) -> str:
    """The sentence beneath a board."""
    if found is None:
        return "No placebos were run: how often nothing passes for a win here is not known (run --placebos K)."
    return f"False wins: {found.faster} of {found.placebos} placebos came out faster, {rate_text(found.rate)}."


def shown_rows(board: Board) -> list[Row]:
    """The ranked rows, and the reference beneath them."""
    return board.rows if board.reference is None else [*board.rows, board.reference]


def success_text(row: Row) -> str:
    """What a faster attempt cost: dollars and tokens; a dash where there is none."""
    if row.tokens_per_success is None:
        return "-"
    price = "?" if row.usd_per_success is None else f"${row.usd_per_success:.2f}"
    return f"{price}, {amount(round(row.tokens_per_success))} tok"


def mean_text(row: Row) -> str:
    """The geometric mean, with its interval where there is one."""
    if row.interval:
        return interval_text(row.interval)
    return "-" if row.geometric_mean is None else speedup_text(row.geometric_mean)


def best_at_text(found: AtK) -> str:
    """best@k with its interval where there is one."""
    return interval_text(found.best) if found.best else speedup_text(found.best_estimate)


def cells(row: Row) -> list[str]:
    """A row as text, in the order of `HEADINGS`. Names are as they came: whoever prints them makes them safe."""
    return [
        str(row.rank or "-"),
        row.agent,
        row.model or "-",
        str(row.attempts),
        str(row.faster),
        rate_text(row.rate) if row.rate else "-",
        mean_text(row),
        "-" if row.mean_of_correct is None else speedup_text(row.mean_of_correct),
        interval_text(row.best) if row.best else "-",
        row.best_attempt or "-",
        str(row.infra_failed),
        f"{'?' if row.usd is None else f'${row.usd:.2f}'}, {amount(row.tokens)} tok, {row.seconds:.0f} s",
        success_text(row),
    ]


def curve_headings(board: Board) -> list[str]:
    """Headings of the second table: fast_p, then pass@k and best@k."""
    ks = board_ks(board)
    fast = [f"fast {threshold:g}" for threshold in THRESHOLDS]
    return ["agent", "model", *fast, *(f"pass@{k}" for k in ks), *(f"best@{k}" for k in ks)]


def curve_cells(board: Board, row: Row) -> list[str]:
    """A row of the second table."""
    found = {each.k: each for each in row.at_k}
    passed = [rate_text(found[k].passed) if k in found else "-" for k in board_ks(board)]
    best = [best_at_text(found[k]) if k in found else "-" for k in board_ks(board)]
    fast = [f"{each.rate.estimate:.0%}" for each in row.fast_p] or ["-"] * len(THRESHOLDS)
    return [row.agent, row.model or "-", *fast, *passed, *best]


def board_ks(board: Board) -> list[int]:
    """The ks that are worth a column: 1, and the largest two that anybody reached."""
    reached = sorted({each.k for row in shown_rows(board) for each in row.at_k})
    return sorted({*reached[:1], *reached[-2:]})


def has_curves(board: Board) -> bool:
    """Whether the second table says more than the first: somebody made two attempts."""
    return any(row.attempts > 1 for row in shown_rows(board))


def boards_markdown(boards: Sequence[Board]) -> str:
    """Boards as Markdown, one table each, and beneath it what more attempts are worth."""
    parts = []
    for board in boards:
        lines = [f"### {markdown_cell(board.task)} on {markdown_cell(board.device)}", ""]
        lines += markdown_table(HEADINGS, [cells(row) for row in shown_rows(board)])
        lines += ["", false_wins_text(board.false_wins)]
        if has_curves(board):
            rows = [curve_cells(board, row) for row in shown_rows(board)]
            lines += ["", *markdown_table(curve_headings(board), rows)]
        parts.append("\n".join(lines))
    if not parts:
        return "No attempts yet.\n"
    notes = [NOTE, CURVES_NOTE] if any(has_curves(board) for board in boards) else [NOTE]
    return "\n\n".join([*parts, *notes]) + "\n"


def boards_csv(boards: Sequence[Board]) -> str:
    """Boards as CSV, one line a row, numbers in full; None is an empty cell.

    A name that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    stream = io.StringIO()
    lines = [_flat(board, row) for board in boards for row in shown_rows(board)]
    headings = dict.fromkeys(heading for line in lines for heading in line)
    writer = csv.DictWriter(stream, list(headings) or ["task", "device", "rank", "agent", "model"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def _flat(board: Board, row: Row) -> dict[str, object]:
    line: dict[str, object] = {"task": inert(board.task), "device": inert(board.device)}
    plain = ("rank", "agent", "model", "attempts", "faster", "infra_failed")
    line |= {name: inert(getattr(row, name)) for name in plain}
    line |= _ends("faster_rate", row.rate)
    line["geometric_mean"] = row.geometric_mean
    line |= {f"geometric_mean_{end}": getattr(row.interval, end, None) for end in ("low", "high")}
    line["mean_of_correct"] = row.mean_of_correct
    line |= {f"best{tail}": getattr(row.best, end, None) for tail, end in _ENDS}
    line["best_attempt"] = inert(row.best_attempt)
    line |= {name: getattr(row, name) for name in ("usd", "tokens", "seconds", "usd_per_success", "tokens_per_success")}
    for each in row.fast_p:
        line |= _ends(f"fast_{each.factor:g}", each.rate)
    for found in row.at_k:
        line |= _ends(f"pass_at_{found.k}", found.passed)
        line[f"best_at_{found.k}"] = found.best_estimate
        line |= {f"best_at_{found.k}_{end}": getattr(found.best, end, None) for end in ("low", "high")}
    return line


_ENDS = (("", "estimate"), ("_low", "low"), ("_high", "high"))


def _ends(name: str, rate: Rate | None) -> dict[str, object]:
    return {f"{name}{tail}": getattr(rate, end, None) for tail, end in _ENDS}


def inert(value: object) -> object:
    """A value for a cell of a spreadsheet: a name that would be taken for a formula gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def boards_json(boards: Sequence[Board]) -> list[dict[str, object]]:
    """Boards as plain JSON values."""
    return [board.model_dump() for board in boards]
