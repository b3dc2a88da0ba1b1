"""Diff and policy: what an agent left becomes a patch, whatever it did to git, and only target files may be in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tiny_task import TinyTask

from harness import worktree
from harness.errors import NoPatch, Rejected
from harness.git import Repository
from harness.patch import apply, hold_against_policy, take_diff
from harness.source import seal
from harness.task_file import load_task

TARGET_FILES = ["tiny/core.py"]


@pytest.fixture
def judge(tiny: TinyTask, tmp_path: Path) -> Repository:
    return seal(load_task(str(tiny.file)), tmp_path / "judge.git")


@pytest.fixture
def tree(judge: Repository, tmp_path: Path) -> Path:
    """An agent's worktree, linked to a repository the judge does not use."""
    path = tmp_path / "worktree"
    worktree.add(judge.copy(tmp_path / "agents.git"), path)
    return path


def edit(tree: Path, text: str = "# faster\n") -> None:
    core = tree / "tiny" / "core.py"
    core.write_text(core.read_text() + text)


def test_an_edit_is_a_patch_that_git_applies(judge: Repository, tree: Path, tmp_path: Path) -> None:
    edit(tree)
    patch = take_diff(judge, tree)
    assert patch.files == ["tiny/core.py"]
    assert (patch.insertions, patch.deletions) == (1, 0)
    hold_against_policy(patch, TARGET_FILES)
    (tmp_path / "p.diff").write_bytes(patch.text)
    fresh = tmp_path / "fresh"
    judge.check_out(fresh)
    subprocess.run(["git", "apply", "--check", str(tmp_path / "p.diff")], cwd=fresh, check=True)
    apply(judge, tmp_path / "p.diff", fresh)
    assert (fresh / "tiny" / "core.py").read_text() == (tree / "tiny" / "core.py").read_text()


def test_nothing_changed_is_no_patch(judge: Repository, tree: Path) -> None:
    with pytest.raises(NoPatch):
        hold_against_policy(take_diff(judge, tree), TARGET_FILES)


