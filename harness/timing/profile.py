"""Where a candidate's time goes: its calls on the shown workloads, under a profiler in the worker.

What comes back is the worker's own word, good for advice and for nothing else.
"""

from __future__ import annotations

from contextlib import ExitStack

from harness.timing.bench import Bench, Workload
from harness.timing.descendants import end_all_but
from harness.timing.fork_server import open_alone
from harness.timing.inputs import derive_seed, make_given
from harness.timing.job import MeasureJob
from harness.timing.session import Session

_CALLS = 20
_CHARACTERS = 1500


class Profile:
    """Profiles a candidate's calls on every shown workload.

    Args:
        job: whose candidate it is.
        bench: the task's bench.
    """

    def __init__(self, job: MeasureJob, bench: Bench) -> None:
        self._job = job
        self._bench = bench
        self.current: Workload | None = None

    def run(self) -> str:
        """The report, one part a workload.

        Raises:
            ArmFailed: the worker failed; `current` is the workload it happened on.
        """
        parts = []
        with ExitStack() as stack:
            stack.callback(end_all_but, set())
            session = open_alone("candidate", self._job.candidate_root, self._job, self._bench, stack)
            for workload in self._bench.listed(self._job.device, held_out=False):
                self.current = workload
                parts.append(f"{workload.name}, {_CALLS} calls:\n{self._profile(session, workload)}")
        return "\n\n".join(parts)

    def _profile(self, session: Session, workload: Workload) -> str:
        seeds = [derive_seed(self._job.seed, "profile", workload.name, call) for call in range(_CALLS)]
        seconds = self._job.protocol.patience_seconds
        packed = [make_given(self._bench, workload, seed).packed for seed in seeds]
        for step in ("warm-up", "profiled"):
            session.give(packed, seconds)
            session.confirm_given(seconds)
            if step == "warm-up":
                session.run(len(packed), seconds)
        return session.profile(seconds)[:_CHARACTERS]
