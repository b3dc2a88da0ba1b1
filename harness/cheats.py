"""Patches that cheat, made for any target: a task whose harness lets one of them through is not sound."""

from __future__ import annotations

from dataclasses import dataclass

from harness.patch import matches

_SLOW_CLOCK = """

import sys as _sys
import time as _time


def _at_half_speed(clock):
    return lambda: clock() // 2


for _module in (_time, _sys.modules["__main__"]):
    if hasattr(_module, "perf_counter_ns"):
        _module.perf_counter_ns = _at_half_speed(_module.perf_counter_ns)
"""
_EARLY_END = """

import os as _os
import sys as _sys

if "pytest" in _sys.modules:
    _os._exit(0)
"""


@dataclass(frozen=True)
class Cheat:
    """A patch that must not pass: path -> whole new text of the files it writes."""

    name: str
    files: dict[str, str]


def planted_cheats(files: dict[str, str], target_files: list[str]) -> list[Cheat]:
    """The cheats that can be made for a target.

    Args:
        files: path -> text of every text file of the base.
        target_files: the task's globs. Without a Python file among them, two of the cheats cannot be made.
    """
    cheats = [Cheat("adds a file", {_new_name(files, target_files): "raise SystemExit(0)\n"})]
    outside = sorted((name for name in files if not matches(name, target_files)), key=lambda name: "test" not in name)
    if outside:
        edited = outside[0]
        cheats.append(Cheat(f"edits {edited}", {edited: files[edited] + "\n"}))
    target = next((name for name in sorted(files) if name.endswith(".py") and matches(name, target_files)), None)
    if target is not None:
        cheats.append(Cheat("ends the tests early", {target: files[target] + _EARLY_END}))
        cheats.append(Cheat("slows the clock down", {target: files[target] + _SLOW_CLOCK}))
    return cheats


def _new_name(files: dict[str, str], target_files: list[str]) -> str:
    """A name that Python imports by itself and that is neither taken nor a target file."""
    names = ("sitecustomize.py", "usercustomize.py", "conftest.py", "torch.py")
    return next((name for name in names if name not in files and not matches(name, target_files)), "added/outside.py")
