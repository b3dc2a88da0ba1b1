"""The referee's end of an arm: one tree, its fork server, and the sessions forked from it.

Each arm has a fork server of its own, so that what a candidate does to its server it does to itself. Neither
argv nor environment nor path tells base from candidate: both see a random folder of the same length.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from harness.errors import InfrastructureError
from harness.timing.bench import Bench
from harness.timing.measurement import MeasureJob, RefusalCause
from harness.timing.wire import Channel, WorkerProtocolError, decode, encode

_WORKER = Path(__file__).with_name("worker.py")
_REQUEST = struct.Struct(">cq")
_REPLY = struct.Struct(">q")
_START_SECONDS = 120.0
_SERVER_SECONDS = 10.0
_SMALL_FRAME = 1 << 16
_TAIL_CHARACTERS = 2000
_PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CC", "CXX", "OMP_NUM_THREADS", "MKL_NUM_THREADS"),
    *("CUDA_HOME", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
)


Role = Literal["base", "candidate"]


class ArmFailed(Exception):
    """An arm did not do what it was asked. Whose fault that is depends on whose arm it is."""

    def __init__(self, role: Role, cause: RefusalCause, message: str) -> None:
        super().__init__(f"{role}: {cause}: {message}")
        self.role = role
        self.cause = cause
        self.message = message


@dataclass(frozen=True)
class Timing:
    """One timed request, in nanoseconds: the referee's clock around it, and what the worker says."""

    parent_ns: int
    worker_ns: int


@dataclass(frozen=True)
class Fetched:
    """The output of one call of the last sample, decoded, and its input as it is afterwards, still encoded."""

    output: Any
    input_packed: bytes


class ForkServer:
    """A process that has imported the bench's libraries and no target code, ready to fork sessions.

    Args:
        role: whose arm it is; known on this side only.
        root: the arm's checkout.
        preload: modules the server imports.
        scratch: where the arm's private folder is made.
        hash_seed: PYTHONHASHSEED, the same for both arms.
    """

    def __init__(self, role: Role, root: Path, preload: tuple[str, ...], scratch: Path, hash_seed: int) -> None:
        self.role = role
        self._home = scratch / secrets.token_hex(8)
        for name in ("home", "tmp"):
            (self._home / name).mkdir(parents=True)
        self.tree = self._home / "tree"
        self.tree.symlink_to(root.resolve())
        self.log = self._home / "stderr"
        ours, theirs = socket.socketpair()
        with theirs, self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-B", str(_WORKER), str(theirs.fileno()), *preload],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=[theirs.fileno()],
                env=_environment(self._home, hash_seed),
                cwd=self._home / "home",
                start_new_session=True,
            )
        self._control = ours

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Wait for the imports to end.

        Raises:
            InfrastructureError: the server died or took too long; it has run no target code yet.
        """
        try:
            self._read_reply(_START_SECONDS)
        except ArmFailed as error:
            raise InfrastructureError(f"A timing worker did not start: {error.message}") from error

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
        pid = self._read_reply(_SERVER_SECONDS)
        if not _is_child(pid, self._process.pid):
            raise ArmFailed(self.role, "worker_crashed", "a new session ended at once")
        return Session(self, pid, Channel(ours), log_start)

    def wait_for(self, pid: int) -> int | None:
        """The exit code of a session that has ended; None if the server cannot say."""
        try:
            self._control.sendall(_REQUEST.pack(b"W", pid))
            return self._read_reply(_SERVER_SECONDS)
        except (ArmFailed, OSError):
            return None

    def close(self) -> None:
        """End the server and remove the arm's folder."""
        self._control.close()
        try:
            self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    def _read_reply(self, seconds: float) -> int:
        try:
            self._control.settimeout(seconds)
            reply = self._control.recv(_REPLY.size, socket.MSG_WAITALL)
        except TimeoutError as error:
            raise ArmFailed(self.role, "worker_timeout", f"the fork server did not answer in {seconds:g} s") from error
        except OSError as error:
            raise ArmFailed(self.role, "worker_crashed", f"the fork server is gone ({error})") from error
        if len(reply) < _REPLY.size:
            raise ArmFailed(self.role, "worker_crashed", f"the fork server ended\n{tail(self.log, 0)}".strip())
        return int(_REPLY.unpack(reply)[0])


