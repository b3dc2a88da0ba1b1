"""Verdicts to ranking: one board for each task and device, one row for each agent and model.

The method, in full:

- An attempt counts with its measured speedup; one that earned none (incorrect, rejected, not built, no
  patch, agent failed) counts as 1.0x, because its user keeps the base. `infra_failed` is our fault: it is
  shown apart and counts nowhere, except that its money was spent.
- The geometric mean's interval is Student's t over the attempts' log speedups, widened for few attempts
  (`harness.intervals.attempts_interval`): it holds the spread between attempts, not the noise inside one
  measurement, so a single attempt has none, and nor have attempts that all came to 1.0x.
- The rate is faster attempts / counted attempts, with Wilson's score interval (Wilson, 1927).
- pass@k, best@k and the fast_p curve are `harness.estimators`'; an attempt adds to them as it adds to the mean.
- Dollars and tokens per success are all that was spent, failures and infra_failed too, for each faster attempt.
- Rows are sorted by geometric mean. A row shares the rank of the row that leads its group unless the two
  intervals are disjoint, or, where one has none, those of their rates; rows of a single attempt cannot be told
  apart from anything. Disjoint 95 %
  intervals are a stricter demand than a 5 % test of the difference: a tie means "cannot tell", not "equal".
- Placebos (patches that change nothing, judged blind among the others) are never ranked. The share of them that
  came out faster is the rate of false wins, with Wilson's interval; it is printed beneath each board.
- A session brought in from elsewhere (`harness import`) was never judged and is on no board.
- An agent's attempts under a strategy in which they go on from each other are a row of their own: they are not
  independent, and their rate, mean, intervals and pass@k describe that search, not the agent.
- The task's reference patch is a row of its own beneath the ranked ones, without a rank.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Literal, TypeVar

from pydantic import Field

from harness.estimators import AtK, FastP, at_k, fast_p
from harness.garbage import no_search_for_cycles
from harness.intervals import Rate, attempts_interval, geometric_mean, wilson
from harness.result import Result, results_of
from harness.tally import Kind, Tally, tallies
from harness.verdict import CONTROLS, PLACEBO, REFERENCE, Interval, Record, Verdict

UNKNOWN_DEVICE = "unknown device"
ALL_DEVICES = "several devices"
By = Literal["agent and model", "agent", "model"]
T = TypeVar("T")


class Row(Record):
    """One agent with one model on one board.

    Attributes:
        rank: 1 is best; rows that the data cannot tell apart share it; 0 for the reference, which is not ranked.
        attempts: counted attempts, without those in `infra_failed`.
        geometric_mean: of speedups over counted attempts, failures as 1.0x; None where nothing counted.
        interval: of `geometric_mean`; None below two attempts, or where all attempts counted as 1.0.
        mean_of_correct: geometric mean over attempts that were correct and timed, whatever came of it.
        best: the best published speedup, with the interval that allows for its having been the best of its run;
            `best_attempt` is its RUN/ATTEMPT.
        usd: dollars over all attempts, None when any price is unknown; `tokens` and `seconds` likewise totals.
        usd_per_success: dollars for each faster attempt; None without one, or with an unknown price.
        tokens_per_success: input and output tokens for each faster attempt; None without one.
        fast_p: the share of attempts that are faster by more than each of some factors.
        at_k: pass@k and best@k.
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
    usd_per_success: float | None = None
    tokens_per_success: float | None = None
    fast_p: list[FastP] = Field(default_factory=list)
    at_k: list[AtK] = Field(default_factory=list)


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


def leaderboard(verdicts: Iterable[Verdict], *, by: By = "agent and model", mix: bool = False) -> list[Board]:
    """Fold verdicts of any set of runs into boards, sorted by task and device.

    Args:
        verdicts: of any runs.
        by: what makes a row: an agent with its model, an agent with all its models, or a model under all agents.
        mix: put all devices on one board, which says so in its name.
    """
    return boards_of(results_of(verdicts), by=by, mix=mix)


def boards_of(results: Iterable[Result], *, by: By = "agent and model", mix: bool = False) -> list[Board]:
    """`leaderboard` of what counts of the verdicts; it goes over them once."""
    with no_search_for_cycles():
        kinds = tallies(results)
    devices = device_of_run(kinds)
    boards: defaultdict[tuple[str, str], _Rows] = defaultdict(lambda: defaultdict(lambda: defaultdict(Tally)))
    for kind, tally in kinds.items():
        device = ALL_DEVICES if mix else kind.device or devices.get(kind.run, UNKNOWN_DEVICE)
        boards[kind.task, device][_who(kind, by)][kind.status].add(tally)
    return [_board(*where, rows) for where, rows in sorted(boards.items())]


_Group = dict[str, Tally]  # by status
_Rows = dict[tuple[str, str | None], _Group]  # by agent and model


