"""Where the target comes from: a folder, a git commit or a PyPI sdist becomes a sealed repository.

Sealed means one commit and nothing else: no history to mine, no remote to ask, no branch of another
attempt, no object that is not part of the base.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.errors import InfrastructureError, StorageError, TaskError
from harness.git import IDENTITY, GitError, Repository, run_git
from harness.left_out import left_out
from harness.pip_settings import pip_settings
from harness.task import LoadedTask


def seal(loaded: LoadedTask, into: Path) -> Repository:
    """Make the sealed repository of a task's source at `into` (a bare repository).

    Raises:
        TaskError: the source, its commit or its sdist is not there, or holds no file; or a file of the overlay is in
            the source already.
        StorageError: `into` cannot be written.
    """
    source = loaded.task.source
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{into.parent}: cannot be made ({error.strerror}).") from error
    # Beside the repository, so that what a killed run leaves of it lies where it is looked for.
    with TemporaryDirectory(prefix="source-", dir=into.parent) as folder:
        files = Path(folder) / "files"
        if source.path is not None:
            copy_folder(loaded.resolve(source.path), files)
        elif source.git is not None and source.commit is not None:
            _take_commit(loaded, source.git, source.commit, files)
        elif source.pypi is not None:
            _take_sdist(loaded, source.pypi, files)
        if source.overlay is not None:
            _lay_over(loaded, source.overlay, files)
        return _seal_folder(files, into)


def copy_folder(folder: Path, files: Path) -> None:
    """Copy a folder's files, without those that `harness.left_out` names.

    The copy may lie inside of the folder, as where somebody works at it and has the worktrees there: what it lies in, a
    folder of ours, is not copied along.

    Raises:
        StorageError: it cannot be copied.
    """
    copy, source = files.resolve(), folder.resolve()
    ours = copy if copy.parent == source else copy.parent

    def ignored(place: str, names: list[str]) -> set[str]:
        inside = {ours.name} if Path(place).resolve() == ours.parent else set()
        return left_out(Path(place), names) | inside

    try:
        shutil.copytree(folder, files, symlinks=True, ignore=ignored)
    except (OSError, shutil.Error) as error:
        first = error.args[0][0][-1] if isinstance(error, shutil.Error) else error
        raise StorageError(f"{folder}: cannot be copied ({first}).") from error


def _lay_over(loaded: LoadedTask, overlay: str, files: Path) -> None:
    """Lay the task's own files beside the source's. They add and never replace: what is judged is the source's code."""
    with TemporaryDirectory(prefix="overlay-", dir=files.parent) as folder:
        added = Path(folder) / "files"
        copy_folder(loaded.resolve(overlay), added)
        for path in sorted(added.rglob("*")):
            name = path.relative_to(added)
            both_folders = _is_folder(path) and _is_folder(files / name)
            if os.path.lexists(files / name) and not both_folders:
                raise TaskError(
                    f"{loaded.file}: source.overlay: {overlay}/{name} is in the source already.",
                    remedy="An overlay only adds files: give it another name.",
                )
        shutil.copytree(added, files, symlinks=True, dirs_exist_ok=True)


def _is_folder(path: Path) -> bool:
    """Whether it is one itself: a link to one may lead anywhere."""
    return path.is_dir() and not path.is_symlink()


def _take_commit(loaded: LoadedTask, url: str, commit: str, files: Path) -> None:
    """The files of one commit, through an archive: nothing else of the repository comes along."""
    if is_local(url):
        local = loaded.resolve(url)
        if not local.exists():
            raise TaskError(f"{loaded.file}: source.git: there is no repository {url}.", remedy=f"Looked for {local}.")
        url = str(local)
    clone = files.parent / "clone.git"
    try:
        run_git(files.parent, "clone", "--quiet", "--bare", url, str(clone))
    except GitError as error:
        raise TaskError(f"{loaded.file}: source.git: {url} cannot be cloned: {error.stderr}") from error
    try:
        run_git(clone, "cat-file", "-e", f"{commit}^{{commit}}")
        take_tree(clone, commit, files)
    except GitError as error:
        raise TaskError(
            f"{loaded.file}: source.commit: {commit} is not a commit in {url}.",
            remedy="Give a full hash that `git cat-file -t` knows there; a branch that was never pushed is not enough.",
        ) from error


