"""AGENTS.md of the target: from the root to the target files, 32 KiB at most, and nothing of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.repository_words import MAX_BYTES, repository_words

FILES = ["README.md", "src/pkg/hot.py", "src/pkg/kernels/fast.py", "docs/guide.md"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for path in FILES:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    return root


def found(root: Path, *targets: str) -> list[tuple[str, str]]:
    return [(words.path, words.text) for words in repository_words(root, FILES, list(targets))]


def test_from_the_root_to_the_target_files_and_nowhere_else(root: Path) -> None:
    for folder in ("", "src", "src/pkg", "src/pkg/kernels", "docs"):
        (root / folder / "AGENTS.md").write_text(f"words of {folder or 'the root'}\n")
    assert found(root, "src/pkg/hot.py") == [
        ("AGENTS.md", "words of the root"),
        ("src/AGENTS.md", "words of src"),
        ("src/pkg/AGENTS.md", "words of src/pkg"),
    ]
    assert [path for path, _ in found(root, "src/**")][-1] == "src/pkg/kernels/AGENTS.md"


def test_an_override_takes_the_place_of_its_neighbour_unless_empty(root: Path) -> None:
    for folder in (root, root / "src"):
        (folder / "AGENTS.md").write_text("usual")
        (folder / "AGENTS.override.md").write_text("instead")
    (root / "src" / "AGENTS.override.md").write_text("  \n")
    assert found(root, "src/pkg/hot.py") == [("AGENTS.override.md", "instead"), ("src/AGENTS.md", "usual")]


def test_no_words_are_no_section(root: Path) -> None:
    (root / "AGENTS.md").write_text("\n")
    assert found(root, "src/pkg/hot.py") == []


def test_32_kib_together_and_then_it_is_cut_off(root: Path) -> None:
    (root / "AGENTS.md").write_text("a" * (MAX_BYTES - 10))
    (root / "src" / "AGENTS.md").write_text("\u00e9" * 100)
    (root / "src" / "pkg" / "AGENTS.md").write_text("never reached")
    (_, first), (_, second) = found(root, "src/pkg/hot.py")
    assert len(first) == MAX_BYTES - 10
    assert second.startswith("\u00e9" * 5 + "\n[... cut off")
    (root / "AGENTS.md").write_text("a" * 10 * MAX_BYTES)
    [(_, only)] = found(root, "src/pkg/hot.py")
    assert only.startswith("a" * MAX_BYTES)
    assert len(only) < MAX_BYTES + 100


@pytest.mark.parametrize("name", ["AGENTS.md", "AGENTS.override.md"])
def test_a_link_out_of_the_repository_is_not_followed(root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("a file of this machine")
    (root / name).symlink_to(tmp_path / "secret")
    (root / "CLAUDE.md").write_text("words")
    (root / "src" / "AGENTS.md").symlink_to("../CLAUDE.md")
    assert found(root, "src/pkg/hot.py") == [("src/AGENTS.md", "words")]


def test_bytes_that_are_no_text_do_no_harm(root: Path) -> None:
    (root / "AGENTS.md").write_bytes(b"\xff\xfe words \x00")
    [(_, text)] = found(root, "src/pkg/hot.py")
    assert "words" in text
    text.encode()
