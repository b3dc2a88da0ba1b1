"""Verdicts to ranking: one board for each task and device, one row for each agent and model.

The method, in full:

- An attempt counts with its measured speedup; one that earned none (incorrect, rejected, not built, no
  patch, agent failed) counts as 1.0x, because its user keeps the base. `infra_failed` is our fault: it is
  shown apart and counts nowhere, except that its money was spent.
- The geometric mean's interval is Student's t over the attempts' log speedups: it holds the spread between
  attempts, not the noise inside one measurement, so a single attempt has none.
- The rate is faster attempts / counted attempts, with Wilson's score interval (Wilson, 1927).
- Rows are sorted by geometric mean. A row shares the rank of the row that leads its group unless the two
  intervals are disjoint; rows of a single attempt cannot be told apart from anything. Disjoint 95 %
  intervals are a stricter demand than a 5 % test of the difference: a tie means "cannot tell", not "equal".
- Placebos (patches that change nothing, judged blind among the others) are never ranked. The share of them that
  came out faster is the rate of false wins, with Wilson's interval; it is printed beneath each board.
- A session brought in from elsewhere (`harness import`) was never judged and is on no board.
- The task's reference patch is a row of its own beneath the ranked ones, without a rank.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from harness.intervals import Rate, geometric_interval, geometric_mean, wilson
from harness.text import amount, interval_text, markdown_cell, safe, speedup_text
from harness.verdict import PLACEBO, REFERENCE, Interval, Record, Verdict

if TYPE_CHECKING:
    from rich.table import Table

UNKNOWN_DEVICE = "unknown device"
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
)
NOTE = (
    "Geometric mean over attempts, failures as 1.0x; intervals are 95 %. "
    "Rows that the data cannot tell apart share a rank."
)


class Row(Record):
    """One agent with one model on one board.

    Attributes:
        rank: 1 is best; rows that the data cannot tell apart share it; 0 for the reference, which is not ranked.
        attempts: counted attempts, without those in `infra_failed`.
        geometric_mean: of speedups over counted attempts, failures as 1.0x; None where nothing counted.
        interval: of `geometric_mean`; None below two attempts, or where all attempts counted the same.
        mean_of_correct: geometric mean over attempts that were correct and timed, whatever came of it.
        best: the best published speedup with its measurement's own interval; `best_attempt` is its RUN/ATTEMPT.
        usd: dollars over all attempts, None when any price is unknown; `tokens` and `seconds` likewise totals.
    """

    rank: int
    agent: str
    model: str | None
    attempts: int
    faster: int
    infra_failed: int
    rate: Rate | None
    geometric_mean: float | None
    interval: Interval | None
    mean_of_correct: float | None
    best: Interval | None
    best_attempt: str | None
    usd: float | None
    tokens: int
    seconds: float


class FalseWins(Record):
    """How often nothing was taken for a win: placebos that came out `faster`, of all that were judged."""

    faster: int
    placebos: int
    rate: Rate


class Board(Record):
    """The ranking for one task on one device.

    Attributes:
        rows: the ranked rows.
        reference: the task's reference patch, judged in the same runs; None where it has none.
        false_wins: what the placebos came to; None where none was judged.
    """

    task: str
    device: str
    rows: list[Row]
    reference: Row | None = None
    false_wins: FalseWins | None = None


def leaderboard(verdicts: Iterable[Verdict]) -> list[Board]:
    """Fold verdicts of any set of runs into boards, sorted by task and device."""
    groups: dict[tuple[str, str], dict[tuple[str, str | None], list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    all_verdicts = [verdict for verdict in verdicts if verdict.was_judged]
    devices = _device_of_run(all_verdicts)
    for verdict in all_verdicts:
        device = verdict.device.name if verdict.device else devices.get(verdict.run, UNKNOWN_DEVICE)
        groups[verdict.task, device][verdict.agent, verdict.model].append(verdict)
    return [_board(*where, rows) for where, rows in sorted(groups.items())]


def _board(task: str, device: str, groups: dict[tuple[str, str | None], list[Verdict]]) -> Board:
    ranked = [_row(*who, group) for who, group in groups.items() if not group[0].is_control]
    reference = groups.get((REFERENCE, None))
    return Board(
        task=task,
        device=device,
        rows=_ranked(ranked),
        reference=None if reference is None else _row(REFERENCE, None, reference),
        false_wins=_false_wins(groups.get((PLACEBO, None), [])),
    )


def _false_wins(placebos: Sequence[Verdict]) -> FalseWins | None:
    judged = [verdict for verdict in placebos if verdict.status != "infra_failed"]
    if not judged:
        return None
    faster = sum(verdict.status == "faster" for verdict in judged)
    return FalseWins(faster=faster, placebos=len(judged), rate=wilson(faster, len(judged)))


def false_wins_text(found: FalseWins | None) -> str:
    """The sentence beneath a board."""
    if found is None:
        return "No placebos were run: how often nothing passes for a win here is not known (run --placebos K)."
    rate = found.rate
    return (
        f"False wins: {found.faster} of {found.placebos} placebos came out faster, "
        f"{rate.estimate:.0%} [{rate.low:.0%}, {rate.high:.0%}]."
    )


def _device_of_run(verdicts: Sequence[Verdict]) -> dict[str | None, str]:
    """The device of runs that used a single one: an attempt that failed before timing belongs to it too."""
    seen: dict[str | None, set[str]] = defaultdict(set)
    for verdict in verdicts:
        if verdict.device and verdict.run:
            seen[verdict.run].add(verdict.device.name)
    return {run: next(iter(names)) for run, names in seen.items() if len(names) == 1}


def _row(agent: str, model: str | None, verdicts: Sequence[Verdict]) -> Row:
    speedups = [value for verdict in verdicts if (value := verdict.counted_speedup) is not None]
    correct = [v.speedup.estimate for v in verdicts if v.status in ("faster", "same", "slower") and v.speedup]
    faster = [v for v in verdicts if v.status == "faster" and v.speedup]
    best = max(faster, key=lambda v: v.speedup.estimate if v.speedup else 0.0, default=None)
    prices = [verdict.cost.usd for verdict in verdicts]
    tokens = (verdict.cost.tokens for verdict in verdicts)
    return Row(
        rank=0,
        agent=agent,
        model=model,
        attempts=len(speedups),
        faster=len(faster),
        infra_failed=len(verdicts) - len(speedups),
        rate=wilson(len(faster), len(speedups)) if speedups else None,
        geometric_mean=geometric_mean(speedups),
        interval=geometric_interval(speedups),
        mean_of_correct=geometric_mean(correct),
        best=best.speedup if best else None,
        best_attempt="/".join(filter(None, (best.run, best.attempt))) or None if best else None,
        usd=None if None in prices else sum(price for price in prices if price is not None),
        tokens=sum(used.input + used.output for used in tokens),
        seconds=sum(verdict.cost.seconds for verdict in verdicts),
    )


def _ranked(rows: list[Row]) -> list[Row]:
    ordered = sorted(rows, key=lambda row: (-(row.geometric_mean or 0.0), row.agent, row.model or ""))
    ranked: list[Row] = []
    leader: Row | None = None
    for position, row in enumerate(ordered, start=1):
        if leader is None or _apart(leader, row):
            leader = row.model_copy(update={"rank": position})
        ranked.append(row.model_copy(update={"rank": leader.rank}))
    return ranked


def _apart(better: Row, worse: Row) -> bool:
    """Whether the data tell two rows apart; see the module's docstring. No counted attempt is always last."""
    if better.geometric_mean is None or worse.geometric_mean is None:
        return better.geometric_mean is not worse.geometric_mean
    if min(better.attempts, worse.attempts) < 2:
        return False
    floor = better.interval.low if better.interval else better.geometric_mean
    ceiling = worse.interval.high if worse.interval else worse.geometric_mean
    return floor > ceiling


