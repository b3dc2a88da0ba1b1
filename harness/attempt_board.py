"""One task, attempt by attempt: what `harness leaderboard --by attempt` ranks.

An agent's row on a board is a mean over its attempts. Here a row is one attempt and its interval is its measurement's
own: what may be said of it by itself, which for the best of a run allows for its having been picked. Rows share the
rank of the one that leads their group unless the intervals are disjoint; `harness compare` tests two of them properly.
Attempts without a speedup stand below, without a rank, and so does the base, timed against itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.leaderboard import (
    ALL_DEVICES,
    UNKNOWN_DEVICE,
    FalseWins,
    device_of_run,
    false_wins,
    interval_of,
    shared_ranks,
)
from harness.result import Result
from harness.verdict import PLACEBO, REFERENCE, Interval, Record, Verdict


class AttemptRow(Record):
    """One attempt; `rank` is 0 where it is not ranked: the reference patch, and what earned no speedup."""

    rank: int
    attempt: str
    agent: str
    model: str | None
    status: str
    speedup: Interval | None
    usd: float | None


class AttemptBoard(Record):
    """The attempts at one task on one device.

    Attributes:
        rows: ranked ones first, the reference patch among those without a rank.
        base: the base against itself, the widest interval of the runs; None where it is not known.
        false_wins: what the placebos came to; None where none was judged.
    """

    task: str
    device: str
    rows: list[AttemptRow]
    base: Interval | None = None
    false_wins: FalseWins | None = None


def attempt_boards(verdicts: Iterable[Verdict | Result], *, mix: bool = False) -> list[AttemptBoard]:
    """Boards of single attempts, sorted by task and device; `mix` puts all devices on one board."""
    results: list[Result] = []
    noise: dict[tuple[str, str], list[Interval]] = defaultdict(list)
    for each in verdicts:
        result = each if isinstance(each, Result) else Result.of(each)
        if isinstance(each, Verdict):
            if not each.was_judged:
                continue
            if each.timing and each.timing.noise and result.device:
                noise[each.task, ALL_DEVICES if mix else result.device].append(each.timing.noise.speedup)
        results.append(result)
    known = device_of_run(results)
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        device = ALL_DEVICES if mix else result.device or known.get(result.run, UNKNOWN_DEVICE)
        groups[result.task, device].append(result)
    return [
        AttemptBoard(
            task=task,
            device=device,
            rows=_rows([result for result in group if result.agent != PLACEBO]),
            base=_widest(noise.get((task, device), [])),
            false_wins=_false_wins(group),
        )
        for (task, device), group in sorted(groups.items())
    ]


def _false_wins(results: Sequence[Result]) -> FalseWins | None:
    judged = [result.status for result in results if result.agent == PLACEBO and result.status != "infra_failed"]
    return false_wins(judged.count("faster"), len(judged))


def _rows(results: Sequence[Result]) -> list[AttemptRow]:
    timed = [_row(result) for result in results if result.agent != REFERENCE and result.speedup is not None]
    timed.sort(key=lambda row: (-(row.speedup.estimate if row.speedup else 0.0), row.attempt))
    ranks = shared_ranks(timed, _apart)
    ranked = [row.model_copy(update={"rank": rank}) for row, rank in zip(timed, ranks, strict=True)]
    below = [result for result in results if result.agent == REFERENCE or result.speedup is None]
    return [*ranked, *sorted(map(_row, below), key=lambda row: (row.agent != REFERENCE, row.attempt))]


def _row(result: Result) -> AttemptRow:
    return AttemptRow(
        rank=0,
        attempt=result.name or "-",
        agent=result.agent,
        model=result.model,
        status=result.status,
        speedup=interval_of(result),
        usd=result.usd,
    )


def _apart(better: AttemptRow, worse: AttemptRow) -> bool:
    return better.speedup is None or worse.speedup is None or better.speedup.low > worse.speedup.high


def _widest(intervals: Sequence[Interval]) -> Interval | None:
    return max(intervals, key=lambda each: each.high / each.low, default=None)
