"""What a confined command must be able to do: a sandbox that hinders honest work gets switched off."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from field import Field, ground, sandbox
from tiny_task import TinyTask

from agent.shell import run_command
from harness import worktree
from harness.sandbox import Confinement, Sandbox, SandboxUnavailable, host_pid, lineage, scrubbed_environment
from harness.source import seal
from harness.task_file import load_task

__all__ = ["ground", "sandbox"]

PYTHON = shlex.quote(sys.executable)


def works(ground: Field, sandbox: Sandbox, command: str, expected: str = "") -> None:
    result = ground.run(command, sandbox, seconds=120)
    assert result.exit_code == 0, result.output
    assert expected in result.output


def python(code: str) -> str:
    return f"{PYTHON} -c {shlex.quote(code)}"


def test_torch_computes_on_threads_and_triton_is_interpreted(ground: Field, sandbox: Sandbox) -> None:
    (ground.worktree / "kernel.py").write_text(
        "import torch, triton, triton.language as tl\n"
        "torch.set_num_threads(2)\n"
        "x = torch.randn(700, 700)\n"
        "print((x @ x).shape)\n"
        "@triton.jit\n"
        "def double(x, y, n: tl.constexpr):\n"
        "    i = tl.arange(0, n)\n"
        "    tl.store(y + i, 2 * tl.load(x + i))\n"
        "x, y = torch.arange(16), torch.zeros(16, dtype=torch.int64)\n"
        "double[(1,)](x, y, 16)\n"
        "print(y.sum().item())\n"
    )
    works(ground, sandbox, f"TRITON_INTERPRET=1 {PYTHON} kernel.py", "torch.Size([700, 700])\n240")


def test_pytest_runs(ground: Field, sandbox: Sandbox) -> None:
    (ground.worktree / "tiny.py").write_text("def two():\n    return 2\n")
    (ground.worktree / "test_tiny.py").write_text(
        "from tiny import two\n\ndef test_two(tmp_path):\n    (tmp_path / 'x').write_text('x')\n    assert two() == 2\n"
    )
    works(ground, sandbox, "python -m pytest -q test_tiny.py", "1 passed")


def test_c_is_compiled_and_run(ground: Field, sandbox: Sandbox) -> None:
    (ground.worktree / "a.c").write_text('#include <stdio.h>\nint main(void) { puts("compiled"); }\n')
    works(ground, sandbox, "gcc -O2 -o a a.c && ./a", "compiled")


def test_processes_share_memory_and_locks(ground: Field, sandbox: Sandbox) -> None:
    code = (
        "import multiprocessing as m\nfrom multiprocessing.shared_memory import SharedMemory\n"
        "def f(x): return x * x\n"
        "s = SharedMemory(create=True, size=10); s.buf[0] = 7; s.close(); s.unlink()\n"
        "with m.get_context('fork').Pool(2) as p: print(p.map(f, [1, 2, 3]))\n"
        "m.Lock().acquire()\n"
    )
    works(ground, sandbox, python(code), "[1, 4, 9]")


def test_worktree_and_scratch_can_be_written(ground: Field, sandbox: Sandbox) -> None:
    works(ground, sandbox, "echo x > a && mkdir d && mv a d/b && ln -s d/b c && cp c $TMPDIR/c && mktemp && rm -r d")
    assert (ground.scratch / "c").read_text() == "x\n"


def test_output_devices_and_pipes(ground: Field, sandbox: Sandbox) -> None:
    works(
        ground, sandbox, "echo gone > /dev/null; echo kept > /dev/stderr; cat <(echo through); yes | head -1", "through"
    )


def test_system_and_processor_are_known(ground: Field, sandbox: Sandbox) -> None:
    works(ground, sandbox, "nproc && grep -c processor /proc/cpuinfo && ls /sys/devices/system/cpu && whoami")


def test_a_command_can_end_its_own_children(ground: Field, sandbox: Sandbox) -> None:
    works(ground, sandbox, "sleep 60 & kill $! && ! wait $! && ! timeout 0.1 sleep 60")


def test_a_server_of_its_own_can_be_reached(ground: Field, sandbox: Sandbox) -> None:
    if not sandbox.separates_processes:
        pytest.skip("without a network namespace there is no private loopback")
    code = (
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\n"
        "c = socket.create_connection(s.getsockname()); s.accept()[0].send(b'hello'); print(c.recv(9))"
    )
    works(ground, sandbox, python(code), "hello")


def test_exit_codes_come_through(ground: Field, sandbox: Sandbox) -> None:
    assert ground.run("exit 7", sandbox).exit_code == 7
    assert ground.run("kill -9 $$", sandbox).exit_code == 137


def test_git_tells_what_changed_in_a_linked_worktree(tiny: TinyTask, tmp_path: Path, sandbox: Sandbox) -> None:
    repository = seal(load_task(str(tiny.file)), tmp_path / "judge.git").copy(tmp_path / "agents.git")
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    worktree.add(repository, tree)
    scratch.mkdir()
    wrap = sandbox.wrap(Confinement(writable=(tree, scratch), readable=(repository.path,)))
    command = "echo '# faster' >> tiny/core.py && git status --short && git diff"
    result = run_command(command, cwd=tree, env=scrubbed_environment(tree, scratch), seconds=20, wrap=wrap)
    assert result.exit_code == 0, result.output
    assert " M tiny/core.py" in result.output
    assert "+# faster" in result.output


def test_with_a_gpu_threads_are_named_and_the_machine_is_not_set(ground: Field, sandbox: Sandbox) -> None:
    """CUDA writes to /proc/self/task/*/comm; root could write to /proc/sys without a capability."""
    try:
        wrap = sandbox.wrap(Confinement(writable=(ground.worktree, ground.scratch), gpu=True))
    except SandboxUnavailable:
        pytest.skip("root without namespaces: refused, as docs/sandbox.md tells")
    command = "echo name > /proc/self/comm && echo NAMED"
    command += "; p=/proc/sys/vm/swappiness; v=$(cat $p); echo $v > $p && echo SET"
    result = run_command(command, cwd=ground.worktree, env=ground.environment(), seconds=20, wrap=wrap)
    assert "NAMED" in result.output, result.output
    assert "SET" not in result.output


def test_cuda_computes(ground: Field, sandbox: Sandbox) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    try:
        wrap = sandbox.wrap(Confinement(writable=(ground.worktree, ground.scratch), gpu=True))
    except SandboxUnavailable:
        pytest.skip("root without namespaces: refused, as docs/sandbox.md tells")
    command = python("import torch; x = torch.ones(512, 512, device='cuda'); print((x @ x).sum().item())")
    result = run_command(command, cwd=ground.worktree, env=ground.environment(), seconds=60, wrap=wrap)
    assert "134217728.0" in result.output, result.output


def test_descriptors_are_handed_on_and_processes_found(ground: Field, sandbox: Sandbox) -> None:
    """As the timing workers need it: a socket by inheritance, another through it, and whose process it is."""
    ours, theirs = socket.socketpair()
    code = (
        "import os, socket, sys\nc = socket.socket(fileno=int(sys.argv[1]))\n"
        "_, fds, _, _ = socket.recv_fds(c, 1, 1)\nos.write(fds[0], str(os.getpid()).encode())\nc.recv(1)"
    )
    with ours, theirs:
        process = subprocess.Popen(
            [*sandbox.wrap(ground.confinement()), sys.executable, "-c", code, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd=ground.worktree,
            env=ground.environment(),
        )
        theirs.close()
        reading, writing = os.pipe()
        socket.send_fds(ours, [b"x"], [writing])
        os.close(writing)
        inner = int(os.read(reading, 100))
        pid = host_pid(process.pid, inner)
        assert pid is not None
        assert (inner == pid) is not sandbox.separates_processes
        assert {pid, process.pid} <= lineage(process.pid, pid)
        assert len(lineage(process.pid, pid)) == (3 if sandbox.separates_processes else 2)
        assert sys.executable in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        os.kill(pid, 9)
        assert process.wait(timeout=10) == 137
        # Nobody in between holds a copy: the other end's end is seen.
        assert ours.recv(1) == b""
        os.close(reading)