def device_of_run(kinds: Iterable[Kind | Result]) -> dict[str | None, str]:
    """The device of runs that used a single one: an attempt that failed before timing belongs to it too."""
    seen: dict[str | None, set[str]] = defaultdict(set)
    for kind in kinds:
        if kind.device and kind.run:
            seen[kind.run].add(kind.device)
    return {run: next(iter(names)) for run, names in seen.items() if len(names) == 1}


def _who(kind: Kind, by: By) -> tuple[str, str | None]:
    """The row that a result belongs to. Controls are never drawn together with agents."""
    if by == "agent and model" or kind.agent in CONTROLS:
        return kind.agent, kind.model
    return (kind.agent, None) if by == "agent" else ("any", kind.model or "no model")


def _board(task: str, device: str, rows: _Rows) -> Board:
    reference = rows.get((REFERENCE, None))
    return Board(
        task=task,
        device=device,
        rows=_ranked([_row(*who, group) for who, group in rows.items() if who[0] not in CONTROLS]),
        reference=None if reference is None else _row(REFERENCE, None, reference),
        false_wins=_false_wins(rows.get((PLACEBO, None), {})),
    )


def _false_wins(placebos: _Group) -> FalseWins | None:
    judged = sum(tally.count for status, tally in placebos.items() if status != "infra_failed")
    return false_wins(placebos.get("faster", Tally()).count, judged)


def false_wins(faster: int, judged: int) -> FalseWins | None:
    """What placebos came to; None where none was judged."""
    if not judged:
        return None
    return FalseWins(faster=faster, placebos=judged, rate=wilson(faster, judged))


def _row(agent: str, model: str | None, group: _Group) -> Row:
    faster, same, slower, infra_failed = (
        group.get(status, Tally()) for status in ("faster", "same", "slower", "infra_failed")
    )
    total = Tally()
    for tally in group.values():
        total.add(tally)
    attempts = total.count - infra_failed.count
    wins = sorted(faster.speedups)  # here, because what is made of them below sorts them, more than once
    correct = [*wins, *same.speedups, *slower.speedups]
    # What earned no speedup of its own counts as the base, which its user keeps.
    speedups = [*correct, *repeat(1.0, attempts - len(correct))]
    interval = attempts_interval(speedups)
    usd = None if None in total.usd else math.fsum(price for price in total.usd if price is not None)
    tokens = sum(total.tokens)
    return Row(
        rank=0,
        agent=agent,
        model=model,
        attempts=attempts,
        faster=len(wins),
        infra_failed=infra_failed.count,
        rate=wilson(len(wins), attempts) if attempts else None,
        geometric_mean=interval.estimate if interval else geometric_mean(speedups),
        interval=interval,
        mean_of_correct=geometric_mean(correct),
        best=interval_of(faster.best),
        best_attempt=None if faster.best is None else faster.best.name,
        usd=usd,
        tokens=tokens,
        seconds=math.fsum(total.seconds),
        usd_per_success=usd / len(wins) if wins and usd is not None else None,
        tokens_per_success=tokens / len(wins) if wins else None,
        fast_p=fast_p([*wins, *repeat(None, attempts - len(wins))]),
        at_k=at_k(len(wins), speedups),
    )


def interval_of(best: Result | None) -> Interval | None:
    """What may be said of an attempt by itself; None where nothing was timed."""
    if best is None or best.published is None or best.low is None or best.high is None:
        return None
    return Interval(estimate=best.published, low=best.low, high=best.high)


def _ranked(rows: list[Row]) -> list[Row]:
    ordered = sorted(rows, key=lambda row: (-(row.geometric_mean or 0.0), row.agent, row.model or ""))
    ranks = shared_ranks(ordered, _apart)
    return [row.model_copy(update={"rank": rank}) for row, rank in zip(ordered, ranks, strict=True)]


def shared_ranks(ordered: Sequence[T], apart: Callable[[T, T], bool]) -> Iterator[int]:
    """The ranks of rows that stand the best first: whose first of its group it is not `apart` from, shares its rank."""
    leader = 0
    for place, row in enumerate(ordered):
        if apart(ordered[leader], row):
            leader = place
        yield leader + 1


def _apart(better: Row, worse: Row) -> bool:
    """Whether the data tell two rows apart; see the module's docstring. No counted attempt is always last."""
    if better.geometric_mean is None or worse.geometric_mean is None:
        return better.geometric_mean is not worse.geometric_mean
    if min(better.attempts, worse.attempts) < 2:
        return False
    if better.interval and worse.interval:
        return better.interval.low > worse.interval.high
    # Who only ever came to 1.0x has no interval: how often that is so can be held against how often the other wins.
    return better.rate is not None and worse.rate is not None and better.rate.low > worse.rate.high
