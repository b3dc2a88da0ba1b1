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
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from statistics import NormalDist, fmean, stdev
from typing import TYPE_CHECKING, Literal

from harness.text import amount, interval_text, markdown_cell, safe, speedup_text
from harness.verdict import Interval, Record, Verdict

if TYPE_CHECKING:
    from rich.table import Table

CONFIDENCE = 0.95
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


class Rate(Record):
    """A share of attempts, between 0 and 1, with its 95 % interval."""

    estimate: float
    low: float
    high: float


class Row(Record):
    """One agent with one model on one board.

    Attributes:
        rank: 1 is best; rows that the data cannot tell apart share it.
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


class Board(Record):
    """The ranking for one task on one device."""

    task: str
    device: str
    rows: list[Row]


def leaderboard(verdicts: Iterable[Verdict]) -> list[Board]:
    """Fold verdicts of any set of runs into boards, sorted by task and device."""
    groups: dict[tuple[str, str], dict[tuple[str, str | None], list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    all_verdicts = list(verdicts)
    devices = _device_of_run(all_verdicts)
    for verdict in all_verdicts:
        device = verdict.device.name if verdict.device else devices.get(verdict.run, UNKNOWN_DEVICE)
        groups[verdict.task, device][verdict.agent, verdict.model].append(verdict)
    return [
        Board(task=task, device=device, rows=_ranked([_row(*who, group) for who, group in rows.items()]))
        for (task, device), rows in sorted(groups.items())
    ]


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


def wilson(successes: int, trials: int) -> Rate:
    """Wilson's 95 % score interval for a proportion (E. B. Wilson, JASA 22, 1927). `trials` is at least 1."""
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Rate(estimate=share, low=low, high=high)


def geometric_mean(ratios: Sequence[float]) -> float | None:
    """The geometric mean of positive ratios; None of none."""
    return math.exp(fmean(math.log(ratio) for ratio in ratios)) if ratios else None


def geometric_interval(ratios: Sequence[float]) -> Interval | None:
    """The geometric mean with Student's 95 % interval over the ratios' logarithms.

    None for fewer than two ratios, and where all are equal: no spread seen is no evidence of none.
    """
    if len(ratios) < 2:
        return None
    logs = [math.log(ratio) for ratio in ratios]
    centre, spread = fmean(logs), stdev(logs)
    if spread == 0:
        return None
    half = t_quantile(len(logs) - 1) * spread / math.sqrt(len(logs))
    return Interval(estimate=math.exp(centre), low=math.exp(centre - half), high=math.exp(min(centre + half, 700)))


@lru_cache(maxsize=1024)
def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t with `freedom` >= 1 degrees of freedom.

    Bisection on the exact series of Abramowitz and Stegun 26.7.3-4; above 200 degrees their expansion
    26.7.5, where it is good to 1e-7. Written out because scipy takes longer to import than a board to draw.
    """
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    if freedom > 200:
        return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    low, high = 0.0, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_within(middle, freedom) < CONFIDENCE else (low, middle)
    return (low + high) / 2


def _t_within(t: float, freedom: int) -> float:
    """P(-t < T < t) for Student's T."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2 == 1
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    for step in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine * cosine * (step - 1) / step
        total += term
    if not odd:
        return sine * total
    return 2 / math.pi * (angle + (sine * total if freedom > 1 else 0.0))


def _cells(row: Row) -> list[str]:
    """A row as text, in the order of `HEADINGS`. Names are as they came: whoever prints them makes them safe."""
    rate = row.rate
    mean = "-" if row.geometric_mean is None else speedup_text(row.geometric_mean)
    if row.interval:
        mean = interval_text(row.interval)
    return [
        str(row.rank),
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


def board_table(board: Board) -> Table:
    """A board for the terminal: `HEADINGS` drawn together, without the best attempt, to fit 100 columns."""
    from rich import box  # noqa: PLC0415 - rich is slow to import, and Markdown does not need it
    from rich.table import Table  # noqa: PLC0415

    title = safe(f"{board.task} on {board.device}", "bold")
    table = Table(
        title=title, title_justify="left", caption=NOTE, caption_justify="left", box=box.SIMPLE_HEAD, padding=0
    )
    for heading in ("#", "agent", "faster", "geo. mean", "of correct", "best", "infra", "cost"):
        justify: Literal["left", "right"] = "left" if heading == "agent" else "right"
        # Only names fold: a folded interval is hard to read.
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=heading != "agent")
    for row in board.rows:
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
        lines += ["| " + " | ".join(markdown_cell(cell) for cell in _cells(row)) + " |" for row in board.rows]
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, NOTE]) + "\n" if parts else "No attempts yet.\n"


def boards_json(boards: Sequence[Board]) -> list[dict[str, object]]:
    """Boards as plain JSON values."""
    return [board.model_dump() for board in boards]
