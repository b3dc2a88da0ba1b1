"""Found through PYTHONPATH by every Python that a probed command starts: puts the probe asked for to work there.

`PERF_HARNESS_PROBE` names the probe, a file beside this one, and its folder is off the import path again before the
program begins: no module of the program can be taken for one of ours. A `sitecustomize` that the installation has of
its own is run afterwards, as it would have been without us.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import time
from types import ModuleType

_PROBES = ("sampling", "counting", "recording")


def _run(name: str, path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _begin() -> None:
    began = time.monotonic()
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    kind = os.environ.get("PERF_HARNESS_PROBE")
    if kind in _PROBES:
        _run("_perf_harness_ending", f"{here}/ending.py")
        _run(f"_perf_harness_{kind}", f"{here}/{kind}.py").start(began)
    own = importlib.machinery.PathFinder.find_spec("sitecustomize")
    if own is not None and own.origin is not None:
        _run("sitecustomize", own.origin)


if os.environ.get("PERF_HARNESS_PROBE"):  # not where a checker or a test imports this as one more module
    _begin()
