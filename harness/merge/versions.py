"""Newer versions of a task's target: commits of the repository that it came from, or releases on PyPI."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from harness.errors import UsageError
from harness.git import GitError, run_git
from harness.merge.home import Home, home_of_source, with_source
from harness.source import is_local, seal, take_tree
from harness.task import LoadedTask, Source

MOST_VERSIONS = 100


@dataclass(frozen=True)
class TargetVersion:
    """One version.

    Attributes:
        name: what it was asked for by.
        version: a commit's full hash, or a release's version.
        date: when it was committed; empty for a release.
        task: makes the task with its target in that version, with the help of a folder of ours; raises GitError where
            the target is not in it.
    """

    name: str
    version: str
    date: str
    task: Callable[[Path], LoadedTask]

    @property
    def short(self) -> str:
        """The version for a table."""
        return self.version[:12] if self.date else self.version


@dataclass(frozen=True)
class Versions:
    """Versions to look at, and the folders of git objects that hold what the patch was made on."""

    found: list[TargetVersion]
    objects: list[Path]


def versions_of(loaded: LoadedTask, names: Sequence[str], scratch: Path) -> Versions:
    """Find the versions that a person names; all of them, before anything is judged.

    Args:
        loaded: the task.
        names: commits, tags, branches or ranges `A..B`; `==1.2.3` for a PyPI target.
        scratch: a folder of ours, which a remote repository is cloned into.

    Raises:
        UsageError: there is no such version, or the target has none.
    """
    source = loaded.task.source
    if source.pypi is not None:
        sealed = seal(loaded, scratch / "original.git")
        return Versions([_release(loaded, source.pypi, name) for name in names], [sealed.path / "objects"])
    home = _home(loaded, scratch)
    commits = [(name, commit) for asked in names for name, commit in _commits(home, asked)]
    if len(commits) > MOST_VERSIONS:
        raise UsageError(f"{len(commits)} commits are too many: {MOST_VERSIONS} is the most.")
    objects = run_git(home.root, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    return Versions([_at(loaded, home, *each) for each in commits], [Path(objects.decode().rstrip("\n"))])


def _home(loaded: LoadedTask, scratch: Path) -> Home:
    source = loaded.task.source
    home = home_of_source(loaded)
    if home is not None:
        return home
    if source.git is None or is_local(source.git):
        raise UsageError(
            f"The target of {loaded.file} lies in no git repository: it has no newer commits.",
            remedy="Commit it, or point the task's source to a repository.",
        )
    clone = scratch / "clone.git"
    try:
        run_git(scratch, "clone", "--quiet", "--bare", source.git, str(clone))
    except GitError as error:
        raise UsageError(f"{loaded.file}: source.git: {source.git} cannot be cloned: {error.stderr}") from error
    return Home(clone)


def _commits(home: Home, asked: str) -> list[tuple[str, str]]:
    """What a name stands for: one commit, or those of a range on the first parents' line, the oldest first."""
    if ".." not in asked:
        return [(asked, home.resolve(asked))]
    first, _, last = asked.partition("..")
    ends = [home.resolve(end.lstrip(".") or "HEAD") for end in (first, last)]
    listed = run_git(home.root, "rev-list", "--reverse", "--first-parent", f"{ends[0]}..{ends[1]}").decode().split()
    if not listed:
        raise UsageError(f"{asked}: there is no commit in that range.")
    return [(commit[:12], commit) for commit in listed]


def _at(loaded: LoadedTask, home: Home, name: str, commit: str) -> TargetVersion:
    date = run_git(home.root, "show", "--no-patch", "--format=%cs", commit).decode().strip()

    def task(folder: Path) -> LoadedTask:
        if loaded.task.source.git is not None:
            return with_source(loaded, Source(git=str(home.root), commit=commit))
        files = folder / "files"
        take_tree(home.root, home.tree(commit), files)
        return with_source(loaded, Source(path=str(files)))

    return TargetVersion(name, commit, date, task)


def _release(loaded: LoadedTask, requirement: str, name: str) -> TargetVersion:
    try:
        version = Version(name.removeprefix("=="))
    except InvalidVersion as error:
        raise UsageError(f"{name} is no version of {requirement}.", remedy="Name a release, as in ==1.2.3.") from error
    project = Requirement(requirement).name
    return TargetVersion(
        name, str(version), "", lambda _: with_source(loaded, Source(pypi=f"{project}=={name.removeprefix('==')}"))
    )
