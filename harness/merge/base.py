"""The base of a run that is over, sealed once more: the same tree, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from harness.errors import TaskError, UsageError
from harness.events import RunStarted
from harness.git import GitError, Repository
from harness.merge.home import Home, home_of_source, seal_commit
from harness.source import is_local, seal
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.temporary import temporary_folder


@dataclass(frozen=True)
class OldBase:
    """A run's base.

    Attributes:
        loaded: its task.
        repository: the sealed base, the tree that the run timed against.
        home: the repository on this machine that the target came from, if there is one.
        commit: the commit that holds the base; None where no commit does, or none is known.
    """

    loaded: LoadedTask
    repository: Repository
    home: Home | None
    commit: str | None

    @property
    def words(self) -> str:
        """Where the target is from, for people elsewhere: no path of this machine, no password."""
        source = self.loaded.task.source
        if source.pypi is not None:
            return f"the sdist of {source.pypi}"
        if source.git is not None:
            where = Path(source.git).name if is_local(source.git) else public_url(source.git)
            return f"commit {source.commit} of {where}"
        if self.commit is None or self.home is None:
            return f"a folder, git tree {self.repository.tree}"
        folder = f", folder {self.home.prefix.rstrip('/')}" if self.home.prefix else ""
        return f"commit {self.commit}{folder}"


def public_url(url: str) -> str:
    """An address without the user and password that may stand in it."""
    if "://" not in url:
        return url.rpartition("@")[2]
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def old_base(started: RunStarted, task: str | None, into: Path) -> OldBase:
    """Find and seal the base of a run again.

    Args:
        started: the run's first event.
        task: the task file, where it is not any more where it was.
        into: where the sealed repository is made.

    Raises:
        UsageError: the task file is gone, or the target is not what it was and no commit has it.
    """
    loaded = _load(started, task)
    home = home_of_source(loaded)
    source = loaded.task.source
    if source.path is None:
        repository = seal(loaded, into)
        _require_same(repository.tree, started, loaded)
        return OldBase(loaded, repository, home, source.commit)
    repository = seal(loaded, into)
    commit = None if home is None else _commit_of(loaded, home, started.base_tree)
    if repository.tree != started.base_tree:
        if home is None or commit is None:
            _require_same(repository.tree, started, loaded)
        else:
            repository = seal_commit(loaded, home, commit, into.with_name(f"{into.stem}-old.git"))
    return OldBase(loaded, repository, home, commit)


def _commit_of(loaded: LoadedTask, home: Home, tree: str) -> str | None:
    """The commit whose folder is the base; HEAD is also looked at without what sealing leaves out."""
    found = home.find({"": tree})
    if found is not None:
        return found
    try:
        with temporary_folder("head") as folder:
            head = home.resolve("HEAD")
            return head if seal_commit(loaded, home, head, Path(folder) / "head.git").tree == tree else None
    except (GitError, UsageError, TaskError):
        return None  # nothing of it is committed there yet


def _load(started: RunStarted, task: str | None) -> LoadedTask:
    named = task or (started.task_file if Path(started.task_file).is_file() else started.task)
    try:
        loaded = load_task(named)
    except TaskError as error:
        if task is not None:
            raise
        raise UsageError(
            f"The task of {started.run} cannot be loaded: {error}", remedy="Say where it is now with --task FILE."
        ) from error
    if loaded.task.name != started.task:
        raise UsageError(
            f"{loaded.file} is the task {loaded.task.name}; {started.run} worked on {started.task}.",
            remedy="Say where that one is with --task FILE.",
        )
    return loaded


def _require_same(tree: str, started: RunStarted, loaded: LoadedTask) -> None:
    if tree == started.base_tree:
        return
    raise UsageError(
        f"The target of {loaded.file} is not what {started.run} worked on: its tree is {tree[:12]}, "
        f"the run's base was {started.base_tree[:12]}, and no commit there holds that.",
        remedy="Bring the target back to what it was (`git stash`, or check the old commit out), "
        "or name a task file that points to it with --task.",
    )
