"""Cross-checks on a candidate's timing, over the whole measurement, so that no hiccup accuses anybody.

Three accounts of the same time must agree: the referee's clock around a sample of K calls, the difference
between samples of 2K and K calls, and what the worker says. A reply forged before the work is done makes the
difference vanish; a worker whose clock was tampered with disagrees with the referee's. And a process that has
answered must be idle: the referee reads its CPU clock, from outside, before and after every sample, and what it
uses between samples beyond what the base's process does is work put off to a thread. Processes that it started count
with it, also where they have cut themselves loose (`ForkServer.used`). What is saved inside of the samples and used up
beside them is no saving, however little it is; and what is saved only where many calls are asked for at once is none
for who asks for one (`alone`).

The tolerances are wide on purpose. They are there for lies of a factor, not for noise: what a lie of a few
percent would gain lies within them.
"""

from __future__ import annotations

from statistics import median, quantiles

from harness.timing.bench import Workload
from harness.timing.measurement import Refusal, RefusalCause
from harness.timing.session_record import SessionRecord

LEAST_SESSIONS = 3
_GAP_TOLERANCE = 0.3
_SLOPE_TOLERANCE = 0.6
_IDLE_SHARE = 0.25
_IDLE_OWN_SHARE = 0.5
_IDLE_LEAST_US = 5.0
# Of a saving, how much may come back beside the samples, and how much of it must be there for a call alone.
_MOVED_SHARE = 0.5
_MOVED_LEAST_US, _MOVED_DUE_SHARE = 3.0, 0.1
_ALONE_SHARE = 0.5
_ALONE_LEAST_SESSIONS = 6  # what a call takes alone depends on the machine's mood
_ALONE_LEAST_US, _ALONE_BASE_SHARE = 5.0, 0.1


def audit(workloads: list[Workload], records: list[SessionRecord]) -> Refusal | None:
    """Refuse a candidate whose clocks disagree; None when all is well, or with too few sessions to tell."""
    if len(records) < LEAST_SESSIONS:
        return None
    for workload in workloads:
        refusal = _clocks(workload, records) or _idleness(workload, records) or _savings(workload, records)
        if refusal is not None:
            return refusal
    return None


def _clocks(workload: Workload, records: list[SessionRecord]) -> Refusal | None:
    samples = [each for record in records for each in record.samples if each.workload == workload.name]
    referee_us = median(each.candidate_us for each in samples)
    worker_us = median(each.candidate_worker_us for each in samples)
    # What is taken off a sample for the round trip is uncertain by about as much as it is.
    slack_us = median(record.round_trip_us for record in records) / min(each.calls for each in samples)
    # A busy machine lets the referee's clock run on, never back: of an honest worker's samples some, at least,
    # show a small gap. The base's worker tells how small it can be had just now.
    gaps = [each.candidate_us - each.candidate_worker_us for each in samples]
    least_gap, most_gap = _quartile(gaps, 1), _quartile(gaps, 3)
    due_gap = max(_quartile([each.base_us - each.base_worker_us for each in samples], 1), 0.0)
    slope_us = _quartile([record.candidate_slope_us[workload.name] for record in records], 3)
    message = None
    if least_gap > _GAP_TOLERANCE * referee_us + 2 * due_gap + slack_us or -most_gap > (
        _GAP_TOLERANCE * worker_us + slack_us
    ):
        message = f"the worker says {worker_us:.1f} us a call, the referee's clock says {referee_us:.1f} us"
    elif slope_us < (1 - _SLOPE_TOLERANCE) * worker_us - slack_us:
        message = f"the worker says {worker_us:.1f} us a call, but a further call takes {slope_us:.1f} us"
    if message is None:
        return None
    return Refusal(cause="clock_mismatch", message=message, workload=workload.name, held_out=workload.held_out)


def _quartile(values: list[float], which: int) -> float:
    return quantiles(values, n=4, method="inclusive")[which - 1]


def _idleness(workload: Workload, records: list[SessionRecord]) -> Refusal | None:
    samples = [each for record in records for each in record.samples if each.workload == workload.name]
    base_us = median(each.base_us for each in samples)
    idle_us = median(record.candidate_idle_us[workload.name] for record in records)
    due_us = median(record.base_idle_us[workload.name] for record in records)
    candidate_us = median(each.candidate_us for each in samples)
    commit_us = median(each for record in records for each in record.candidate_commit_us[workload.name])
    commit_due_us = median(each for record in records for each in record.base_commit_us[workload.name])
    # A process that holds on to more memory takes its inputs a little slower; that is no work put off. The candidate's
    # own time counts, too: who claims to need next to none may have put all of it off.
    share_us = min(_IDLE_SHARE * base_us, _IDLE_OWN_SHARE * candidate_us) + _IDLE_LEAST_US
    message = None
    if idle_us - due_us > share_us + _IDLE_SHARE * due_us:
        message = f"beside its timed calls the process used {idle_us:.1f} us of CPU a call, the base's {due_us:.1f} us"
    elif commit_us - commit_due_us > share_us + _IDLE_OWN_SHARE * commit_due_us:
        message = f"to hand an output over took the process {commit_us:.1f} us, the base's {commit_due_us:.1f} us"
    if message is None:
        return None
    return Refusal(cause="background_work", message=message, workload=workload.name, held_out=workload.held_out)


def _savings(workload: Workload, records: list[SessionRecord]) -> Refusal | None:
    """Hold what the samples say was saved against what came back beside them, and against calls alone.

    Of sessions, the quarter that speaks most for the candidate decides: what is moved is moved in all of them.
    """
    name = workload.name
    samples = [each for record in records for each in record.samples if each.workload == name]
    base_us = median(each.base_us for each in samples)
    saved_us = base_us - median(each.candidate_us for each in samples)
    if saved_us <= 0:
        return None
    moved_us = _quartile([record.candidate_idle_us[name] - record.base_idle_us[name] for record in records], 1)
    due_us = median(record.base_idle_us[name] for record in records)
    cause: RefusalCause | None = None
    message = ""
    if moved_us > _MOVED_SHARE * saved_us + _MOVED_LEAST_US + _MOVED_DUE_SHARE * due_us:
        cause = "background_work"
        message = (
            f"of {saved_us:.1f} us saved a call, {moved_us:.1f} us of CPU were used beside the timed calls instead"
        )
    elif _only_among_others(name, base_us, records):
        alone_us = median(record.alone_saving_us[name] for record in records if name in record.alone_saving_us)
        cause = "clock_mismatch"
        message = f"among others a call takes {saved_us:.1f} us less than the base's, and alone {alone_us:.1f} us less"
    if cause is None:
        return None
    return Refusal(cause=cause, message=message, workload=name, held_out=workload.held_out)


def _only_among_others(name: str, base_us: float, records: list[SessionRecord]) -> bool:
    """Whether calls asked for one by one save far less than those of a sample, session by session."""
    alone = [record for record in records if name in record.alone_saving_us]
    if len(alone) < _ALONE_LEAST_SESSIONS:
        return False
    beyond = []
    for record in alone:
        saved_us = median(each.base_us - each.candidate_us for each in record.samples if each.workload == name)
        beyond.append(record.alone_saving_us[name] - _ALONE_SHARE * saved_us)
    return _quartile(beyond, 3) < -(_ALONE_LEAST_US + _ALONE_BASE_SHARE * base_us)
