"""A field to break out of: a worktree, and around it everything that must not be seen or touched."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.shell import run_command
from agent.workbench import CommandResult
from harness.sandbox import Confinement, ResourceLimits, Sandbox, scrubbed_environment, working_sandboxes

SECRET = "planted-f3a9c1"  # noqa: S105 - a secret to be stolen
KEY = "PLANTED_API_KEY"
SANDBOXES = {sandbox.name: sandbox for sandbox in working_sandboxes()}

# What every attempt starts with. It says ESCAPED where it got through, and DONE in any case, so that an attempt
# that never ran is not taken for one that failed.
PROLOGUE = """
import ctypes, errno, os, stat, sys, time
class Late:
    def __init__(self, name): self.name = name
    def __getattr__(self, attribute): return getattr(__import__(self.name), attribute)
# Imported when first used: an attempt should not take longer to start than to fail.
resource, signal, socket, struct, subprocess = map(Late, "resource signal socket struct subprocess".split())
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    libc.syscall.restype = ctypes.c_long
    if (result := libc.syscall(ctypes.c_long(number), *wide)) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def number(x86_64, aarch64):
    return x86_64 if os.uname().machine == "x86_64" else aarch64
def has_secret(data):
    return ("planted-" + "f3a9c1") in (data.decode("latin1") if isinstance(data, bytes) else data)
env = os.environ
PID = int(env["HARNESS_PID"])
def attempt():
%s
try:
    print("ESCAPED" if attempt() else "nothing gained")
except BaseException as error:
    print("failed:", type(error).__name__, error)
print("DONE", flush=True)
"""


@dataclass
class Field:
    """Paths are named for what they are to the command inside."""

    root: Path
    harness: subprocess.Popen[bytes]
    services: dict[str, str] = field(default_factory=dict)

    @property
    def worktree(self) -> Path:
        return self.root / "worktrees" / "mine"

    @property
    def scratch(self) -> Path:
        return self.root / "worktrees" / "scratch"

    @property
    def readable(self) -> Path:
        return self.root / "readable"

    @property
    def hidden(self) -> Path:
        return self.readable / "hidden_tests"

    @property
    def outside(self) -> Path:
        return self.root / "outside"

    def confinement(self, limits: ResourceLimits | None = None) -> Confinement:
        return Confinement(
            writable=(self.worktree, self.scratch),
            readable=(self.readable,),
            hidden=(self.hidden,),
            limits=limits or ResourceLimits(),
        )

    def environment(self) -> dict[str, str]:
        return scrubbed_environment(self.worktree, self.scratch) | {
            "HARNESS_PID": str(self.harness.pid),
            "HOME_SECRET": str(self.root / "home" / "secret"),
            "SIBLING": str(self.root / "worktrees" / "theirs" / "secret"),
            "HIDDEN": str(self.hidden / "secret"),
            "READABLE": str(self.readable / "public"),
            "OUTSIDE": str(self.outside),
            **self.services,
        }

    def run(
        self,
        command: str,
        sandbox: Sandbox | None,
        *,
        limits: ResourceLimits | None = None,
        seconds: float = 30.0,
        env: dict[str, str] | None = None,
    ) -> CommandResult:
        wrap = [] if sandbox is None else sandbox.wrap(self.confinement(limits))
        environment = self.environment() | (env or {})
        return run_command(command, cwd=self.worktree, env=environment, seconds=seconds, wrap=wrap)

    def attempt(
        self, body: str, sandbox: Sandbox | None, *, limits: ResourceLimits | None = None, seconds: float = 30.0
    ) -> CommandResult:
        """Run the body of a Python function that returns whether it got through."""
        indented = "".join(f"    {line}\n" for line in body.strip().splitlines())
        line = f"{shlex.quote(sys.executable)} -I -S -c {shlex.quote(PROLOGUE % indented)}"
        return self.run(line, sandbox, limits=limits, seconds=seconds)

    def picture(self) -> dict[str, tuple[object, ...]]:
        """All that lies outside the writable folders: content, mode, owner, time of change."""
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted(self.root.rglob("*")):
            if self.worktree in path.parents or self.scratch in path.parents or path.is_socket():
                continue
            if path in (self.worktree, self.scratch):
                continue
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (content, status.st_mode, status.st_uid, status.st_nlink, status.st_mtime_ns)
        return found

    def harness_state(self) -> tuple[object, ...]:
        pid = self.harness.pid
        try:
            limits = Path(f"/proc/{pid}/limits").read_text()
            return os.getpriority(os.PRIO_PROCESS, pid), os.sched_getaffinity(pid), limits, self.harness.poll()
        except OSError:
            return ("gone",)


def plant(root: Path) -> None:
    for name in (
        "home",
        "worktrees/mine",
        "worktrees/scratch",
        "worktrees/theirs",
        "readable/hidden_tests",
        "outside",
    ):
        (root / name).mkdir(parents=True)
    for name in ("home/secret", "worktrees/theirs/secret", "readable/hidden_tests/secret", "outside/secret"):
        (root / name).write_text(SECRET)
    (root / "readable" / "public").write_text("public")


@contextlib.contextmanager
def make_field(root: Path) -> Iterator[Field]:
    plant(root)
    # Stands in for the harness: same user, the key in its environment, a secret open, its folder outside.
    with (root / "home" / "secret").open("rb") as opened:
        harness = subprocess.Popen(
            ["sleep", "600"], env={"PATH": os.environ["PATH"], KEY: SECRET}, cwd=root / "home", stdin=opened
        )
    try:
        yield Field(root, harness)
    finally:
        harness.kill()
        harness.wait()


@contextlib.contextmanager
def serving(made: Field) -> Iterator[None]:
    """Real servers outside, which greet with the secret: TCP, UDP, a Unix socket, an abstract one."""
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        path = made.outside / "socket"
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(os.path.relpath(path))  # the path itself may be longer than such a name may be
        unix.listen()
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind("")
        abstract.listen()
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        made.services |= {
            "TCP_PORT": str(tcp.getsockname()[1]),
            "UDP_PORT": str(udp.getsockname()[1]),
            "UNIX_SOCKET": str(path),
            "ABSTRACT_SOCKET": abstract.getsockname()[1:].decode(),
        }
        for server in (tcp, unix, abstract):
            threading.Thread(target=_greet, args=(server,), daemon=True).start()
        threading.Thread(target=_answer, args=(udp,), daemon=True).start()
        yield


def _greet(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            with server.accept()[0] as connection:
                connection.sendall(SECRET.encode())


def _answer(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            server.sendto(SECRET.encode(), server.recvfrom(100)[1])


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Field]:
    with make_field(tmp_path / "field") as made:
        yield made


@pytest.fixture(params=sorted(SANDBOXES) or [pytest.param("none", marks=pytest.mark.skip("no sandbox works here"))])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return SANDBOXES[request.param]
