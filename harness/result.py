"""What a board needs of a verdict, and no more: a hundred thousand of them are ranked within a second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from harness.verdict import Verdict


class Result(NamedTuple):
    """One attempt as it counts.

    Attributes:
        agent: the entrant, see `Verdict.entrant`.
        run: None, as `attempt`, for a verdict without a folder.
        status: a `Status`.
        speedup: base time by patched time, as it enters a mean; None where nothing was timed.
        published: what may be said of it by itself, with `low` and `high` the ends of its interval.
        device: the machine's name; None where nothing was timed.
        usd: None where the price is unknown.
        tokens: input and output together.
        seconds: what the agent took.
    """

    run: str | None
    attempt: str | None
    task: str
    agent: str
    model: str | None
    status: str
    speedup: float | None
    published: float | None
    low: float | None
    high: float | None
    device: str | None
    usd: float | None
    tokens: int
    seconds: float

    @classmethod
    def of(cls, verdict: Verdict) -> Result:
        """What counts of a verdict."""
        published, cost = verdict.published, verdict.cost
        return cls(
            verdict.run,
            verdict.attempt,
            verdict.task,
            verdict.entrant,
            verdict.model,
            verdict.status,
            None if verdict.speedup is None else verdict.speedup.estimate,
            None if published is None else published.estimate,
            None if published is None else published.low,
            None if published is None else published.high,
            None if verdict.device is None else verdict.device.name,
            cost.usd,
            cost.tokens.input + cost.tokens.output,
            cost.seconds,
        )

    @property
    def name(self) -> str | None:
        """RUN/ATTEMPT, or as much of it as there is."""
        return "/".join(filter(None, (self.run, self.attempt))) or None


def results_of(verdicts: Iterable[Verdict]) -> Iterator[Result]:
    """What counts of verdicts. A session that was brought in from elsewhere was never judged: it is no result."""
    return (Result.of(verdict) for verdict in verdicts if verdict.was_judged)
