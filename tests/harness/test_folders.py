"""Folders of somebody else's: however deep, whatever is in them, they are looked through and deleted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deep_folders import deep_below

from harness import folders
from harness.fingerprint import Fingerprint


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder with a file and very many folders in one another."""
    top = tmp_path / "top"
    top.mkdir()
    (top / "file").write_text("x")
    with deep_below(top):
        yield top


def test_a_very_deep_folder_is_deleted(deep: Path) -> None:
    folders.delete(deep)
    assert not deep.exists()


def test_a_very_deep_folder_is_looked_through_as_far_as_paths_go(deep: Path) -> None:
    assert list(Fingerprint.of([deep]).hashes) == [deep / "file"]


def test_what_is_linked_to_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    top = tmp_path / "top"
    (top / "inside").mkdir(parents=True)
    (top / "inside" / "link").symlink_to(outside)
    (top / "file").symlink_to(outside / "precious")
    os.mkfifo(top / "pipe")
    folders.delete(top)
    assert not top.exists()
    assert (outside / "precious").read_text() == "x"
    top.symlink_to(outside)
    folders.delete(top)
    assert not top.is_symlink()
    assert (outside / "precious").exists()


def test_permissions_do_not_keep_a_folder(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").write_text("x")
    for folder in (top / "a" / "b", top / "a", top):
        folder.chmod(0)
    folders.delete(top)
    assert not top.exists()


def test_walk_is_pythons_own_but_for_links(tmp_path: Path) -> None:
    for name in ("b/c/d", "a", "b/e"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text("x")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "link").symlink_to("b")

    def told(walked: object) -> list[tuple[str, list[str], list[str]]]:
        return sorted((str(here), sorted(inner), sorted(files)) for here, inner, files in walked)  # type: ignore[attr-defined]

    assert sorted(link for _, _, files in folders.walk(tmp_path) for link in files if link != "file") == [
        "circle",
        "link",
    ]
    for link in ("circle", "link"):
        (tmp_path / link).unlink()
    assert told(folders.walk(tmp_path)) == told(os.walk(tmp_path))
    assert len(told(os.walk(tmp_path))) == 6


def test_a_folder_taken_from_the_list_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "not" / "here").mkdir(parents=True)
    for _, inner, _ in folders.walk(tmp_path):
        inner[:] = [name for name in inner if name != "not"]
    entered = []
    for here, inner, _ in folders.walk(tmp_path):
        entered.append(here)
        inner.clear()
    assert entered == [tmp_path]


def test_what_cannot_be_deleted_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        file = tmp_path / "file"
        file.write_text("x")
        folders.delete(file)


def test_one_that_is_still_written_to_is_deleted_when_that_ends(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    writes = "import os, sys, time\nend = time.time() + 1\nn = 0\nwhile time.time() < end:\n    n += 1\n    try:\n"
    writes += "        os.makedirs(f'{sys.argv[1]}/{n % 7}/a', exist_ok=True)\n"
    writes += "        open(f'{sys.argv[1]}/{n % 7}/f', 'w').close()\n    except OSError: pass\n"
    with subprocess.Popen([sys.executable, "-c", writes, str(top)]) as writer:
        while not list(top.iterdir()):
            time.sleep(0.01)
        folders.delete(top)
        assert writer.wait(20) == 0
    folders.delete(top)
    assert not top.exists()