class Session:
    """A forked process that holds one arm's target. Every request raises `ArmFailed` when it goes wrong."""

    def __init__(self, server: ForkServer, pid: int, channel: Channel, log_start: int) -> None:
        self.role = server.role
        self._server = server
        self._pid = pid
        self._channel = channel
        self._log_start = log_start
        self._closed = False

    def set_up(self, bench: Bench, job: MeasureJob) -> None:
        """Import the target.

        Raises:
            ArmFailed: `import_failed`, or what any request can end in.
        """
        setup: dict[str, Any] = {"root": str(self._server.tree), "api": job.api, "device": job.device, "mode": job.mode}
        setup |= {"call": bench.call_source, "load": bench.load_source}
        self._request(setup, job.protocol.patience_seconds, raised="import_failed")

    def give(self, packed: list[bytes], seconds: float) -> None:
        """Send a sample's inputs, one for each call; `confirm_given` reads the answer."""
        self._begin(encode({"op": "inputs", "inputs": packed}), seconds)

    def confirm_given(self, seconds: float) -> None:
        """Wait until the inputs of `give` are where the calls will find them."""
        self._finish(self._payload(seconds, _SMALL_FRAME), "call_raised")

    def run(self, calls: int, seconds: float) -> Timing:
        """Time `calls` calls over the inputs given before; none at all times the round trip."""
        token = secrets.randbits(63)
        payload = encode({"op": "run", "calls": calls, "token": token})
        start = time.perf_counter_ns()
        self._begin(payload, seconds)
        answer = self._payload(seconds, _SMALL_FRAME)
        parent_ns = time.perf_counter_ns() - start
        reply = self._finish(answer, "call_raised")
        worker_ns = reply.get("worker_ns")
        if reply.get("token") != token or reply.get("calls") != calls or type(worker_ns) is not int:
            raise ArmFailed(self.role, "protocol_violation", "a reply to another request than the one that was made")
        return Timing(parent_ns, worker_ns)

    def fetch(self, index: int, seconds: float) -> Fetched:
        """Get one call's output of the last sample, and its input as it is now."""
        reply = self._request({"op": "fetch", "index": index}, seconds)
        output, given = reply.get("output"), reply.get("input")
        if not isinstance(output, bytes) or not isinstance(given, bytes):
            raise ArmFailed(self.role, "protocol_violation", "a reply without an output")
        try:
            return Fetched(decode(output), given)
        except WorkerProtocolError as error:
            raise ArmFailed(self.role, "protocol_violation", str(error)) from error

    def cpu_ns(self) -> int | None:
        """CPU time of the whole process so far, read from outside it; None once it is gone.

        `(~pid << 3) | 2` is Linux's clock id of another process, what clock_getcpuclockid(3) returns.
        """
        try:
            return time.clock_gettime_ns((~self._pid << 3) | 2)
        except OSError:
            return None

    def close(self) -> None:
        """End the process. Does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._server.wait_for(self._pid)

    def _request(self, message: dict[str, Any], seconds: float, raised: RefusalCause = "call_raised") -> dict[str, Any]:
        self._begin(encode(message), seconds)
        return self._finish(self._payload(seconds), raised)

    def _begin(self, payload: bytes, seconds: float) -> None:
        try:
            self._channel.send_payload(payload, seconds)
        except TimeoutError as error:
            raise self._timed_out(seconds) from error
        except OSError as error:
            raise self._crashed() from error

    def _payload(self, seconds: float, limit: int | None = None) -> bytearray:
        try:
            return self._channel.receive_payload(seconds, *([] if limit is None else [limit]))
        except TimeoutError as error:
            raise self._timed_out(seconds) from error
        except (EOFError, OSError) as error:
            raise self._crashed() from error
        except WorkerProtocolError as error:
            raise ArmFailed(self.role, "protocol_violation", str(error)) from error

    def _finish(self, answer: bytearray, raised: RefusalCause) -> dict[str, Any]:
        try:
            reply = decode(answer)
        except WorkerProtocolError as error:
            raise ArmFailed(self.role, "protocol_violation", str(error)) from error
        if not isinstance(reply, dict):
            raise ArmFailed(self.role, "protocol_violation", "a reply that is no record")
        if "raised" in reply:
            raise ArmFailed(self.role, raised, str(reply["raised"])[-_TAIL_CHARACTERS:].strip())
        return reply

    def _timed_out(self, seconds: float) -> ArmFailed:
        self.close()
        return ArmFailed(self.role, "worker_timeout", f"no answer within {seconds:.1f} s")

    def _crashed(self) -> ArmFailed:
        self._closed = True
        self._channel.close()
        # It has closed its end; give it a moment to end by itself, for its exit code says why.
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline and _is_running(self._pid):
            time.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        code = self._server.wait_for(self._pid)
        said = tail(self._server.log, self._log_start)
        return ArmFailed(self.role, "worker_crashed", f"the process ended ({_describe_exit(code)})\n{said}".strip())


def _environment(home: Path, hash_seed: int) -> dict[str, str]:
    """The worker's whole environment: nothing of ours, no keys, and the same for both arms but for the folder."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return passed | {
        "HOME": str(home / "home"),
        "TMPDIR": str(home / "tmp"),
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Bytecode is never read from the tree: a stale or planted __pycache__ has no say.
        "PYTHONPYCACHEPREFIX": str(home / "pycache"),
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
        return "exit code unknown"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def tail(log: Path, start: int) -> str:
    """The end of what was written to a log from byte `start` on."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(start, size - _TAIL_CHARACTERS))
            return stream.read().decode("utf-8", errors="replace").strip()
    except OSError:
        return ""
