"""The referee's end of an arm: one tree, and a fork server to open sessions on it.

Each arm has a fork server of its own, so that what a candidate does to its server it does to itself. Neither
argv nor environment nor path tells base from candidate: both see a random folder of the same length.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from harness.errors import InfrastructureError
from harness.folders import delete_quietly
from harness.sandbox.workers import worker_sandbox, worker_wrap
from harness.timing.bench import Bench
from harness.timing.descendants import Used, used_by_tree
from harness.timing.inputs import derive_seed
from harness.timing.job import MeasureJob
from harness.timing.session import ArmFailed, Role, Session
from harness.timing.wire import Channel

_WORKER = Path(__file__).with_name("worker.py")
_REQUEST = struct.Struct(">cq")
_REPLY = struct.Struct(">q")
_START_SECONDS = 120.0
_ANSWER_SECONDS = 10.0
_TAIL_CHARACTERS = 2000
_FRESH = ("home", "tmp")
_PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CC", "CXX", "OMP_NUM_THREADS", "MKL_NUM_THREADS"),
    *("CUDA_HOME", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES"),
)


class ForkServer:
    """A process that has imported the bench's libraries and no target code, ready to fork sessions.

    Args:
        role: whose arm it is; known on this side only.
        root: the arm's checkout.
        preload: modules the server imports.
        folder: the arm's (see `arm_folder`). The processes may write below `own/` in it and nowhere else. Compile
            caches there pass on to the arm's next server, so that kernels are compiled once a measurement; the rest
            is made new.
        hash_seed: PYTHONHASHSEED, the same for both arms.
        sandbox: what confines it, a name from `worker_sandbox`.
    """

    def __init__(
        self, role: Role, root: Path, preload: tuple[str, ...], folder: Path, hash_seed: int, sandbox: str
    ) -> None:
        self.role = role
        self._home = folder / "own"
        for name in _FRESH:
            (self._home / name).mkdir(parents=True)
        # Not among what the processes may write: a link in the log's place would have us write, and read out, whatever
        # it leads to, outside of their sandbox.
        self.tree, self.log = folder / "tree", folder / "stderr"
        self.tree.unlink(missing_ok=True)
        self.tree.symlink_to(root.resolve())
        wrap = worker_wrap(sandbox, root.resolve(), self._home)
        ours, theirs = socket.socketpair()
        with theirs, self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*wrap, sys.executable, "-P", "-s", "-B", str(_WORKER), str(theirs.fileno()), *preload],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=[theirs.fileno()],
                env=_environment(self._home, hash_seed),
                cwd=self._home / "home",
                start_new_session=True,
            )
        self._control = ours
        self._pid = self._process.pid
        self._helpers: list[int] = []

    @property
    def pids(self) -> set[int]:
        """The server's process, the sandbox's above it, which may be the same, and what its libraries have started."""
        return {self._process.pid, self._pid, *self._helpers}

    def used(self, pid: int) -> Used:
        """What the server, the sandbox above it and all below have used so far; a session's number is `pid`.

        What cuts itself loose comes to the sandbox's process, and what is cloned as its parent's child is the
        server's: no process of a session's can leave this account.
        """
        del pid  # all sessions are below
        return used_by_tree(self._process.pid)

    def wait_until_ready(self) -> None:
        """Wait for the imports to end.

        Raises:
            InfrastructureError: the server died or took too long; it has run no target code yet.
        """
        try:
            self._pid = self._read_reply(_START_SECONDS)
        except ArmFailed as error:
            raise InfrastructureError(f"A timing worker did not start: {error.message}") from error
        with contextlib.suppress(psutil.NoSuchProcess):
            self._helpers = [each.pid for each in psutil.Process(self._pid).children(recursive=True)]

    def fork(self) -> Session:
        """Fork a session.

        Raises:
            ArmFailed: the server does not answer.
        """
        log_start = self.log.stat().st_size
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [_REQUEST.pack(b"F", 0)], [theirs.fileno()])
            except OSError as error:
                raise ArmFailed(self.role, "worker_crashed", f"the fork server is gone ({error})") from error
        pid = self._read_reply(_ANSWER_SECONDS)
        if not _is_child(pid, self._pid):
            raise ArmFailed(self.role, "worker_crashed", "a new session ended at once")
        return Session(self, pid, Channel(ours), log_start)

    def end(self, pid: int) -> int | None:
        """Kill a session if it still runs; its exit code, or None if the server cannot say."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        try:
            self._control.sendall(_REQUEST.pack(b"W", pid))
            return self._read_reply(_ANSWER_SECONDS)
        except (ArmFailed, OSError):
            return None

    def why_ended(self, pid: int, log_start: int) -> str:
        """How a session ended that closed its channel, and the last it wrote to standard error."""
        # Give it a moment to end by itself, for its exit code says why.
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline and _is_running(pid):
            time.sleep(0.01)
        return f"{_describe_exit(self.end(pid))}\n{_tail(self.log, log_start)}".strip()

    def close(self) -> None:
        """End the server and remove what it wrote, but for the arm's caches."""
        self._control.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for name in _FRESH:
            delete_quietly(self._home / name)

    def _read_reply(self, seconds: float) -> int:
        try:
            self._control.settimeout(seconds)
            reply = self._control.recv(_REPLY.size, socket.MSG_WAITALL)
        except TimeoutError as error:
            raise ArmFailed(self.role, "worker_timeout", f"the fork server did not answer in {seconds:g} s") from error
        except OSError as error:
            raise ArmFailed(self.role, "worker_crashed", f"the fork server is gone ({error})") from error
        if len(reply) < _REPLY.size:
            raise ArmFailed(self.role, "worker_crashed", f"the fork server ended\n{_tail(self.log, 0)}".strip())
        return int(_REPLY.unpack(reply)[0])


