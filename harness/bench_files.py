"""What a bench rests on beside itself: modules that it imports, files and folders that it names."""

from __future__ import annotations

import ast
import os
from collections.abc import Collection
from pathlib import Path

_LONGEST_NAME = 255


def bench_files(bench: Path, without: Collection[Path] = ()) -> list[Path]:
    """A bench's own file, then what lies beside it and is named in its source, and in that of the modules it imports.

    Named is what is imported, and any file or folder whose path, seen from the bench's folder, stands there as a
    string: `Path(__file__).parent / "reference"` or `.with_name("shapes.json")`. Only Python is read any further.

    Args:
        bench: the module.
        without: files and folders that are somebody else's, such as the hidden tests.

    Returns:
        Absolute paths of files and folders, each once; nothing that leads out of the bench's folder.
    """
    home = bench.parent
    others = [path.resolve() for path in without]
    others = [path for path in others if not bench.resolve().is_relative_to(path)]  # a task may lie in its own target
    found = [bench]
    waiting = [bench]
    while waiting:
        imported, named = _names(waiting.pop())
        modules = [path for name in imported for path in _modules(home, name)]
        for path in [*modules, *(Path(os.path.normpath(home / name)) for name in named)]:
            inside = path != home and path.is_relative_to(home)
            if path in found or not inside or any(path.resolve().is_relative_to(each) for each in others):
                continue
            found.append(path)
            waiting += [path] if path in modules else []
    return found


def _modules(home: Path, name: str) -> list[Path]:
    """The module or the package of a name; of a package, all that is in it."""
    module, package = home / f"{name}.py", home / name
    return [module] if module.is_file() else [package] if (package / "__init__.py").is_file() else []


def _names(path: Path) -> tuple[list[str], list[str]]:
    """Top-level names that a module or the modules of a package import, and strings that are paths beside the bench."""
    imported: set[str] = set()
    strings: set[str] = set()
    for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue  # whoever imports it says what is wrong with it
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                strings.add(node.value)
    home = path.parent
    return sorted(imported), sorted(each for each in strings if _is_there(home, each))


def _is_there(home: Path, name: str) -> bool:
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or Path(name).is_absolute():
        return False
    try:
        return (home / name).exists()
    except OSError:  # a part of it is longer than a name may be, or it leads through a loop
        return False
