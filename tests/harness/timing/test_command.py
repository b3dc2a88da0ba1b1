"""Timing programs: whole, and by a number they print; honest ones, broken ones, and ones that lie about it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from harness.errors import AdmissionError, HarnessError, InfrastructureError, TaskError
from harness.sandbox.workers import program_sandbox, worker_sandbox
from harness.timing.client import check_outputs, describe, measure, profile
from harness.timing.job import Command, CommandSpec, MeasureJob, Protocol
from harness.timing.measurement import Measurement, Progress, Refusal, Sample, WrongOutput
from harness.timing.printed import NotANumber, cost_us, impossible, masked, read_number, wall_clock_says
from harness.timing.program import run_program

pytestmark = pytest.mark.slow

Ignore = Callable[[Progress], None]

QUICK = Protocol(looks=[6], alpha=0.05, patience_seconds=20.0)
# The two shapes that are about: the one benchmarks of repositories use, and the one of the recorded session.
GSO = r"Execution time: (?P<value>[0-9.]+)s"
SEED = r"Duration: (?P<value>[0-9.]+) seconds"
PRINTED = CommandSpec(commands=[Command(name="command", arguments=["python", "script.py"])], number=SEED)
WALL = CommandSpec(commands=[Command(name="command", arguments=["python", "-S", "script.py"])])

WORK = "import work\nprint(work.total())\n"
TIMED = """
import time
import work
start = time.time()
result = work.total()
duration = time.time() - start
print(f"Duration: {duration:.4f} seconds")
print("result", result)
"""
SLEEPS = "import time\ndef total():\n    time.sleep({seconds})\n    return 42\n"


class Programs:
    """Makes jobs over two trees that hold one script and one module each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tree(self, name: str, script: str, work: str) -> Path:
        tree = self.folder / name
        tree.mkdir(parents=True, exist_ok=True)
        (tree / "script.py").write_text(dedent(script))
        (tree / "work.py").write_text(dedent(work))
        return tree

    def job(self, spec: CommandSpec, candidate: str, base: str, *, script: str = WORK, **changes: object) -> MeasureJob:
        fields = {
            "bench_file": "",
            "api": "",
            "device": "cpu",
            "mode": "command",
            "base_root": str(self.tree("base", script, base)),
            "candidate_root": str(self.tree("candidate", script, candidate)),
            "held_out": True,
            "seed": 7,
            "protocol": QUICK,
            "scratch": str(self.folder / "scratch"),
            "command": spec,
        }
        return MeasureJob.model_validate({**fields, **changes})


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def sleeps(seconds: float) -> str:
    return SLEEPS.format(seconds=seconds)


def test_a_program_is_timed_whole(programs: Programs, ignore: Ignore) -> None:
    found = measure(programs.job(WALL, sleeps(0.0), sleeps(0.15)), ignore)
    assert isinstance(found, Measurement), found
    assert found.speedup.low > 1.5
    assert found.stopped == "decided"
    assert found.flags == []
    assert found.workloads[0].name == "command"
    assert found.workloads[0].base_us > 150_000
    assert {sample.candidate_first for sample in found.samples} == {True, False}
    assert list((programs.folder / "scratch").iterdir()) == []


def test_a_number_that_the_wall_clock_bears_out_counts(programs: Programs, ignore: Ignore) -> None:
    found = measure(programs.job(PRINTED, sleeps(0.02), sleeps(0.2), script=TIMED), ignore)
    assert isinstance(found, Measurement), found
    assert 8 < found.speedup.estimate < 11
    assert found.workloads[0].base_us == pytest.approx(200_000, rel=0.1)
    assert found.flags == []
    assert all(sample.base_worker_us > sample.base_us for sample in found.samples)


def test_a_saving_that_is_printed_and_not_made_is_a_clock_mismatch(programs: Programs, ignore: Ignore) -> None:
    lies = "import time\nreal = time.time\ndef total():\n    time.sleep(0.2)\n    time.time = lambda: began + 0.001\n"
    lies = lies + "    return 42\nbegan = time.time()\ntime.time = lambda: began\n"
    found = measure(programs.job(PRINTED, lies, sleeps(0.2), script=TIMED), ignore)
    assert isinstance(found, Refusal), found
    assert (found.cause, found.status) == ("clock_mismatch", "rejected")
    assert "by the wall clock" in found.message


