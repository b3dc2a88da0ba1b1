"""Being told to end, by whatever signal, once or twice: nothing is left, and the exit code says so."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.workspace import free_space, is_marked

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# Tests that are run in the background or under nohup ignore some of them, and hand that on.
HEEDED = ["env", "--default-signal=INT,TERM,HUP"]
# Cleaning up takes this one long enough to be told again meanwhile.
SLOW_TO_CLEAN = """
import sys, time
from pathlib import Path
from harness.interruption import end_tidily
from harness.workspace import workspace
end_tidily()
with workspace(Path(sys.argv[1]), run=Path(sys.argv[1]).with_name("run")) as space:
    for number in range(20_000):
        (space / str(number)).mkdir()
    print("made", flush=True)
    time.sleep(60)
"""


def watching(tmp_path: Path) -> list[str]:
    """A verb that has a folder for checkouts and a process of somebody else's as soon as it has begun."""
    target = tmp_path / "target"
    target.mkdir(exist_ok=True)
    (target / "slow.py").write_text("import time\nopen('begun', 'w').close()\ntime.sleep(61.5)\n")
    verb = ["hotspots", str(target), "--worktrees", str(tmp_path / "worktrees"), "--", "python", "slow.py"]
    return [sys.executable, "-m", "harness.cli", *verb]


def wait_for(pattern: str, folder: Path, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 60
    while not list(folder.glob(pattern)):
        assert process.poll() is None and time.monotonic() < give_up
        time.sleep(0.02)


def at_work_in(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            said = " ".join([*process.cmdline(), process.cwd()])
        except psutil.Error:
            continue
        if str(folder) in said and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_ends_a_verb_tidily(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen([*HEEDED, *watching(tmp_path)], stderr=subprocess.PIPE, start_new_session=True)
    wait_for("worktrees/*/**/begun", tmp_path, process)
    os.kill(process.pid, number)
    said = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 130, said
    assert "Interrupted" in said and "Traceback" not in said
    assert list((tmp_path / "worktrees").iterdir()) == []
    assert at_work_in(tmp_path / "worktrees") == []


def test_a_terminal_that_is_closed_ends_a_verb_tidily(tmp_path: Path) -> None:
    command = [*HEEDED, *watching(tmp_path)]
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)  # noqa: S606 - the verb itself
    give_up = time.monotonic() + 60
    while not list(tmp_path.glob("worktrees/*/**/begun")):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    os.close(terminal)  # the kernel sends SIGHUP, and whatever is said from here on fails
    assert psutil.Process(child).wait(30) == 130
    assert list((tmp_path / "worktrees").iterdir()) == []


def test_what_is_ignored_from_the_start_stays_ignored(tmp_path: Path) -> None:
    command = [*HEEDED, "nohup", *watching(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for("worktrees/*/**/begun", tmp_path, process)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.terminate()
    assert process.wait(30) == 130


def test_a_second_signal_does_not_cut_the_cleaning_off_and_a_third_one_ends_it_at_once(tmp_path: Path) -> None:
    def told(name: str, times: int) -> tuple[int, str]:
        command = [*HEEDED, sys.executable, "-c", SLOW_TO_CLEAN, str(tmp_path / name)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"made\n"
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        return process.wait(30), process.communicate()[1].decode()

    _, said = told("twice", 2)
    assert "`harness clean`" in said
    assert not (tmp_path / "twice").exists()
    code, _ = told("thrice", 3)
    assert code == -signal.SIGINT
    assert (tmp_path / "thrice").is_dir()  # `clean` knows it by its owner, who is dead


def test_a_kill_in_the_middle_of_the_cleaning_leaves_a_folder_that_is_known(tmp_path: Path) -> None:
    space = tmp_path / "space"
    command = [*HEEDED, sys.executable, "-c", SLOW_TO_CLEAN, str(space)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None and process.stdout.readline() == b"made\n"
    made = len(os.listdir(space))  # noqa: PTH208 - a list of 20,000 paths takes longer than the cleaning
    process.send_signal(signal.SIGINT)
    while len(os.listdir(space)) == made:  # noqa: PTH208
        assert process.poll() is None
    process.kill()
    process.wait()
    assert 1 < len(os.listdir(space)) < made and is_marked(space)  # noqa: PTH208
    assert free_space(space, tmp_path / "another") == tmp_path / "space-2"
    assert free_space(space, tmp_path / "run") == space and not space.exists()
