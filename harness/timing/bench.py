"""The bench module: the trusted description of what is timed, and the oracle that checks it.

A bench stands outside every worktree. It is imported here, in the referee, and never in a worker: of it a
worker gets the source of `call` (and of `load`, if there is one) and nothing else, so that neither the held-out
shapes nor the oracle can be found in the memory of a process that runs patched code.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import TaskError
from harness.timing.job import Workload
from harness.timing.shipped_source import self_contained_source

__all__ = ["Bench", "Workload", "last_line", "load_bench"]

_REQUIRED = ("workloads", "make_inputs", "call", "check")
_HEAVY = ("torch", "numpy")


@dataclass(frozen=True)
class Bench:
    """A bench module that has been imported and checked.

    Attributes:
        file: where it came from.
        workloads: device ("cpu" or "cuda") -> what to time.
        make_inputs: (workload, seed) -> the tree that `call` takes; new content for every seed, on the CPU.
        check: (workload, inputs, outputs) -> None, or what is wrong, naming the element.
        random_workload: (random.Random, device) -> a workload beyond the listed ones, for correctness; optional.
        repeatable: the module's REPEATABLE. True: the same inputs give the same output, bit for bit, every time. False:
            they must not, as of an operation that draws at random. None, the default: the oracle alone decides.
        call_source: source of `call(target, inputs)`, self-contained.
        load_source: source of `load(root)`, self-contained; None for the default, which puts the root first on
            the path and imports the task's `api`.
        preload: libraries a worker may import before it sees the target.
        least_bytes: workload -> the bytes that any right implementation reads and writes; optional, see
            `harness.timing.roofline`.
        only: names of the workloads that count; all of them where it is empty.
    """

    file: Path
    workloads: Callable[[str], list[Workload]]
    make_inputs: Callable[[Workload, int], Any]
    check: Callable[[Workload, Any, Any], str | None]
    random_workload: Callable[[random.Random, str], Workload] | None
    repeatable: bool | None
    call_source: str
    load_source: str | None
    preload: tuple[str, ...]
    least_bytes: Callable[[Workload], int] | None = None
    only: tuple[str, ...] = ()

    def repeated_call_source(self, repeats: int) -> str:
        """Source of a `call` that does the bench's own `repeats` times over on the same inputs; the last result."""
        if repeats == 1:
            return self.call_source
        again = f"def call(target, inputs):\n    for _ in range({repeats - 1}):\n        _once(target, inputs)\n"
        return f"{self.call_source}\n_once = call\n\n{again}    return _once(target, inputs)\n"

    def slowed_call_source(self, slowdown: float, device: str, mode: str) -> str:
        """Source of a `call` that takes `1 + slowdown` times as long as the bench's own.

        It times its own call and then waits, busy, for that fraction of it. So the slowdown is a factor of every
        call whatever the code and its noise, known to within the wait's last look at the clock (some 50 ns) a call;
        an extra call now and then would be a step that the medians do not see. A slowdown of 0 looks at the clock
        as often and does not wait: compared with it, the clock's own cost cancels.

        In mode `device` no host clock is in the graph. There a graph of N calls is captured with
        `extra_calls(N, slowdown)` more, and every sample replays all of it.
        """
        if mode == "device":
            return _with_extra_calls(self.call_source, slowdown)
        wait = "__import__('torch').cuda.synchronize()" if device == "cuda" else "pass"
        return (
            f"{self.call_source}\n_once = call\n_now = __import__('time').perf_counter_ns\n\n"
            "def call(target, inputs):\n"
            f"    start = _now()\n    result = _once(target, inputs)\n    {wait}\n"
            f"    end = start + int((_now() - start) * {1 + slowdown!r})\n"
            "    while _now() < end:\n        pass\n"
            "    return result\n"
        )

    def listed(self, device: str, *, held_out: bool) -> list[Workload]:
        """The workloads for a device, without the held-out ones unless asked for.

        Raises:
            TaskError: `workloads` fails, gives something else, names one twice, lacks one of `only`, or shows none.
        """
        try:
            found = self.workloads(device)
        except Exception as error:
            raise TaskError(f"{self.file}: workloads({device!r}) failed: {last_line(error)}") from error
        if not isinstance(found, Sequence) or not all(isinstance(each, Workload) for each in found):
            raise TaskError(f"{self.file}: workloads({device!r}) must give a list of Workload.")
        names = [each.name for each in found]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise TaskError(f"{self.file}: workloads({device!r}) names {', '.join(twice)} more than once.")
        if missing := [name for name in self.only if name not in names]:
            raise TaskError(
                f"{self.file}: workloads({device!r}) has no {', '.join(missing)}.",
                remedy=f"metric.workloads of the task may name {', '.join(names)}.",
            )
        found = [each for each in found if not self.only or each.name in self.only]
        if all(each.held_out for each in found):
            raise TaskError(
                f"{self.file}: workloads({device!r}) shows none to the agent.",
                remedy="At least one workload must have held_out=False.",
            )
        return [each for each in found if held_out or not each.held_out]


