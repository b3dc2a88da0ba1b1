"""A judge that times synthetic patches: everything is the harness's own but the clock.

The looks, the stopping rule, the intervals, the audit, the confirmation and the verdict come from the code that judges
real patches. Only a session's values are drawn: the patch's true value and the noise that a calibration recorded.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

from harness import __version__
from harness.conclusions import conclude, measure_twice
from harness.errors import Status
from harness.events import Phase
from harness.selection import adjusted_interval, winner
from harness.timing.bench import Bench
from harness.timing.command import listing_bench
from harness.timing.experiment import Experiment
from harness.timing.job import MeasureJob, Protocol, Workload
from harness.timing.measurement import Measurement, Sample
from harness.timing.servers import Servers
from harness.timing.session_record import SessionRecord
from harness.verdict import Device, Interval, NoiseFloor, PatchStats, TimingEvidence, Verdict

CALIBRATIONS = Path(__file__).resolve().parent.parent / "docs" / "calibration"
WORKLOADS = [Workload(name="shown"), Workload(name="held-out", held_out=True)]
BASE_US = 100.0
TASK_MIN_EFFECT = 0.02
AT = "2026-01-01T00:00:00+00:00"
NOWHERE = Device(kind="cpu", name="simulated", cores=1, memory_gb=1.0, platform="simulated", versions={})


Noise = Sequence[tuple[float, float]]


def recorded_noise(machine: str) -> Noise:
    """The log ratios of two workloads in every session of a machine's A/A trials, less their median, which is bias.

    Args:
        machine: a folder of docs/calibration.
    """
    kept = json.loads((CALIBRATIONS / machine / "calibration.json").read_text(encoding="utf-8"))
    trials = [each for each in kept["trials"] if not any(each["condition"].values()) and each["refused"] is None]
    rows = [(a, b) for each in trials for a, b in zip(*list(each["values"].values())[:2], strict=True)]
    bias = median(fmean(row) for row in rows)
    return [(a - bias, b - bias) for a, b in rows]


class NoServers(Servers):
    """Starts no process."""

    def __init__(self, job: MeasureJob, bench: Bench) -> None:
        pass

    def close(self) -> None:
        """There is nothing to end."""


class SimulatedExperiment(Experiment):
    """A measurement whose sessions are drawn."""

    servers = NoServers

    def __init__(self, truth: float, noise: Noise, rng: random.Random, protocol: Protocol) -> None:
        super().__init__(_job(protocol), _BENCH, lambda _: None)
        self._truth = truth
        self._noise = noise
        self._rng = rng

    def _one_session(self, servers: Servers) -> None:
        record = SessionRecord()
        for workload, drawn in zip(WORKLOADS, self._rng.choice(self._noise), strict=True):
            name, candidate_us = workload.name, BASE_US / math.exp(self._truth + drawn)
            record.samples.append(_sample(len(self._records), name, candidate_us))
            record.candidate_slope_us[name] = candidate_us
            record.base_idle_us[name] = record.candidate_idle_us[name] = 0.0
            record.base_commit_us[name] = record.candidate_commit_us[name] = [0.0]
        self._records.append(record)

    def _device(self) -> Device:
        return NOWHERE


def _sample(session: int, workload: str, candidate_us: float) -> Sample:
    return Sample(
        session=session,
        workload=workload,
        base_us=BASE_US,
        candidate_us=candidate_us,
        candidate_first=False,
        calls=1,
        base_worker_us=BASE_US,
        candidate_worker_us=candidate_us,
    )


def _job(protocol: Protocol) -> MeasureJob:
    return MeasureJob(
        bench_file="",
        api="",
        device="cpu",
        mode="latency",
        base_root="base",
        candidate_root="candidate",
        held_out=True,
        seed=0,
        protocol=protocol,
        scratch="",
    )


_BENCH = listing_bench("simulated", WORKLOADS)


@dataclass
class SyntheticJudge:
    """Judges the patches of one simulated run.

    Attributes:
        noise: the sessions' noise, see `recorded_noise`.
        rng: the machine's luck.
        admitted: the base timed against itself, as every run begins.
        confirmations: by attempt, what was measured last of each win.
    """

    noise: Noise
    rng: random.Random
    confirmations: dict[str, Measurement] = field(default_factory=dict)

    def __post_init__(self) -> None:
        aa = self._measured(0.0, TASK_MIN_EFFECT)
        self.admitted = NoiseFloor(speedup=aa.speedup, sessions=aa.sessions)
        self.min_effect = max(TASK_MIN_EFFECT, aa.speedup.high - 1, 1 - aa.speedup.low)

    def judge(self, attempt: str, truth: float | None, approach: str) -> Verdict:
        """The verdict on a patch whose true log speedup is `truth`; None for one that is wrong."""
        if truth is None:
            return _verdict(attempt, approach, "incorrect", "test_failed", "A test fails.")

        def timed(_: Phase) -> Measurement:
            return self._measured(truth, self.min_effect)

        selection, confirmation = measure_twice(timed, self.min_effect)
        published = confirmation or selection
        status, cause, message = conclude(published, self.min_effect, confirmed=confirmation)
        if confirmation is not None:
            self.confirmations[attempt] = confirmation
        timing = TimingEvidence(
            selection=selection.speedup,
            confirmation=None if confirmation is None else confirmation.speedup,
            sessions=selection.sessions + (0 if confirmation is None else confirmation.sessions),
            min_effect=self.min_effect,
            noise=self.admitted,
        )
        judged = _verdict(attempt, approach, status, cause, message)
        return judged.model_copy(
            update={"speedup": published.speedup, "workloads": published.workloads, "timing": timing}
        )

    def published(self, verdicts: Sequence[Verdict]) -> tuple[Verdict, Interval] | None:
        """The winner of a run of these attempts, with the interval that is published for it; None without one."""
        best = winner(verdicts)
        if best is None or best.speedup is None:
            return None
        if len(verdicts) == 1:
            return best, best.speedup
        adjusted = adjusted_interval(self.confirmations[str(best.attempt)], len(verdicts))
        return best, adjusted or best.speedup

    def _measured(self, truth: float, min_effect: float) -> Measurement:
        protocol = Protocol(min_effect=min_effect)
        found = SimulatedExperiment(truth, self.noise, self.rng, protocol).run()
        if not isinstance(found, Measurement):
            raise TypeError(f"the audit accuses a patch that does nothing wrong: {found.message}")
        return found


def _verdict(attempt: str, approach: str, status: Status, cause: str | None, message: str) -> Verdict:
    patch = PatchStats(
        path=f"{attempt}/model_patch.diff", sha256=attempt.zfill(64), files=[approach], insertions=1, deletions=1
    )
    return Verdict(
        run="simulated",
        attempt=attempt,
        task="simulated",
        agent="synthetic",
        model=None,
        status=status,
        cause=cause,
        message=message,
        patch=patch,
        base_commit="0" * 40,
        device=NOWHERE,
        sandbox="none",
        harness_version=__version__,
        finished_at=AT,
    )
