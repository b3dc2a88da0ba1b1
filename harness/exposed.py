"""What of the judge's own an agent would find in its worktree, because the task lies in its own target."""

from __future__ import annotations

from harness.git import Repository
from harness.source import is_local
from harness.task import LoadedTask


def exposed(loaded: LoadedTask, sealed: Repository) -> list[str]:
    """Bench, hidden tests, reference patch and recorded session, by their names in the base; empty if all is well."""
    source = loaded.task.source
    place = source.path or (source.git if source.git is not None and is_local(source.git) else None)
    if place is None:
        return []
    root = loaded.resolve(place)
    recorded = None if loaded.task.recorded is None else loaded.resolve(loaded.task.recorded)
    own = (loaded.bench_file, loaded.hidden_tests, loaded.reference_patch, recorded)
    secret = [path.relative_to(root).as_posix() for path in own if path is not None and path.is_relative_to(root)]
    listed = sealed.git("ls-tree", "-r", "-z", "--name-only", sealed.commit).decode(errors="replace").split("\0")
    return sorted(name for name in listed if any(name == each or name.startswith(f"{each}/") for each in secret))


def exposed_text(names: list[str]) -> str:
    """What is wrong with it, and the way out."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return (
        f"Agents see what they are not to see, for it is part of the target: {', '.join(names[:4])}{more}. "
        "Keep the task outside of its source, or have a .gitignore there name these."
    )
