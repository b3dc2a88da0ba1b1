"""What travels: a task with its sealed base to a node, an attempt's folder in both directions.

Nothing rests on a shared file system. A folder comes home whole or not at all: it is unpacked beside the run's
attempts under another name and put in its place by renaming.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.git import Repository
from harness.kept import tries
from harness.metric import trusted_scripts
from harness.store import RunFolder
from harness.task import LoadedTask, Task
from harness.verdict import Record
from harness.whole_file import make_folder, storage_error
from harness.worktree import remove_folder

_BASE = "base.git"
_FILES = "files"
_ABOUT = "about.json"
# What a bench may import or read beside itself travels with it, up to this.
_BESIDE_BYTES = 10 << 20
_COMPRESSION = 3
ARRIVING = ".arriving"


class _About(Record):
    """What is in a task's parcel: the task, where its file stands among the others, the sealed base's hashes."""

    task: Task
    file: str
    commit: str
    tree: str


def pack_task(loaded: LoadedTask, sealed: Repository) -> bytes:
    """A task's own files and its base.

    Raises:
        UsageError: files it names lie on no common ground.
    """
    task = _with_relative_paths(loaded)
    named = _named(loaded)
    try:
        root = Path(os.path.commonpath([path.parent for path in named]))
    except ValueError as error:
        raise UsageError(f"{loaded.file}: what it names cannot be sent to another machine ({error}).") from error
    about = _About(task=task, file=str(loaded.file.relative_to(root)), commit=sealed.commit, tree=sealed.tree)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=_COMPRESSION) as tar:
        _add_bytes(tar, _ABOUT, about.model_dump_json(exclude_unset=True).encode())
        tar.add(sealed.path, _BASE)
        for path in named:
            tar.add(path, f"{_FILES}/{path.relative_to(root)}", filter=_without_caches)
    return buffer.getvalue()


@dataclass(frozen=True)
class Unpacked:
    """A task and its sealed base, on a node."""

    loaded: LoadedTask
    sealed: Repository


def unpack_task(content: bytes, into: Path) -> Unpacked:
    """Put a task's files and its base into a folder."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        tar.extractall(into, filter="data")
    about = _About.model_validate_json((into / _ABOUT).read_bytes())
    # git takes a folder for a repository only if these are there, empty or not.
    for needed in ("refs", "objects"):
        (into / _BASE / needed).mkdir(exist_ok=True)
    return Unpacked(
        loaded=LoadedTask(task=about.task, file=(into / _FILES / about.file).resolve()),
        sealed=Repository(path=(into / _BASE).resolve(), commit=about.commit, tree=about.tree),
    )


def pack_attempt(folder: RunFolder, name: str, *, parents: Sequence[str] = ()) -> bytes:
    """An attempt's folder as it is now, earlier tries left out; and the patches that it goes on from."""
    buffer = io.BytesIO()
    attempt = folder.attempt(name)
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=_COMPRESSION) as tar:
        aside = {each.path for each in tries(attempt)}
        for path in sorted(attempt.path.iterdir()) if attempt.path.is_dir() else []:
            if path not in aside:
                tar.add(path, f"{name}/{path.name}")
        for parent in parents:
            patch = folder.attempt(parent).patch
            if patch.is_file():
                tar.add(patch, f"{parent}/{patch.name}")
    return buffer.getvalue()


def unpack_attempt(content: bytes, into: RunFolder) -> None:
    """Put an attempt's folder into a run's folder on a node."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        tar.extractall(into.path, filter="data")


def bring_home(content: bytes, home: RunFolder, name: str) -> None:
    """Put an attempt's folder in its place in the run's folder, whole or not at all; earlier tries stay.

    Raises:
        StorageError: it cannot be written.
    """
    arriving = home.path / ARRIVING / name
    place = home.attempt(name)
    old = home.path / ARRIVING / f"{name}.old"
    try:
        remove_folder(arriving)
        remove_folder(old)
        make_folder(arriving)
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
            tar.extractall(arriving, filter="data")
        whole = arriving / name
        make_folder(whole)
        for each in tries(place) if place.path.is_dir() else []:
            shutil.copytree(each.path, whole / each.name, dirs_exist_ok=True)
        if place.path.is_dir():
            place.path.rename(old)
        whole.rename(place.path)
        clear_arrivals(home)
    except OSError as error:
        raise storage_error(error, place.path, "write") from error


def clear_arrivals(home: RunFolder) -> None:
    """Remove what did not arrive whole. Where a folder was being replaced, put the old one back."""
    folder = home.path / ARRIVING
    for old in folder.glob("*.old"):
        place = home.attempt(old.name.removesuffix(".old"))
        if not place.path.exists():
            old.rename(place.path)
    remove_folder(folder)


def _with_relative_paths(loaded: LoadedTask) -> Task:
    """The task with every path in it relative to its file; where it comes from does not travel."""
    folder = loaded.file.parent

    def relative(path: str | None) -> str | None:
        return None if path is None else os.path.relpath(loaded.resolve(path), folder)

    task = loaded.task
    changes = {
        "bench": relative(task.bench),
        "reference_patch": relative(task.reference_patch),
        "recorded": relative(task.recorded),
        "references": None,  # the run has its copy; whoever works for it needs none
        "tests": task.tests.model_copy(update={"hidden": relative(task.tests.hidden)}),
    }
    return task.model_copy(update=changes)


def _named(loaded: LoadedTask) -> list[Path]:
    """Files and folders that the task rests on, absolute."""
    task = loaded.task
    recorded = None if task.recorded is None else loaded.resolve(task.recorded)
    named = [loaded.file, loaded.bench_file, loaded.hidden_tests, loaded.reference_patch, recorded]
    found = {path for path in named if path is not None} | set(_beside(loaded))
    return sorted(found | {path.resolve() for path in trusted_scripts(task.metric, loaded.file.parent)})


def _beside(loaded: LoadedTask) -> list[Path]:
    """What the bench names beside itself, and files that lie there, for it may read them; large ones are others'."""
    bench = loaded.bench_file
    if bench is None:
        return []
    files = [path for path in bench.parent.iterdir() if path.is_file() and not path.name.startswith(".")]
    small = [path for path in files if path.stat().st_size <= _BESIDE_BYTES]
    return [*small, *loaded.bench_files]


def _without_caches(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in info.name.split("/") else info


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
