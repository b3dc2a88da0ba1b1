"""A sealed copy of the base's own code, kept beside a bench as its oracle.

It is loaded from where it lies, whatever of the same name is installed, and only as long as its files are those that
were sealed. It runs where the bench runs, in the referee; no patch ever touches it.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from harness.errors import TaskError

_IGNORED = "__pycache__"


def digest(folder: Path) -> str:
    """SHA-256 over names and contents of the files of a folder, bytecode left out."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and _IGNORED not in path.parts:
            content = path.read_bytes()
            found.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
            found.update(content)
    return found.hexdigest()


@cache
def load_reference(folder: Path, module: str, sha256: str) -> ModuleType:
    """Import `module` from a sealed folder.

    Raises:
        TaskError: the folder's files are not those that were sealed, or the module is not in it.
    """
    if not folder.is_dir() or digest(folder) != sha256:
        raise TaskError(
            f"{folder}: the reference is not as it was sealed.",
            remedy="Bring it back as it was, or draft the task anew with `harness init --force`.",
        )
    top = module.partition(".")[0]
    set_aside = {name: sys.modules.pop(name) for name in list(sys.modules) if name == top or name.startswith(f"{top}.")}
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise TaskError(f"{folder}: the reference cannot be imported: {error}") from error
    finally:
        # It stays on the path, as the last: a function may import only when it is called, and this process, too.
        sys.path.remove(str(folder))
        sys.path.append(str(folder))
        sys.dont_write_bytecode = bytecode
        sys.modules.update(set_aside)  # what this process itself uses of that name
    if not str(getattr(loaded, "__file__", "")).startswith(str(folder)):
        raise TaskError(f"{folder}: {module} is not in the reference; found {getattr(loaded, '__file__', None)}.")
    return loaded
