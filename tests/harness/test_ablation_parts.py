"""A patch taken apart and put together again, with everything that files and diffs can hold."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
from ablation_task import CORE, HELPER, LOOP, PATCHED, USE
from tiny_task import TinyTask

from harness.ablation.parts import By, DividedPatch, divide
from harness.errors import NoPatch, Rejected
from harness.git import Repository
from harness.patch import apply
from harness.source import seal
from harness.task_file import load_task


def sealed(tiny: TinyTask, tmp_path: Path, files: dict[str, bytes]) -> Repository:
    for name, content in files.items():
        path = tiny.folder / "target" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return seal(load_task(str(tiny.file)), tmp_path / "judge.git")


def diff_of(repository: Repository, tmp_path: Path, files: dict[str, bytes | None]) -> Path:
    """What git itself says of the base with these files written into it, or removed."""
    tree = tmp_path / "edited"
    subprocess.run(["git", "clone", "-q", str(repository.path), str(tree)], check=True)
    subprocess.run(["git", "checkout", "-q", repository.commit], cwd=tree, check=True)
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
    subprocess.run(["git", "add", "-A"], cwd=tree, check=True)
    found = tmp_path / "some.diff"
    found.write_bytes(
        subprocess.run(["git", "diff", "--cached", "--binary"], cwd=tree, check=True, capture_output=True).stdout
    )
    return found


def divided(
    tiny: TinyTask, tmp_path: Path, before: dict[str, bytes], after: dict[str, bytes | None], by: By = "hunk"
) -> DividedPatch:
    repository = sealed(tiny, tmp_path, before)
    return divide(repository, diff_of(repository, tmp_path, after), ["**"], by)


def tree_without(patch: DividedPatch, tmp_path: Path, *names: str) -> dict[str, bytes]:
    """The files of the base with the patch less some parts applied by git."""
    number = len(list(tmp_path.glob("applied-*")))
    tree, file = tmp_path / f"applied-{number}", tmp_path / f"{number}.diff"
    patch.repository.check_out(tree)
    file.write_bytes(patch.without(names).text)
    if file.read_bytes():
        apply(patch.repository, file, tree)
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def test_each_hunk_can_go(tiny: TinyTask, tmp_path: Path) -> None:
    patch = divided(tiny, tmp_path, {"tiny/core.py": CORE.encode()}, {"tiny/core.py": PATCHED.encode()})
    assert [(part.name, part.added, part.removed) for part in patch.parts] == [("h1", 4, 0), ("h2", 1, 2), ("h3", 1, 1)]
    assert patch.parts[1].line == CORE[: CORE.index(LOOP)].count("\n") + 1
    assert "_square" in patch.parts[0].text and patch.parts[1].heading.startswith("def total")
    edits = {"h1": ("SCALE = 1\n", HELPER), "h2": (LOOP, USE), "h3": ("The last one.", "The last one of them.")}
    for count in range(4):
        for left_out in itertools.combinations(edits, count):
            expected = CORE
            for name, (old, new) in edits.items():
                expected = expected if name in left_out else expected.replace(old, new)
            assert tree_without(patch, tmp_path, *left_out)["tiny/core.py"].decode() == expected


def test_groups_of_lines_and_files(tiny: TinyTask, tmp_path: Path) -> None:
    before = {"a.py": b"1\n2\n3\n4\n5\n", "b.py": b"x\n"}
    after: dict[str, bytes | None] = {"a.py": b"one\n2\n3\nfour\n5\nsix\n", "b.py": b"y\n"}
    groups = divided(tiny, tmp_path, before, after, "line-group")
    assert [part.name for part in groups.parts] == ["g1", "g2", "g3", "g4"]
    assert "-4\n+four\n" in groups.parts[1].text and "one" not in groups.parts[1].text
    assert tree_without(groups, tmp_path, "g2")["a.py"] == b"one\n2\n3\n4\n5\nsix\n"
    assert tree_without(groups, tmp_path, "g1", "g3")["a.py"] == b"1\n2\n3\nfour\n5\n"
    files = divide(groups.repository, tmp_path / "some.diff", ["**"], "file")
    assert [(part.name, part.path) for part in files.parts] == [("f1", "a.py"), ("f2", "b.py")]
    assert tree_without(files, tmp_path, "f1")["a.py"] == before["a.py"]


@pytest.mark.parametrize("by", ["hunk", "line-group", "file"])
def test_what_files_can_hold(tiny: TinyTask, tmp_path: Path, by: By) -> None:
    middle = b"".join(b"same %d\n" % number for number in range(20))
    before = {
        "no newline.py": b"first\n" + middle + b"last",
        "crlf.py": b"first\r\n" + middle + b"last\r\n",
        "latin.py": b"# caf\xe9 \x0c \x85\n" + middle + b"lone \r here\n",
        "d\xc3\xa9j\xc3\xa0 vu.py".encode("latin-1").decode(): b"1\n" + middle,
        "empty.py": b"",
        "gains newline.py": b"a",
    }
    after: dict[str, bytes | None] = {
        "no newline.py": b"FIRST\n" + middle + b"last\nand more",
        "crlf.py": b"FIRST\r\n" + middle + b"LAST\r\n",
        "latin.py": b"# CAF\xc9 \x0c \x85\n" + middle + b"two\rlone \r here\n",
        "d\xc3\xa9j\xc3\xa0 vu.py".encode("latin-1").decode(): b"0\n1\n" + middle + b"end\n",
        "empty.py": b"no more\n",
        "gains newline.py": b"a\n",
        "new/empty.py": b"",
        "new/file.py": b"new\nlines without end",
    }
    patch = divided(tiny, tmp_path, before, after, by)
    base = tree_without(patch, tmp_path, *(part.name for part in patch.parts))
    assert {name: base[name] for name in before} == before and "new/file.py" not in base
    whole = tree_without(patch, tmp_path)
    assert {name: whole[name] for name in after} == after
    for part in patch.parts:
        others = [each.name for each in patch.parts if each.path != part.path]
        alone = tree_without(patch, tmp_path, *others)
        assert {name: alone[name] for name in alone if name != part.path} == {
            name: base[name] for name in base if name != part.path
        }
        part.model_dump_json()


def test_a_repeated_line_is_not_taken_for_another(tiny: TinyTask, tmp_path: Path) -> None:
    lines = [b"x = 0\n"] * 60
    after = list(lines)
    after[40:40], after[20:20] = [b"late\n"], [b"early\n"]
    patch = divided(tiny, tmp_path, {"a.py": b"".join(lines)}, {"a.py": b"".join(after)})
    assert len(patch.parts) == 2
    only_late = tree_without(patch, tmp_path, "h1")["a.py"].splitlines(keepends=True)
    assert only_late == [*lines[:40], b"late\n", *lines[40:]]


@pytest.mark.parametrize(
    ("after", "cause"),
    [
        ({"a.py": None}, "target_deleted"),
        ({"a.py": None, "renamed.py": b"1\n2\n3\n"}, "target_deleted"),
        ({"a.py": b"\x00\x01\x02"}, "binary"),
    ],
)
def test_what_no_patch_may_do(tiny: TinyTask, tmp_path: Path, after: dict[str, bytes | None], cause: str) -> None:
    with pytest.raises(Rejected) as error:
        divided(tiny, tmp_path, {"a.py": b"1\n2\n3\n"}, after)
    assert error.value.cause == cause


def test_what_is_no_patch(tiny: TinyTask, tmp_path: Path) -> None:
    repository = sealed(tiny, tmp_path, {"a.py": b"1\n"})
    file = tmp_path / "some.diff"
    file.write_bytes(b"\n")
    with pytest.raises(NoPatch):
        divide(repository, file, ["**"], "hunk")
    file.write_bytes(b"\x00\xff nonsense")
    with pytest.raises(Rejected, match="does not apply"):
        divide(repository, file, ["**"], "hunk")