def test_scratch_and_caches_are_never_in_the_patch(judge: Repository, tree: Path) -> None:
    for name in (".bench_scratch/x.py", "tiny/__pycache__/core.pyc", ".pytest_cache/v"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("x")
    assert take_diff(judge, tree).changes == []


def test_a_new_file_is_seen(judge: Repository, tree: Path) -> None:
    (tree / "tiny" / "fast.py").write_text("x = 1\n")
    patch = take_diff(judge, tree)
    assert patch.files == ["tiny/fast.py"]
    assert b"+x = 1" in patch.text
    with pytest.raises(Rejected, match=r"tiny/fast\.py"):
        hold_against_policy(patch, TARGET_FILES)
    hold_against_policy(patch, ["tiny/*.py"])


def commit_it(tree: Path) -> None:
    run = ["git", "-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    subprocess.run([*run, "add", "-A"], cwd=tree, check=True)
    subprocess.run([*run, "commit", "-qm", "done"], cwd=tree, check=True)


def hide_in_index(tree: Path) -> None:
    subprocess.run(["git", "update-index", "--assume-unchanged", "tiny/core.py"], cwd=tree, check=True)


def exclude_everything(tree: Path) -> None:
    common = subprocess.run(
        ["git", "rev-parse", "--git-common-dir"], cwd=tree, check=True, capture_output=True, text=True
    ).stdout.strip()
    info = Path(common) / "info"
    info.mkdir(exist_ok=True)
    (info / "exclude").write_text("*\n")


def plant_fsmonitor(tree: Path) -> None:
    script = tree / ".bench_scratch" / "pwn.sh"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\ntouch {tree}/pwned\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "diff.external", "core.pager", "filter.x.clean", "core.sshCommand"):
        subprocess.run(["git", "config", key, str(script)], cwd=tree, check=True)


def unlink_git(tree: Path) -> None:
    (tree / ".git").unlink()
    subprocess.run(["git", "init", "-q", "."], cwd=tree, check=True)


@pytest.mark.parametrize("trick", [commit_it, hide_in_index, exclude_everything, plant_fsmonitor, unlink_git])
def test_the_agents_git_plays_no_part(judge: Repository, tree: Path, trick: object) -> None:
    edit(tree)
    trick(tree)  # type: ignore[operator]
    patch = take_diff(judge, tree)
    assert patch.files == ["tiny/core.py"]
    assert not (tree / "pwned").exists()


def test_touching_a_test_is_rejected(judge: Repository, tree: Path) -> None:
    edit(tree)
    (tree / "tests" / "test_core.py").write_text("")
    with pytest.raises(Rejected) as end:
        hold_against_policy(take_diff(judge, tree), TARGET_FILES)
    assert end.value.cause == "outside_target_files"
    assert "tests/test_core.py" in end.value.message


def make_link(tree: Path) -> None:
    (tree / "tiny" / "core.py").unlink()
    (tree / "tiny" / "core.py").symlink_to("/etc/hostname")


def make_executable(tree: Path) -> None:
    edit(tree)
    (tree / "tiny" / "core.py").chmod(0o755)


def make_binary(tree: Path) -> None:
    (tree / "tiny" / "core.py").write_bytes(os.urandom(2000) + b"\0")


def delete_it(tree: Path) -> None:
    (tree / "tiny" / "core.py").unlink()


def make_huge(tree: Path) -> None:
    edit(tree, "x = 1\n" * 200_000)


def make_folder(tree: Path) -> None:
    (tree / "tiny" / "core.py").unlink()
    (tree / "tiny" / "core.py").mkdir()
    (tree / "tiny" / "core.py" / "__init__.py").write_text("")


def make_enormous(tree: Path) -> None:
    edit(tree)
    with (tree / "profile.out").open("wb") as file:
        file.truncate(3 << 30)  # sparse: nobody could have read it into memory


def make_pipe(tree: Path) -> None:
    (tree / "tiny" / "core.py").unlink()
    os.mkfifo(tree / "tiny" / "core.py")


def begin_a_repository(tree: Path) -> None:
    edit(tree)
    subprocess.run(["git", "init", "-q", str(tree / "tiny" / "sub")], check=True)


def commit_in_a_repository(tree: Path) -> None:
    begin_a_repository(tree)
    name = ["-c", "user.name=a", "-c", "user.email=b"]
    subprocess.run(["git", *name, "commit", "-q", "--allow-empty", "-m", "x"], cwd=tree / "tiny" / "sub", check=True)


@pytest.mark.parametrize(
    ("trick", "cause"),
    [
        (make_pipe, "not_a_regular_file"),
        (begin_a_repository, "not_a_regular_file"),
        (commit_in_a_repository, "outside_target_files"),
        (make_link, "not_a_regular_file"),
        (make_executable, "mode_change"),
        (make_binary, "binary"),
        (delete_it, "target_deleted"),
        (make_huge, "too_large"),
        (make_enormous, "too_large"),
        (make_folder, "outside_target_files"),
    ],
)
def test_what_is_not_text_in_a_regular_file_is_rejected(
    judge: Repository, tree: Path, trick: object, cause: str
) -> None:
    trick(tree)  # type: ignore[operator]
    with pytest.raises(Rejected) as end:
        hold_against_policy(take_diff(judge, tree), TARGET_FILES)
    assert end.value.cause == cause


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads whatever it likes")
def test_a_file_that_cannot_be_read_is_rejected(judge: Repository, tree: Path) -> None:
    edit(tree)
    (tree / "tiny" / "core.py").chmod(0)
    with pytest.raises(Rejected, match="cannot be read"):
        take_diff(judge, tree)


@pytest.mark.parametrize(
    ("packed", "cause"),
    [
        ("literal 90000000000", "too_large"),
        ("literal  +90000000000x", "too_large"),
        ("literal -9", "binary"),
        ("delta 9", "binary"),
        ("literal 9", "does_not_apply"),
    ],
)
def test_a_patch_that_unpacks_to_gigabytes_is_not_unpacked(
    judge: Repository, tmp_path: Path, packed: str, cause: str
) -> None:
    head = "diff --git a/tiny/new.py b/tiny/new.py\nnew file mode 100644\n"
    index = f"index {'0' * 40}..{'1' * 40}\nGIT binary patch\n"
    (tmp_path / "p.diff").write_bytes(f"{head}{index}{packed}\nHcmV?d00001\n\nliteral 0\nHcmV?d00001\n\n".encode())
    fresh = tmp_path / "fresh"
    judge.check_out(fresh)
    with pytest.raises(Rejected) as end:
        apply(judge, tmp_path / "p.diff", fresh)
    assert end.value.cause == cause


def test_a_patch_with_a_submodule_is_rejected(judge: Repository, tree: Path, tmp_path: Path) -> None:
    """An empty folder is all that it leaves in a checkout: the rules would be held against a patch without it."""
    commit_in_a_repository(tree)
    (tmp_path / "p.diff").write_bytes(take_diff(judge, tree).text)
    fresh = tmp_path / "fresh"
    judge.check_out(fresh)
    with pytest.raises(Rejected, match="tiny/sub would become a submodule") as end:
        apply(judge, tmp_path / "p.diff", fresh)
    assert end.value.cause == "not_a_regular_file"


def test_a_patch_applies_whole_or_not_at_all(judge: Repository, tiny: TinyTask, tmp_path: Path) -> None:
    good = tiny.patch("result = 0", "result = int()")
    bad = tiny.patch("A target", "Another target", file="README.md").replace(b"-A target", b"-B target")
    (tmp_path / "p.diff").write_bytes(good + bad)
    fresh = tmp_path / "fresh"
    judge.check_out(fresh)
    with pytest.raises(Rejected) as end:
        apply(judge, tmp_path / "p.diff", fresh)
    assert end.value.cause == "does_not_apply"
    assert judge.is_unchanged(fresh)


def test_a_patch_cannot_write_outside_the_checkout(judge: Repository, tmp_path: Path) -> None:
    text = "diff --git a/../evil b/../evil\nnew file mode 100644\n--- /dev/null\n+++ b/../evil\n@@ -0,0 +1 @@\n+x\n"
    (tmp_path / "p.diff").write_text(text)
    fresh = tmp_path / "fresh"
    judge.check_out(fresh)
    with pytest.raises(Rejected):
        apply(judge, tmp_path / "p.diff", fresh)
    assert not (tmp_path / "evil").exists()


def test_a_changed_base_is_noticed(judge: Repository, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    judge.check_out(fresh)
    (fresh / "built.o").write_text("an artefact beside the files does not matter")
    assert judge.is_unchanged(fresh)
    edit(fresh)
    assert not judge.is_unchanged(fresh)
