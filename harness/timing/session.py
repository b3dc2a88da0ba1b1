"""The referee's end of one forked process that holds one arm's target."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.timing.bench import Bench
from harness.timing.descendants import Used, used_by_tree
from harness.timing.job import MeasureJob
from harness.timing.measurement import RefusalCause
from harness.timing.memory_limit import decode_bounded
from harness.timing.replies import is_time, text_of
from harness.timing.wire import Channel, WorkerProtocolError, encode

if TYPE_CHECKING:
    from harness.timing.fork_server import ForkServer

_SMALL_FRAME = 1 << 16
_MESSAGE_CHARACTERS = 2000

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
    """The output of one call of the last sample, decoded and as it came, and its input as it is afterwards, encoded."""

    output: Any
    output_packed: bytes
    input_packed: bytes


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
        self.begin_set_up(bench, job)
        self.finish_set_up(job)

    def begin_set_up(self, bench: Bench, job: MeasureJob) -> None:
        """Ask for the import; `finish_set_up` waits for it, so that two arms can import side by side.

        Raises:
            ArmFailed: `patch_not_in_effect`: the tree is not what would be imported.
        """
        setup: dict[str, Any] = {"root": str(self._server.tree), "api": job.api, "device": job.device, "mode": job.mode}
        repeats = job.candidate_repeats if self.role == "candidate" else 1
        call = bench.repeated_call_source(repeats)
        if job.base_slowdown or job.candidate_slowdown:
            slowdown = job.candidate_slowdown if self.role == "candidate" else job.base_slowdown
            call = bench.slowed_call_source(slowdown, job.device, job.mode)
        setup |= {"call": call, "load": bench.load_source}
        seconds = job.protocol.patience_seconds
        # Before it runs a line of the target's: what the target says later of where it is from is its own word, and
        # this end, which is nobody's fault and counts in no mean, is not for it to choose.
        origin = self._request(setup, seconds).get("origin")
        if origin is not None and not Path(str(origin)).is_relative_to(self._server.tree):
            raise ArmFailed(
                self.role, "patch_not_in_effect", f"{job.api} would be imported from {origin}, not from the tree"
            )
        self._begin(encode({"op": "import"}), seconds)

    def finish_set_up(self, job: MeasureJob) -> None:
        """Wait until the target is imported; raises as `set_up` does."""
        self._finish(self._payload(job.protocol.patience_seconds), "import_failed")

    def give(self, packed: list[bytes], seconds: float) -> None:
        """Send a sample's inputs, one for each call; `confirm_given` reads the answer."""
        self._begin(encode({"op": "inputs", "inputs": packed}), seconds)

    def confirm_given(self, seconds: float) -> None:
        """Wait until the inputs of `give` are where the calls will find them."""
        self._finish(self._payload(seconds, _SMALL_FRAME), "call_raised")

    def run(self, calls: int, seconds: float, start: int = 0) -> Timing:
        """Time `calls` calls over the inputs given before, from the one of index `start` on.

        None at all times the round trip. Outputs of calls before `start` are kept.
        """
        return self._timed({"op": "run", "start": start, "calls": calls}, calls, seconds)

    def capture(self, calls: int, seconds: float) -> str | None:
        """Capture `calls` calls over the inputs given before into a CUDA graph; why not, if they cannot be."""
        reason = self._request({"op": "capture", "calls": calls}, seconds).get("reason")
        return None if reason is None else text_of(reason)[:_MESSAGE_CHARACTERS]

    def refill(self, shift: int, seconds: float) -> None:
        """Overwrite the captured inputs: call i gets the inputs given before, from number i + `shift` on, in a ring."""
        self._request({"op": "refill", "shift": shift}, seconds)

    def replay(self, times: int, calls: int, seconds: float) -> Timing:
        """Time replays of the captured graph of `calls` calls; none at all times an empty graph's."""
        return self._timed({"op": "replay", "times": times}, times * calls, seconds)

    def flush(self, seconds: float) -> None:
        """Fill the GPU's L2 cache with something else."""
        self._request({"op": "flush"}, seconds)

    def kernels(self, seconds: float) -> list[str]:
        """Names of the GPU kernels that the calls given before start: the worker's own word."""
        found = self._request({"op": "kernels"}, seconds).get("kernels")
        return [text_of(name)[:_MESSAGE_CHARACTERS] for name in found] if isinstance(found, list) else []

    def _timed(self, request: dict[str, Any], calls: int, seconds: float) -> Timing:
        token = secrets.randbits(63)
        payload = encode(request | {"token": token})
        start = time.perf_counter_ns()
        self._begin(payload, seconds)
        answer = self._payload(seconds, _SMALL_FRAME)
        parent_ns = time.perf_counter_ns() - start
        reply = self._finish(answer, "call_raised")
        worker_ns = reply.get("worker_ns")
        if reply.get("token") != token or reply.get("calls") != calls or not is_time(worker_ns):
            raise ArmFailed(self.role, "protocol_violation", "a reply to another request than the one that was made")
        return Timing(parent_ns, worker_ns)

    def commit(self, calls: int, seconds: float) -> list[bytes]:
        """Bind every output of the last sample, before it is known which of them will be fetched."""
        digests = self._request({"op": "commit"}, seconds).get("digests")
        if not isinstance(digests, list) or len(digests) != calls:
            raise ArmFailed(self.role, "protocol_violation", "a reply without a digest for every call")
        return digests

    def fetch(self, index: int, seconds: float, digest: bytes | None = None) -> Fetched:
        """Get one call's output of the last sample, which `digest` binds, and its input as it is now."""
        reply = self._request({"op": "fetch", "index": index}, seconds)
        output, given = reply.get("output"), reply.get("input")
        if not isinstance(output, bytes) or not isinstance(given, bytes):
            raise ArmFailed(self.role, "protocol_violation", "a reply without an output")
        if digest is not None and blake2b(output, digest_size=16).digest() != digest:
            raise ArmFailed(self.role, "protocol_violation", "an output that changed after it had been handed over")
        try:
            return Fetched(decode_bounded(output), output, given)
        except WorkerProtocolError as error:
            raise ArmFailed(self.role, "protocol_violation", str(error)) from error

    def profile(self, seconds: float) -> str:
        """Run the calls given before under a profiler; the worker's own report."""
        reply = self._request({"op": "profile"}, seconds)
        return text_of(reply.get("report"))

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._pid

    def place(self, cores: set[int]) -> None:
        """Let the process's main thread, and no other that is there by now, run on `cores` only."""
        with contextlib.suppress(OSError):  # it is gone: the next request says so
            os.sched_setaffinity(self._pid, cores)

    def used(self) -> Used:
        """What the process and those it has started have used so far, read from outside; nothing once it is gone."""
        return used_by_tree(self._pid)

    def arm_used(self) -> Used:
        """What all that runs for this arm has used so far: also what is no child of this process, or no longer."""
        return self._server.used(self._pid)

    def close(self) -> None:
        """End the process. Does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        self._channel.close()
        self._server.end(self._pid)

    def _request(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        self._begin(encode(message), seconds)
        return self._finish(self._payload(seconds), "call_raised")

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
            reply = decode_bounded(answer)
        except WorkerProtocolError as error:
            raise ArmFailed(self.role, "protocol_violation", str(error)) from error
        if not isinstance(reply, dict):
            raise ArmFailed(self.role, "protocol_violation", "a reply that is no record")
        if "raised" in reply:
            raise ArmFailed(self.role, raised, text_of(reply["raised"])[-_MESSAGE_CHARACTERS:].strip())
        return reply

    def _timed_out(self, seconds: float) -> ArmFailed:
        self.close()
        return ArmFailed(self.role, "worker_timeout", f"no answer within {seconds:.1f} s")

    def _crashed(self) -> ArmFailed:
        self._closed = True
        self._channel.close()
        why = self._server.why_ended(self._pid, self._log_start)
        return ArmFailed(self.role, "worker_crashed", f"the process {why}")
