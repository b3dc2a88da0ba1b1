"""Asking for a measurement: starts a referee process, follows it, and leaves nothing running.

Imports no torch, numpy or scipy: the process that asks stays light.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from agent.stopping import current_stop
from harness.errors import AdmissionError, HarnessError, InfrastructureError, TaskError
from harness.folders import delete_quietly
from harness.model_key import without_secrets
from harness.quiet import noisy, quiet
from harness.stopping import check_stop
from harness.timing.job import MeasureJob, RefereeRequest, Workload
from harness.timing.measurement import Failed, Measurement, Progress, RefereeLine, Refusal, WrongOutput

_log = logging.getLogger(__name__)
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]
_END_SECONDS = 5.0
_STOP_SECONDS = 0.2
_CHUNK = 1 << 16
_TAIL_CHARACTERS = 2000
_ERRORS: dict[str, type[HarnessError]] = {
    "TaskError": TaskError,
    "AdmissionError": AdmissionError,
    "InfrastructureError": InfrastructureError,
}


def measure(job: MeasureJob, on_progress: Callable[[Progress], None]) -> Measurement | WrongOutput | Refusal:
    """Time a candidate tree against a base tree.

    Args:
        job: what to measure, and how hard to look.
        on_progress: called after every session.

    Returns:
        The measurement; or what is wrong with the candidate: a wrong output, or why it cannot be timed.

    Raises:
        TaskError: the bench is wrong.
        AdmissionError: the base's own output is wrong.
        InfrastructureError: the base's workers or the referee failed.
    """
    with quiet(job.device):
        line = _ask(RefereeRequest(kind="measure", job=job), on_progress)
    found = line.measurement or line.wrong_output or line.refused
    if found is None:
        raise InfrastructureError("The referee ended without a result.")
    return found


def check_outputs(job: MeasureJob, random_cases: int = 0) -> WrongOutput | Refusal | None:
    """Check a candidate's outputs on every workload and on `random_cases` random ones, without timing.

    Returns:
        None when all is right, else what is not.

    Raises:
        TaskError: the bench is wrong.
        InfrastructureError: a worker that ran no candidate code, or the referee, failed.
    """
    with noisy(gpu=job.device == "cuda"):
        line = _ask(RefereeRequest(kind="check", job=job, random_cases=random_cases), lambda _: None)
    if line.wrong_output is None and line.refused is None and not line.correct:
        raise InfrastructureError("The referee ended without a result.")
    return line.wrong_output or line.refused


def profile(job: MeasureJob) -> str | Refusal:
    """Where a candidate's time goes on the shown workloads, in the worker's own words.

    Raises:
        TaskError: the bench is wrong.
        InfrastructureError: the referee failed.
    """
    with noisy(gpu=job.device == "cuda"):
        line = _ask(RefereeRequest(kind="profile", job=job), lambda _: None)
    found = line.profile or line.refused
    if found is None:
        raise InfrastructureError("The referee ended without a result.")
    return found


def describe(job: MeasureJob) -> list[Workload]:
    """The workloads of a job's bench, without the held-out ones unless the job has them.

    Raises:
        TaskError: the bench is wrong.
        InfrastructureError: the referee failed.
    """
    with noisy():
        line = _ask(RefereeRequest(kind="describe", job=job), lambda _: None)
    if line.workloads is None:
        raise InfrastructureError("The referee ended without a result.")
    return line.workloads


def _ask(request: RefereeRequest, on_progress: Callable[[Progress], None]) -> RefereeLine:
    with _scratch(request) as (placed, errors), _referee(placed, errors) as process:
        for line in _lines(process):
            read = RefereeLine.model_validate_json(line)
            if read.waiting is not None:
                _log.warning(read.waiting)
            elif read.progress is None:
                return _raise_failed(read)
            else:
                on_progress(read.progress)
        code = process.wait()
        errors.seek(0)
        said = errors.read()[-_TAIL_CHARACTERS:].decode("utf-8", errors="replace").strip()
    raise InfrastructureError(f"The referee ended with exit code {code}.\n{said}")


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """The referee's lines as they come, without waiting so long for one that a call to stop is not heard."""
    if process.stdout is None:  # only so that the type checker knows what PIPE means
        raise RuntimeError("a process started with a pipe has none")
    begun = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            check_stop()
            if not selector.select(_STOP_SECONDS):
                continue
            data = os.read(process.stdout.fileno(), _CHUNK)
            if not data:
                return
            *whole, begun = (begun + data).split(b"\n")
            yield from whole


def _raise_failed(line: RefereeLine) -> RefereeLine:
    failed: Failed | None = line.failed
    if failed is not None:
        raise _ERRORS[failed.error](failed.message, remedy=failed.remedy)
    return line


@contextmanager
def _scratch(request: RefereeRequest) -> Iterator[tuple[RefereeRequest, IO[bytes]]]:
    """A folder of this measurement's own inside the job's scratch, gone at the end, and the referee's stderr."""
    parent = Path(request.job.scratch)
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="timing-", dir=parent))
    job = request.job.model_copy(update={"scratch": str(folder)})
    try:
        with (folder / "referee.log").open("w+b") as errors:
            yield request.model_copy(update={"job": job}), errors
    finally:
        delete_quietly(folder)


@contextmanager
def _referee(request: RefereeRequest, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The running referee, in a session of its own so that Ctrl-C reaches only us; ended with all below it."""
    python_path = os.pathsep.join(filter(None, [str(_PACKAGE_PARENT), os.environ.get("PYTHONPATH")]))
    # Its threads, too, must not spin beside the workers.
    settings = {"PYTHONPATH": python_path, "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.timing.referee"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=without_secrets(os.environ) | settings,
        start_new_session=True,
    )
    try:
        with contextlib.suppress(BrokenPipeError):
            if process.stdin is not None:
                process.stdin.write(request.model_dump_json().encode())
                process.stdin.close()
        with current_stop().ending(process.terminate):
            yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the referee end its workers; if it does not, end them and it."""
    import psutil  # noqa: PLC0415 - not needed to start, and start-up time is counted

    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        # All of them are below it: it adopts the orphans.
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
