"""The target's public API: what a patch removed from it or changed in it, read from the source without running it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import Rejected

if TYPE_CHECKING:
    from griffe import Alias, Breakage, Object

_PARAMETERS = ("MOVED", "REMOVED", "CHANGED_KIND", "CHANGED_DEFAULT", "CHANGED_REQUIRED", "ADDED_REQUIRED")
# Values of constants, annotations and base classes are how a thing is done, not what callers write.
_HELD = frozenset({"OBJECT_REMOVED", *(f"PARAMETER_{change}" for change in _PARAMETERS)})


def require_unbroken_api(api: str, base: Path, candidate: Path) -> None:
    """Hold the candidate's public API against the base's.

    Where the package has an `__all__`, the names in it are its API, and what they stand for; else every name
    without a leading underscore. Functions, classes, methods and their parameters are held. A package that cannot
    be read as source (compiled only, or broken: its tests will tell) is passed over.

    Args:
        api: name of the package.
        base: the base's checkout.
        candidate: the patched one.

    Raises:
        Rejected: `api_broken`; the message names the first object and the change.
    """
    from griffe import find_breaking_changes  # noqa: PLC0415 - slow to import

    old, new = _load(api, base), _load(api, candidate)
    if old is None or new is None:
        return
    exported = _exported(old)
    broken = [each for each in find_breaking_changes(old, new) if each.kind.name in _HELD and _counts(each, exported)]
    if broken:
        first, more = broken[0], f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise Rejected("api_broken", f"{_describe(first)}{more}.")


def _load(api: str, root: Path) -> Object | Alias | None:
    from griffe import GriffeError, load  # noqa: PLC0415

    logging.getLogger("griffe").setLevel(logging.CRITICAL)
    roots = [each for each in (root, root / "src") if each.is_dir()]
    try:
        # Never by importing: this process must not run a line of the patch.
        return load(
            api,
            search_paths=roots,
            try_relative_path=False,
            allow_inspection=False,
            resolve_aliases=True,
            resolve_external=False,
            store_source=False,
        )
    except (GriffeError, ImportError, SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return None


def _exported(package: Object | Alias) -> set[str] | None:
    """Full names of what the package's `__all__` names, as they are called and as they are defined."""
    if not package.exports:
        return None
    found = set()
    for name in package.exports:
        member = package.members.get(str(name))
        if member is None:
            continue
        found.add(member.path)
        # An alias knows where it leads even where that cannot be read.
        found.add(member.target_path if member.is_alias else member.canonical_path)  # type: ignore[union-attr]
    return found


def _counts(breakage: Breakage, exported: set[str] | None) -> bool:
    thing = breakage.obj
    if not thing.is_alias and (thing.is_attribute or thing.is_module):
        return False
    if exported is None:
        return True
    paths = {thing.path, *([] if thing.is_alias else [thing.canonical_path])}
    return any(path == name or path.startswith(f"{name}.") for path in paths for name in exported)


def _describe(breakage: Breakage) -> str:
    change = breakage.kind.value[:1].lower() + breakage.kind.value[1:]
    parameter = breakage.old_value if breakage.old_value is not None else breakage.new_value
    which = f": {parameter.name}" if breakage.kind.name.startswith("PARAMETER_") else ""
    return f"{breakage.obj.path}: {change}{which}"
