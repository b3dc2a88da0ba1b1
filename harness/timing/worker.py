"""The untrusted side: a fork server that has imported the heavy libraries, and its sessions.

Started as `python -P -s -B worker.py CONTROL_FD [MODULE ...]`. The server imports the modules, then forks a
session for each socket it is handed (SCM_RIGHTS); it never runs a line of the target. A session imports the
target, is given the source of the bench's `call` and nothing else of it, and then does as it is told: take
inputs, run calls, give back outputs. It holds no clock that counts: the nanoseconds it reports are compared with
the referee's, never used.

Imports only the standard library and, by path, `wire` (and `gpu_worker` where there is a GPU), so that a worker
starts fast and holds none of the harness's other code. The server never touches CUDA: it does not survive a fork.
"""

from __future__ import annotations

import faulthandler
import gc
import hashlib
import importlib
import importlib.util
import os
import signal
import socket
import struct
import sys
import traceback
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType

    from harness.timing.wire import Channel, Tree

    # Whatever `load` gives: most often a module.
    Target = Any

REQUEST = struct.Struct(">cq")
REPLY = struct.Struct(">q")
_TRACE_CHARACTERS = 6000
_PROFILE_LINES = 10


def _load_beside(name: str) -> ModuleType:
    # By path: the folder of this file must not be on sys.path, it holds a `statistics.py`.
    spec = importlib.util.spec_from_file_location(f"_{name}", Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"{name}.py is not beside worker.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def serve(control: socket.socket, modules: list[str]) -> None:
    """Import `modules`, then fork a session for every socket that comes in, until the other end closes.

    Requests are one letter and a number: `F` (with a socket) forks and answers the pid; `W` waits for a pid and
    answers its exit code, negative for a signal as in `subprocess`.
    """
    wire = _load_beside("wire")
    for name in modules:
        importlib.import_module(name)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        raise RuntimeError("importing the bench's libraries initialised CUDA, which cannot be forked")
    # What is imported by now never dies: take it out of the collector's sight, so that a collection in a
    # session costs what the session's own objects cost, and does not copy the server's pages.
    gc.collect()
    gc.freeze()
    control.sendall(REPLY.pack(os.getpid()))
    alive: set[int] = set()
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, REQUEST.size, 1)
        if len(request) < REQUEST.size:
            break
        letter, number = REQUEST.unpack(request)
        if letter == b"F":
            pid = os.fork()
            if pid == 0:
                control.close()
                _session_and_exit(wire, descriptors[0])
            os.close(descriptors[0])
            alive.add(pid)
            control.sendall(REPLY.pack(pid))
        elif number in alive:
            _, status = os.waitpid(number, 0)
            alive.discard(number)
            control.sendall(REPLY.pack(os.waitstatus_to_exitcode(status)))
        else:
            control.sendall(REPLY.pack(0))
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


def _session_and_exit(wire: ModuleType, descriptor: int) -> None:
    code = 1
    try:
        channel = wire.Channel(socket.socket(fileno=descriptor))
        Session(wire, channel).run()
        code = 0
    except EOFError:
        code = 0
    except BaseException:  # the last frame of this process: say why, then end
        traceback.print_exc()
    finally:
        # Not sys.exit: exit handlers of the target, and the server's stack below us, must not run.
        os._exit(code)


