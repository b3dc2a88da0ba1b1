"""`harness calibrate`: is this machine fit to judge with, and how small an effect can be believed on it?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from harness.admission import job_for, resolve_device
from harness.build import build
from harness.calibration.report import as_markdown, as_svg
from harness.calibration.store import BUILT_IN, Calibration, fingerprint, kept, save
from harness.calibration.summary import summarise
from harness.calibration.trials import SLOWDOWNS, Schedule, Session, Trial
from harness.errors import AdmissionError, BuildFailed, Interrupted, UsageError
from harness.events import now
from harness.source import seal
from harness.task import DeviceChoice, Mode
from harness.task_file import load_task
from harness.temporary import temporary_folder
from harness.timing.job import MeasureJob, Protocol
from harness.timing.machine import describe_device
from harness.whole_file import make_folder, write_atomic

_HERE = Path(__file__).resolve().parent / "calibration"


@dataclass(frozen=True)
class CalibrateOptions:
    """What `harness calibrate` was asked for.

    Attributes:
        task: a task file or its name; None for the built-in bench.
        trials: A/A trials; the injected slowdowns together get as many.
        seconds: the most it may take; None for no limit.
        out: a folder for a report to publish, beside the copy in the user's state folder; None for none.
        device: where the built-in bench runs; a task says itself.
        mode: how the built-in bench is timed; a task says itself.
        resume: whether to go on with the calibration that is kept, where it has fewer trials.
    """

    task: str | None = None
    trials: int = 200
    seconds: float | None = None
    out: Path | None = None
    device: DeviceChoice = "auto"
    mode: Mode = "latency"
    resume: bool = False

    @classmethod
    def checked(cls, *, device: str, mode: str, **others: Any) -> CalibrateOptions:  # noqa: ANN401 - passed through
        """Options with names that somebody typed.

        Raises:
            UsageError: there is no such device or mode.
        """
        modes = [name for name in get_args(Mode) if name != "command"]
        for given, known in ((device, list(get_args(DeviceChoice))), (mode, modes)):
            if given not in known:
                raise UsageError(f"There is no {given!r} here.", remedy=f"One of: {', '.join(known)}.")
        return cls(device=cast("DeviceChoice", device), mode=cast("Mode", mode), **others)


@dataclass(frozen=True)
class Outcome:
    """A calibration and where it is kept. `interrupted` when Ctrl-C ended it: what was done by then is in it.

    `replaced` is false where an earlier one of this machine and bench has more trials: then the file is that one.
    """

    calibration: Calibration
    file: Path
    replaced: bool
    interrupted: bool


def calibrate(options: CalibrateOptions, on_trial: Callable[[int, int, Trial], None]) -> Outcome:
    """Run trials of known outcome and keep what they say.

    Args:
        options: what was asked for.
        on_trial: told after every trial: how many are done, how many are planned, and the trial.

    Raises:
        TaskError, AdmissionError: the task is wrong, or its base cannot be timed.
        UsageError: no trial fits.
        StorageError: a folder cannot be written.
        Interrupted: Ctrl-C before the first trial was over.
    """
    started_at, start = now(), time.monotonic()
    with temporary_folder("calibrate") as space, _prepared(options, Path(space)) as (name, job):
        before = kept(job.device, name, job.mode) if options.resume else None
        schedule = Schedule(
            trials=options.trials,
            seconds=options.seconds,
            slowdowns=_injectable(job),
            done=len(before.trials) if before else 0,
        )
        planned = len(schedule.conditions)
        session = Session(before.trials, before.device) if before else Session()
        machine = fingerprint(job.device)

        def found() -> Calibration:
            return Calibration(
                bench=name,
                mode=job.mode,
                fingerprint=machine,
                device=session.device or describe_device(job.device),
                protocol=job.protocol,
                started_at=before.started_at if before else started_at,
                seconds=round(time.monotonic() - start + (before.seconds if before else 0.0), 1),
                planned=planned,
                summary=summarise(session.trials, job.protocol.min_effect),
                trials=session.trials,
            )

        def take(trial: Trial) -> None:
            save(found())  # hours of them must not go with a power cut: `--continue` goes on from here
            on_trial(len(session.trials), planned, trial)

        session.run(job, schedule, take)
    if not session.trials:
        if session.interrupted:
            raise Interrupted("Interrupted before the first trial was over; nothing is kept.")
        raise UsageError("No trial was run.", remedy="Ask for at least one with --trials.")
    calibration = found()
    if options.out is not None:
        _publish(calibration, options)
    file = save(calibration)
    replaced = kept(job.device, name, job.mode) == calibration
    return Outcome(calibration, file, replaced=replaced, interrupted=session.interrupted)


def progress_line(done: int, planned: int, trial: Trial) -> str:
    """One line about a trial that is over."""
    ratio = trial.speedup
    found = f"refused: {trial.refused}"
    if ratio is not None:
        found = f"{ratio.estimate:.4f}x [{ratio.low:.4f}, {ratio.high:.4f}]"
    return f"{done}/{planned}  {trial.condition.name}: {found}  {trial.sessions} sessions, {trial.seconds:.1f} s"


@contextmanager
def _prepared(options: CalibrateOptions, space: Path) -> Iterator[tuple[str, MeasureJob]]:
    """The bench's name, and a measurement of its base against itself."""
    if options.task is None:
        yield BUILT_IN, builtin_job(options, space)
        return
    loaded = load_task(options.task)
    root = space / "base"
    seal(loaded, space / "judge.git").check_out(root)
    try:
        build(loaded.task.build, root, space / "build", space / "build.log")
    except BuildFailed as error:
        raise AdmissionError(f"The base does not build: {error.message}") from error
    device = resolve_device(loaded.task.metric.device)
    protocol = Protocol(min_effect=loaded.task.min_effect)
    job = job_for(loaded, root, root, space / "timing", device=device, seed=0, held_out=True, protocol=protocol)
    yield loaded.task.name, job


def builtin_job(options: CalibrateOptions, space: Path) -> MeasureJob:
    """The built-in bench against itself."""
    tree = str(_HERE / "target")
    return MeasureJob(
        bench_file=str(_HERE / "bench.py"),
        api="calibration_target",
        device=resolve_device(options.device),
        mode=options.mode,
        base_root=tree,
        candidate_root=tree,
        held_out=True,
        seed=0,
        protocol=Protocol(),
        scratch=str(space / "timing"),
    )


def _injectable(job: MeasureJob) -> tuple[float, ...]:
    """The slowdowns that can be put in: none where a program holds the clock itself."""
    return () if job.command is not None and job.command.number is not None else SLOWDOWNS


def _publish(calibration: Calibration, options: CalibrateOptions) -> None:
    """Write the report's three files into the folder that was asked for."""
    out = options.out
    if out is None:
        return
    make_folder(out)
    command = f"harness calibrate{f' {calibration.bench}' if options.task else ''} --trials {options.trials}"
    if not options.task:
        command += f" --device {calibration.fingerprint.device} --mode {calibration.mode}"
    command += f" --seconds {options.seconds:g}" if options.seconds is not None else ""
    command += " --continue" if options.resume else ""
    write_atomic(out / "calibration.json", calibration.model_dump_json(indent=1) + "\n")
    write_atomic(out / "calibration.svg", as_svg(calibration))
    write_atomic(out / "README.md", as_markdown(calibration, command))
