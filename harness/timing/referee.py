"""The referee: a trusted process for each measurement, which owns clock, seeds, checker and result.

`python -m harness.timing.referee` reads a `RefereeRequest` as JSON on standard input and writes `RefereeLine`s
on standard output; `client` starts it. It imports the bench and never the target. What it prints or what the
bench prints goes to standard error.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TextIO

from harness.errors import AdmissionError, HarnessError, InfrastructureError, TaskError
from harness.sandbox import end_with_parent, harden_self, keep_out
from harness.timing.bench import Bench, Workload, load_bench
from harness.timing.check import Check
from harness.timing.command import CommandCheck, CommandExperiment, CommandProfile, command_bench
from harness.timing.descendants import adopt_orphans
from harness.timing.experiment import Experiment
from harness.timing.gpu_run import GpuRun, hold_gpu
from harness.timing.job import MeasureJob, RefereeRequest
from harness.timing.measurement import Failed, Measurement, Progress, RefereeLine, Refusal, WrongOutput
from harness.timing.oracle import OutputWrong
from harness.timing.profile import Profile
from harness.timing.session import ArmFailed
from harness.timing.session_record import BaseFailed

_MODES = ("latency", "throughput", "device", "command")


def judge(request: RefereeRequest, write: Callable[[RefereeLine], None]) -> RefereeLine:
    """Measure, check, profile or describe as asked; the line that ends the output.

    Raises:
        HarnessError: the bench is wrong, or the request asks for something that is not there.
    """
    with _gpu_for(request, write) as gpu:
        return _judge(request, write, gpu)


def _gpu_for(request: RefereeRequest, write: Callable[[RefereeLine], None]) -> AbstractContextManager[GpuRun | None]:
    """The GPU, if workers are going to use it: others' timings must not feel a check or a profile either."""
    device = "cpu" if request.kind == "describe" else request.job.device
    return hold_gpu(device, lambda sentence: write(RefereeLine(waiting=sentence)))


def _judge(request: RefereeRequest, write: Callable[[RefereeLine], None], gpu: GpuRun | None) -> RefereeLine:
    job = request.job
    _require_fit(job)
    bench = command_bench(job) if job.mode == "command" else load_bench(Path(job.bench_file))
    bench = replace(bench, only=tuple(job.workloads))
    if request.kind == "describe":
        return RefereeLine(workloads=bench.listed(job.device, held_out=job.held_out))
    work = _work(request, bench, write, gpu)
    try:
        found = work.run()
    except OutputWrong as error:
        wrong = WrongOutput(workload=error.workload.name, held_out=error.workload.held_out, detail=error.detail)
        return RefereeLine(wrong_output=wrong)
    except BaseFailed as error:
        raise AdmissionError(f"The base's own output is wrong by {bench.file}: {error}") from error
    except ArmFailed as error:
        return _blame(error, work.current)
    if isinstance(found, str):
        return RefereeLine(profile=found)
    if isinstance(found, Measurement):
        return RefereeLine(measurement=found)
    return RefereeLine(correct=True) if found is None else RefereeLine(refused=found)


def _require_fit(job: MeasureJob) -> None:
    """Mode, device and cache must go together."""
    if job.mode not in _MODES:
        raise TaskError(f"metric.mode {job.mode!r} cannot be timed here.", remedy=f"Modes: {', '.join(_MODES)}.")
    if job.device == "cpu" and (job.mode == "device" or job.cache == "cold"):
        raise TaskError(
            "metric.mode device and metric.cache cold are for a GPU, and the device here is the CPU.",
            remedy="Set metric.device to cuda, or time by mode latency and a warm cache.",
        )
    if job.cache == "cold" and job.mode != "latency":
        raise TaskError(f"metric.cache cold goes with metric.mode latency, not {job.mode}.")


def _work(
    request: RefereeRequest, bench: Bench, write: Callable[[RefereeLine], None], gpu: GpuRun | None
) -> Check | Experiment | Profile | CommandCheck | CommandProfile:
    """What does what was asked for."""
    job = request.job

    def on_progress(progress: Progress) -> None:
        write(RefereeLine(progress=progress))

    if request.kind == "profile":
        return CommandProfile() if job.mode == "command" else Profile(job, bench)
    if request.kind == "check":
        return CommandCheck(job) if job.mode == "command" else Check(job, bench, request.random_cases)
    return CommandExperiment(job, on_progress) if job.mode == "command" else Experiment(job, bench, on_progress, gpu)


def _blame(error: ArmFailed, workload: Workload | None) -> RefereeLine:
    """What an arm's failure means: the candidate's is its own, the base's is nobody's we judge."""
    where = f" on workload {workload.name}" if workload is not None else ""
    if error.role == "base":
        raise InfrastructureError(f"The base could not be timed{where} ({error.cause}).\n{error.message}") from error
    return RefereeLine(
        refused=Refusal(
            cause=error.cause,
            message=error.message,
            workload=workload.name if workload is not None else None,
            held_out=workload is not None and workload.held_out,
        )
    )


def _failed(error: HarnessError) -> RefereeLine:
    named = {"TaskError": TaskError, "AdmissionError": AdmissionError}
    name = next((name for name, kind in named.items() if isinstance(error, kind)), "InfrastructureError")
    return RefereeLine(failed=Failed.model_validate({"error": name, "message": error.args[0], "remedy": error.remedy}))


def _end(signum: int, frame: FrameType | None) -> None:
    """Unwind, so that every worker is ended on the way out."""
    raise SystemExit(128 + signum)


def _take_stdout() -> TextIO:
    """The real standard output, for our lines only; whatever else is printed goes to standard error."""
    ours = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return ours


def main() -> None:
    """Read the request, judge, write the result."""
    signal.signal(signal.SIGTERM, _end)
    end_with_parent()  # a run that is killed must not leave its measurement going
    adopt_orphans()
    harden_self()  # what it inherits, a model's key say, is not for the workers it starts
    request = RefereeRequest.model_validate_json(sys.stdin.read())
    keep_out(map(Path, request.job.kept_out))
    with _take_stdout() as out:

        def write(line: RefereeLine) -> None:
            out.write(line.model_dump_json(exclude_none=True) + "\n")
            out.flush()

        try:
            write(judge(request, write))
        except HarnessError as error:
            write(_failed(error))


if __name__ == "__main__":
    main()
