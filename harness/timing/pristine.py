"""A copy of an arm's tree to take every run's from, with its bytecode: the tree may hold anything by now.

Builds, tests and agents have written into it. A link is copied as a link, a pipe not at all, and what follows links,
compiling, is confined: else a link to a file of somebody else's would have us bring what is in it into the copy.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

from harness.sandbox.workers import worker_wrap


def copy_tree(root: Path, to: Path) -> None:
    """Copy a tree without its bytecode.

    Raises:
        OSError: a part of it cannot be copied.
    """
    try:
        shutil.copytree(root, to, symlinks=True, ignore=_ignored)
    except RecursionError as error:
        raise OSError(f"{root}: its folders are nested too deeply") from error


def compile_tree(tree: Path, sandbox: str) -> None:
    """Make its bytecode, as after any first run of a program; what does not compile has none.

    Args:
        tree: the copy; nothing else is read or written.
        sandbox: what confines workers here.
    """
    subprocess.run(
        [*worker_wrap(sandbox, tree, tree), sys.executable, "-P", "-m", "compileall", "-q", str(tree)],
        capture_output=True,
        check=False,
        cwd=tree.parent,
    )


def _ignored(folder: str, names: list[str]) -> list[str]:
    """What is not copied: bytecode, and what is neither file nor folder nor link."""
    return [name for name in names if name == "__pycache__" or _is_special((Path(folder) / name).lstat().st_mode)]


def _is_special(mode: int) -> bool:
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))
