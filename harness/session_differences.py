"""What went otherwise when a session was played again: told where it matters, silent about digits and addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.messages import ToolCall
from agent.text import one_line
from agent.tools import describe
from agent.trajectory import ToolEnded, ToolStarted, TrajectoryEvent
from harness.text import counted, interval_text
from harness.verdict import Interval, Record, Verdict

_MEAN = re.compile(r"^Geometric mean: ([\d.]+)x \[([\d.]+), ([\d.]+)\]", re.M)
_TESTS = re.compile(
    r"^(?:\d+ tests passed, \d+ failed\.|The outputs on .*|WRONG OUTPUT: .*|BUILD FAILED: .*|BROKEN .*)$", re.M
)
_EXIT = re.compile(r"^\[exit code (\S+?)[,\]]")


class Difference(Record):
    """One thing that went otherwise.

    Attributes:
        call: the number of the tool call in the session, from 1; None for the session as a whole.
        tool: the tool's name; `patch` and `session` for the whole.
        subject: what the call was about, in a few words.
        then: what came of it when it was recorded.
        now: what came of it this time.
    """

    call: int | None
    tool: str
    subject: str
    then: str
    now: str

    def __str__(self) -> str:
        where = f"call {self.call}, {self.tool}" if self.call else self.tool
        subject = f" ({self.subject})" if self.subject else ""
        return f"{where}{subject}: {self.then} when it was recorded, {self.now} now"


@dataclass(frozen=True)
class _Done:
    call: ToolCall
    ended: ToolEnded | None


def differences(
    recorded: Sequence[TrajectoryEvent], played: Sequence[TrajectoryEvent], then: Verdict | None, now: Verdict
) -> list[Difference]:
    """What matters: a call that failed now or then only; tests; timings beyond their noise; the patch.

    Args:
        recorded: the session's events.
        played: the events of playing it.
        then: what came of the recorded attempt, if it was judged.
        now: what came of playing it.
    """
    before, after = _calls(recorded), _calls(played)
    found: list[Difference] = []
    for number, (old, new) in enumerate(zip(before, after, strict=False), 1):
        if old.call.name == new.call.name:
            found += [_of_call(number, old.call, *each) for each in _otherwise(old, new)]
    if len(after) < len(before) and before[len(after)].call.name != "submit":
        first = before[len(after)].call
        subject = f"{first.name} {describe(first)}".strip()
        found.append(
            Difference(
                call=len(after) + 1,
                tool="session",
                subject=subject,
                then=counted(len(before), "call"),
                now=f"ended after {len(after)}",
            )
        )
    return [*found, *_of_patch(then, now)]


def _calls(events: Sequence[TrajectoryEvent]) -> list[_Done]:
    """Every call with its result, in order; providers may use an id again, so a result belongs to the last one."""
    done: list[_Done] = []
    for event in events:
        if isinstance(event, ToolStarted):
            done.append(_Done(event.call, None))
        elif isinstance(event, ToolEnded) and done and done[-1].call.id == event.result.call_id:
            done[-1] = _Done(done[-1].call, event)
    return done


def _of_call(number: int, call: ToolCall, then: str, now: str) -> Difference:
    return Difference(call=number, tool=call.name, subject=describe(call), then=then, now=now)


def _otherwise(old: _Done, new: _Done) -> Iterator[tuple[str, str]]:
    """Pairs of what was and what is."""
    if old.ended is None or new.ended is None:
        return
    before, after = old.ended.result, new.ended.result
    if before.is_error != after.is_error:
        yield _outcome(before.output, failed=before.is_error), _outcome(after.output, failed=after.is_error)
    elif old.call.name == "run_tests":
        was, now = _TESTS.findall(before.output), _TESTS.findall(after.output)
        if was != now:
            yield " ".join(was) or "no count", " ".join(now) or "no count"
    elif old.call.name == "measure":
        yield from _timings(before.output, after.output)


def _timings(before: str, after: str) -> Iterator[tuple[str, str]]:
    was, now = mean_of(before), mean_of(after)
    if was is None or now is None:
        if (was is None) != (now is None):
            yield _told(before, was), _told(after, now)
    elif was.low > now.high or now.low > was.high:
        yield interval_text(was), interval_text(now)


def _told(output: str, mean: Interval | None) -> str:
    return interval_text(mean) if mean else one_line(output) or "nothing"


def mean_of(report: str) -> Interval | None:
    """The geometric mean that a report of `measure` ends with; None where nothing was measured."""
    found = _MEAN.search(report)
    if found is None:
        return None
    estimate, low, high = (float(number) for number in found.groups())
    return Interval(estimate=estimate, low=low, high=high)


def _outcome(output: str, *, failed: bool) -> str:
    code = _EXIT.match(output)
    if code:
        return f"exit code {code[1]}"
    return f"failed: {one_line(output, 160)}" if failed else "succeeded"


def _of_patch(then: Verdict | None, now: Verdict) -> list[Difference]:
    if then is None or then.patch is None or now.patch is None or then.patch.sha256 == now.patch.sha256:
        return []

    def size(verdict: Verdict) -> str:
        patch = verdict.patch
        if patch is None or patch.insertions + patch.deletions == 0:
            return "no change"
        return f"+{patch.insertions} -{patch.deletions} ({patch.sha256[:12]})"

    return [Difference(call=None, tool="patch", subject="", then=size(then), now=size(now))]
