"""Git as the harness uses it: no user or system configuration, no hooks, no filters, errors with a name.

An agent may write hooks, configuration and attributes into its worktree. Nothing here reads them: every
command runs with the settings in `_SAFE` and a repository of the harness's own (`Repository`), and diffs
and checkouts go through an index the harness made for that one command. A repository inside of a worktree is never
looked into: it brings settings of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError, StorageError
from harness.model_key import without_secrets
from harness.quiet import noisy

if TYPE_CHECKING:
    from git import Git

_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.quotePath=false",
    "core.symlinks=true",
    "core.fileMode=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "diff.external=",
    "diff.noprefix=false",
    "diff.mnemonicPrefix=false",
    "protocol.ext.allow=never",
)

# To see whether a repository in the tree is dirty, git runs `git status` in it, and that runs the filters that its own
# configuration names. An option, because a setting is overruled by the tree's .gitmodules.
_LOOKS_INTO_REPOSITORIES = ("diff", "status")
_LOOK_NOT = "--ignore-submodules=dirty"

# One commit with a fixed author and date: the same files give the same base commit on every machine.
IDENTITY = {
    "GIT_AUTHOR_NAME": "perf-harness",
    "GIT_AUTHOR_EMAIL": "base@perf-harness.invalid",
    "GIT_AUTHOR_DATE": "2000-01-01T00:00:00+0000",
    "GIT_COMMITTER_NAME": "perf-harness",
    "GIT_COMMITTER_EMAIL": "base@perf-harness.invalid",
    "GIT_COMMITTER_DATE": "2000-01-01T00:00:00+0000",
}


class GitError(InfrastructureError):
    """A git command failed.

    Attributes:
        stderr: what git said.
    """

    def __init__(self, command: list[str], stderr: str) -> None:
        super().__init__(f"git {' '.join(command)} failed: {stderr.strip()}")
        self.stderr = stderr.strip()


def clean_environment() -> dict[str, str]:
    """The environment minus everything that steers git, plus the switches that keep it from asking or looking."""
    mine = without_secrets(os.environ)
    kept = {key: value for key, value in mine.items() if not key.startswith("GIT_") or key.startswith("GIT_SSL")}
    return kept | {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


# What git says of a full disk: the system's words, or in some of its versions and places its own.
_FULL = ("No space left on device", "Out of diskspace", "Disk quota exceeded")


def run_git(cwd: Path, *arguments: str, env: dict[str, str] | None = None, stdin: Path | None = None) -> bytes:
    """Run one git command with the safe settings and give its standard output.

    Raises:
        GitError: the command failed.
        StorageError: it failed because the disk is full.
    """
    from git import Git, GitCommandError, GitCommandNotFound  # noqa: PLC0415  (slow to import)

    command = ["git"]
    for setting in _SAFE:
        command += ["-c", setting]
    verb, *rest = arguments
    command += [verb, *([_LOOK_NOT] if verb in _LOOKS_INTO_REPOSITORIES else []), *rest]
    client: Git = Git(str(cwd))
    try:
        # A checkout of thousands of files beside a measurement would be felt: git waits for its end, too.
        with noisy(), stdin.open("rb") if stdin else open(os.devnull, "rb") as source:  # noqa: PTH123
            output = client.execute(
                command,
                istream=source,
                env=clean_environment() | (env or {}),
                stdout_as_string=False,
                strip_newline_in_stdout=False,
            )
    except GitCommandNotFound as error:
        raise InfrastructureError("git is not installed.", remedy="Install git 2.30 or newer.") from error
    except GitCommandError as error:
        stderr = _unquote(error.stderr)
        if any(said in stderr for said in _FULL):
            raise StorageError(
                f"{cwd}: the disk is full, or this user's part of it.",
                remedy="Free some space, or choose another disk with --out and --worktrees.",
            ) from error
        raise GitError(list(arguments), stderr) from error
    assert isinstance(output, bytes)  # noqa: S101  (stdout_as_string=False)
    return output


def _unquote(stderr: str) -> str:
    """GitPython wraps standard error in `stderr: '...'`; take the text out."""
    text = stderr.strip()
    return text.removeprefix("stderr: '").removesuffix("'") if text.startswith("stderr: '") else text


@dataclass(frozen=True)
class Repository:
    """A bare repository that holds one commit, the base, and nothing else.

    Attributes:
        path: the bare repository.
        commit: the base commit's hash.
        tree: the hash of its tree: equal trees are equal files, whatever the commit.
    """

    path: Path
    commit: str
    tree: str

    def git(self, *arguments: str, env: dict[str, str] | None = None, stdin: Path | None = None) -> bytes:
        """Run a git command in this repository."""
        return run_git(self.path, *arguments, env=env, stdin=stdin)

    @contextmanager
    def index_over(self, work_tree: Path) -> Iterator[dict[str, str]]:
        """An environment in which git sees `work_tree` through a fresh index that holds the base.

        The work tree's own `.git`, index and configuration play no part.
        """
        with TemporaryDirectory(prefix="index-", dir=self.path) as folder:
            env = {
                "GIT_DIR": str(self.path),
                "GIT_WORK_TREE": str(work_tree),
                "GIT_INDEX_FILE": str(Path(folder) / "index"),
            }
            run_git(work_tree, "read-tree", self.commit, env=env)
            yield env

    def files(self) -> list[str]:
        """The paths of the base's files."""
        listed = self.git("ls-tree", "-r", "-z", "--name-only", self.commit)
        return [path for path in listed.decode(errors="surrogateescape").split("\0") if path]

    def check_out(self, into: Path) -> None:
        """Write the base's files into a new folder that knows nothing of git.

        Raises:
            StorageError: the folder cannot be made.
        """
        try:
            into.mkdir(parents=True)
        except OSError as error:
            raise StorageError(f"{into}: cannot be made ({error.strerror}).") from error
        with self.index_over(into) as env:
            run_git(into, "checkout-index", "--all", "--force", env=env)

    def is_unchanged(self, work_tree: Path) -> bool:
        """Whether every file of the base is in `work_tree` as it was; files beside them do not matter."""
        with self.index_over(work_tree) as env:
            diff = ("diff", "--no-ext-diff", "--no-textconv", "--name-only")
            return not run_git(work_tree, *diff, self.commit, env=env)

    def copy(self, to: Path) -> Repository:
        """An independent copy: no shared objects, no remote."""
        run_git(self.path.parent, "clone", "--quiet", "--bare", "--no-hardlinks", "--no-local", str(self.path), str(to))
        run_git(to, "remote", "remove", "origin")
        return Repository(path=to, commit=self.commit, tree=self.tree)