def test_a_time_longer_than_the_program_ran_is_impossible(programs: Programs, ignore: Ignore) -> None:
    lies = 'def total():\n    print("Duration: 60.0 seconds")\n    raise SystemExit\n'
    found = measure(
        programs.job(PRINTED.model_copy(update={"compare": "none"}), lies, sleeps(0.01), script=TIMED), ignore
    )
    assert isinstance(found, Refusal), found
    assert found.cause == "clock_mismatch"
    assert "printed 60 s and ran for" in found.message


def test_a_rate_is_better_when_higher_and_carries_a_flag(programs: Programs, ignore: Ignore) -> None:
    spec = CommandSpec(
        commands=[Command(name="serve", arguments=["bash", "-c", "python -S script.py"])],
        number=r"(?P<value>\d+) requests/s",
        unit="requests/s",
        higher_is_better=True,
    )
    rate = 'def total():\n    return "{} requests/s"\n'
    found = measure(programs.job(spec, rate.format(500), rate.format(250)), ignore)
    assert isinstance(found, Measurement), found
    assert found.speedup.estimate == pytest.approx(2.0)
    assert (found.workloads[0].base_us, found.workloads[0].candidate_us) == (4000, 2000)
    assert "own word" in found.flags[0]


def test_one_program_after_another_gives_known_ratios(programs: Programs, ignore: Ignore) -> None:
    twice = measure(programs.job(WALL, sleeps(0.1), sleeps(0.1), candidate_repeats=2), ignore)
    assert isinstance(twice, Measurement), twice
    assert twice.speedup.estimate == pytest.approx(0.5, rel=0.15)
    slowed = measure(programs.job(WALL, sleeps(0.1), sleeps(0.1), base_slowdown=0.5), ignore)
    assert isinstance(slowed, Measurement), slowed
    assert slowed.speedup.estimate == pytest.approx(1.5, rel=0.15)


@pytest.mark.parametrize(
    ("work", "cause", "words"),
    [
        ("raise ValueError('boom')\n", "call_raised", "boom"),
        ("import sys; sys.exit(3)\n", "call_raised", "exit code 3"),
        ("import os\ndef total(): os.kill(os.getpid(), 9)\n", "call_raised", "exit code"),
        ("import subprocess\ndef total():\n subprocess.Popen(['sleep', '60'])\n return 1\n", "background_work", "left"),
        ("import time\ndef total():\n    time.sleep(60)\n", "worker_timeout", "did not end within"),
    ],
)
def test_a_program_that_fails_is_told_how(programs: Programs, work: str, cause: str, words: str) -> None:
    protocol = QUICK.model_copy(update={"patience_seconds": 1.5})
    # Unconfined: a sandbox ends what is left running, and then there is nothing to refuse.
    job = programs.job(WALL, work, "def total():\n    return 1\n", protocol=protocol, sandbox="none")
    found = check_outputs(job)
    assert isinstance(found, Refusal), found
    assert found.cause == cause
    assert words in found.message
    assert psutil.Process().children(recursive=True) == []


def test_another_output_is_wrong_and_another_time_is_not(programs: Programs) -> None:
    found = check_outputs(programs.job(PRINTED, "def total():\n    return 41\n", sleeps(0.01), script=TIMED))
    assert isinstance(found, WrongOutput), found
    assert "expected 'result 42', found 'result 41'" in found.detail
    assert check_outputs(programs.job(PRINTED, sleeps(0.0), sleeps(0.01), script=TIMED)) is None


def test_output_beyond_what_is_compared_is_the_tasks_mistake(programs: Programs) -> None:
    long = "import sys\ndef total():\n    sys.stdout.write('x' * (17 << 20))\n"
    with pytest.raises(TaskError, match="prints more than 17 MB"):
        check_outputs(programs.job(WALL, long, long))


@pytest.mark.skipif(worker_sandbox("auto", "cpu") == "none", reason="this kernel has no Landlock")
def test_a_link_in_the_tree_brings_nothing_of_others_into_it(programs: Programs) -> None:
    (programs.folder / "theirs.py").write_text("SECRET = 'kept elsewhere'\n")
    spies = """
import glob, sys
def total():
    sys.exit(str([open(each, "rb").read() for each in glob.glob("__pycache__/spy.*")]))
"""
    job = programs.job(WALL, spies, SLEEPS.format(seconds=0))
    (Path(job.candidate_root) / "spy.py").symlink_to(programs.folder / "theirs.py")
    found = check_outputs(job)
    assert isinstance(found, Refusal)
    assert found.message.endswith("[]")


