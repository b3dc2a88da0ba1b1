"""`cache: cold`: every call finds the GPU's L2 cache full of something else.

The flush must not be in the time, and subtracting it would not do: it takes as long as the call, and a candidate
that skipped it would be credited with it. So every call is a request of its own, clocked alone, and ahead of it
goes an untimed request to flush. The round trip, which every call pays, is taken off every call.
"""

from __future__ import annotations

from harness.timing.paired import PairedSession
from harness.timing.session import Session, Timing
from harness.timing.session_record import Plan


class ColdSession(PairedSession):
    """Times workloads call by call, each after a flush; see `PairedSession` for what it is given."""

    def _timed(self, arm: Session, plan: Plan, times: int) -> Timing:
        if times == 0:
            arm.flush(plan.seconds)
            return arm.run(0, plan.seconds)
        trip_ns = round(self._round_trip_ns())
        parent_ns = worker_ns = 0
        for index in range(times * plan.calls):
            arm.flush(plan.seconds)
            timing = arm.run(1, plan.seconds, start=index)
            parent_ns += max(timing.parent_ns - trip_ns, timing.parent_ns // 2)
            worker_ns += timing.worker_ns
        # One is left in, to be taken off with the sample's.
        return Timing(parent_ns + trip_ns, worker_ns)