def movable(loaded: LoadedTask) -> str | None:
    """What to know of a source whose commit is named by a branch or a tag; None where it is a hash, or no commit."""
    source = loaded.task.source
    if source.commit is None or re.fullmatch(r"[0-9a-fA-F]{7,64}", source.commit):
        return None
    return (
        f"source.commit {source.commit!r} is no hash: what it names may move, and runs before and after it do not "
        f"compare. `git rev-parse {source.commit}` gives its hash."
    )


def is_local(url: str) -> bool:
    """Whether what a task file calls a git source is a path."""
    return "://" not in url and "@" not in url


def take_tree(repository: Path, tree: str, files: Path) -> None:
    """Write the files of a commit, or of a folder in it (`COMMIT:FOLDER`), into a new folder.

    They come through an archive: nothing else of the repository comes along.

    Raises:
        GitError: there is no such tree.
    """
    archive = files.parent / "base.tar"
    run_git(repository, "archive", "--format=tar", f"--output={archive}", tree)
    files.mkdir()
    with tarfile.open(archive) as tar:
        tar.extractall(files, filter="data")
    archive.unlink()


def _take_sdist(loaded: LoadedTask, requirement: str, files: Path) -> None:
    """Download an sdist as pip is configured to, without building it or reading its metadata, and unpack it."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415
    from unearth import PackageFinder  # noqa: PLC0415
    from unearth.errors import UnpackError  # noqa: PLC0415

    where = f"{loaded.file}: source.pypi"
    try:
        wanted = Requirement(requirement)
    except InvalidRequirement as error:
        raise TaskError(f"{where}: {requirement!r} is not a requirement ({error}).") from error
    if [specifier.operator for specifier in wanted.specifier] != ["=="]:
        raise TaskError(f"{where}: {requirement!r} must pin one version, as in 'name==1.2.3'.")
    settings = pip_settings()
    missing = TaskError(
        f"{where}: no sdist of {requirement} was found.",
        remedy=f"Check the name and the version. Looked at what pip is configured for ({settings.places}).",
    )
    if not settings.index_urls and not settings.find_links:
        raise missing  # the finder would ask PyPI instead
    finder = PackageFinder(
        index_urls=settings.index_urls,
        find_links=settings.find_links,
        trusted_hosts=settings.trusted_hosts,
        no_binary=[wanted.name],
        respect_source_order=True,
    )
    try:
        best = finder.find_best_match(wanted).best
        if best is None:
            raise missing
        unpacked = finder.download_and_unpack(best.link, files.parent / "sdist", files.parent / "download")
    except (OSError, UnpackError) as error:
        raise InfrastructureError(f"{where}: {requirement} could not be downloaded: {error}") from error
    shutil.move(unpacked, files)


def _seal_folder(files: Path, into: Path) -> Repository:
    """Commit a folder's files, ignored ones left out, as the only commit of a new bare repository."""
    run_git(files.parent, "init", "--quiet", "--bare", "--template=", "--initial-branch=base", str(into))
    env = {"GIT_DIR": str(into), "GIT_WORK_TREE": str(files), **IDENTITY}
    run_git(files, "add", "--all", env=env)
    tree = run_git(files, "write-tree", env=env).decode().strip()
    if not run_git(files, "ls-files", env=env):
        raise TaskError("The source holds no file.", remedy="Check source in the task file.")
    commit = run_git(files, "commit-tree", tree, "-m", "Base", env=env).decode().strip()
    run_git(files, "update-ref", "refs/heads/base", commit, env=env)
    (into / "index").unlink()
    return Repository(path=into, commit=commit, tree=tree)
