"""The tools as plain commands: what they say, how they end, what is recorded, and how the service ends."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from agent_parts import FolderBench
from service_parts import SANDBOXES, SlowBench, events, inside, served

from agent.trajectory import ToolEnded, ToolStarted
from agent.workbench import Report
from harness.errors import InfrastructureError, UsageError
from harness.tool_service import SERVED, find_tools, serve_tools, tool_folder


@pytest.mark.parametrize("sandbox", SANDBOXES.values(), ids=SANDBOXES)
def test_the_commands_reach_the_workbench_from_every_sandbox(sandbox, tmp_path: Path) -> None:  # noqa: ANN001
    with served(tmp_path) as access:
        done = inside("measure && run_tests && ! profile && submit it is faster", access, tmp_path, sandbox)
        assert (done.exit_code, done.output) == (
            0,
            "1.25x [1.20, 1.30]\n3 tests passed.\nthere is nothing to profile here\nSubmitted.\n",
        )
        assert access.wait(5) == access.submitted == "it is faster"
    assert not access.folder.exists()


def test_every_call_is_recorded_before_and_after(tmp_path: Path) -> None:
    with served(tmp_path) as access:
        inside("measure; profile", access, tmp_path)
    first, second, third, fourth = events(tmp_path)
    assert isinstance(first, ToolStarted) and isinstance(second, ToolEnded)
    assert (first.step, first.call.name, second.result.output) == (1, "measure", "1.25x [1.20, 1.30]")
    assert first.call.id == second.result.call_id
    assert isinstance(third, ToolStarted) and isinstance(fourth, ToolEnded)
    assert (third.step, fourth.result.is_error) == (2, True)


def test_bad_news_is_an_exit_code(tmp_path: Path) -> None:
    with served(tmp_path, SlowBench(tmp_path / "tree")) as access:
        done = inside("profile", access, tmp_path)
    assert (done.exit_code, done.output) == (1, "it is wrong\n")
    (_, ended) = events(tmp_path)
    assert isinstance(ended, ToolEnded) and not ended.result.is_error, "the call itself was good"


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("measure --help", 0, "Time the worktree against the base"),
        ("submit -h", 0, 'usage: submit "SUMMARY"'),
        ("measure now", 2, "measure: takes no arguments (found: now)"),
        ("submit", 2, "say what was done"),
        ("submit $(head -c 40000 /dev/zero | tr '\\0' x)", 1, "too long: 40,"),
    ],
)
def test_words_on_the_command_line(command: str, code: int, says: str, tmp_path: Path) -> None:
    with served(tmp_path) as access:
        done = inside(command, access, tmp_path)
        assert done.exit_code == code
        assert says in done.output
        assert (access.calls, access.submitted) == (0, None)


def test_a_command_says_so_when_no_attempt_is_served(tmp_path: Path) -> None:
    with served(tmp_path) as access:
        shutil.copytree(access.bin, tmp_path / "kept")
    for name in SERVED:
        done = subprocess.run(
            [tmp_path / "kept" / name, "x"][: 2 if name == "submit" else 1], capture_output=True, check=False
        )
        assert done.returncode == 1
        assert b"no attempt is served in" in done.stderr
        assert b"Traceback" not in done.stderr


def test_nothing_is_served_after_the_submission_and_after_the_time(tmp_path: Path) -> None:
    left = 1.0
    folder = tmp_path / "tools"
    with serve_tools(FolderBench(tmp_path), folder, lambda _: None, seconds_left=lambda: left) as access:
        (tmp_path / "tree").mkdir()
        assert inside("measure", access, tmp_path).exit_code == 0
        left = 0.0
        late = inside("measure; submit 'the best so far'; run_tests", access, tmp_path)
        assert late.output == (
            "The attempt's time is over.\nSubmitted.\nThe work is submitted already; it is judged as it was left.\n"
        )
        assert late.exit_code == 1
        assert access.submitted == "the best so far"


def test_a_second_caller_waits_and_is_told_so(tmp_path: Path) -> None:
    bench = SlowBench(tmp_path / "tree")
    with served(tmp_path, bench) as access:
        first = subprocess.Popen([access.bin / "run_tests"], cwd=bench.root, stdout=subprocess.PIPE, text=True)
        assert bench.begun.wait(10)
        second = subprocess.Popen(
            [access.bin / "measure"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=bench.root
        )
        assert second.stderr is not None
        assert second.stderr.readline() == "measure: waiting for another call to end\n"
        assert second.poll() is None
        (bench.root / "go").touch()
        assert first.communicate(timeout=10)[0] == "exit code 0\n"
        assert second.communicate(timeout=10)[0] == "1.25x [1.20, 1.30]\n"


def test_a_caller_that_is_killed_leaves_the_next_one_its_own_answer(tmp_path: Path) -> None:
    bench = SlowBench(tmp_path / "tree")
    with served(tmp_path, bench) as access:
        first = subprocess.Popen([access.bin / "run_tests"], cwd=bench.root)
        assert bench.begun.wait(10)
        first.kill()
        first.wait()
        second = subprocess.Popen([access.bin / "measure"], stdout=subprocess.PIPE, text=True, cwd=bench.root)
        time.sleep(0.3)
        (bench.root / "go").touch()
        assert second.communicate(timeout=10)[0] == "1.25x [1.20, 1.30]\n"


def test_the_end_of_an_attempt_ends_the_call_under_way(tmp_path: Path) -> None:
    bench = SlowBench(tmp_path / "tree")
    with served(tmp_path, bench) as access:
        caller = subprocess.Popen([access.bin / "run_tests"], stderr=subprocess.PIPE, text=True, cwd=bench.root)
        assert bench.begun.wait(10)
        start = time.monotonic()
    assert time.monotonic() - start < 5
    assert "the harness ended before it answered" in caller.communicate(timeout=10)[1]
    assert caller.returncode == 1
    assert [type(event) for event in events(tmp_path)] == [ToolStarted]


def test_a_fault_of_ours_ends_the_service_and_reaches_the_attempt(tmp_path: Path) -> None:
    class Broken(FolderBench):
        def measure(self) -> Report:
            raise InfrastructureError("the referee died")

    with pytest.raises(InfrastructureError, match="the referee died"), served(tmp_path, Broken(tmp_path)) as access:
        done = inside("measure", access, tmp_path)
        assert "the harness ended before it answered" in done.output
        with pytest.raises(InfrastructureError):
            access.wait(10)
        raised = True
    assert raised
    assert not access.folder.exists()


def test_waiting_is_woken_by_the_submission_and_by_the_clock(tmp_path: Path) -> None:
    with served(tmp_path) as access:
        assert access.wait(0.05) is None
        threading.Timer(0.2, lambda: inside("submit x", access, tmp_path)).start()
        assert access.wait(20) == "x"


def test_the_tools_of_a_worktree_are_found_from_anywhere_in_it(tmp_path: Path) -> None:
    with served(tmp_path) as access:
        deep = tmp_path / "tree" / "a" / "b"
        deep.mkdir(parents=True)
        assert find_tools(deep) == access.folder == tool_folder(tmp_path / "tree")
        with pytest.raises(UsageError, match="is in no worktree of an attempt"):
            find_tools(tmp_path)
    with pytest.raises(UsageError):
        find_tools(deep)
