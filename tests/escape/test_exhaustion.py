"""Using the machine up, and outliving the command: bounded, and over when the command is."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from field import Field, ground, sandbox

from harness.sandbox import ResourceLimits, Sandbox, groups

__all__ = ["ground", "sandbox"]

MIB = 1 << 20

FORK_BOMB = """
children = 0
try:
    while children < 700:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        children += 1
finally:
    print("children", children)
return True
"""

MEMORY_BOMB = """
kept = []
for _ in range(40):
    kept.append(bytearray(b"x") * (16 << 20))
return True
"""

FILE_BOMB = """
with open("big", "wb") as big:
    for _ in range(40):
        big.write(bytes(1 << 20))
return True
"""

SCRATCH_BOMB = FILE_BOMB.replace('"big"', '"/tmp/big-" + env["HARNESS_PID"]')

OPEN_FILES = """
kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(500)]
return True
"""

# Leaves its group, its session, its parent and the environment it could be known by.
DAEMON = """
marker = os.path.abspath("alive")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(3):
            os.close(number)
        script = "import os, sys, time\\nwhile True: open(sys.argv[1], 'w').close(); time.sleep(0.02)"
        os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", script, marker], {})
    os._exit(0)
while not os.path.exists(marker):
    time.sleep(0.01)
return True
"""


def release() -> tuple[int, int]:
    major, minor = platform.release().split(".")[:2]
    return int(major), int("".join(filter(str.isdigit, minor)) or 0)


def can_bound_processes(box: Sandbox) -> bool:
    """RLIMIT_NPROC does not hold for root: it takes a cgroup, or a namespace with a limit of its own."""
    own_limit = box.name in ("landlock", "namespaces") and release() >= (6, 14)
    return os.geteuid() != 0 or bool(groups.group_prefix(ResourceLimits())) or own_limit


def test_a_fork_bomb_is_bounded(sandbox: Sandbox, ground: Field) -> None:
    if not can_bound_processes(sandbox):
        pytest.skip("root, and no cgroup can be made")
    before = set(psutil.Process().children(recursive=True))
    result = ground.attempt(FORK_BOMB, sandbox, limits=ResourceLimits(processes=320))
    assert "ESCAPED" not in result.output
    assert "children" in result.output
    assert int(result.output.split("children ")[1].split()[0]) <= 320
    start = time.monotonic()
    subprocess.run(["true"], check=True)
    assert time.monotonic() - start < 1
    assert not set(psutil.Process().children(recursive=True)) - before


@pytest.mark.parametrize(
    ("body", "limits"),
    [
        (MEMORY_BOMB, ResourceLimits(memory_bytes=200 * MIB)),
        (FILE_BOMB, ResourceLimits(file_bytes=10 * MIB)),
        (OPEN_FILES, ResourceLimits(open_files=100)),
    ],
    ids=["memory", "file", "descriptors"],
)
def test_a_bomb_is_bounded(sandbox: Sandbox, ground: Field, body: str, limits: ResourceLimits) -> None:
    result = ground.attempt(body, sandbox, limits=limits)
    assert "DONE" in result.output or result.exit_code != 0, result.output
    assert "ESCAPED" not in result.output, result.output


def test_scratch_space_is_bounded(sandbox: Sandbox, ground: Field) -> None:
    result = ground.attempt(SCRATCH_BOMB, sandbox, limits=ResourceLimits(scratch_bytes=10 * MIB))
    assert "ESCAPED" not in result.output, result.output
    assert not Path(f"/tmp/big-{ground.harness.pid}").exists()


@pytest.mark.parametrize("body", [FORK_BOMB, MEMORY_BOMB, FILE_BOMB, OPEN_FILES])
def test_the_bombs_are_real(ground: Field, body: str) -> None:
    assert "ESCAPED" in ground.attempt(body, None).output


def test_endless_output_is_cut(sandbox: Sandbox, ground: Field) -> None:
    result = ground.run("yes", sandbox, seconds=0.5)
    assert result.exit_code is None
    assert 10_000 < len(result.output) < 30_000


def test_a_daemon_does_not_outlive_its_command(sandbox: Sandbox, ground: Field) -> None:
    result = ground.attempt(DAEMON, sandbox)
    assert "ESCAPED" in result.output, result.output  # it did get to live, inside
    assert not lives_on(ground)


def test_a_daemon_does_not_outlive_the_time_limit(sandbox: Sandbox, ground: Field) -> None:
    result = ground.attempt(DAEMON.replace("return True", "time.sleep(60)"), sandbox, seconds=1.0)
    assert result.exit_code is None
    assert not lives_on(ground)


def test_the_daemon_is_real(ground: Field) -> None:
    assert "ESCAPED" in ground.attempt(DAEMON, None).output
    assert lives_on(ground)
    for process in psutil.process_iter(["cmdline"]):
        if str(ground.worktree / "alive") in (process.info["cmdline"] or []):
            process.kill()


def lives_on(ground: Field) -> bool:
    marker = ground.worktree / "alive"
    marker.unlink()
    time.sleep(0.15)
    return marker.exists()


def test_everything_ends_with_the_process_that_was_started(sandbox: Sandbox, ground: Field) -> None:
    line = [*sandbox.wrap(ground.confinement()), "bash", "-c", "touch alive; sleep 300 & sleep 300"]
    process = subprocess.Popen(line, cwd=ground.worktree, env=ground.environment())
    while not (ground.worktree / "alive").exists():
        time.sleep(0.01)
    inside = psutil.Process(process.pid).children(recursive=True)
    assert inside
    process.kill()
    process.wait()
    deadline = time.monotonic() + 3
    while sandbox.separates_processes and any(map(is_alive, inside)) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = [each for each in inside if is_alive(each)]
    for each in left:
        each.kill()
    # Without a process namespace the one that would end them is gone: documented.
    assert not (left and sandbox.separates_processes)


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
