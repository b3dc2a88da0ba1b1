"""Candidates that crash, hang, lie or cheat: none of them wins, and each is told apart."""

import json
import os
import py_compile
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from toy_task import HONEST, QUICK, Toy

from harness.sandbox.workers import worker_sandbox
from harness.timing.bench import load_bench
from harness.timing.client import check_outputs, measure
from harness.timing.cpu_outside import CpuOutside
from harness.timing.descendants import UNTOLD_NS
from harness.timing.fork_server import open_alone
from harness.timing.inputs import make_given
from harness.timing.job import MeasureJob
from harness.timing.measurement import Measurement, Progress, Refusal, WrongOutput

Ignore = Callable[[Progress], None]


@pytest.mark.parametrize(
    ("source", "cause", "message"),
    [
        ("import sys; sys.exit(0)", "import_failed", "SystemExit: 0"),
        ("import os; os._exit(0)", "worker_crashed", "ended with exit code 0"),
        ("import os; os.write(2, b'last words'); os._exit(3)", "worker_crashed", "exit code 3\nlast words"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "worker_crashed", "killed by SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "worker_crashed", "SIGSEGV"),
        ("def squares(values): raise SystemExit(0)", "call_raised", "SystemExit: 0"),
        ("def squares(values): return squares", "call_raised", "cannot send a builtins.function"),
        ("def squares(values):\n    while True: pass", "worker_timeout", "no answer within"),
        ("import time; time.sleep(1000)", "worker_timeout", "no answer within"),
        (
            "import os\nfor fd in range(3, 60):\n  try: os.write(fd, b'garbage' * 9)\n  except OSError: pass",
            "protocol_violation",
            "a frame of",
        ),
        (
            "import os\nfor fd in range(3, 60):\n  try: os.close(fd)\n  except OSError: pass",
            "worker_crashed",
            "ended with exit code",
        ),
    ],
)
def test_a_candidate_that_fails_is_told_how(toy: Toy, source: str, cause: str, message: str) -> None:
    protocol = QUICK.model_copy(update={"patience_seconds": 0.7})
    found = check_outputs(toy.job(source + "\n", protocol=protocol))
    assert isinstance(found, Refusal)
    assert found.cause == cause
    assert message in found.message
    assert found.status == ("rejected" if cause == "protocol_violation" else "incorrect")
    assert psutil.Process().children(recursive=True) == []


def test_a_worker_that_answers_with_a_number_for_words_is_wrong(toy: Toy) -> None:
    source = """
import sys
def squares(values):
    frame = sys._getframe()
    while "request" not in frame.f_locals:
        frame = frame.f_back
    frame.f_globals["_explain"] = lambda error: 10**5000
    raise ValueError
"""
    found = check_outputs(toy.job(source))
    assert isinstance(found, Refusal)
    assert (found.cause, found.message) == ("call_raised", "a int")


def test_a_crash_in_the_middle_of_timing_is_the_candidates(toy: Toy, ignore: Ignore) -> None:
    source = HONEST + "\nimport os\nseen = []\nright = squares\ndef squares(values):\n    seen.append(1)\n"
    source += "    return right(values) if len(seen) < 60 else os._exit(5)\n"
    found = measure(toy.job(source), ignore)
    assert isinstance(found, Refusal)
    assert found.cause == "worker_crashed"
    assert found.workload in ("short", "secret")


NO_GAIN = {
    "prints": HONEST.replace("total = 0", "total = 0; print('{\"measurement\": {}}', flush=True)"),
    "stops the worker's clocks": """
        import time
        for name in ("perf_counter", "perf_counter_ns", "time", "time_ns", "monotonic", "monotonic_ns"):
            setattr(time, name, lambda: 0)
        def squares(values):
            return [sum(value * value for value in values)]
        """,
    "remembers by content": """
        memory = {}
        def squares(values):
            key = tuple(values)
            if key not in memory:
                memory[key] = [sum(value * value for value in values)]
            return memory[key]
        """,
    "slows empty requests down": """
        import sys, time
        def squares(values):
            frame = sys._getframe()
            while "request" not in frame.f_locals:
                frame = frame.f_back
            session = frame.f_locals["self"]
            runner = session.runner
            if not hasattr(runner, "slow"):
                def slow(call, target, inputs, outputs, synchronise):
                    if not inputs:
                        time.sleep(0.001)
                    return runner(call, target, inputs, outputs, synchronise)
                slow.slow = True
                session.runner = slow
            return [sum(value * value for value in values)]
        """,
}


@pytest.mark.parametrize("source", NO_GAIN.values(), ids=NO_GAIN.keys())
def test_a_trick_gains_nothing(toy: Toy, ignore: Ignore, source: str) -> None:
    base = "def squares(values):\n    return [sum(value * value for value in values)]\n"
    found = measure(toy.job(source, base), ignore)
    assert isinstance(found, Measurement), found
    assert found.speedup.low < 1.2


LYING_CLOCK = """
import itertools, sys
def squares(values):
    frame = sys._getframe()
    while "perf_counter_ns" not in frame.f_globals:
        frame = frame.f_back
    frame.f_globals["perf_counter_ns"] = {clock}
    return [sum(value * value for value in values)]
"""

CAUGHT = {
    "remembers by length": (
        WrongOutput,
        """
        memory = {}
        def squares(values):
            return memory.setdefault(len(values), [sum(value * value for value in values)])
        """,
    ),
    "answers from one buffer": (
        WrongOutput,
        """
        buffer = [0]
        def squares(values):
            buffer[0] = sum(value * value for value in values)
            return buffer
        """,
    ),
    "changes its inputs": (WrongOutput, HONEST.replace("return [total]", "values.append(0)\n    return [total]")),
    "says it took no time": (Refusal, LYING_CLOCK.format(clock="lambda: 0")),
    "says it took longer than any number": (
        Refusal,
        LYING_CLOCK.format(clock="itertools.count(0, 10**400).__next__"),
    ),
    "replies before it has worked": (
        Refusal,
        """
        import sys
        class Muted:
            def __init__(self, channel):
                self.channel = channel
            def send(self, reply):
                pass
            def receive(self):
                session.channel = self.channel
                return self.channel.receive()
        session = None
        def squares(values):
            global session
            frame = sys._getframe()
            while "request" not in frame.f_locals:
                frame = frame.f_back
            request = frame.f_locals["request"]
            session = frame.f_locals["self"]
            if not isinstance(session.channel, Muted):
                session.channel.send({"token": request["token"], "calls": request["calls"], "worker_ns": 1000})
                session.channel = Muted(session.channel)
            return [sum(value * value for value in values)]
        """,
    ),
}


def measure_until_caught(job: MeasureJob) -> Measurement | WrongOutput | Refusal:
    """On a machine whose cores are all taken a cheat may pass unnoticed; then it must not have gained by it."""
    for _ in range(3):
        found = measure(job, lambda progress: None)
        if not isinstance(found, Measurement):
            break
        assert found.speedup.low < 1.02
    return found


@pytest.mark.parametrize(("kind", "source"), CAUGHT.values(), ids=CAUGHT.keys())
def test_a_cheat_is_caught(toy: Toy, kind: type, source: str) -> None:
    found = measure_until_caught(toy.job(source))
    assert isinstance(found, kind), found
    if isinstance(found, Refusal):
        assert found.status == "rejected"


DEFERRED = """
import hashlib, sys, threading
threads = []
def work(values, result):
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 2000)
    result.append(sum(value * value for value in values))
def squares(values):
    frame = sys._getframe()
    while "request" not in frame.f_locals:
        frame = frame.f_back
    session = frame.f_locals["self"]
    if not threads:
        answer = session._answer
        def wait_and_answer(request, *rest):
            if request["op"] == "fetch":
                for thread in threads:
                    thread.join()
            return answer(request, *rest)
        session._answer = wait_and_answer
    result = []
    threads.append(threading.Thread(target=work, args=(values, result)))
    threads[-1].start()
    return result
"""


def test_work_put_off_until_after_the_clock_is_seen_from_outside(toy: Toy) -> None:
    base = "import hashlib\n" + HONEST.replace(
        "total = 0", "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2000); total = 0"
    )
    found = measure_until_caught(toy.job(DEFERRED, "import hashlib\n" + base, held_out=False))
    if isinstance(found, Measurement):
        pytest.skip("every core is taken: what was put off ran inside the samples all the same, and gained nothing")
    assert isinstance(found, Refusal), found
    assert found.cause in ("background_work", "protocol_violation")
    assert found.status == "rejected"


def test_daemons_end_with_their_session(toy: Toy) -> None:
    pids = toy.folder / "pids"
    source = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open({str(pids)!r}, "a") as file:
            file.write(str(os.getpid()) + " ")
        time.sleep(1000)
    os._exit(0)
while not os.path.exists({str(pids)!r}):
    time.sleep(0.001)
"""
    assert check_outputs(toy.job(source + HONEST, sandbox="none")) is None
    for pid in map(int, pids.read_text().split()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_oracle_that_quotes_megabytes_is_cut_short(toy: Toy) -> None:
    found = check_outputs(toy.job("def squares(values): return 'long' * 1_000_000\n"))
    assert isinstance(found, WrongOutput)
    assert "longlong" in found.detail
    assert len(found.detail) <= 2000


# What `os.fork` would be with CLONE_PARENT: a child of our parent's, the fork server.
SIBLING = """
import ctypes, os, platform, time
def sibling():
    number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    return ctypes.CDLL(None).syscall(number, 0x8000 | 17, 0, 0, 0, 0)
"""


def test_a_child_of_the_fork_servers_is_a_stray(toy: Toy, ignore: Ignore) -> None:
    found = measure(toy.job(f"{SIBLING}\nif sibling() == 0:\n    time.sleep(1000)\n{HONEST}"), ignore)
    assert isinstance(found, Refusal)
    assert found.cause == "background_work"


LOOSE = """
read, write = os.pipe()
if START() == 0:
    if os.fork() == 0:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
        os._exit(0)
    os._exit(0)
os.close(write)
os.read(read, 1)
"""


@pytest.mark.skipif(worker_sandbox("auto", "cpu") == "none", reason="this kernel has no Landlock")
@pytest.mark.parametrize("start", ["os.fork", "sibling"])
def test_work_of_a_process_that_is_gone_again_is_in_the_arms_account(toy: Toy, start: str) -> None:
    job = toy.job(SIBLING + LOOSE.replace("START", start) + HONEST)
    with ExitStack() as stack:
        session = open_alone("candidate", job.candidate_root, job, load_bench(toy.bench), stack)
        assert session.arm_used().cpu_ns - session.used().cpu_ns > 0.25e9


FORGOTTEN = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if os.fork() == 0:
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    os._exit(0)
try:
    os.wait()
except ChildProcessError:
    pass
"""


@pytest.mark.skipif(worker_sandbox("auto", "cpu") == "none", reason="this kernel has no Landlock")
def test_no_process_is_forgotten_with_the_work_it_did(toy: Toy) -> None:
    found = check_outputs(toy.job(FORGOTTEN + HONEST))
    assert isinstance(found, Refusal)
    assert (found.cause, "PermissionError" in found.message) == ("import_failed", True)
    # The same, unconfined, gets through: so it was the sandbox.
    assert check_outputs(toy.job(FORGOTTEN + HONEST, sandbox="none")) is None


SHORT_LIVED = """
import os
def squares(values):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
    return [sum(value * value for value in values)]
"""


@pytest.mark.parametrize(("source", "most_missing"), [(HONEST, 0), (SHORT_LIVED, UNTOLD_NS)], ids=["none", "one"])
def test_a_process_that_is_gone_within_a_tick_is_counted_as_the_most_it_used(
    toy: Toy, source: str, most_missing: int
) -> None:
    job, bench = toy.job(source), load_bench(toy.bench)
    with ExitStack() as stack:
        session = open_alone("candidate", job.candidate_root, job, bench, stack)
        session.give([make_given(bench, bench.listed("cpu", held_out=False)[0], seed=1).packed], 5.0)
        session.confirm_given(5.0)
        outside = CpuOutside(session)
        session.run(1, 5.0)
        told = session.used()
        assert most_missing <= outside.used_ns() < most_missing + UNTOLD_NS / 2
        # What runs inside of a sample is the sample's, whatever it starts there.
        again = CpuOutside(session)
        with again.inside():
            session.run(1, 5.0)
        assert again.used_ns() < UNTOLD_NS / 2
        assert (session.used().ended > told.ended) is bool(most_missing)


@pytest.mark.skipif(worker_sandbox("auto", "cpu") == "none", reason="this kernel has no Landlock")
@pytest.mark.parametrize(
    "attempt",
    [
        "open({outside!r} + '/written', 'w')",
        "open({outside!r} + '/bench.py').read()",
        "__import__('os').chmod({outside!r} + '/base', 0o700)",
        "__import__('os').kill({pid}, 0)",
        "__import__('socket').create_connection(('127.0.0.1', {port}), 1)",
    ],
)
def test_a_worker_reaches_nothing_outside(toy: Toy, attempt: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = attempt.format(outside=str(toy.folder), pid=os.getpid(), port=server.getsockname()[1])
        found = check_outputs(toy.job(source + "\n" + HONEST))
    assert isinstance(found, Refusal)
    assert found.cause == "import_failed"
    assert "PermissionError" in found.message
    # The same, unconfined, gets through: so it was the sandbox.
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = attempt.format(outside=str(toy.folder), pid=os.getpid(), port=server.getsockname()[1])
        assert check_outputs(toy.job(source + "\n" + HONEST, sandbox="none")) is None


@pytest.mark.skipif(worker_sandbox("auto", "cpu") == "none", reason="this kernel has no Landlock")
@pytest.mark.parametrize("up", ["..", "../.."], ids=["own", "arm"])
def test_a_link_in_the_logs_place_leads_nowhere(toy: Toy, ignore: Ignore, up: str) -> None:
    outside = toy.folder / "outside"
    outside.write_text("nobody's business")
    source = f"""
import os, sys
log = os.path.join(os.environ["HOME"], {up!r}, "stderr")
try:
    if os.path.lexists(log):
        os.unlink(log)
    os.symlink({str(outside)!r}, log)
except OSError:
    pass
print("written by the candidate", file=sys.stderr, flush=True)
"""
    # What a crash's log holds is told; and the log is opened anew for each of a measurement's servers.
    found = check_outputs(toy.job(source + "os._exit(3)\n"))
    assert isinstance(found, Refusal)
    assert "nobody" not in found.message
    protocol = QUICK.model_copy(update={"looks": [2], "sessions_per_server": 1})
    assert isinstance(measure(toy.job(source + HONEST, protocol=protocol), ignore), Measurement)
    assert outside.read_text() == "nobody's business"


def test_a_worker_is_told_nothing(toy: Toy, ignore: Ignore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HARNESS_RUN", "run-7")
    dump = """
import gc, json, os, sys
def told():
    names = [name for each in gc.get_objects() if isinstance(each, dict) for name in each if isinstance(name, str)]
    return {{"argv": sys.orig_argv, "env": dict(os.environ), "cwd": os.getcwd(), "file": __file__, "path": sys.path,
             "bench": [n for n in names if n in ("make_inputs", "random_workload", "check")],
             "modules": [n for n in sys.modules if n.startswith(("harness", "_bench"))]}}
with open({path!r}, "w") as file:
    json.dump(told(), file)
"""
    arms = {name: str(toy.folder / f"{name}.json") for name in ("base", "candidate")}
    sources = {name: dump.format(path=path) + HONEST for name, path in arms.items()}
    job = toy.job(sources["candidate"], sources["base"], held_out=False, sandbox="none")
    assert isinstance(measure(job, ignore), Measurement)
    base, candidate = (json.loads(Path(path).read_text()) for path in arms.values())
    assert candidate["bench"] == candidate["modules"] == []
    assert "secret" not in json.dumps(candidate)
    assert "run-7" not in json.dumps(candidate)
    assert str(toy.bench) not in json.dumps(candidate)
    # All that differs is a random folder of the same length, and the number of a socket.
    folders = [Path(each["env"]["HOME"]).parents[1] for each in (base, candidate)]
    assert len(str(folders[0])) == len(str(folders[1]))
    same = [json.dumps(each).replace(folder.name, "X") for each, folder in zip((base, candidate), folders, strict=True)]
    numbers = [str(each["argv"][-1]) for each in (base, candidate)]
    assert same[0].replace(f'"{numbers[0]}"', '"N"') == same[1].replace(f'"{numbers[1]}"', '"N"')


def test_bytecode_in_the_tree_has_no_say(toy: Toy) -> None:
    job = toy.job(HONEST)
    source = Path(job.candidate_root) / "toy" / "__init__.py"
    times = source.stat()
    right = source.read_text()
    source.write_text(right.replace("total += value * value", "total += value + value"))
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    py_compile.compile(str(source), doraise=True)
    source.write_text(right)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert check_outputs(job) is None


def test_nothing_is_written_into_the_tree(toy: Toy) -> None:
    job = toy.job(HONEST)
    assert check_outputs(job) is None
    assert [each.name for each in Path(job.candidate_root).rglob("*")] == ["toy", "__init__.py"]


def test_a_hang_is_ended_soon(toy: Toy, ignore: Ignore) -> None:
    start = time.monotonic()
    protocol = QUICK.model_copy(update={"patience_seconds": 1.0})
    found = measure(toy.job("import time\ndef squares(values): time.sleep(100)\n", protocol=protocol), ignore)
    assert isinstance(found, Refusal)
    assert (found.cause, found.workload) == ("worker_timeout", "short")
    assert time.monotonic() - start < 10
