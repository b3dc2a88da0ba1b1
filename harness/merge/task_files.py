"""What a task brings to a bundle: its file with paths that fit there, its bench, its hidden tests, its scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from harness.errors import UsageError
from harness.merge.base import public_url
from harness.metric import trusted_scripts
from harness.task import LoadedTask

_OUTSIDE = "outside"
_LEFTOVERS = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"})


def task_files(loaded: LoadedTask, source: str | None, *, hidden_tests: bool) -> tuple[str, dict[str, bytes]]:
    """The task's own files, for a folder that holds nothing else.

    The task file says the same as the original, but for its paths; what plays no part in judging a patch (the recorded
    session, the reference patch and figures, limits of agents) is left out.

    Args:
        loaded: the task.
        source: where the target lies from there; None where it is to be had from the task's own source.
        hidden_tests: whether they go in.

    Returns:
        The task file's name, and name -> content of all files.

    Raises:
        UsageError: a file is a link out of its folder, or a script lies outside the task's.
    """
    task, home = loaded.task, loaded.file.parent
    files: dict[str, bytes] = {}
    said: dict[str, Any] = task.model_dump(mode="json", exclude_unset=True)
    for unneeded in ("recorded", "reference_patch", "references", "limits", "prices"):
        said.pop(unneeded, None)
    # A base that travels has the overlay in it already.
    said["source"] = {"path": source} if source is not None else _pinned(loaded)
    if source is None and task.source.overlay is not None:
        overlay = loaded.resolve(task.source.overlay)
        said["source"]["overlay"] = _place(overlay, home)
        files |= _folder(overlay, home, "the overlay")
    if loaded.bench_file is not None:
        said["bench"] = _place(loaded.bench_file, home)
        for path in loaded.bench_files:
            files |= _folder(path, home, "the bench") if path.is_dir() else {_place(path, home): path.read_bytes()}
    if loaded.hidden_tests is not None:
        if hidden_tests:
            said["tests"]["hidden"] = _place(loaded.hidden_tests, home)
            files |= _folder(loaded.hidden_tests, home, "the hidden tests")
        else:
            said["tests"].pop("hidden")
    for script in trusted_scripts(task.metric, home):
        if not script.resolve().is_relative_to(home):
            raise UsageError(f"{loaded.file}: a command names {script}, outside the task's folder: it cannot be taken.")
        files[script.resolve().relative_to(home).as_posix()] = script.read_bytes()
    name = f"{task.name}.yaml"
    files[name] = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=110).encode()
    return name, files


def _pinned(loaded: LoadedTask) -> dict[str, str]:
    source = loaded.task.source
    if source.pypi is not None:
        return {"pypi": source.pypi}
    return {"git": public_url(str(source.git)), "commit": str(source.commit)}


def _place(path: Path, home: Path) -> str:
    """Where a file goes: where it is, seen from the task file; into a folder of its own if that is elsewhere."""
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else f"{_OUTSIDE}/{path.name}"


def _folder(folder: Path, home: Path, what: str) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if _LEFTOVERS & set(path.relative_to(folder).parts) or not path.is_file():
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{path} is a link out of {what}.", remedy="Put the file itself there.")
        found[f"{_place(folder, home)}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    return found
