"""`mode: device`: the GPU's own time for a call, by replaying a CUDA graph of many calls.

Single calls of a few microseconds cannot be timed one by one: launching takes as long, and a CUDA event's tick is a
good part of it. So 64 calls or more, each on inputs of its own, are captured into one graph, and the referee clocks
a request to replay it, as long as a sample lasts (a millisecond or more). Launching and waiting are in that time
once for a sample, not once for a call; what they cost with an empty graph is taken off like any round trip.

Before every sample the captured inputs are overwritten with other content, out of a set made anew for every
session, and outputs of replayed calls are checked against that content: a value baked in while capturing, a result
kept from an earlier replay and a call that was left out of the graph all come out wrong. (What is left is a kernel
that itself compares its inputs with ones it has seen in this session. It pays for reading them.)

Calls that cannot be captured raise `Uncapturable` in the first session, and the measurement starts again with both
arms timed call after call, as `mode: throughput` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from harness.timing.bench import Workload
from harness.timing.inputs import Given
from harness.timing.paired import PairedSession
from harness.timing.session import ArmFailed, Session, Timing
from harness.timing.session_record import Plan, pairs_within

LEAST_UNROLLED = 64
MOST_UNROLLED = 512
_LEAST_SAMPLE_MS = 1.0
_MOST_GRAPH_MS = 10.0
_MOST_CONTENTS = 16
_CONTENT_BYTES = 16 << 20
_SLOT_BYTES = 2 << 30
_PILOT_REPLAYS = 3


class Uncapturable(Exception):
    """An arm's calls cannot be captured: CUDA's own words are in `reason`."""

    def __init__(self, role: str, workload: Workload, reason: str) -> None:
        super().__init__(f"{role}: {workload.name}: {reason}")
        self.role = role
        self.workload = workload
        self.reason = reason


@dataclass(frozen=True)
class GraphPlan(Plan):
    """A plan whose sample is `replays` replays of a graph of `unrolled` calls over `contents` different inputs."""

    unrolled: int
    replays: int
    contents: int


def unroll(call_us: float, sample_ms: float, input_bytes: int) -> tuple[int, int]:
    """How many calls to capture, and how often to replay them for one sample.

    One replay if that is long enough: then no call sees the same content twice in a sample. At least 64 calls,
    unless they would take more than 10 ms.

    Args:
        call_us: device time of a call of the faster arm, microseconds.
        sample_ms: how long a sample should take, milliseconds; never less than 1.
        input_bytes: size of one call's inputs.
    """
    sample_us = max(sample_ms, _LEAST_SAMPLE_MS) * 1e3
    wanted = max(LEAST_UNROLLED, round(sample_us / call_us + 0.5))
    longest = max(1, int(max(_MOST_GRAPH_MS * 1e3, sample_us) / call_us))
    unrolled = max(1, min(wanted, MOST_UNROLLED, longest, _SLOT_BYTES // max(input_bytes, 1)))
    return unrolled, max(1, round(sample_us / (unrolled * call_us)))


class GraphSession(PairedSession):
    """Times workloads by graph replay; see `PairedSession` for what it is given."""

    def plan(self, workload: Workload) -> GraphPlan:
        """Check both arms' eager calls, then capture a small graph of each to see how long a call takes.

        Raises:
            Uncapturable: calls of one arm cannot be captured.
            OutputWrong: the candidate's output is wrong, eager or replayed.
            BaseFailed: the base's is.
            ArmFailed: a worker failed.
        """
        eager = super().plan(workload)
        protocol, patience = self._job.protocol, self._job.protocol.patience_seconds
        size = len(self._give(workload, 2, patience)[0].packed)
        contents = max(2, min(_MOST_CONTENTS, _CONTENT_BYTES // max(size, 1)))
        pilot = min(LEAST_UNROLLED, max(1, _SLOT_BYTES // max(size, 1)))
        self._capture(workload, pilot, contents, patience)
        pace = []
        for arm in (self._base, self._candidate):
            arm.replay(1, pilot, patience)
            found = [arm.replay(1, pilot, patience).parent_ns for _ in range(_PILOT_REPLAYS)]
            idle = min(arm.replay(0, pilot, patience).parent_ns for _ in range(_PILOT_REPLAYS))
            pace.append(max(median(found) - idle, median(found) / 10) / pilot / 1e3)
        unrolled, replays = unroll(min(pace), protocol.sample_ms, size)
        afford = protocol.workload_ms * 1e3 / (unrolled * replays * sum(pace)) - 1
        return GraphPlan(
            calls=unrolled * replays,
            pairs=pairs_within(afford, protocol),
            warmup_calls=eager.warmup_calls,
            seconds=patience + 20 * 2 * unrolled * replays * pace[0] / 1e6,
            unrolled=unrolled,
            replays=replays,
            contents=contents,
        )

    def _prepare(self, workload: Workload, plan: Plan) -> None:
        plan = _graph_plan(plan)
        self._capture(workload, plan.unrolled, plan.contents, plan.seconds)
        for arm in (self._base, self._candidate):
            arm.replay(plan.replays, plan.unrolled, plan.seconds)

    def _capture(self, workload: Workload, calls: int, contents: int, seconds: float) -> None:
        self._contents = self._give(workload, contents, seconds)
        self._shift = 0
        _require_one_form(workload, self._contents)
        for arm in (self._base, self._candidate):
            reason = arm.capture(calls, seconds)
            if reason is not None:
                if self._number > 0:
                    raise ArmFailed(arm.role, "call_raised", f"calls could be captured once, and now not: {reason}")
                raise Uncapturable(arm.role, workload, reason)

    def _renew(self, workload: Workload, plan: Plan, times: int) -> list[Given]:
        del workload, times  # two replays of the same graph have the same content
        plan = _graph_plan(plan)
        # Never by nothing: no call sees the content it saw last.
        self._shift = (self._shift + self._random.randrange(1, plan.contents)) % plan.contents
        return [self._contents[(index + self._shift) % plan.contents] for index in range(plan.unrolled)]

    def _timed(self, arm: Session, plan: Plan, times: int) -> Timing:
        plan = _graph_plan(plan)
        if times:
            # Right before the sample, for each arm: what was written last is in the cache.
            arm.refill(self._shift, plan.seconds)
        arm.replay(0, plan.unrolled, plan.seconds)
        return arm.replay(times * plan.replays, plan.unrolled, plan.seconds)


def _graph_plan(plan: Plan) -> GraphPlan:
    if not isinstance(plan, GraphPlan):
        raise TypeError("a graph session times by its own plans")
    return plan


def form(value: object) -> object:
    """What must be the same in all inputs of one graph: everything but the tensors' content."""
    if isinstance(value, dict):
        return {key: form(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [form(item) for item in value]
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    return value if shape is None or dtype is None else (tuple(shape), str(dtype))


def _require_one_form(workload: Workload, given: list[Given]) -> None:
    first = form(given[0].made)
    if any(form(each.made) != first for each in given[1:]):
        raise Uncapturable("bench", workload, "inputs of one workload differ in more than their tensors' content")
