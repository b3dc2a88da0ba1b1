"""The git repository that a target came from, and the commit in it that is the base of a run.

Everything here only reads. It looks at commits, never at what is checked out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.git import GitError, Repository, run_git
from harness.source import is_local, seal, take_tree
from harness.task import LoadedTask, Source
from harness.temporary import temporary_folder

# As far back as is looked for a base, from HEAD first and then over all branches.
MOST_COMMITS = 20_000


@dataclass(frozen=True)
class Home:
    """A folder in a git repository.

    Attributes:
        root: the repository's top folder, or a bare repository.
        prefix: the folder below it, `src/pkg/`; empty for the root itself.
    """

    root: Path
    prefix: str = ""

    def tree(self, commit: str) -> str:
        """How git calls the folder as it is in a commit."""
        return f"{commit}:{self.prefix.rstrip('/')}" if self.prefix else f"{commit}^{{tree}}"

    def resolve(self, name: str) -> str:
        """The full hash of the commit that a person means.

        Raises:
            UsageError: there is none of that name.
        """
        try:
            found = run_git(self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        except GitError as error:
            raise UsageError(
                f"{name} is no commit in {self.root}.",
                remedy="Name a hash, a tag or a branch; one that was never fetched is not there: `git fetch` first.",
            ) from error
        return found.decode().strip()

    def find(self, wanted: Mapping[str, str | None]) -> str | None:
        """The newest commit, HEAD's own history first, in which paths below the folder have these hashes.

        Args:
            wanted: path -> hash of a blob or tree, None for nothing there; the path `` is the folder itself.
        """
        for scope in ("HEAD", "--all"):
            try:
                listed = run_git(self.root, "rev-list", f"--max-count={MOST_COMMITS}", scope)
            except GitError:
                continue  # no commit yet
            commits = listed.decode().split()
            for commit, found in zip(commits, self._look_up(commits, list(wanted)), strict=True):
                if found == list(wanted.values()):
                    return commit
        return None

    def _look_up(self, commits: list[str], paths: list[str]) -> list[list[str | None]]:
        names = [
            self.tree(commit) if not path else f"{commit}:{self.prefix}{path}" for commit in commits for path in paths
        ]
        with temporary_folder("commits") as folder:
            asked = Path(folder) / "names"
            asked.write_text("".join(f"{name}\n" for name in names))
            told = run_git(self.root, "cat-file", "--batch-check=%(objectname)", stdin=asked)
        lines = told.decode(errors="replace").splitlines()
        found = [None if line.endswith(" missing") else line for line in lines]
        return [found[at : at + len(paths)] for at in range(0, len(found), len(paths))]


def home_of(folder: Path) -> Home | None:
    """The repository that a folder lies in; None where it lies in none.

    Raises:
        UsageError: git refuses to look into it.
    """
    try:
        if run_git(folder, "rev-parse", "--is-bare-repository").strip() == b"true":
            return Home(Path(run_git(folder, "rev-parse", "--absolute-git-dir").decode().rstrip("\n")))
        told = run_git(folder, "rev-parse", "--show-toplevel", "--show-prefix").decode(errors="surrogateescape")
    except GitError as error:
        if "not a git repository" in error.stderr:
            return None
        raise UsageError(f"{folder}: git cannot read the repository there: {error.stderr}") from error
    top, prefix = told.split("\n")[:2]
    return Home(Path(top), prefix)


def home_of_source(loaded: LoadedTask) -> Home | None:
    """The repository on this machine that a task's target came from; None for a PyPI sdist and for a remote one."""
    source = loaded.task.source
    if source.path is not None:
        return home_of(loaded.resolve(source.path))
    if source.git is not None and is_local(source.git):
        folder = loaded.resolve(source.git)
        found = home_of(folder) if folder.is_dir() else None
        return None if found is None else Home(found.root)
    return None


def seal_commit(loaded: LoadedTask, home: Home, commit: str, into: Path) -> Repository:
    """Seal a task's target as it is in a commit of the repository it lies in.

    Raises:
        GitError: the target's folder is not in that commit.
    """
    with temporary_folder("commit") as scratch:
        files = Path(scratch) / "files"
        take_tree(home.root, home.tree(commit), files)
        return seal(with_source(loaded, Source(path=str(files))), into)


def with_source(loaded: LoadedTask, source: Source) -> LoadedTask:
    """The same task with its target from elsewhere; what the task lays beside it stays."""
    source = source.model_copy(update={"overlay": loaded.task.source.overlay})
    return loaded.model_copy(update={"task": loaded.task.model_copy(update={"source": source})})