def open_alone(role: Role, root: str, job: MeasureJob, bench: Bench, stack: ExitStack) -> Session:
    """A fork server and one session of it, set up; both are closed when `stack` is.

    Raises:
        ArmFailed: the server or the session failed.
    """
    folder = arm_folder(Path(job.scratch))
    hash_seed = derive_seed(job.seed, "hash", role)
    sandbox = worker_sandbox(job.sandbox, job.device)
    server = ForkServer(role, Path(root), preload_for(job, bench), folder, hash_seed, sandbox)
    stack.callback(server.close)
    server.wait_until_ready()
    session = server.fork()
    stack.callback(session.close)
    session.set_up(bench, job)
    return session


def arm_folder(scratch: Path) -> Path:
    """A new folder for one arm, whose name says nothing; gone with the measurement's scratch."""
    return scratch / secrets.token_hex(8)


def preload_for(job: MeasureJob, bench: Bench) -> tuple[str, ...]:
    """What a server imports: the bench's libraries, and on a GPU what every session would import."""
    return tuple(dict.fromkeys((*bench.preload, "torch", "triton"))) if job.device == "cuda" else bench.preload


def _environment(home: Path, hash_seed: int) -> dict[str, str]:
    """The worker's whole environment: nothing of ours, no keys, and the same for both arms but for the folder."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return passed | {
        "HOME": str(home / "home"),
        "TMPDIR": str(home / "tmp"),
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Idle threads of one arm must not spin on the core the other arm is timed on.
        "OMP_WAIT_POLICY": "PASSIVE",
        "KMP_BLOCKTIME": "0",
        "TRITON_CACHE_DIR": str(home / "triton"),
        "TORCHINDUCTOR_CACHE_DIR": str(home / "inductor"),
    }


def _is_child(pid: int, parent: int) -> bool:
    try:
        return psutil.Process(pid).ppid() == parent
    except (psutil.NoSuchProcess, ValueError):
        return False


def _is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _describe_exit(code: int | None) -> str:
    if code is None:
        return "ended"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _tail(log: Path, start: int) -> str:
    """The end of what was written to a log from byte `start` on."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(start, size - _TAIL_CHARACTERS))
            return stream.read().decode("utf-8", errors="replace").strip()
    except OSError:
        return ""