def test_a_pipe_in_the_tree_is_not_waited_for(programs: Programs) -> None:
    job = programs.job(WALL, SLEEPS.format(seconds=0), SLEEPS.format(seconds=0))
    os.mkfifo(Path(job.candidate_root) / "pipe")
    assert check_outputs(job) is None


def test_what_of_the_output_counts_can_be_said(programs: Programs) -> None:
    noisy = "import time\ndef total():\n    return f'at {{time.time_ns()}}\\nsum {}'\n"
    job = programs.job(WALL, noisy.format(2), noisy.format(1))
    with pytest.raises(TaskError, match="differs from run to run"):
        check_outputs(job)
    told = WALL.model_copy(update={"compare": "regex", "pattern": r"sum \d+"})
    assert isinstance(check_outputs(job.model_copy(update={"command": told})), WrongOutput)
    none = WALL.model_copy(update={"compare": "none"})
    assert check_outputs(job.model_copy(update={"command": none})) is None


def test_a_check_sees_the_output_and_the_tree(programs: Programs) -> None:
    script = "grep -q 42 $HARNESS_OUTPUT && test -e $HARNESS_TREE/script.py || { echo 'not 42' >&2; exit 1; }"
    spec = WALL.model_copy(update={"compare": "none", "check": ["bash", "-c", script]})
    assert check_outputs(programs.job(spec, sleeps(0), sleeps(0))) is None
    found = check_outputs(programs.job(spec, "def total(): return 1\n", sleeps(0)))
    assert isinstance(found, WrongOutput), found
    assert found.detail == "not 42"
    with pytest.raises(AdmissionError, match="not 42"):
        check_outputs(programs.job(spec, sleeps(0), "def total(): return 1\n"))


@pytest.mark.skipif(
    program_sandbox("auto", "cpu") in ("landlock-only", "none"), reason="this machine allows no namespaces"
)
def test_nothing_a_run_leaves_is_there_for_the_next(programs: Programs, ignore: Ignore) -> None:
    theirs = programs.folder / "theirs"
    theirs.touch()
    remembers = f"""
        import os, time
        def total():
            try:
                if os.stat({str(theirs)!r}).st_mtime == 42:
                    return 42
                os.utime({str(theirs)!r}, (42, 42))
            except OSError:
                pass
            here = os.path.dirname(os.path.abspath(__file__))
            for place in (here, os.environ["HOME"], "/tmp", "/var/tmp", "/dev/shm", here + "/../../.."):
                try:
                    if os.path.exists(place + "/answer"):
                        return 42
                    open(place + "/answer", "w").write("42")
                except OSError:
                    pass
            time.sleep(0.1)
            return 42
    """
    found = measure(programs.job(WALL, remembers, sleeps(0.1)), ignore)
    assert isinstance(found, Measurement), found
    assert found.speedup.low < 1.1
    assert found.worker_sandbox == program_sandbox("auto", "cpu")
    assert not Path("/dev/shm/answer").exists()


def test_a_seed_is_new_for_every_pair_and_the_same_for_both_arms(programs: Programs, ignore: Ignore) -> None:
    spec = CommandSpec(commands=[Command(name="command", arguments=["bash", "-c", "echo {seed}; python -S script.py"])])
    assert isinstance(measure(programs.job(spec, sleeps(0), sleeps(0)), ignore), Measurement)


def test_held_out_commands_stay_away_and_a_profile_is_advice(programs: Programs) -> None:
    spec = CommandSpec(
        commands=[
            Command(name="small", arguments=["bash", "-c", "python script.py 1"]),
            Command(name="secret", held_out=True, arguments=["python", "script.py", "2"]),
        ]
    )
    job = programs.job(spec, sleeps(0), sleeps(0))
    assert [each.name for each in describe(job)] == ["small", "secret"]
    shown = describe(job.model_copy(update={"held_out": False}))
    assert [(each.name, each.params) for each in shown] == [("small", {"command": "python script.py 1"})]
    assert "shell" in str(profile(job))