def extra_calls(calls: int, slowdown: float) -> int:
    """How many extra calls slow a graph of `calls` calls by about `slowdown`: one after every 1 / slowdown."""
    return int(calls * slowdown + 1e-9)


def _with_extra_calls(source: str, slowdown: float) -> str:
    """Source of a `call` that, while a graph is captured, makes `extra_calls` more.

    An extra call on the inputs of the call beside it would find them in the cache and be cheaper than a call: it gets
    those of half the graph ago, and its outputs are kept like any other's.
    """
    return (
        f"{source}\n_once = call\n_seen = []\n_kept = []\n"
        "_capturing = __import__('torch').cuda.is_current_stream_capturing\n\n"
        "def call(target, inputs):\n"
        "    if not _capturing():\n        _seen.clear()\n        _kept.clear()\n"
        "        return _once(target, inputs)\n"
        "    _seen.append(inputs)\n    made = len(_seen)\n"
        f"    if int(made * {slowdown!r} + 1e-9) > int((made - 1) * {slowdown!r} + 1e-9):\n"
        "        _kept.append(_once(target, _seen[made // 2]))\n"
        "    return _once(target, inputs)\n"
    )


def load_bench(path: Path) -> Bench:
    """Import a bench module by its path and check that it has what a bench needs.

    Raises:
        TaskError: the file is missing, does not import, lacks a function, or has a `call` or `load` that needs
            something from outside itself.
    """
    if not path.is_file():
        raise TaskError(f"There is no bench {path}.")
    module = _import(path)
    missing = [name for name in _REQUIRED if not callable(getattr(module, name, None))]
    if missing:
        raise TaskError(
            f"{path}: the bench has no function {', '.join(missing)}.",
            remedy="A bench has workloads(device), make_inputs(workload, seed), call(target, inputs) and "
            "check(workload, inputs, outputs).",
        )
    source = path.read_text(encoding="utf-8")
    return Bench(
        file=path,
        workloads=module.workloads,
        make_inputs=module.make_inputs,
        check=module.check,
        random_workload=getattr(module, "random_workload", None),
        repeatable=_repeatable(module, path),
        call_source=self_contained_source(source, "call", path),
        load_source=self_contained_source(source, "load", path) if hasattr(module, "load") else None,
        preload=tuple(name for name in _HEAVY if name in sys.modules),
        least_bytes=_least_bytes(module, path),
    )


def _repeatable(module: ModuleType, path: Path) -> bool | None:
    told = getattr(module, "REPEATABLE", None)
    if told is None or isinstance(told, bool):
        return told
    raise TaskError(f"{path}: REPEATABLE is {told!r}; it must be True, False or left out.")


def _least_bytes(module: ModuleType, path: Path) -> Callable[[Workload], int] | None:
    told: Callable[[Workload], int] | None = getattr(module, "least_bytes", None)
    if told is None or callable(told):
        return told
    raise TaskError(f"{path}: least_bytes is {told!r}; it must be a function of a workload, or left out.")


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("_bench", path)
    if spec is None or spec.loader is None:
        raise TaskError(f"{path}: a bench is a Python file, *.py.")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pydantic look a class's module up by name.
    sys.modules["_bench"] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise TaskError(f"{path}: the bench cannot be imported: {last_line(error)} ({_where(error)})") from error
    return module


def _where(error: BaseException) -> str:
    """File and line: of what cannot be parsed, where that is; of anything else, where it was raised."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(place.filename).name}:{place.lineno}"


def last_line(error: BaseException) -> str:
    """The line a traceback ends in, such as `ModuleNotFoundError: No module named 'torch'`."""
    return traceback.format_exception_only(error)[-1].strip()
