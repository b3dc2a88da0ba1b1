"""`harness export --branch`: a branch appears, and nothing else of the user's repository is touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from merged import commit_all, finished_run, git, make_repository
from tiny_task import TinyTask

from harness.errors import UsageError
from harness.git import run_git
from harness.merge.base import OldBase, public_url
from harness.merge.commit import NewCommit, as_mail
from harness.merge.export import Exported, ExportOptions, export_attempt
from harness.merge.home import Home
from harness.merge.landing import landing
from harness.patch import Patch, apply, take_diff
from harness.source import seal
from harness.store import AttemptFolder
from harness.task_file import load_task


def with_branch(folder: AttemptFolder, tmp_path: Path, repo: Path | None = None, name: str = "faster") -> Exported:
    return export_attempt(folder, ExportOptions(folder=tmp_path / "to", branch=name, repo=repo))


def everything_but_objects(repository: Path) -> dict[str, bytes]:
    """Every file of the checkout and of .git, objects and the new branch with its log left out."""
    files = {}
    for path in sorted(repository.rglob("*")):
        name = path.relative_to(repository).as_posix()
        if path.is_file() and "/objects/" not in name and not name.endswith("heads/faster"):
            files[name] = path.read_bytes()
    return files


def test_checkout_index_and_hooks_play_no_part(in_repository: TinyTask, tmp_path: Path) -> None:
    """In a repository in the middle of other work: staged, changed and untracked files, and hooks that would tell."""
    repository = in_repository.folder
    folder = finished_run(in_repository, tmp_path / "runs", tmp_path)
    (repository / "staged.txt").write_text("staged")
    git(repository, "add", "staged.txt")
    in_repository.core.write_text("half done\n")
    (repository / "untracked.txt").write_text("untracked")
    for hook in ("pre-commit", "post-commit", "reference-transaction", "post-checkout", "post-index-change"):
        script = repository / ".git" / "hooks" / hook
        script.write_text(f"#!/bin/sh\ntouch {tmp_path}/{hook}-ran\n")
        script.chmod(0o755)
    before = everything_but_objects(repository)
    with_branch(folder, tmp_path)
    assert everything_but_objects(repository) == before
    assert not list(tmp_path.glob("*-ran"))
    assert git(repository, "log", "--format=%s", "faster", "--not", "main") == "tiny: 3.91x [3.71, 4.11] as fast"
    assert git(repository, "diff", "--name-only", "main", "faster") == "target/tiny/core.py"
    assert git(repository, "worktree", "list").count("\n") == 0
    git(repository, "fsck", "--strict")


def test_a_branch_that_is_there_is_left_as_it_is(in_repository: TinyTask, tmp_path: Path) -> None:
    folder = finished_run(in_repository, tmp_path / "runs", tmp_path)
    git(in_repository.folder, "branch", "faster")
    before = git(in_repository.folder, "rev-parse", "faster")
    with pytest.raises(UsageError, match="There is a branch faster") as refused:
        with_branch(folder, tmp_path)
    assert "git branch -D faster" in str(refused.value)
    assert git(in_repository.folder, "rev-parse", "faster") == before
    assert not (tmp_path / "to").exists()


def test_a_base_that_was_never_committed_is_refused_by_the_names_of_its_files(
    in_repository: TinyTask, tmp_path: Path
) -> None:
    (in_repository.folder / "target" / "new.py").write_text("x = 1\n")
    in_repository.core.write_text(in_repository.core.read_text() + "\n# more\n")
    folder = finished_run(in_repository, tmp_path / "runs", tmp_path)
    with pytest.raises(UsageError, match=r"not committed there: target/tiny/core.py, target/new.py") as refused:
        with_branch(folder, tmp_path)
    assert "git am --3way" in str(refused.value)
    export_attempt(folder, ExportOptions(folder=tmp_path / "to"))  # the file for `git am` needs no such commit
    git(in_repository.folder, "add", "target")
    git(in_repository.folder, "commit", "--quiet", "-m", "now it is")
    assert with_branch(folder, tmp_path).branch is not None


def test_another_clone_gets_the_branch_on_the_same_commit(in_repository: TinyTask, tmp_path: Path) -> None:
    folder = finished_run(in_repository, tmp_path / "runs", tmp_path)
    base = git(in_repository.folder, "rev-parse", "HEAD")
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(in_repository.folder), str(other))
    (other / "README").write_text("more")
    commit_all(other)
    made = with_branch(folder, tmp_path, other)
    assert made.branch is not None and git(other, "rev-parse", "faster^") != base  # the newest commit with that folder
    assert git(other, "diff", "--name-only", "main", "faster") == "target/tiny/core.py"
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(in_repository.folder), str(bare))
    with_branch(folder, tmp_path, bare)
    assert git(bare, "rev-parse", "faster^") == base
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    make_repository(stranger)
    with pytest.raises(UsageError, match=r"No commit of the folder target of .* is the run's base"):
        with_branch(folder, tmp_path, stranger)


def test_a_git_source_starts_from_its_commit(tiny: TinyTask, tmp_path: Path) -> None:
    repository = tmp_path / "upstream"
    (tiny.folder / "target").rename(repository)
    commit = make_repository(repository)
    (tiny.folder / "target").symlink_to(repository)  # for the helper that makes a patch
    tiny.edit_task("source: {path: target}", f"source: {{git: ../upstream, commit: {commit}}}")
    folder = finished_run(tiny, tmp_path / "runs", tmp_path)
    (repository / "tiny" / "core.py").write_text("total = sum\n")
    commit_all(repository)
    made = with_branch(folder, tmp_path)
    assert git(repository, "rev-parse", "faster^") == commit
    assert made.summary.base == f"commit {commit} of upstream"
    assert f"base: commit {commit} of upstream" in (tmp_path / "to" / "0001-tiny.patch").read_text()
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    make_repository(stranger)
    with pytest.raises(UsageError, match="does not have the base") as refused:
        with_branch(folder, tmp_path, stranger)
    assert "git fetch" in str(refused.value)


def _sdist(tiny: TinyTask, tmp_path: Path) -> tuple[OldBase, Patch]:
    """What a run on an sdist leaves: files of the repository, and files that only an sdist has."""
    shutil.copytree(tiny.folder / "target", tmp_path / "sdist")
    (tmp_path / "sdist" / "PKG-INFO").write_text("Name: tiny\n")
    loaded = load_task(str(tiny.file))
    source = loaded.task.source.model_copy(update={"path": str(tmp_path / "sdist")})
    task = loaded.task.model_copy(update={"source": source})
    base = seal(loaded.model_copy(update={"task": task}), tmp_path / "sdist.git")
    checkout, file = tmp_path / "sdist-checkout", tmp_path / "sdist.diff"
    base.check_out(checkout)
    file.write_bytes(tiny.patch("range(20)", "range(1)"))
    apply(base, file, checkout)
    pinned = task.model_copy(update={"source": source.model_copy(update={"path": None, "pypi": "tiny==1.0"})})
    return OldBase(loaded.model_copy(update={"task": pinned}), base, None, None), take_diff(base, checkout)


def test_an_sdist_lands_where_the_files_it_changes_are_the_same(tiny: TinyTask, tmp_path: Path) -> None:
    base, patch = _sdist(tiny, tmp_path)
    repository = tmp_path / "clone"
    (repository / "src").mkdir(parents=True)
    shutil.copytree(tiny.folder / "target", repository / "src" / "tiny")
    released = make_repository(repository)
    (repository / "src" / "tiny" / "tiny" / "core.py").write_text("total = sum\n")
    commit_all(repository)
    home, commit = landing(base, patch, repository / "src" / "tiny")
    assert (home, commit) == (Home(repository, "src/tiny/"), released)
    with pytest.raises(UsageError, match=r"has tiny/core.py as they are in the sdist of tiny==1.0"):
        landing(base, patch, repository)
    with pytest.raises(UsageError, match="Name your clone of it with --repo"):
        landing(base, patch, None)


def test_a_mail_is_the_same_bytes_every_time(tiny: TinyTask, tmp_path: Path) -> None:
    from harness.merge.commit import Author

    base = seal(load_task(str(tiny.file)), tmp_path / "a.git")
    (tmp_path / "p.diff").write_bytes(tiny.patch("range(20)", "range(1)"))
    new = NewCommit(tmp_path / "p.diff", "a/b/", "subject: µ\n\nbody\n", Author(), "@1700000000 +0000")
    assert as_mail(base, new) == as_mail(seal(load_task(str(tiny.file)), tmp_path / "b.git"), new)
    assert b"diff --git a/a/b/tiny/core.py b/a/b/tiny/core.py" in as_mail(base, new)
    assert run_git(base.path, "rev-list", "--all", "--count").strip() == b"1"  # objects, and no reference to them


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://ann:secret@git.example/x.git?token=1", "https://git.example/x.git"),
        ("ssh://git@git.example:22/x", "ssh://git.example:22/x"),
        ("git@git.example:x.git", "git.example:x.git"),
    ],
)
def test_an_address_is_told_without_its_password(url: str, told: str) -> None:
    assert public_url(url) == told
