"""The gate: nothing of ours runs beside a measurement, and nobody waits for ever."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from agent.shell import run_command
from harness import quiet as gate
from harness import waiting
from harness.gates import GateLock, first_gpu, waited_seconds
from harness.quiet import noisy, quiet
from harness.stopping import Stopped, stoppable
from harness.waiting import watched

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


class Spans:
    """When each piece of work was under way."""

    def __init__(self) -> None:
        self.found: list[tuple[str, float, float]] = []

    def work(self, kind: str, seconds: float) -> None:
        with quiet("cpu") if kind == "quiet" else noisy():
            start = time.monotonic()
            time.sleep(seconds)
            self.found.append((kind, start, time.monotonic()))

    def overlap(self, one: str, other: str) -> bool:
        return any(
            first is not second and first[1] < second[2] and second[1] < first[2]
            for first in self.found
            for second in self.found
            if (first[0], second[0]) == (one, other)
        )


def in_threads(*work: threading.Thread, patience: float = 30) -> None:
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(patience)
        assert not thread.is_alive()


def test_measurements_are_alone_and_noise_is_not() -> None:
    spans = Spans()
    kinds = ["noisy", "quiet", "noisy", "noisy", "quiet", "noisy", "noisy", "quiet"]
    in_threads(*(threading.Thread(target=spans.work, args=(kind, 0.1)) for kind in kinds))
    assert len(spans.found) == len(kinds)
    assert spans.overlap("noisy", "noisy")
    assert not spans.overlap("quiet", "quiet")
    assert not spans.overlap("quiet", "noisy")


def test_a_measurement_is_not_starved_by_noise_without_end() -> None:
    over = threading.Event()

    def chatter() -> None:
        while not over.is_set():
            with noisy():
                time.sleep(0.02)

    noise = [threading.Thread(target=chatter) for _ in range(6)]
    for thread in noise:
        thread.start()
    try:
        for _ in range(3):
            with quiet("cpu") as waited:
                assert waited < 5
    finally:
        over.set()
    for thread in noise:
        thread.join()


def test_another_process_is_kept_off_and_a_killed_one_leaves_nothing_locked() -> None:
    script = "import time; from harness.quiet import quiet\nwith quiet('cpu'): print('in', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"in\n"
    entered = threading.Event()

    def make_noise() -> None:
        with noisy():
            entered.set()

    thread = threading.Thread(target=make_noise)
    thread.start()
    assert not entered.wait(0.5)
    other.kill()
    other.wait()
    assert entered.wait(5)
    thread.join()


def test_what_is_inside_a_measurement_does_not_wait_for_it() -> None:
    with quiet("cpu"), noisy(), noisy(), quiet("cpu") as waited:
        assert waited == 0.0


def test_what_a_thread_waits_is_counted() -> None:
    waited = []

    def wait() -> None:
        before = waited_seconds()
        with noisy():
            waited.append(waited_seconds() - before)

    thread = threading.Thread(target=wait)
    with quiet("cpu"):
        thread.start()
        time.sleep(0.6)
    thread.join(10)
    assert 0.4 < waited[0] < 10


def test_who_watches_is_told_of_a_wait_and_of_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "TELL_AFTER_SECONDS", 0.1)
    told: list[bool] = []
    begun = threading.Event()

    def tell(waits: bool) -> None:
        told.append(waits)
        begun.set()

    def measure() -> None:
        with watched(tell), quiet("cpu"):
            told.append(waiting.watcher() is tell)

    thread = threading.Thread(target=measure)
    with noisy():
        thread.start()
        assert begun.wait(10)
        assert told == [True]
    thread.join(10)
    assert told == [True, False, True]
    with watched(tell), quiet("cpu"):
        pass  # at once: nothing to tell
    assert told == [True, False, True] and waiting.watcher() is None


@pytest.mark.usefixtures("hasty")
def test_a_command_that_waits_or_is_frozen_is_told_of_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(waiting, "TELL_AFTER_SECONDS", 0.1)
    told: list[bool] = []
    started = tmp_path / "started"

    def command() -> None:
        with watched(told.append), noisy() as noise:
            run_command(f"touch {started}; sleep 1", cwd=tmp_path, env=ENVIRONMENT, seconds=20, hold=noise.give_way)

    thread = threading.Thread(target=command)
    with quiet("cpu"):
        thread.start()
        time.sleep(0.5)
        assert told == [True]
    while not started.exists():
        time.sleep(0.02)
    assert told == [True, False]
    with quiet("cpu"):
        time.sleep(0.5)
        assert told == [True, False, True]
    thread.join(20)
    assert told == [True, False, True, False]


def test_who_is_called_off_while_waiting_has_no_turn_to_tell_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "TELL_AFTER_SECONDS", 0.1)
    told: list[bool] = []
    asked = threading.Event()

    def tell(waits: bool) -> None:
        told.append(waits)
        asked.set()

    def measure() -> None:
        with stoppable(asked), watched(tell), pytest.raises(Stopped), quiet("cpu"):
            told.append(False)

    thread = threading.Thread(target=measure)
    with noisy():
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    assert told == [True]


def test_a_measurement_inside_noise_is_a_bug_and_not_a_deadlock() -> None:
    with noisy(), pytest.raises(RuntimeError, match="wait for itself"), quiet("cpu"):
        raise AssertionError


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(gate, "GRACE_SECONDS", 0.2)
    yield


@pytest.mark.usefixtures("hasty")
def test_a_command_is_frozen_with_its_children_while_somebody_measures(tmp_path: Path) -> None:
    # Both the shell and a child of it count; with the frozen time it would be far beyond its limit.
    count = "while true; do echo x >> {0}; sleep 0.02; done"
    command = f"({count.format('child')}) & for i in $(seq 20); do echo x >> parent; sleep 0.03; done; kill %1"
    ended = []

    def run() -> None:
        with noisy() as noise:
            ended.append(run_command(command, cwd=tmp_path, env=ENVIRONMENT, seconds=4, hold=noise.give_way))

    thread = threading.Thread(target=run)
    thread.start()
    while not all((tmp_path / name).exists() for name in ("parent", "child")):
        assert thread.is_alive()
        time.sleep(0.02)
    with quiet("cpu"):
        before = [len((tmp_path / name).read_text()) for name in ("parent", "child")]
        time.sleep(4)
        assert [len((tmp_path / name).read_text()) for name in ("parent", "child")] == before
    thread.join(20)
    assert ended[0].exit_code == 0, ended
    assert len((tmp_path / "parent").read_text()) == 40
    assert ended[0].seconds > 4


@pytest.mark.usefixtures("hasty")
def test_a_command_that_waits_for_its_own_measurement_gets_it(tmp_path: Path) -> None:
    """An outside agent's program holds the gate, asks for a measurement and waits for the answer."""
    measured = threading.Event()

    def serve() -> None:
        while not (tmp_path / "asked").exists():
            time.sleep(0.02)
        with quiet("cpu"):
            (tmp_path / "answer").write_text("1.0x")
            measured.set()

    def run() -> None:
        command = "touch asked; until [ -e answer ]; do sleep 0.05; done; cat answer"
        with noisy() as noise:
            result = run_command(command, cwd=tmp_path, env=ENVIRONMENT, seconds=20, hold=noise.give_way)
        assert result.output == "1.0x"

    in_threads(threading.Thread(target=serve), threading.Thread(target=run))
    assert measured.is_set()


