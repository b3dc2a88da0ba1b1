"""What an attempt cost with all its tries: a try that came to nothing, or was killed, was paid for like any other."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from agent.messages import Usage
from agent.trajectory import ContextCompacted, Ended, TrajectoryError, TrajectoryEvent, TurnTaken, read_back
from harness.kept import tries
from harness.store import AttemptFolder
from harness.verdict import Cost, Tokens, Verdict


def with_tries(verdict: Verdict, folder: AttemptFolder) -> Verdict:
    """The verdict with the cost of the attempt's earlier tries added to that of the one that was judged."""
    earlier = [session_cost(each.trajectory) for each in tries(folder)]
    return verdict.model_copy(update={"cost": total([*earlier, verdict.cost])}) if earlier else verdict


def total(costs: list[Cost]) -> Cost:
    """The sum. Its dollars are unknown where those of any are."""
    prices = [cost.usd for cost in costs]
    counted = {name: sum(getattr(cost.tokens, name) for cost in costs) for name in Tokens.model_fields}
    return Cost(
        steps=sum(cost.steps for cost in costs),
        tokens=Tokens(**counted),
        usd=None if None in prices else sum(price for price in prices if price is not None),
        seconds=round(sum(cost.seconds for cost in costs), 3),
    )


def session_cost(trajectory: Path) -> Cost:
    """What a session cost by its own record, as far as it came; nothing where there is no record."""
    try:
        events = read_back(trajectory).events
    except TrajectoryError:
        return Cost()
    ended = next((event for event in reversed(events) if isinstance(event, Ended)), None)
    if ended is not None:
        return Cost(
            steps=ended.steps, tokens=Tokens(**ended.usage.model_dump()), usd=ended.usd, seconds=round(ended.seconds, 3)
        )
    turns = [event for event in events if isinstance(event, TurnTaken)]
    summaries = [event.turn for event in events if isinstance(event, ContextCompacted) and event.turn]
    usage = sum((turn.usage for turn in [*(each.turn for each in turns), *summaries]), Usage())
    return Cost(
        steps=turns[-1].step if turns else 0,
        tokens=Tokens(**usage.model_dump()),
        # Older records say dollars only at their end.
        usd=turns[-1].usd if turns else 0.0,
        seconds=_seconds(events),
    )


def _seconds(events: list[TrajectoryEvent]) -> float:
    """From a session's first event to its last; 0 where that is not known."""
    if not events:
        return 0.0
    try:
        first, last = (datetime.fromisoformat(event.at) for event in (events[0], events[-1]))
        return round(max(0.0, (last - first).total_seconds()), 3)
    except (ValueError, TypeError):
        return 0.0