def test_a_base_that_fails_is_nobodys_fault_we_judge(programs: Programs) -> None:
    job = programs.job(PRINTED, sleeps(0), "def total(): return 1\n")
    with pytest.raises(InfrastructureError, match=r"metric\.number matches"):
        check_outputs(job)
    with pytest.raises(HarnessError, match=r"needs metric\.command"):
        check_outputs(job.model_copy(update={"command": None}))


@pytest.mark.parametrize(
    ("output", "value", "step"),
    [
        ("Duration: 0.0123 seconds\n", 0.0123, 1e-4),
        ("Duration: 9 seconds\nDuration: 0.5 seconds", 0.5, 0.1),
        ("Duration: 0.0000 seconds", 0.00005, 1e-4),
        ("Duration: 12 seconds", 12.0, 1.0),
    ],
)
def test_a_number_is_read_with_what_its_last_digit_is_worth(output: str, value: float, step: float) -> None:
    number = read_number(PRINTED, output)
    assert (number.value, number.step) == (pytest.approx(value), pytest.approx(step))


def test_numbers_of_other_shapes() -> None:
    gso = PRINTED.model_copy(update={"number": GSO})
    assert cost_us(gso, read_number(gso, "Execution time: 0.250000s")) == pytest.approx(250_000)
    free = PRINTED.model_copy(update={"number": r"t=(?P<value>\S+)", "unit": "ms"})
    assert cost_us(free, read_number(free, "t=1.5e2")) == pytest.approx(150_000)
    assert read_number(free, "t=1.5e2").step == pytest.approx(10)
    for text in ("t=fast", "t=-1", "t=nan", "nothing", "t=0e400", "t=1e-400", "t=1e300", f"t=0e{'9' * 5000}"):
        with pytest.raises(NotANumber):
            read_number(free, text)
    for text in ("t=0e-99", "t=1e-99", "t=1e99", f"t=0.{'0' * 30}"):
        assert 0 < cost_us(free, read_number(free, text)) < 1e200
        assert 0 < cost_us(free.model_copy(update={"higher_is_better": True}), read_number(free, text)) < 1e200
    assert masked(PRINTED, "a Duration: 1.5 seconds b") == "a Duration: <number> seconds b"
    assert impossible(PRINTED, read_number(PRINTED, "Duration: 0.0123 seconds"), int(0.0122e9)) is None
    assert impossible(PRINTED, read_number(PRINTED, "Duration: 0.0125 seconds"), int(0.0122e9)) is not None


def pair(session: int, printed: tuple[float, float], wall: tuple[float, float]) -> list[Sample]:
    return [
        Sample(
            session=session,
            workload="w",
            base_us=printed[0],
            candidate_us=printed[1],
            candidate_first=True,
            calls=1,
            base_worker_us=wall[0],
            candidate_worker_us=wall[1],
        )
    ]


def test_a_saving_lost_in_the_noise_of_the_wall_clock_is_flagged() -> None:
    noisy = [pair(n, (100.0, 50.0), (5000.0, 5000.0 - 50 + (-1) ** n * 300)) for n in range(8)]
    assert wall_clock_says(PRINTED, "w", noisy)[0] is None
    assert "too coarse" in str(wall_clock_says(PRINTED, "w", noisy)[1])
    clear = [pair(n, (100.0, 50.0), (5000.0, 4950.0 + (-1) ** n)) for n in range(8)]
    assert wall_clock_says(PRINTED, "w", clear) == (None, None)
    false = [pair(n, (100.0, 50.0), (5000.0, 5000.0 + (-1) ** n)) for n in range(8)]
    assert "by the wall clock" in str(wall_clock_says(PRINTED, "w", false)[0])
    assert wall_clock_says(PRINTED, "w", false[:3]) == (None, None)


def test_the_end_of_a_program_is_seen_at_once(tmp_path: Path) -> None:
    start = time.perf_counter()
    ran = [run_program(["true"], cwd=tmp_path, env=dict(os.environ), logs=tmp_path, seconds=5.0) for _ in range(5)]
    assert (time.perf_counter() - start) < 2
    assert min(each.wall_ns for each in ran) < 20e6
    assert [each.exit_code for each in ran] == [0] * 5
