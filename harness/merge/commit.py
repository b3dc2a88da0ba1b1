"""A patch as a commit: in a mail for `git am`, or as a branch of the user's repository.

A branch is made from objects alone, through an index of its own: no checkout, no index, no hook and no setting of the
user's plays a part, and a branch that is there is never moved.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.git import IDENTITY, GitError, Repository, run_git
from harness.merge.home import Home
from harness.temporary import temporary_folder

_NEW = "0" * 40


@dataclass(frozen=True)
class Author:
    """Who a commit says it is by."""

    name: str = "perf-harness"
    mail: str = "agent@perf-harness.invalid"

    @classmethod
    def parse(cls, text: str | None) -> Author:
        """`A U Thor <author@example.org>`, as git writes it; the harness itself of None.

        Raises:
            UsageError: it is not of that form.
        """
        if text is None:
            return cls()
        found = re.fullmatch(r"\s*([^<>\x00-\x1f]*[^<>\s\x00-\x1f])\s*<([^<>\s\x00-\x1f]+@[^<>\s\x00-\x1f]+)>\s*", text)
        if found is None:
            raise UsageError(f"--author {text!r} is no author.", remedy="Write it as 'A U Thor <author@example.org>'.")
        return cls(found.group(1), found.group(2))


@dataclass(frozen=True)
class NewCommit:
    """What a commit is to be.

    Attributes:
        patch: the diff's file; its paths start at the target's root.
        prefix: the folder of the repository that the target lies in, `src/pkg/`; empty for its root.
        message: all of it, with the subject in the first line.
        author: who it says it is by.
        at: when, ISO 8601.
    """

    patch: Path
    prefix: str
    message: str
    author: Author
    at: str


def as_mail(base: Repository, new: NewCommit) -> bytes:
    """The patch as `git format-patch` writes it; with the same input, the same bytes.

    Args:
        base: the sealed base, which gets the objects.
        new: the commit.
    """
    with temporary_folder("mail") as folder:
        env = _environment(base.path, Path(folder), new)
        arguments = ["read-tree", *([f"--prefix={new.prefix}"] if new.prefix else []), base.commit]
        run_git(Path(folder), *arguments, env=env)
        tree = run_git(Path(folder), "write-tree", env=env).decode().strip()
        parent = run_git(Path(folder), "commit-tree", tree, "-m", "Base", env=env).decode().strip()
        commit = _commit(Path(folder), env, new, parent)
        form = ("--stdout", "-1", "--binary", "--full-index", "--no-renames", "--no-signature", "--no-color")
        return run_git(Path(folder), "format-patch", *form, commit, env=env)


def make_branch(home: Home, commit: str, name: str, new: NewCommit) -> str:
    """Make a branch of one commit more than `commit`; gives the new commit's hash.

    Raises:
        UsageError: the name is none, the branch is there, or the patch does not apply to that commit.
    """
    require_free(home, name)
    with temporary_folder("branch") as folder:
        git_dir = Path(run_git(home.root, "rev-parse", "--absolute-git-dir").decode().rstrip("\n"))
        env = _environment(git_dir, Path(folder), new)
        run_git(Path(folder), "read-tree", commit, env=env)
        try:
            made = _commit(Path(folder), env, new, commit)
        except GitError as error:
            raise UsageError(
                f"The patch does not apply to commit {commit[:12]} of {home.root}: {error.stderr}",
                remedy="Merge it by hand: `git am --3way` takes the exported patch.",
            ) from error
        try:
            # The last word says what the branch is now: nothing. Whoever makes it meanwhile wins.
            run_git(Path(folder), "update-ref", "-m", "harness export", f"refs/heads/{name}", made, _NEW, env=env)
        except GitError as error:
            raise UsageError(f"The branch {name} cannot be made in {home.root}: {error.stderr}") from error
        return made


def require_free(home: Home, name: str) -> None:
    """A branch of this name can be made.

    Raises:
        UsageError: it is no name for a branch, or there is one already.
    """
    try:
        run_git(home.root, "check-ref-format", f"refs/heads/{name}")
    except GitError as error:
        raise UsageError(f"{name!r} is no name for a branch.", remedy="See `git help check-ref-format`.") from error
    if name.startswith("-"):
        raise UsageError(f"{name!r} is no name for a branch: git would take it for an option.")
    if run_git(home.root, "for-each-ref", "--format=%(refname)", f"refs/heads/{name}").split() == [
        f"refs/heads/{name}".encode()
    ]:
        raise UsageError(
            f"There is a branch {name} in {home.root} already; it was left as it is.",
            remedy=f"Choose another name with --branch, or remove that one with `git branch -D {name}`.",
        )


def _environment(git_dir: Path, folder: Path, new: NewCommit) -> dict[str, str]:
    who = {"NAME": new.author.name, "EMAIL": new.author.mail, "DATE": new.at}
    return {
        "GIT_DIR": str(git_dir),
        "GIT_WORK_TREE": str(folder),
        "GIT_INDEX_FILE": str(folder / "index"),
        **IDENTITY,
        **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()},
    }


def _commit(folder: Path, env: dict[str, str], new: NewCommit, parent: str) -> str:
    """Apply the patch to the index, whole, and commit it."""
    message = folder / "message"
    message.write_text(new.message, encoding="utf-8")
    directory: Sequence[str] = [f"--directory={new.prefix.rstrip('/')}"] if new.prefix else []
    run_git(folder, "apply", "--cached", "--whitespace=nowarn", *directory, str(new.patch), env=env)
    tree = run_git(folder, "write-tree", env=env).decode().strip()
    utf8 = ("-c", "i18n.commitEncoding=UTF-8")
    return run_git(folder, *utf8, "commit-tree", tree, "-p", parent, "-F", str(message), env=env).decode().strip()
