"""Sealing: one commit, nothing else, the same hash everywhere."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from tiny_task import TinyTask

from harness.errors import StorageError, TaskError
from harness.exposed import exposed, exposed_text
from harness.git import Repository
from harness.journal import Journal
from harness.pip_settings import PYPI, read_settings
from harness.source import copy_folder, movable, seal
from harness.store import create_run
from harness.task_file import load_task
from harness.workspace import workspace


def git(cwd: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments],
        cwd=cwd,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def sealed(tiny: TinyTask, into: Path) -> Repository:
    return seal(load_task(str(tiny.file)), into)


def test_a_folder_becomes_exactly_one_commit(tiny: TinyTask, tmp_path: Path) -> None:
    repository = sealed(tiny, tmp_path / "a.git")
    assert git(repository.path, "rev-list", "--all", "--count") == "1"
    assert git(repository.path, "for-each-ref", "--format=%(refname)") == "refs/heads/base"
    assert git(repository.path, "remote") == ""
    reachable = set(git(repository.path, "rev-list", "--all", "--objects", "--no-object-names").split())
    everything = git(repository.path, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert set(everything) == reachable


def test_the_same_files_give_the_same_commit(tiny: TinyTask, tmp_path: Path) -> None:
    first = sealed(tiny, tmp_path / "a.git")
    assert sealed(tiny, tmp_path / "b.git").commit == first.commit
    tiny.core.write_text(tiny.core.read_text() + "\n")
    assert sealed(tiny, tmp_path / "c.git").commit != first.commit


def test_leftovers_of_python_are_not_sealed(tiny: TinyTask, tmp_path: Path) -> None:
    clean = sealed(tiny, tmp_path / "a.git")
    cache = tiny.core.parent / "__pycache__"
    cache.mkdir()
    (cache / "core.cpython-311.pyc").write_bytes(b"x")
    assert sealed(tiny, tmp_path / "b.git").tree == clean.tree


def test_records_and_checkouts_of_runs_are_never_sealed(tiny: TinyTask, tmp_path: Path) -> None:
    clean = sealed(tiny, tmp_path / "a.git")
    target = tiny.folder / "target"
    for out in (target / "runs", target / "tiny"):  # wherever --out and --worktrees point
        earlier = create_run("tiny", out)
        earlier.attempt("001").create().patch.write_text("an answer\n")
        with Journal(earlier.journal), Journal(create_run("tiny", out).journal):  # the second one is of this moment
            with workspace(out / "checkouts" / earlier.name, keep=True) as space:
                (space / "001").mkdir()
                (space / "001" / "solution.py").write_text("an answer\n")
                os.mkfifo(space / "pipe")
                assert sealed(tiny, space / "judge.git").tree == clean.tree
            assert sealed(tiny, tmp_path / f"{out.name}.git").tree == clean.tree
    (target / "runs" / "journal.jsonl").write_text("the user's own\n")
    (target / "notes-20261121-000000").mkdir()
    (target / "notes-20261121-000000" / "a.txt").write_text("the user's own, too\n")
    before, after = (
        set(git(each.path, "ls-tree", "-r", "--name-only", "base").split())
        for each in (clean, sealed(tiny, tmp_path / "c.git"))
    )
    assert after - before == {"notes-20261121-000000/a.txt", "runs/journal.jsonl"} and before <= after


def test_a_task_that_lies_in_its_own_target_is_told_what_agents_see_of_it(tiny: TinyTask, tmp_path: Path) -> None:
    assert exposed(load_task(str(tiny.file)), sealed(tiny, tmp_path / "a.git")) == []
    tiny.edit_task("path: target", "path: .")
    open_to_all = exposed(load_task(str(tiny.file)), sealed(tiny, tmp_path / "b.git"))
    assert open_to_all == ["bench.py", "hidden_tests/test_hidden.py", "recorded.jsonl"]
    assert "bench.py, hidden_tests/test_hidden.py, recorded.jsonl. Keep" in exposed_text(open_to_all)
    git(tiny.folder, "init", "-q")
    git(tiny.folder, "add", "bench.py", "target")
    git(tiny.folder, "commit", "-qm", "first")
    tiny.edit_task("{path: .}", f"{{git: ., commit: {git(tiny.folder, 'rev-parse', 'HEAD')}}}")
    assert exposed(load_task(str(tiny.file)), sealed(tiny, tmp_path / "c.git")) == ["bench.py"]
    tiny.edit_task("{git: .", "{path: .} # {git: .")
    (tiny.folder / ".gitignore").write_text("/bench.py\n/hidden_tests/\n/recorded.jsonl\n")
    assert exposed(load_task(str(tiny.file)), sealed(tiny, tmp_path / "d.git")) == []


def test_environments_are_not_copied_and_compiled_modules_are(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "pkg").mkdir(parents=True)
    (source / "pkg" / "fast.cpython-311-x86_64-linux-gnu.so").write_bytes(b"ELF")
    (source / ".gitignore").write_text("*.so\n/data/\n")
    (source / "data").mkdir()
    (source / "data" / "rows.csv").write_text("1\n")
    for name, mark in (("env", "pyvenv.cfg"), ("tools/conda", "conda-meta/history")):
        (source / name / "lib").mkdir(parents=True)
        (source / name / "lib" / "large.py").write_text("")
        (source / name / mark).parent.mkdir(exist_ok=True)
        (source / name / mark).write_text("")
    git(source, "init", "-q")
    copy_folder(source, tmp_path / "copy")
    found = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert found == {".gitignore", "data/rows.csv", "pkg/fast.cpython-311-x86_64-linux-gnu.so"}


def make_history(tiny: TinyTask) -> tuple[Path, str, str]:
    """A repository with a past and a future; gives it, the middle commit and the last."""
    origin = tiny.folder / "origin"
    (tiny.folder / "target").rename(origin)
    git(origin, "init", "-q", "-b", "main")
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "first")
    (origin / "README.md").write_text("middle\n")
    git(origin, "commit", "-qam", "middle")
    middle = git(origin, "rev-parse", "HEAD")
    (origin / "solution.py").write_text("SECRET_SOLUTION = 1\n")
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "the fix everybody wants")
    return origin, middle, git(origin, "rev-parse", "HEAD")


def test_a_git_source_keeps_the_commit_and_forgets_past_and_future(tiny: TinyTask, tmp_path: Path) -> None:
    _, middle, last = make_history(tiny)
    tiny.edit_task("source: {path: target}", f"source: {{git: origin, commit: {middle}}}")
    repository = sealed(tiny, tmp_path / "a.git")
    assert git(repository.path, "show", "base:README.md") == "middle"
    assert git(repository.path, "rev-list", "--all", "--count") == "1"
    for hidden in (middle, last, "base~1", "base:solution.py"):
        found = subprocess.run(["git", "cat-file", "-e", hidden], cwd=repository.path, check=False, capture_output=True)
        assert found.returncode != 0, f"{hidden} can be reached"


def test_a_branch_or_a_tag_is_taken_and_said_to_move(tiny: TinyTask, tmp_path: Path) -> None:
    assert movable(load_task(str(tiny.file))) is None
    _, _, last = make_history(tiny)
    tiny.edit_task("source: {path: target}", "source: {git: origin, commit: main}")
    assert git(sealed(tiny, tmp_path / "a.git").path, "show", "base:README.md") == "middle"
    said = movable(load_task(str(tiny.file)))
    assert said is not None and "'main' is no hash" in said and "`git rev-parse main`" in said
    tiny.edit_task("commit: main", f"commit: {last[:12]!r}")
    assert movable(load_task(str(tiny.file))) is None


def test_a_commit_that_is_not_there_is_named(tiny: TinyTask, tmp_path: Path) -> None:
    make_history(tiny)
    missing = "0123456789abcdef0123456789abcdef01234567"
    tiny.edit_task("source: {path: target}", f"source: {{git: origin, commit: {missing!r}}}")
    with pytest.raises(TaskError, match=f"{missing} is not a commit in"):
        sealed(tiny, tmp_path / "a.git")


def test_a_repository_that_is_not_there_is_named(tiny: TinyTask, tmp_path: Path) -> None:
    tiny.edit_task("source: {path: target}", "source: {git: no/such/repo, commit: abc}")
    with pytest.raises(TaskError, match="there is no repository no/such/repo"):
        sealed(tiny, tmp_path / "a.git")


def test_an_empty_source_is_refused(tiny: TinyTask, tmp_path: Path) -> None:
    (tiny.folder / "empty").mkdir()
    tiny.edit_task("source: {path: target}", "source: {path: empty}")
    with pytest.raises(TaskError, match="holds no file"):
        sealed(tiny, tmp_path / "a.git")


def test_an_sdist_is_sealed_without_being_built(tiny: TinyTask, tmp_path: Path) -> None:
    tiny.edit_task("source: {path: target}", "source: {pypi: six==1.16.0}")
    repository = sealed(tiny, tmp_path / "a.git")
    assert "def python_2_unicode_compatible" in git(repository.path, "show", "base:six.py")


def sdist(folder: Path, name: str, version: str, text: str) -> None:
    """A source distribution of one module, in a folder of packages."""
    folder.mkdir(exist_ok=True)
    content = text.encode()
    with tarfile.open(folder / f"{name}-{version}.tar.gz", "w:gz") as tar:
        about = tarfile.TarInfo(f"{name}-{version}/{name}.py")
        about.size = len(content)
        tar.addfile(about, io.BytesIO(content))


def test_an_sdist_is_found_in_a_folder_without_a_network(
    tiny: TinyTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path}/nothing {tmp_path}/packages")
    sdist(tmp_path / "packages", "six", "1.16.0", "HERE = 1\n")
    tiny.edit_task("source: {path: target}", "source: {pypi: six==1.16.0}")
    repository = sealed(tiny, tmp_path / "a.git")
    assert git(repository.path, "show", "base:six.py") == "HERE = 1"
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    with pytest.raises(TaskError, match=r"(?s)no sdist of six==1\.16\.0.*told to use no index"):
        sealed(tiny, tmp_path / "b.git")


def test_what_pip_is_configured_for_is_where_an_sdist_is_looked_for(tmp_path: Path) -> None:
    assert read_settings([]).index_urls == (PYPI,)
    told = [
        ":env:.find-links='\\n/no/such/folder\\nhttps://files.example/'",
        "global.extra-index-url='https://b.example/simple file:///packages'",
        "global.find-links='/'",
        "download.index-url='https://a.example/simple'",
        "global.index-url='https://never.example/simple'",
        "install.index-url='https://never.example/simple'",
        "global.trusted-host='a.example'",
        "global.no-index='false'",
        "For variant 'user', will try loading '/home/a=b/pip.conf'",
        "",
    ]
    found = read_settings(told)
    assert found.index_urls == ("https://a.example/simple", "https://b.example/simple", "file:///packages")
    assert found.find_links == ("https://files.example/",)
    assert found.trusted_hosts == ("a.example",)
    assert read_settings([*told, ":env:.no-index='1'"]).index_urls == ()


def test_an_overlay_adds_files_and_replaces_none(tiny: TinyTask, tmp_path: Path) -> None:
    plain = sealed(tiny, tmp_path / "a.git")
    beside = tiny.folder / "beside" / "tests"
    beside.mkdir(parents=True)
    (beside / "test_more.py").write_text("def test_more(): pass\n")
    tiny.edit_task("source: {path: target}", "source: {path: target, overlay: beside}")
    repository = sealed(tiny, tmp_path / "b.git")
    assert set(repository.files()) - set(plain.files()) == {"tests/test_more.py"}
    assert set(plain.files()) < set(repository.files())
    (tiny.folder / "beside" / "tiny").mkdir()
    (tiny.folder / "beside" / "tiny" / "core.py").write_text("def total(values): return 0\n")
    with pytest.raises(TaskError, match=r"beside/tiny/core\.py is in the source already"):
        sealed(tiny, tmp_path / "c.git")


@pytest.mark.parametrize("kind", ["file", "link"])
def test_an_overlay_goes_through_no_file_and_no_link(kind: str, tiny: TinyTask, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    name = tiny.folder / "target" / "more"
    name.write_text("") if kind == "file" else name.symlink_to(tmp_path / "elsewhere")
    (tiny.folder / "beside" / "more").mkdir(parents=True)
    (tiny.folder / "beside" / "more" / "test_more.py").write_text("")
    tiny.edit_task("source: {path: target}", "source: {path: target, overlay: beside}")
    with pytest.raises(TaskError, match="beside/more is in the source already"):
        sealed(tiny, tmp_path / "a.git")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("requirement", ["six", "six>=1.0", "six==", "not a requirement!"])
def test_a_loose_requirement_is_refused(tiny: TinyTask, tmp_path: Path, requirement: str) -> None:
    tiny.edit_task("source: {path: target}", f"source: {{pypi: {requirement!r}}}")
    with pytest.raises(TaskError, match=r"source\.pypi"):
        sealed(tiny, tmp_path / "a.git")


def test_a_copy_shares_nothing(tiny: TinyTask, tmp_path: Path) -> None:
    first = sealed(tiny, tmp_path / "a.git")
    second = first.copy(tmp_path / "b.git")
    assert git(second.path, "remote") == ""
    assert not (second.path / "objects" / "info" / "alternates").exists()
    assert git(second.path, "rev-parse", "base") == first.commit


@pytest.mark.parametrize("place", ["copy", "worktrees/hotspots-1/tree"])
def test_a_copy_that_lies_in_its_folder_does_not_hold_itself(place: str, tmp_path: Path) -> None:
    (tmp_path / "src" / "copy").mkdir(parents=True)
    (tmp_path / "src" / "copy" / "a.py").write_text("")
    (tmp_path / "worktrees" / "other").mkdir(parents=True)
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    copy_folder(tmp_path, tmp_path / place)
    found = {str(path.relative_to(tmp_path / place)) for path in (tmp_path / place).rglob("*")}
    assert found == {"src", "src/copy", "src/copy/a.py", "worktrees", "worktrees/other"}


def test_what_cannot_be_copied_is_told_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("one", "two"):
        os.mkfifo(folder / name)
    with pytest.raises(StorageError) as refused:
        copy_folder(folder, tmp_path / "copy")
    assert "is a named pipe" in str(refused.value) and len(str(refused.value)) < 400
