"""Hacks that lie beside the target's source: no patch may bring more than text for the target's own files."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus import ALIGN, TARGET, JudgeOf, diff

from harness.evaluate import Judge

CONFTEST = (TARGET / "tests" / "conftest.py").read_text()
PYPROJECT = (TARGET / "pyproject.toml").read_text()
NEW_FILES = [
    "torch.py",
    "numpy/__init__.py",
    "sitecustomize.py",
    "usercustomize.py",
    "evil.pth",
    "conftest.py",
    "pytest.ini",
    "setup.cfg",
    "moe_align/align.pyi",
    "moe_align/align/__init__.py",
    ".git/hooks/pre-commit",
    "../outside.py",
]


@pytest.mark.parametrize("name", NEW_FILES)
def test_a_new_file_is_rejected(name: str, judged: JudgeOf) -> None:
    judgement = judged(diff(name, None, "import os\n"), False)
    assert (judgement.status, judgement.cause) in [("rejected", "outside_target_files"), ("rejected", "does_not_apply")]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("tests/test_align.py", "def test_", "def not_a_test_"),
        ("tests/conftest.py", CONFTEST, CONFTEST + "\ncollect_ignore_glob = ['*']\n"),
        ("pyproject.toml", PYPROJECT, PYPROJECT + '\n[tool.pytest.ini_options]\naddopts = "--collect-only"\n'),
        ("moe_align/__init__.py", "__all__", "import os\n\n__all__"),
    ],
)
def test_an_edit_of_another_file_is_rejected(name: str, before: str, after: str, judged: JudgeOf) -> None:
    text = (TARGET / name).read_text()
    assert before in text
    judgement = judged(diff(name, text, text.replace(before, after)), False)
    assert (judgement.status, judgement.cause) == ("rejected", "outside_target_files")
    assert name in judgement.message


def _link(tree: Path) -> None:
    (tree / ALIGN).unlink()
    (tree / ALIGN).symlink_to("/etc/hostname")


def _executable(tree: Path) -> None:
    (tree / ALIGN).write_text((tree / ALIGN).read_text() + "# faster\n")
    (tree / ALIGN).chmod(0o755)


def _binary(tree: Path) -> None:
    (tree / ALIGN).write_bytes(b"\0" + base64.b64encode(bytes(600)))


def _bytecode(tree: Path) -> None:
    (tree / "moe_align" / "__pycache__").mkdir()
    (tree / "moe_align" / "__pycache__" / "align.cpython-311.pyc").write_bytes(bytes(16))


def _compiled(tree: Path) -> None:
    (tree / "moe_align" / "align.abi3.so").write_bytes(b"\x7fELF" + bytes(60))


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        (_link, ["not_a_regular_file"]),
        (_executable, ["mode_change"]),
        (_binary, ["binary"]),
        (_bytecode, ["outside_target_files"]),
        (_compiled, ["outside_target_files", "binary"]),
    ],
)
def test_what_is_not_text_is_rejected(
    change: Callable[[Path], None], causes: list[str], judges: dict[bool, Judge], judged: JudgeOf, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    judges[False].base.repository.check_out(tree)
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=tree, check=True)
    change(tree)
    subprocess.run(["git", "add", "-A", "-f", "-N"], cwd=tree, check=True)
    patch = subprocess.run(["git", "diff", "--binary"], cwd=tree, check=True, capture_output=True).stdout
    judgement = judged(patch, False)
    assert judgement.status == "rejected", judgement.message
    assert judgement.cause in causes
