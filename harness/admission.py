"""Before any attempt: does the base build, do its tests pass, can it be timed, and how noisy is this machine?"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.build import build
from harness.correctness import run_tests
from harness.errors import AdmissionError, BuildFailed
from harness.events import AdmissionStep, Emit, Step, now
from harness.git import Repository
from harness.known_effect import require_known_effect
from harness.metric import command_spec
from harness.noise import noise_text, require_quiet
from harness.sandbox import current_sandbox, kept_out
from harness.targets import require_targets
from harness.task import DeviceChoice, LoadedTask
from harness.text import counted
from harness.timing.client import check_outputs, describe, measure
from harness.timing.job import MeasureJob, Protocol, Workload
from harness.timing.measurement import Measurement, Progress, Refusal, WrongOutput
from harness.verdict import Device, NoiseFloor

# Eight sessions are enough to see whether a machine can be measured on; `harness calibrate` is the long answer.
NOISE_PROTOCOL = Protocol(looks=[8], alpha=0.05)
RANDOM_CASES = 20


@dataclass(frozen=True)
class Base:
    """The base, admitted: built, tested and timed against itself.

    Attributes:
        repository: the judge's own sealed repository; no worktree of an agent is linked to it.
        root: the built checkout that candidates are timed against.
        device: `cpu` or `cuda`, resolved.
        expected: ids of the tests that passed, public and hidden.
        noise: base against base, through the protocol that judges patches.
        machine: what it was measured on.
        shown: the workloads an agent may see.
    """

    repository: Repository
    root: Path
    device: str
    expected: frozenset[str]
    noise: NoiseFloor
    machine: Device
    shown: list[Workload]


def resolve_device(choice: DeviceChoice) -> str:
    """`auto` is CUDA where a GPU can be used, the CPU elsewhere.

    Raises:
        AdmissionError: `cuda` was asked for and no GPU can be used.
    """
    if choice == "cpu":
        return "cpu"
    if any(Path("/dev").glob("nvidia[0-9]*")):  # torch is slow to import: ask it only where there is something to ask
        import torch  # noqa: PLC0415

        if torch.cuda.is_available():
            return "cuda"
    if choice == "cuda":
        raise AdmissionError(
            "The task asks for device cuda, and no usable GPU was found.",
            remedy="Run it where `nvidia-smi` works and torch sees the GPU, or set metric.device to auto or cpu.",
        )
    return "cpu"


def job_for(
    loaded: LoadedTask,
    base: Path,
    candidate: Path,
    scratch: Path,
    *,
    device: str,
    seed: int,
    held_out: bool,
    protocol: Protocol,
) -> MeasureJob:
    """A measurement of `candidate` against `base` as the task wants it."""
    scratch.mkdir(parents=True, exist_ok=True)
    return MeasureJob(
        bench_file=str(loaded.bench_file or ""),
        api=loaded.task.api or "",
        device=device,
        mode=loaded.task.metric.mode,
        cache=loaded.task.metric.cache,
        base_root=str(base),
        candidate_root=str(candidate),
        held_out=held_out,
        seed=seed,
        protocol=protocol,
        scratch=str(scratch),
        command=command_spec(loaded.task.metric, loaded.file.parent),
        workloads=loaded.task.metric.workloads,
        sandbox=current_sandbox().name,
        kept_out=[str(path) for path in kept_out()],
    )


def admit(loaded: LoadedTask, repository: Repository, root: Path, scratch: Path, seed: int, emit: Emit) -> Base:
    """Check the base out at `root`, build, test and time it.

    Raises:
        TaskError: no file of the base may be changed, or the bench does not import or lacks a function.
        AdmissionError: the base does not build, fails a test, gives a wrong output, cannot be timed, or does not
            come out slower where it was made slower.
        InfrastructureError: the machine is too noisy for anything to be claimed.
    """
    require_targets(loaded, repository)
    report = _Reporter(emit)
    device = resolve_device(loaded.task.metric.device)

    report.started("build")
    repository.check_out(root)
    try:
        build(loaded.task.build, root, scratch / "build", scratch / "base-build.log")
    except BuildFailed as error:
        raise AdmissionError(f"The base does not build: {error.message}", remedy=_remedy(error.message)) from error
    report.passed("build", f"build commands run: {len(loaded.task.build)}" if loaded.task.build else "nothing to build")

    report.started("tests")
    tests = run_tests(loaded, root, scratch / "tests", None, hidden=True)
    problems = {**tests.failed, **tests.broken}
    if problems:
        name, why = next(iter(sorted(problems.items())))
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise AdmissionError(
            f"The base fails its own tests: {name}{more}: {why}", remedy="A patch can only be judged from a green base."
        )
    wrong = check_outputs(
        job_for(
            loaded, root, root, scratch / "oracle", device=device, seed=seed, held_out=True, protocol=NOISE_PROTOCOL
        ),
        random_cases=RANDOM_CASES,
    )
    if wrong is not None:
        raise AdmissionError(f"The base does not satisfy the bench's oracle: {explain(wrong)}")
    report.passed("tests", f"{counted(len(tests.passed), 'test passes', 'tests pass')}, the oracle agrees")

    report.started("noise")
    job = job_for(
        loaded, root, root, scratch / "noise", device=device, seed=seed + 1, held_out=True, protocol=NOISE_PROTOCOL
    )
    measured = measure(job, report.progress("noise"))
    if not isinstance(measured, Measurement):
        raise AdmissionError(f"The base cannot be timed against itself: {explain(measured)}")
    noise = NoiseFloor(speedup=measured.speedup, sessions=measured.sessions)
    require_quiet(noise)
    report.passed("noise", noise_text(noise, loaded.task.min_effect))

    report.started("known_effect")
    injected = job.model_copy(update={"seed": seed + 2, "scratch": str(scratch / "known-effect")})
    report.passed("known_effect", require_known_effect(injected, report.progress("known_effect")))
    return Base(
        repository=repository,
        root=root,
        device=device,
        expected=tests.passed,
        noise=noise,
        machine=measured.device,
        shown=describe(job.model_copy(update={"held_out": False})),
    )


def _remedy(build_output: str) -> str:
    """What to do about a base that does not build: the commonest lack has a name."""
    if re.search(r"Python\.h: No such file", build_output):
        return "Python's headers are missing: install python3-dev (Debian, Ubuntu) or python3-devel (Fedora)."
    compiler = r"(g\+\+|c\+\+|gcc|\bcc|clang|clang\+\+|nvcc)(-[\d.]+)?"
    says = (rf"{compiler}['\"]?( failed)?: (No such file|(command )?not found)", rf"No such file.*: '[^']*{compiler}'")
    if any(re.search(each, build_output) for each in (*says, "unable to execute")):
        return "A compiler is missing: install one (apt install g++, dnf install gcc-c++)."
    return "Mend it, or `build` in the task."


def explain(problem: WrongOutput | Refusal) -> str:
    """One sentence about a measurement that did not come to a number."""
    if isinstance(problem, WrongOutput):
        return f"workload {problem.workload}: {problem.detail}"
    where = f" (workload {problem.workload})" if problem.workload else ""
    return f"{problem.cause}{where}: {problem.message}"


class _Reporter:
    """Sends the admission's steps as events."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def started(self, step: Step) -> None:
        self._emit(AdmissionStep(at=now(), step=step, state="started"))

    def passed(self, step: Step, detail: str) -> None:
        self._emit(AdmissionStep(at=now(), step=step, state="passed", detail=detail))

    def progress(self, step: Step) -> Callable[[Progress], None]:
        def send(progress: Progress) -> None:
            self._emit(AdmissionStep(at=now(), step=step, state="started", progress=progress))

        return send
