"""What files are, by their content: taken before code of a patch runs, compared after it ran."""

from __future__ import annotations

import hashlib
import importlib.machinery
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.folders import walk

# What running and testing a Python package leaves behind; workers read none of it.
_LEFTOVERS = frozenset({"__pycache__", ".pytest_cache", ".git", ".hypothesis", ".mypy_cache", ".harness"})
_IMPORTABLE = (*importlib.machinery.all_suffixes(), ".pth")


@dataclass(frozen=True)
class Fingerprint:
    """Hashes of files by path. A link is what it points to as text, not what is there."""

    hashes: dict[Path, str]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Fingerprint:
        """The fingerprint of files, and of folders with all that is below them; what is not there has none."""
        return cls({file: _hash(file) for path in paths for file in _files(path)})

    def changed(self, now: Fingerprint) -> list[Path]:
        """Files that are different or gone, sorted."""
        return sorted(path for path, value in self.hashes.items() if now.hashes.get(path) != value)

    def added(self, now: Fingerprint) -> list[Path]:
        """Files that were not there, sorted."""
        return sorted(now.hashes.keys() - self.hashes.keys())


def is_importable(path: Path) -> bool:
    """Whether Python would import a file of this name, or read it when it starts."""
    return path.name.endswith(_IMPORTABLE)


def _files(path: Path) -> list[Path]:
    if not path.is_dir() or path.is_symlink():
        return [path] if path.is_symlink() or path.is_file() else []
    found: list[Path] = []
    for here, folders, names in walk(path):
        found += [here / name for name in names]
        folders[:] = [name for name in folders if name not in _LEFTOVERS]
    return found


def _hash(path: Path) -> str:
    try:
        if path.is_symlink():
            return f"link {path.readlink()}"
        if not stat.S_ISREG(path.stat().st_mode):
            return "special"
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable {error.strerror}"
