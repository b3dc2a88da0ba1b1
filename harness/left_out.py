"""What of a folder is no part of what is made of it: git's own, what Python's tools leave, environments, our records.

The rule looks at what a folder is and not at where it is: whoever seals the same folder again, from another place and
with other options, gets the same base, however many runs have left their records there meanwhile.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.store import is_run_folder
from harness.workspace import owner_of

_DROPPINGS = shutil.ignore_patterns(
    ".git",
    "__pycache__",
    "*.pyc",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".venv",
    "*.egg-info",
    ".bench_scratch",
)


def left_out(folder: Path, names: list[str]) -> set[str]:
    """Which of the names in a folder are not copied along."""
    inside = [folder / name for name in names]
    apart = {path.name for path in inside if path.is_dir() and (_is_environment(path) or _is_ours(path))}
    return _DROPPINGS(str(folder), names) | apart


def _is_environment(folder: Path) -> bool:
    """Whether Python's packages are installed there, by venv, virtualenv or conda: they belong to a place, not to code.

    What git ignores stays in a copy: a compiled module that lies beside its source is ignored, and is imported.
    """
    return (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir()


def _is_ours(folder: Path) -> bool:
    """Whether it is a run's record or a folder for checkouts: others' patches, and different by the hour."""
    return is_run_folder(folder) or owner_of(folder) is not None
