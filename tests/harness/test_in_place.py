"""What must not change while a patch is judged: its own tree, and the files a verdict rests on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_task import TinyTask

from harness.built_tree import BuiltTree
from harness.errors import InfraFailed, Rejected
from harness.fingerprint import Fingerprint
from harness.task_file import load_task
from harness.trusted import TrustedFiles


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "core.py").write_text("x = 1\n")
    (tmp_path / "pkg" / "fast.so").write_bytes(b"\x7fELF")
    (tmp_path / "README").write_text("about\n")
    return tmp_path


@pytest.mark.parametrize("name", ["pkg/core.py", "pkg/fast.so", "README"])
def test_a_changed_file_is_noticed(tree: Path, name: str) -> None:
    built = BuiltTree(tree)
    built.require_unchanged()
    (tree / name).write_bytes(b"x = 2\n")
    with pytest.raises(Rejected, match=name) as end:
        built.require_unchanged()
    assert end.value.cause == "tree_changed"


def test_a_removed_file_is_noticed(tree: Path) -> None:
    built = BuiltTree(tree)
    (tree / "pkg" / "core.py").unlink()
    with pytest.raises(Rejected):
        built.require_unchanged()


def test_a_link_in_its_place_is_noticed(tree: Path) -> None:
    built = BuiltTree(tree)
    core = tree / "pkg" / "core.py"
    core.rename(tree / "pkg" / "core.txt")
    core.symlink_to("core.txt")
    with pytest.raises(Rejected):
        built.require_unchanged()


@pytest.mark.parametrize("name", ["torch.py", "pkg/core.cpython-311-x86_64-linux-gnu.so", "pkg/core.pyc", "x.pth"])
def test_a_new_file_that_python_would_read_is_noticed(tree: Path, name: str) -> None:
    built = BuiltTree(tree)
    (tree / name).write_text("")
    with pytest.raises(Rejected):
        built.require_unchanged()


def test_what_tests_leave_behind_is_not_minded(tree: Path) -> None:
    built = BuiltTree(tree)
    for name in ("pkg/__pycache__/core.cpython-311.pyc", ".pytest_cache/v/x", "report.txt"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("")
    built.require_unchanged()


def test_a_pipe_in_the_tree_stops_nobody(tree: Path) -> None:
    import os

    os.mkfifo(tree / "pipe")
    assert Fingerprint.of([tree]).hashes[tree / "pipe"] == "special"


@pytest.mark.parametrize("name", ["bench.py", "hidden_tests/test_hidden.py", "tiny.yaml", "hidden_tests/conftest.py"])
def test_a_changed_trusted_file_is_our_failure(tiny: TinyTask, name: str) -> None:
    trusted = TrustedFiles(load_task(str(tiny.file)))
    trusted.require_unchanged()
    (tiny.folder / name).write_text("# changed\n")
    with pytest.raises(InfraFailed, match=name) as end:
        trusted.require_unchanged()
    assert end.value.cause == "trusted_files_changed"


def test_what_python_runs_when_it_starts_is_trusted(
    tiny: TinyTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr("site.getsitepackages", lambda: [str(site)])
    trusted = TrustedFiles(load_task(str(tiny.file)))
    (site / "evil.pth").write_text("import os\n")
    with pytest.raises(InfraFailed, match=r"evil\.pth"):
        trusted.require_unchanged()