def test_who_is_called_off_does_not_wait_on(tmp_path: Path) -> None:
    asked = threading.Event()
    ended: list[str] = []

    def wait_at_the_gate() -> None:
        with stoppable(asked):
            try:
                with noisy():
                    ended.append("entered")
            except Stopped:
                ended.append("stopped")

    def run() -> None:
        with stoppable(asked), pytest.raises(Stopped), noisy() as noise:
            run_command("sleep 61.5", cwd=tmp_path, env=ENVIRONMENT, seconds=90, hold=noise.stay)
        ended.append("stopped")

    command = threading.Thread(target=run)
    command.start()
    time.sleep(0.2)
    waiting = threading.Thread(target=wait_at_the_gate)
    with GateLock("cpu.turn") as turn:
        turn.take(2)
        waiting.start()
        time.sleep(0.1)
        asked.set()
        waiting.join(5)
    command.join(5)
    assert ended == ["stopped", "stopped"]
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "61.5"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_other_users_of_the_machine_stand_at_the_same_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not below pytest's own folders, which nobody else may enter.
    with tempfile.TemporaryDirectory(prefix="gate-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        monkeypatch.setenv("PERF_HARNESS_GATE", str(folder / "gate"))
        with noisy():
            pass
        script = f"exec 9<>{folder}/gate/cpu.turn && (flock --nonblock 9 && echo free || echo held)"
        line = ["bash", "-c", script]
        with GateLock("cpu.turn") as turn:
            turn.take(fcntl.LOCK_EX)
            done = subprocess.run(line, capture_output=True, text=True, check=False, user="nobody", cwd="/")
            assert done.stdout == "held\n", done.stderr
        done = subprocess.run(line, capture_output=True, text=True, check=False, user="nobody", cwd="/")
        assert done.stdout == "free\n", done.stderr


UUIDS = ["GPU-4b3a60d8-11c5-ad9c-0e27-6a4e2f1d9b31", "GPU-9d0c2f5e-7a18-44be-b1f3-02c86e5d7a90"]


@pytest.mark.parametrize(
    ("visible", "uuid"),
    [
        (None, UUIDS[0]),
        ("0", UUIDS[0]),
        ("1", UUIDS[1]),
        ("1,0", UUIDS[1]),
        (UUIDS[1], UUIDS[1]),
        ("GPU-9d0c", UUIDS[1]),
    ],
)
def test_a_gpu_has_one_gate_however_it_is_named(visible: str | None, uuid: str) -> None:
    assert first_gpu(visible, UUIDS) == uuid


@pytest.mark.parametrize(
    ("visible", "uuids", "word"), [(None, [], "0"), ("", [], "0"), ("3", [], "3"), ("MIG-7a", UUIDS, "MIG-7a")]
)
def test_a_gpu_that_nvml_does_not_know_is_called_what_it_is_called(
    visible: str | None, uuids: list[str], word: str
) -> None:
    assert first_gpu(visible, uuids) == word


def measuring(device: str, visible: str) -> subprocess.Popen[bytes]:
    inside = "print('in', flush=True); sys.stdin.read()"
    script = f"import sys; from harness.quiet import quiet\nwith quiet({device!r}): {inside}"
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": visible}
    return subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )


def test_two_gpus_are_measured_side_by_side_and_one_by_one_at_a_time() -> None:
    processes = [measuring("cuda", "0"), measuring("cuda", "1")]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"in\n"  # neither has to wait until the other is over
        third = measuring("cuda", "1")
        processes.append(third)
        assert third.stdout is not None
        time.sleep(1.0)
        os.set_blocking(third.stdout.fileno(), False)
        assert not third.stdout.read()
        processes[1].communicate()
        os.set_blocking(third.stdout.fileno(), True)
        assert third.stdout.readline() == b"in\n"
    finally:
        for process in processes:
            process.kill()
            process.communicate()