class Session:
    """One process's life with one tree: import it, then take inputs, run and hand back, until end-of-file."""

    def __init__(self, wire: ModuleType, channel: Channel) -> None:
        self.wire = wire
        self.channel = channel
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.device = "cpu"
        self.gpu: Any = None
        self.runner: Callable[..., int] = run_throughput
        self.synchronise: Callable[[], None] = _nothing

    def run(self) -> None:
        """Serve requests until the other end closes. What the target raises is reported, not raised."""
        setup = self.channel.receive()
        self.channel.send({"origin": self._find(setup)})
        self.channel.receive()  # "import"; until now not a line of the target's has run
        try:
            target, call = self._set_up(setup)
        except BaseException as error:  # SystemExit in the target's import too
            self.channel.send({"raised": _explain(error)})
            return
        self.channel.send({})
        while True:
            request = self.channel.receive()
            try:
                reply = self._answer(request, target, call)
            except BaseException as error:  # whatever the target raises is its result
                reply = {"raised": _explain(error)}
            self.channel.send(reply)

    def _find(self, setup: dict[str, Any]) -> str | None:
        """The file that importing the target is going to run, as far as there is one and Python knows."""
        sys.path_hooks.insert(0, _uncached_below(setup["root"]))
        if setup["load"] is not None:
            return None
        sys.path.insert(0, setup["root"])
        # Of what lies in a package, the package: to look further is to run it.
        spec = importlib.util.find_spec(setup["api"].partition(".")[0])
        return None if spec is None else spec.origin

    def _set_up(self, setup: dict[str, Any]) -> tuple[Target, Callable[..., Any]]:
        self.device = setup["device"]
        if self.device == "cuda":
            self.gpu = _load_beside("gpu_worker").Gpu()
            self.synchronise = self.gpu.synchronise
        self.runner = RUNNERS[setup["mode"]]
        if setup["load"] is None:
            # The default: the tree comes first on the path, and its package is the target.
            target = importlib.import_module(setup["api"])
        else:
            target = _function(setup["load"], "load")(setup["root"])
        return target, _function(setup["call"], "call")

    def _answer(self, request: dict[str, Any], target: Target, call: Callable[..., Any]) -> dict[str, Any]:
        operation = request["op"]
        if operation == "run":
            start = request["start"]
            taken = self.inputs[start : start + request["calls"]]
            del self.outputs[start:]
            worker_ns = self.runner(call, target, taken, self.outputs, self.synchronise)
            return {"token": request["token"], "calls": len(taken), "worker_ns": worker_ns}
        if operation == "inputs":
            # The outputs of the sample before are let go here, outside any clock.
            self.outputs = []
            self.inputs = []
            if self.gpu is not None:
                self.gpu.release()
                self.gpu.poison()
            self.inputs = [self._on_device(self.wire.decode(packed)) for packed in request["inputs"]]
            self.synchronise()
            return {"held": len(self.inputs)}
        if operation == "profile":
            self.outputs = []
            report = profile(self._run_all(call, target), len(self.inputs))
            if self.gpu is not None:
                report += "\n" + self.gpu.kernel_report(self._run_all(call, target), len(self.inputs))
            return {"report": report}
        if operation == "commit":
            outputs = self.gpu.outputs if self.gpu is not None and self.gpu.slots else self.outputs
            return {"digests": [digest(self.wire.encode(output)) for output in outputs]}
        if operation == "fetch":
            index = request["index"]
            outputs, inputs = self.outputs, self.inputs
            if self.gpu is not None and self.gpu.slots:
                outputs, inputs = self.gpu.outputs, self.gpu.slots
            return {"output": self.wire.encode(outputs[index]), "input": self.wire.encode(inputs[index])}
        if self.gpu is not None:
            return self._answer_on_gpu(request, target, call)
        raise ValueError(f"unknown operation {operation!r}")

    def _answer_on_gpu(self, request: dict[str, Any], target: Target, call: Callable[..., Any]) -> dict[str, Any]:
        operation = request["op"]
        if operation == "replay":
            worker_ns = self.gpu.replay(request["times"])
            return {
                "token": request["token"],
                "calls": request["times"] * len(self.gpu.slots),
                "worker_ns": worker_ns,
            }
        if operation == "refill":
            self.gpu.refill(self.inputs, request["shift"])
            return {}
        if operation == "capture":
            return {"reason": self.gpu.capture(call, target, self.inputs, request["calls"])}
        if operation == "flush":
            self.gpu.flush()
            return {}
        if operation == "kernels":
            return {"kernels": sorted({name for name, _, _ in self.gpu.trace_kernels(self._run_all(call, target))})}
        raise ValueError(f"unknown operation {operation!r}")

    def _run_all(self, call: Callable[..., Any], target: Any) -> Callable[[], int]:  # noqa: ANN401 - any package
        return lambda: self.runner(call, target, self.inputs, self.outputs, self.synchronise)

    def _on_device(self, value: Tree) -> Tree:
        if self.device == "cpu":
            return value
        return self.gpu.to_device(value)


def digest(packed: bytes) -> bytes:
    """What binds an output before anyone knows which of them will be looked at."""
    return hashlib.blake2b(packed, digest_size=16).digest()


def run_throughput(
    call: Callable[..., Any], target: Target, inputs: list[Any], outputs: list[Any], synchronise: Callable[[], None]
) -> int:
    """Call once for each input and synchronise once at the end; returns this process's nanoseconds."""
    keep = outputs.append
    start = perf_counter_ns()
    for item in inputs:
        keep(call(target, item))
    synchronise()
    return perf_counter_ns() - start


def run_latency(
    call: Callable[..., Any], target: Target, inputs: list[Any], outputs: list[Any], synchronise: Callable[[], None]
) -> int:
    """Call and synchronise, once for each input; returns this process's nanoseconds."""
    if synchronise is _nothing:
        return run_throughput(call, target, inputs, outputs, synchronise)
    keep = outputs.append
    start = perf_counter_ns()
    for item in inputs:
        keep(call(target, item))
        synchronise()
    return perf_counter_ns() - start


def profile(run: Callable[[], int], calls: int) -> str:
    """Where the time of `run`'s calls goes: the functions that take most of it themselves, a line each."""
    import cProfile  # noqa: PLC0415
    import pstats  # noqa: PLC0415

    profiler = cProfile.Profile()
    profiler.runcall(run)
    lines = []
    for (file, line, name), (_, times, own, _, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        # The bench's `call`, this file's loop and the profiler itself are not the target's doing.
        if file not in (__file__, "<bench>"):
            where = name if file == "~" else f"{Path(file).name}:{line} {name}"
            lines.append((own, f"{own / calls * 1e6:10.1f} us a call in {times / calls:5.1f} x {where}"))
    return "\n".join(text for _, text in sorted(lines, reverse=True)[:_PROFILE_LINES])


def _nothing() -> None:
    """There is nothing to wait for on a CPU."""


# Calls that cannot be captured into a graph are timed in a row, in mode `device` too.
RUNNERS: dict[str, Callable[..., int]] = {
    "latency": run_latency,
    "throughput": run_throughput,
    "device": run_throughput,
}


class _UncachedLoader(SourceFileLoader):
    """Compiles from source always."""

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _uncached_below(root: str) -> Callable[[str], FileFinder]:
    """A path hook for the tree: its bytecode has no say, be it planted or older than an edit of the same second."""

    def hook(path: str) -> FileFinder:
        if not Path(path).is_relative_to(root):
            raise ImportError(f"{path} is not in the tree")
        return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_UncachedLoader, SOURCE_SUFFIXES))

    return hook


def _function(source: str, name: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"__name__": "bench"}
    exec(compile(source, "<bench>", "exec"), namespace)  # noqa: S102 - the trusted bench's own source
    function: Callable[..., Any] = namespace[name]
    return function


def _explain(error: BaseException) -> str:
    """The traceback without this file's frames: they are the same every time, and nobody's mistake."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))[-_TRACE_CHARACTERS:]


if __name__ == "__main__":
    faulthandler.enable()
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
