"""The two arms of a timed command: runs in fresh copies of their trees, and what must hold between their outputs."""

from __future__ import annotations

import re
import secrets
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.errors import TaskError
from harness.folders import delete_quietly
from harness.sandbox.environment import scrubbed_environment
from harness.sandbox.workers import leaves_nothing, program_sandbox, worker_wrap
from harness.text import bytes_text, counted
from harness.timing.bench import Workload
from harness.timing.inputs import derive_seed
from harness.timing.job import Command, CommandSpec, MeasureJob
from harness.timing.oracle import OutputWrong
from harness.timing.printed import NotANumber, Printed, cost_us, impossible, masked, read_number
from harness.timing.pristine import compile_tree, copy_tree
from harness.timing.program import MOST_OUTPUT_BYTES, Ran, run_program
from harness.timing.session import ArmFailed, Role
from harness.timing.session_record import BaseFailed

_IDLE_RUNS = 3
_IDLE_SECONDS = 30.0
_SAID = 500


@dataclass(frozen=True)
class Reading:
    """One run of an arm: the time or number that counts, wall time beside it, and what is compared.

    `step` is what the last digit of a printed number is worth, as a share of the number; 0 where none is printed.
    """

    cost_us: float
    step: float
    wall_us: float
    compared: str
    ran: Ran
    tree: Path