def _cells(row: Row) -> list[str]:
    """A row as text, in the order of `HEADINGS`. Names are as they came: whoever prints them makes them safe."""
    rate = row.rate
    mean = "-" if row.geometric_mean is None else speedup_text(row.geometric_mean)
    if row.interval:
        mean = interval_text(row.interval)
    return [
        str(row.rank or "-"),
        row.agent,
        row.model or "-",
        str(row.attempts),
        str(row.faster),
        f"{rate.estimate:.0%} [{rate.low:.0%}, {rate.high:.0%}]" if rate else "-",
        mean,
        "-" if row.mean_of_correct is None else speedup_text(row.mean_of_correct),
        interval_text(row.best) if row.best else "-",
        row.best_attempt or "-",
        str(row.infra_failed),
        f"{'?' if row.usd is None else f'${row.usd:.2f}'}, {amount(row.tokens)} tok, {row.seconds:.0f} s",
    ]


def _shown(board: Board) -> list[Row]:
    """The ranked rows, and the reference beneath them."""
    return board.rows if board.reference is None else [*board.rows, board.reference]


def _note(board: Board) -> str:
    return f"{NOTE}\n{false_wins_text(board.false_wins)}"


def board_table(board: Board) -> Table:
    """A board for the terminal: `HEADINGS` drawn together, without the best attempt, to fit 100 columns."""
    from rich import box  # noqa: PLC0415 - rich is slow to import, and Markdown does not need it
    from rich.table import Table  # noqa: PLC0415

    title = safe(f"{board.task} on {board.device}", "bold")
    table = Table(
        title=title, title_justify="left", caption=_note(board), caption_justify="left", box=box.SIMPLE_HEAD, padding=0
    )
    for heading in ("#", "agent", "faster", "geo. mean", "of correct", "best", "infra", "cost"):
        justify: Literal["left", "right"] = "left" if heading == "agent" else "right"
        # Only names fold: a folded interval is hard to read.
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=heading != "agent", min_width=len(heading))
    for row in _shown(board):
        cells = dict(zip(HEADINGS, _cells(row), strict=True))
        table.add_row(
            cells["#"],
            safe(f"{row.agent} {row.model or ''}"),
            safe(f"{row.faster}/{row.attempts} {cells['faster rate'].partition(' ')[2]}"),
            safe(cells["geo. mean"]),
            cells["mean of correct"],
            safe(cells["best"]),
            cells["infra"],
            cells["cost"].split(",")[0],
        )
    return table


def boards_markdown(boards: Sequence[Board]) -> str:
    """Boards as Markdown, one table each."""
    parts = []
    for board in boards:
        lines = [f"### {markdown_cell(board.task)} on {markdown_cell(board.device)}", ""]
        lines.append("| " + " | ".join(HEADINGS) + " |")
        lines.append("|" + " --- |" * len(HEADINGS))
        lines += ["| " + " | ".join(markdown_cell(cell) for cell in _cells(row)) + " |" for row in _shown(board)]
        lines += ["", false_wins_text(board.false_wins)]
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, NOTE]) + "\n" if parts else "No attempts yet.\n"


def boards_json(boards: Sequence[Board]) -> list[dict[str, object]]:
    """Boards as plain JSON values."""
    return [board.model_dump() for board in boards]
