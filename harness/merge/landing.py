"""Where in a user's repository an exported patch belongs: the commit that a branch starts from."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError
from harness.git import GitError, run_git
from harness.merge.base import OldBase
from harness.merge.home import Home, home_of
from harness.patch import Patch

_MOST_NAMED = 5


def landing(base: OldBase, patch: Patch, repo: Path | None) -> tuple[Home, str]:
    """The repository, the target's folder in it, and the commit that holds the base.

    For a PyPI sdist, which no commit is equal to, it is the newest commit in which the files that the patch changes are
    those of the sdist.

    Args:
        base: the run's base.
        patch: what is to land.
        repo: the repository that was named; by default the one that the target came from.

    Raises:
        UsageError: there is no repository, or the base is no commit in it.
    """
    home = _home(base, repo)
    source = base.loaded.task.source
    if source.git is not None and source.commit is not None:
        try:
            return home, home.resolve(source.commit)
        except UsageError as error:
            raise UsageError(
                f"{home.root} does not have the base, commit {source.commit}.",
                remedy="Fetch it there (`git fetch`), or name the right clone with --repo.",
            ) from error
    if source.path is not None:
        same = base.home is not None and base.home.root == home.root
        commit = base.commit if same else home.find({"": base.repository.tree})
        if commit is None:
            raise UsageError(_not_committed(base, home), remedy=_REMEDY)
        return home, commit
    commit = home.find({path: _blob(base, path) for path in patch.files})
    if commit is None:
        raise UsageError(
            f"No commit of {home.root} has {', '.join(patch.files[:_MOST_NAMED])} as they are in {base.words}.",
            remedy="Name the folder that corresponds to the sdist's root with --repo, or merge the patch by hand: "
            "`git am --3way --directory=FOLDER`.",
        )
    return home, commit


_REMEDY = (
    "Commit what the run worked on and export again, name another clone with --repo, or leave --branch out: the patch "
    "file goes on with `git am --3way`."
)


def _home(base: OldBase, repo: Path | None) -> Home:
    if repo is None:
        if base.home is None:
            raise UsageError(
                f"The target of {base.loaded.file} ({base.words}) lies in no git repository here.",
                remedy="Name your clone of it with --repo PATH.",
            )
        return base.home
    if not repo.is_dir():
        raise UsageError(f"--repo {repo}: there is no such folder.")
    found = home_of(repo)
    if found is None:
        raise UsageError(f"--repo {repo}: this is no git repository.", remedy="Name a clone of the target's.")
    if not found.prefix and base.home is not None:
        return Home(found.root, base.home.prefix)
    return found


def _not_committed(base: OldBase, home: Home) -> str:
    """Why a folder's base is no commit, with the files that differ from HEAD."""
    where = f"folder {home.prefix.rstrip('/')} of {home.root}" if home.prefix else str(home.root)
    head = f"No commit of the {where} is the run's base (tree {base.repository.tree[:12]})"
    try:
        # Without the lock, git does not write the index down that it has brought up to date.
        told = run_git(
            home.root,
            *("status", "--porcelain", "--untracked-files=all", "--", home.prefix or "."),
            env={"GIT_OPTIONAL_LOCKS": "0"},
        )
    except GitError:
        return f"{head}."
    changed = [line[3:] for line in told.decode(errors="replace").splitlines()]
    if not changed:
        return f"{head}."
    more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
    return f"{head}; not committed there: {', '.join(changed[:_MOST_NAMED])}{more}."


def _blob(base: OldBase, path: str) -> str | None:
    try:
        return (
            base.repository.git("rev-parse", "--verify", "--quiet", f"{base.repository.commit}:{path}").decode().strip()
        )
    except GitError:
        return None