class Arm:
    """One arm: a copy of its tree to copy from, and runs in fresh copies of that.

    Args:
        role: whose arm it is.
        root: the arm's checkout.
        job: what is measured.
        stack: closing it removes everything.
        idle_ns: what starting a program that does nothing took, over and over; both arms use the base's.
    """

    def __init__(self, role: Role, root: Path, job: MeasureJob, stack: ExitStack, idle_ns: list[int]) -> None:
        self.role = role
        self._job = job
        self._spec = spec_of(job)
        self._sandbox = program_sandbox(job.sandbox, job.device)
        self._idle_ns = idle_ns
        # Names of one length, drawn anew: neither path nor environment tells base from candidate.
        self._folder = Path(job.scratch) / secrets.token_hex(8)
        self._pristine = self._folder / "pristine"
        stack.callback(delete_quietly, self._folder)
        try:
            copy_tree(root, self._pristine)
        except OSError as error:  # what its build or its tests have left there
            raise ArmFailed(role, "call_raised", f"its tree cannot be copied: {str(error)[:_SAID]}") from error
        compile_tree(self._pristine, self._sandbox)  # here, so that no arm can plant it

    def run(self, command: Command, seed: int, seconds: float) -> Reading:
        """Run a command as many times over as the job wants of this arm; the folders are those of the last run.

        Raises:
            ArmFailed: it failed, took too long, left something running, or printed what cannot be.
        """
        repeats = self._job.candidate_repeats if self.role == "candidate" else 1
        readings = [self._run_once(command, seed, seconds) for _ in range(repeats)]
        last = readings[-1]
        cost, wall = sum(each.cost_us for each in readings), sum(each.wall_us for each in readings)
        return Reading(cost, max(each.step for each in readings), wall, last.compared, last.ran, last.tree)

    def time_nothing(self) -> None:
        """Time a program that does nothing, in the same sandbox: what starting costs is no work of the command's."""
        tree, home = self._fresh()
        for _ in range(_IDLE_RUNS):
            self._idle_ns.append(self._start(["true"], tree, home, 0, _IDLE_SECONDS, slowdown=0.0).wall_ns)

    @property
    def idle_ns(self) -> float:
        """What starting a program costs at its quickest (the lower decile)."""
        return sorted(self._idle_ns)[len(self._idle_ns) // 10] if self._idle_ns else 0

    def check(self, ran_in: Path, output: Path) -> str | None:
        """Run the task's check on a run's output, in a fresh copy of this arm's tree; None or what is wrong."""
        if self._spec.check is None:
            return None
        tree, home = self._fresh()
        env = scrubbed_environment(tree, home) | {"HARNESS_OUTPUT": str(output), "HARNESS_TREE": str(ran_in)}
        seconds = self._job.protocol.patience_seconds
        ran = run_program(self._spec.check, cwd=tree, env=env, logs=home, seconds=seconds)
        if ran.exit_code == 0:
            return None
        said = f"{ran.stderr_tail}\n{ran.output()}".strip().splitlines()
        return said[-1] if said else f"metric.check ended with exit code {ran.exit_code}"

    def _run_once(self, command: Command, seed: int, seconds: float) -> Reading:
        tree, home = self._fresh()
        slowdown = self._job.candidate_slowdown if self.role == "candidate" else self._job.base_slowdown
        arguments = [part.replace("{seed}", str(seed)) for part in command.arguments]
        ran = self._start(arguments, tree, home, seed, seconds, slowdown=slowdown)
        if ran.exit_code is None:
            raise ArmFailed(self.role, "worker_timeout", f"the command did not end within {seconds:.0f} s")
        if ran.exit_code != 0:
            raise ArmFailed(self.role, "call_raised", f"exit code {ran.exit_code}\n{ran.stderr_tail}".strip())
        if ran.left_running and not leaves_nothing(self._sandbox):
            raise ArmFailed(
                self.role,
                "background_work",
                f"the command ended and left {counted(ran.left_running, 'process', 'processes')} running",
            )
        output = ran.output()
        wall = ran.wall_ns / 1e3
        if self._spec.number is None:
            cost, step = max(ran.wall_ns - self.idle_ns, ran.wall_ns / 2) / 1e3, 0.0
        else:
            number = self._printed(output, ran.wall_ns)
            cost, step = cost_us(self._spec, number), number.step / number.value
        return Reading(cost, step, wall, compared(self._spec, output), ran, tree)

    def _start(
        self, arguments: list[str], tree: Path, home: Path, seed: int, seconds: float, *, slowdown: float
    ) -> Ran:
        readable = tuple(Path(each) for each in self._spec.readable)
        # Tree and home are this run's own, and gone after it; of all else there is only the system, to be read.
        # Programs copy files with their modes; where the other arm's lie, a drawn name keeps to itself.
        wrap = worker_wrap(self._sandbox, tree, home.parent, readable=readable, whole=True)
        return run_program(
            [*wrap, *arguments],
            cwd=tree,
            env=scrubbed_environment(tree, home) | {"PYTHONHASHSEED": str(seed)},
            logs=self._folder,
            seconds=seconds,
            slowdown=slowdown,
            idle_ns=self.idle_ns,
        )

    def _printed(self, output: str, wall_ns: int) -> Printed:
        try:
            number = read_number(self._spec, output)
        except NotANumber as error:
            raise ArmFailed(self.role, "protocol_violation", str(error)) from error
        problem = impossible(self._spec, number, wall_ns)
        if problem is not None:
            raise ArmFailed(self.role, "clock_mismatch", problem)
        return number

    def _fresh(self) -> tuple[Path, Path]:
        """A new copy of the tree and a new home; the ones before are gone."""
        # One folder holds both: what a run may write is this, and nothing of it is there for the next.
        space = self._folder / "run"
        delete_quietly(space)
        tree, home = space / "tree", space / "home"
        shutil.copytree(self._pristine, tree, symlinks=True)
        home.mkdir()
        return tree, home


class Arms:
    """Both arms, and what must hold between them."""

    def __init__(self, job: MeasureJob, stack: ExitStack) -> None:
        self._job = job
        self._spec = spec_of(job)
        idle_ns: list[int] = []
        self.base = Arm("base", Path(job.base_root), job, stack, idle_ns)
        self.candidate = Arm("candidate", Path(job.candidate_root), job, stack, idle_ns)

    def inspect(self, workload: Workload) -> tuple[Reading, Reading]:
        """Run a command twice on the base and once on the candidate; also warms the machine's caches up.

        Raises:
            TaskError: the base's own output differs from run to run.
            BaseFailed, OutputWrong: the task's check says so, or the candidate's output is not the base's.
            ArmFailed: a run failed.
        """
        command, seed = command_of(self._spec, workload), derive_seed(self._job.seed, "inspect", workload.name)
        seconds = self._job.protocol.patience_seconds
        first = self.base.run(command, seed, seconds)
        again = self.base.run(command, seed, seconds)
        if self._spec.compare != "none" and first.ran.stdout.stat().st_size > MOST_OUTPUT_BYTES:
            # Of what lies beyond, a patch could print what it likes, or nothing.
            raise TaskError(
                f"{workload.name}: the base prints more than {bytes_text(MOST_OUTPUT_BYTES)}, and no more is compared.",
                remedy="Let it print less, or set metric.compare to none and give a metric.check.",
            )
        if first.compared != again.compared:
            raise TaskError(
                f"{workload.name}: the base's own output differs from run to run: {differing(first, again)}.",
                remedy="Say with metric.compare: regex what of it must be equal, or none and give a metric.check.",
            )
        limit = seconds + 20 * first.wall_us / 1e6
        ours = self.candidate.run(command, seed, limit)
        require_equal(workload, again, ours)
        problem = self.base.check(again.tree, self._kept(again))
        if problem is not None:
            raise BaseFailed(f"{workload.name}: {problem}")
        problem = self.base.check(ours.tree, self._kept(ours))
        if problem is not None:
            raise OutputWrong(workload, problem)
        return again, ours

    def _kept(self, reading: Reading) -> Path:
        """The output, where the check's own run does not write over it."""
        kept = Path(self._job.scratch) / f"output-{secrets.token_hex(4)}"
        shutil.copyfile(reading.ran.stdout, kept)
        return kept


def spec_of(job: MeasureJob) -> CommandSpec:
    """The job's commands.

    Raises:
        TaskError: it has none.
    """
    if job.command is None:
        raise TaskError("metric.mode command needs metric.command or metric.commands.")
    return job.command


def command_of(spec: CommandSpec, workload: Workload) -> Command:
    """The command behind a workload."""
    return next(each for each in spec.commands if each.name == workload.name)


def compared(spec: CommandSpec, output: str) -> str:
    """What of an output must equal the base's."""
    if spec.compare == "none":
        return ""
    if spec.compare == "regex":
        return "\n".join(str(each) for each in re.findall(spec.pattern or "", output))
    return masked(spec, output)


def require_equal(workload: Workload, base: Reading, candidate: Reading) -> None:
    """Hold a candidate's output against the base's.

    Raises:
        OutputWrong: they differ.
    """
    if base.compared != candidate.compared:
        raise OutputWrong(workload, f"the output is not the base's: {differing(base, candidate)}")


def differing(base: Reading, candidate: Reading) -> str:
    """The first line that differs."""
    ours, theirs = candidate.compared.splitlines(), base.compared.splitlines()
    for number, (expected, found) in enumerate(zip(theirs, ours, strict=False), start=1):
        if expected != found:
            return f"line {number}: expected {expected[:200]!r}, found {found[:200]!r}"
    return f"expected {counted(len(theirs), 'line')}, found {len(ours)}"
