from __future__ import annotations

import os
from pathlib import Path

import pytest
from agent_parts import update

from agent.patch_apply import apply_patch
from agent.patch_format import PatchError


def _tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def _patch(*lines: str) -> str:
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


def test_adds_updates_moves_and_deletes(tmp_path: Path) -> None:
    for name in ("change.py", "move.py", "gone.py"):
        (tmp_path / name).write_text("x\n")
    (tmp_path / "move.py").chmod(0o755)
    summary = apply_patch(
        _patch(
            "*** Add File: deep/er/new.py",
            "+n",
            "*** Update File: change.py",
            "-x",
            "+y",
            "*** Update File: move.py",
            "*** Move to: moved/to.py",
            "-x",
            "+z",
            "*** Delete File: gone.py",
        ),
        tmp_path,
    )
    assert _tree(tmp_path) == {"change.py": "y\n", "deep/er/new.py": "n\n", "moved/to.py": "z\n"}
    assert (tmp_path / "moved/to.py").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "deep/er/new.py").stat().st_mode & 0o777 == 0o644
    assert str(summary) == "A deep/er/new.py\nA moved/to.py\nM change.py\nD move.py\nD gone.py"


def test_a_rename_alone_needs_no_hunk(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    apply_patch(_patch("*** Update File: a", "*** Move to: b"), tmp_path)
    assert _tree(tmp_path) == {"b": "x"}


def test_later_changes_see_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\n")
    apply_patch(_patch("*** Update File: a", "-one", "+two", "*** Update File: a", "-two", "+three"), tmp_path)
    assert _tree(tmp_path) == {"a": "three\n"}


def test_an_added_file_may_replace_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\n")
    assert str(apply_patch(_patch("*** Add File: a", "+two"), tmp_path)) == "M a"
    assert _tree(tmp_path) == {"a": "two\n"}


def test_nothing_is_half_applied(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n")
    (tmp_path / "b").write_text("x\n")
    with pytest.raises(PatchError, match="b: hunk 1"):
        apply_patch(
            _patch("*** Add File: n/ew", "+n", "*** Update File: a", "-x", "+y", "*** Update File: b", "-q", "+r"),
            tmp_path,
        )
    assert _tree(tmp_path) == {"a": "x\n", "b": "x\n"}
    assert not (tmp_path / "n").exists()


def test_nothing_is_half_applied_when_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n")
    (tmp_path / "file").write_text("x\n")
    with pytest.raises(PatchError, match="file/below: cannot be written"):
        apply_patch(
            _patch("*** Update File: a", "-x", "+y", "*** Add File: n/ew", "+n", "*** Add File: file/below", "+n"),
            tmp_path,
        )
    assert _tree(tmp_path) == {"a": "x\n", "file": "x\n"}
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../out", "in/../../out", ".git/config", "sub/.git/hooks/post-commit", "a\0b", "."]
)
@pytest.mark.parametrize(
    "kind", ["*** Add File: {}\n+x", "*** Update File: ok\n*** Move to: {}", "*** Delete File: {}"]
)
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "ok").write_text("x\n")
    with pytest.raises(PatchError):
        apply_patch(_patch(*kind.format(name).split("\n")), root)
    assert _tree(tmp_path) == {"root/ok": "x\n"}


@pytest.mark.parametrize("name", ["link/f", "file_link", "dangling"])
def test_symbolic_links_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    out.mkdir()
    (out / "f").write_text("x\n")
    (root / "link").symlink_to(out)
    (root / "file_link").symlink_to(out / "f")
    (root / "dangling").symlink_to(out / "not_yet")
    for patch in (_patch(f"*** Add File: {name}", "+y"), update(name, "-x", "+y"), _patch(f"*** Delete File: {name}")):
        with pytest.raises(PatchError, match="symbolic link"):
            apply_patch(patch, root)
    assert _tree(out) == {"f": "x\n"}


def test_a_link_inside_the_folder_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x\n")
    (tmp_path / "link").symlink_to("real")
    apply_patch(update("link", "-x", "+y"), tmp_path)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "y\n"


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(PatchError):
        apply_patch(update("a", "-x", "+y"), tmp_path)


def test_a_hard_link_is_not_written_through(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").write_text("x\n")
    (root / "inside").hardlink_to(tmp_path / "outside")
    apply_patch(update("inside", "-x", "+y"), root)
    assert (tmp_path / "outside").read_text() == "x\n"


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\n")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    for name, says in [
        ("binary", "not UTF-8"),
        ("folder", "not a plain file"),
        ("pipe", "not a plain file"),
        ("huge", "too many"),
        ("missing", "no such file"),
    ]:
        with pytest.raises(PatchError, match=f"{name}: .*{says}"):
            apply_patch(update(name, "-x", "+y"), tmp_path)
    with pytest.raises(PatchError, match="is a folder"):
        apply_patch(_patch("*** Add File: folder", "+x"), tmp_path)


def test_contradictions_within_a_patch_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n")
    (tmp_path / "b").write_text("x\n")
    with pytest.raises(PatchError, match="deleted or moved earlier"):
        apply_patch(_patch("*** Delete File: a", "*** Update File: a", "-x", "+y"), tmp_path)
    with pytest.raises(PatchError, match="target exists"):
        apply_patch(_patch("*** Update File: a", "*** Move to: b", "-x", "+y"), tmp_path)
    assert _tree(tmp_path) == {"a": "x\n", "b": "x\n"}
