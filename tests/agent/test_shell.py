from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import psutil
import pytest

from agent.shell import run_command

ENV = {"PATH": os.environ["PATH"]}


def _gone(pid: int, seconds: float = 2.0) -> bool:
    """Whether a process is over, or dead and only waiting to be reaped by a parent that is not us."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.01)
    return False


def _pid(file: Path) -> int:
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and not (file.exists() and file.read_text().strip()):
        time.sleep(0.01)
    return int(file.read_text())


def test_gives_output_in_order_and_exit_code(tmp_path: Path) -> None:
    result = run_command("echo one; echo two >&2; echo three; exit 3", cwd=tmp_path, env=ENV, seconds=10)
    assert (result.exit_code, result.output) == (3, "one\ntwo\nthree\n")


def test_a_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    assert run_command("kill -9 $$", cwd=tmp_path, env=ENV, seconds=10).exit_code == -9


def test_standard_input_is_empty(tmp_path: Path) -> None:
    assert run_command("cat; echo over", cwd=tmp_path, env=ENV, seconds=10).output == "over\n"


def test_nothing_of_our_environment_is_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "sk-secret" not in run_command("env", cwd=tmp_path, env=ENV, seconds=10).output


def test_wrap_stands_before_the_shell(tmp_path: Path) -> None:
    result = run_command("echo $WHO", cwd=tmp_path, env=ENV, seconds=10, wrap=("env", "WHO=wrapped"))
    assert result.output == "wrapped\n"


def test_endless_output_is_cut_and_takes_no_memory(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run_command("echo first; yes", cwd=tmp_path, env=ENV, seconds=1, max_bytes=1000)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert result.exit_code is None
    assert result.output.startswith("first\ny\n")
    assert result.output.endswith("y\n")
    assert "bytes cut here" in result.output
    assert len(result.output) < 1100
    assert result.seconds < 3
    assert grown_kib < 50 * 1024


def test_head_and_tail_are_kept_to_the_byte(tmp_path: Path) -> None:
    result = run_command("seq 1 100000", cwd=tmp_path, env=ENV, seconds=10, max_bytes=2000)
    whole = "".join(f"{n}\n" for n in range(1, 100001))
    assert result.output == f"{whole[:1000]}\n[... {len(whole) - 2000} bytes cut here ...]\n{whole[-1000:]}"


def test_output_that_just_fits_is_whole(tmp_path: Path) -> None:
    result = run_command("head -c 2000 /dev/zero | tr '\\0' x", cwd=tmp_path, env=ENV, seconds=10, max_bytes=2000)
    assert result.output == "x" * 2000


def test_output_that_is_not_utf8_does_not_matter(tmp_path: Path) -> None:
    assert run_command("printf 'a\\377b'", cwd=tmp_path, env=ENV, seconds=10).output == "a\ufffdb"


def test_time_limit_kills_a_grandchild_that_left_the_session(tmp_path: Path) -> None:
    result = run_command("setsid sh -c 'echo $$ > pid; exec sleep 60' & sleep 60", cwd=tmp_path, env=ENV, seconds=1.5)
    assert result.exit_code is None
    assert _gone(_pid(tmp_path / "pid"))


def test_a_daemon_that_keeps_the_pipe_neither_hangs_us_nor_lives(tmp_path: Path) -> None:
    command = "(setsid sh -c 'echo $$ > pid; exec sleep 60' &); while ! [ -s pid ]; do sleep 0.01; done; echo started"
    start = time.monotonic()
    result = run_command(command, cwd=tmp_path, env=ENV, seconds=30)
    assert (result.exit_code, result.output) == (0, "started\n")
    assert time.monotonic() - start < 5
    assert _gone(_pid(tmp_path / "pid"))


def test_a_daemon_is_killed_after_a_normal_exit_even_without_our_pipe(tmp_path: Path) -> None:
    daemon = "(setsid sh -c 'echo $$ > pid; exec sleep 60' >/dev/null 2>&1 &); while ! [ -s pid ]; do sleep 0.01; done"
    assert run_command(daemon, cwd=tmp_path, env=ENV, seconds=30).exit_code == 0
    assert _gone(_pid(tmp_path / "pid"))


def test_a_shell_that_closes_its_output_is_still_waited_for(tmp_path: Path) -> None:
    result = run_command("exec >&- 2>&-; sleep 0.3; touch done", cwd=tmp_path, env=ENV, seconds=10)
    assert result.exit_code == 0
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("command", ["x" * 300_000, "echo \0"], ids=["too long", "a zero byte"])
def test_a_command_that_cannot_start_is_answered(tmp_path: Path, command: str) -> None:
    result = run_command(command, cwd=tmp_path, env=ENV, seconds=10)
    assert result.exit_code == 126
    assert "could not be started" in result.output


def test_a_folder_that_is_gone_is_answered(tmp_path: Path) -> None:
    assert run_command("true", cwd=tmp_path / "gone", env=ENV, seconds=10).exit_code == 126


def test_a_quick_command_is_quick(tmp_path: Path) -> None:
    times = sorted(run_command("true", cwd=tmp_path, env=ENV, seconds=10).seconds for _ in range(7))
    assert times[3] < 0.1
