"""Artefacts of a real compiler: what is equal, what differs, and a build that does not use its sources."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.artefacts import linked_artefacts, refuse_unseen_files, require_in_effect
from harness.build import build
from harness.errors import InfraFailed, Rejected
from harness.git import Repository
from harness.patch import Patch, take_diff
from harness.source import _seal_folder

SOURCE = "int twice(int x) { return 2 * x; }\n"
COMPILE = "gcc -g -shared -fPIC -o pkg/lib.so src/lib.c"

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")


class Native:
    """A sealed base with one C file, built."""

    def __init__(self, folder: Path, commands: list[str], files: dict[str, str]) -> None:
        self.folder = folder
        self.commands = commands
        source = folder / "source"
        for name, text in {"src/lib.c": SOURCE, "pkg/__init__.py": "", ".gitignore": "*.so\n", **files}.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text)
        self.repository: Repository = _seal_folder(source, folder / "judge.git")
        self.base = folder / "base"
        self.repository.check_out(self.base)
        self._build(self.base)

    def _build(self, root: Path) -> None:
        build(self.commands, root, self.folder / "scratch", self.folder / "build.log")

    def judge(self, text: str, file: str = "src/lib.c") -> Patch:
        checkout = self.folder / "candidate"
        self.repository.check_out(checkout)
        (checkout / file).write_text(text)
        patch = take_diff(self.repository, checkout)
        refuse_unseen_files(self.repository, checkout)
        self._build(checkout)
        scratch = self.folder / "proof"
        scratch.mkdir()
        require_in_effect(self.repository, self.commands, self.base, checkout, patch, scratch)
        return patch


def test_equal_sources_in_two_folders_give_equal_artefacts(tmp_path: Path) -> None:
    """Although debug information and build id, which name the folder, differ."""
    native = Native(tmp_path, [COMPILE], {})
    other = tmp_path / "a folder of another name"
    native.repository.check_out(other)
    native._build(other)
    assert (other / "pkg/lib.so").read_bytes() != (native.base / "pkg/lib.so").read_bytes()
    assert linked_artefacts(other) == linked_artefacts(native.base)
    assert list(linked_artefacts(other)) == ["pkg/lib.so"]


def test_a_changed_source_shows(tmp_path: Path) -> None:
    assert Native(tmp_path, [COMPILE], {}).judge(SOURCE.replace("2 * x", "x + x + 0 * x + 1")).files == ["src/lib.c"]


def test_a_comment_changes_no_code_and_is_in_effect_all_the_same(tmp_path: Path) -> None:
    Native(tmp_path, [COMPILE], {}).judge(SOURCE + "// nothing\n")


def test_a_header_can_be_marked_too(tmp_path: Path) -> None:
    files = {"src/lib.h": "#define FACTOR 2\n", "src/lib.c": '#include "lib.h"\n#include "lib.h"\nint f = FACTOR;\n'}
    Native(tmp_path, [COMPILE], files).judge("#define FACTOR 2 /* two */\n", "src/lib.h")


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        (["gcc -shared -fPIC -o pkg/lib.so src/old.c"], "whatever they hold"),
        (["true"], "left no linked artefact"),
        (["gcc -c -o pkg/lib.o src/lib.c"], "left no linked artefact"),
    ],
)
def test_a_build_that_does_not_use_the_sources_is_our_failure(tmp_path: Path, commands: list[str], words: str) -> None:
    native = Native(tmp_path, commands, {"src/old.c": SOURCE})
    with pytest.raises(InfraFailed, match=words) as error:
        native.judge(SOURCE.replace("2", "3"))
    assert error.value.cause == "patch_not_in_effect"


def test_a_new_source_that_nothing_builds_is_no_failure_of_ours(tmp_path: Path) -> None:
    Native(tmp_path, [COMPILE], {}).judge(SOURCE, "src/unused.c")


def test_a_library_is_stale_although_the_build_made_a_new_one_elsewhere(tmp_path: Path) -> None:
    """As a build does that compiles anew and keeps what is imported."""
    old = "gcc -shared -fPIC -o pkg/lib.so src/old.c"
    native = Native(tmp_path, ["mkdir -p build", COMPILE.replace("pkg/", "build/"), old], {"src/old.c": SOURCE})
    with pytest.raises(InfraFailed, match="whatever they hold"):
        native.judge(SOURCE.replace("2", "3"))


def test_a_python_patch_needs_no_new_artefact(tmp_path: Path) -> None:
    Native(tmp_path, [COMPILE], {}).judge("X = 1\n", "pkg/__init__.py")


def test_a_library_that_git_ignores_is_seen(tmp_path: Path) -> None:
    """A build that finds a library in place and keeps it would time whatever the patch planted."""
    native = Native(tmp_path, ["test -e pkg/lib.so || " + COMPILE], {})
    checkout = tmp_path / "candidate"
    native.repository.check_out(checkout)
    shutil.copy(native.base / "pkg/lib.so", checkout / "pkg/lib.so")
    (checkout / "src/lib.c").write_text(SOURCE.replace("2", "3"))
    assert take_diff(native.repository, checkout).files == ["src/lib.c"]
    with pytest.raises(Rejected, match=r"pkg/lib\.so.*git ignores") as error:
        refuse_unseen_files(native.repository, checkout)
    assert error.value.cause == "outside_target_files"


def test_what_is_no_library_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("not a library")
    (tmp_path / "damaged.so").write_bytes(b"\x7fELF" + b"\x00" * 10)
    subprocess.run(["ln", "-s", "/bin/sh", tmp_path / "link.so"], check=True)
    assert list(linked_artefacts(tmp_path)) == ["damaged.so"]
