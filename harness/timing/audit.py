"""Cross-checks on a candidate's timing, over the whole measurement: medians, so that one hiccup accuses nobody.

Three accounts of the same time must agree: the referee's clock around a sample of K calls, the difference
between samples of 2K and K calls, and what the worker says. A reply forged before the work is done makes the
difference vanish; a worker whose clock was tampered with disagrees with the referee's. And a process that has
answered must be idle: the referee reads its CPU clock, from outside, while the other arm is timed. Work put off
to a thread shows there.

The tolerances are wide on purpose. They are there for lies of a factor, not for noise: what a lie of a few
percent would gain lies within them.
"""

from __future__ import annotations

from statistics import median

from harness.timing.bench import Workload
from harness.timing.measurement import Refusal
from harness.timing.paired import SessionRecord

LEAST_SESSIONS = 3
_WORKER_TOLERANCE = 0.3
_SLOPE_TOLERANCE = 0.6
_IDLE_SHARE = 0.15
_IDLE_LEAST_US = 20.0


def audit(workloads: list[Workload], records: list[SessionRecord]) -> Refusal | None:
    """Refuse a candidate whose clocks disagree; None when all is well, or with too few sessions to tell."""
    if len(records) < LEAST_SESSIONS:
        return None
    for workload in workloads:
        refusal = _clocks(workload, records) or _idleness(workload, records)
        if refusal is not None:
            return refusal
    return None


def _clocks(workload: Workload, records: list[SessionRecord]) -> Refusal | None:
    samples = [each for record in records for each in record.samples if each.workload == workload.name]
    referee_us = median(each.candidate_us for each in samples)
    worker_us = median(each.candidate_worker_us for each in samples)
    slope_us = median(record.candidate_slope_us[workload.name] for record in records)
    # What is taken off a sample for the round trip is uncertain by about as much as it is.
    slack_us = median(record.round_trip_us for record in records) / min(each.calls for each in samples)
    message = None
    if abs(referee_us - worker_us) > _WORKER_TOLERANCE * max(referee_us, worker_us) + slack_us:
        message = f"the worker says {worker_us:.1f} us a call, the referee's clock says {referee_us:.1f} us"
    elif abs(slope_us - worker_us) > _SLOPE_TOLERANCE * max(slope_us, worker_us) + slack_us:
        message = f"the worker says {worker_us:.1f} us a call, but a further call takes {slope_us:.1f} us"
    if message is None:
        return None
    return Refusal(cause="clock_mismatch", message=message, workload=workload.name, held_out=workload.held_out)


def _idleness(workload: Workload, records: list[SessionRecord]) -> Refusal | None:
    samples = [each for record in records for each in record.samples if each.workload == workload.name]
    base_us = median(each.base_us for each in samples)
    idle_us = median(record.candidate_idle_us[workload.name] for record in records)
    due_us = median(record.base_idle_us[workload.name] for record in records)
    calls = min(each.calls for each in samples)
    if idle_us - due_us <= _IDLE_SHARE * base_us + _IDLE_LEAST_US / calls:
        return None
    return Refusal(
        cause="background_work",
        message=f"after its calls had returned, the process went on to use {idle_us:.1f} us of CPU a call",
        workload=workload.name,
        held_out=workload.held_out,
    )
