"""The judge on patches of every kind: what each one ends as, and what it says."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_task import TinyTask, make_tiny_task

from harness.admission import Base, admit
from harness.evaluate import Judge, Judgement
from harness.source import seal
from harness.store import AttemptFolder
from harness.task_file import load_task


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """The tiny task's base, admitted once; it has the same files wherever it is."""
    folder = tmp_path_factory.mktemp("admitted")
    loaded = load_task(str(make_tiny_task(folder / "task").file))
    sealed = seal(loaded, folder / "judge.git")
    return admit(loaded, sealed, folder / "base", folder / "scratch", 1, lambda _: None)


def judged(tiny: TinyTask, base: Base, tmp_path: Path, patch: bytes) -> Judgement:
    folder = AttemptFolder(tmp_path / "run" / "001").create()
    folder.patch.write_bytes(patch)
    judge = Judge(loaded=load_task(str(tiny.file)), base=base, seed=7, workspace=tmp_path / "judging")
    judgement = judge.judge(folder.patch, folder, lambda _phase: None, lambda _phase, _progress: None)
    assert not any((tmp_path / "judging").iterdir())
    return judgement


def test_a_comment_is_the_same(tiny: TinyTask, base: Base, tmp_path: Path) -> None:
    judgement = judged(tiny, base, tmp_path, tiny.patch("result = 0", "result = 0  # faster"))
    assert judgement.status == "same", judgement.message
    assert judgement.speedup is not None
    assert judgement.patch is not None
    assert judgement.patch.insertions == 1


def test_a_real_win_is_confirmed(tiny: TinyTask, base: Base, tmp_path: Path) -> None:
    judgement = judged(tiny, base, tmp_path, tiny.patch("range(20)", "range(1)"))
    assert judgement.status == "faster", judgement.message
    assert judgement.timing is not None
    assert judgement.timing.confirmation == judgement.speedup


def test_a_slowdown_is_slower(tiny: TinyTask, base: Base, tmp_path: Path) -> None:
    judgement = judged(tiny, base, tmp_path, tiny.patch("range(20)", "range(60)"))
    assert judgement.status == "slower", judgement.message


@pytest.mark.parametrize(
    ("old", "new", "status", "cause", "words"),
    [
        ("result = 0", "result = (", "incorrect", "test_failed", "SyntaxError"),
        ("result = 0", "result = 1", "incorrect", "test_failed", "On the bench, workload"),
        ("result = 0", "result = len(values) > 60", "incorrect", "wrong_output", "workload"),
        ("return result", "return float(result)", "incorrect", "wrong_output", "expected"),
        ("return result", "return result if len(values) != 233 else 0", "incorrect", "wrong_output", "secret"),
        (
            "return result",
            "if len(values) > 60:\n        import os\n        os._exit(3)\n    return result",
            "incorrect",
            "worker_crashed",
            "",
        ),
    ],
)
def test_a_wrong_patch_says_where(
    tiny: TinyTask, base: Base, tmp_path: Path, old: str, new: str, status: str, cause: str, words: str
) -> None:
    judgement = judged(tiny, base, tmp_path, tiny.patch(old, new))
    assert (judgement.status, judgement.cause) == (status, cause), judgement.message
    assert words in judgement.message
    assert judgement.speedup is None
    assert judgement.patch is not None


LOUD = """\
import atexit, os

def leave():
    words = os.environ["PYTEST_ADDOPTS"].split()
    xml = next(word for word in words if word.startswith("--junitxml=")).partition("=")[2]
    with open(xml, "w") as file:
        file.write(f"<testsuites><testsuite><testcase name='{'x' * 1_000_000}'><failure/></testcase>")
        file.write("</testsuite></testsuites>")

if "PYTEST_ADDOPTS" in os.environ:
    atexit.register(leave)

def total(values):"""


def test_a_message_of_megabytes_is_cut(tiny: TinyTask, base: Base, tmp_path: Path) -> None:
    loud = LOUD.replace('"PYTEST_ADDOPTS"', '"PYTEST_" + "ADDOPTS"')  # else the policy has the first word
    judgement = judged(tiny, base, tmp_path, tiny.patch("def total(values):", loud))
    assert judgement.cause == "test_failed"
    assert "xxx" in judgement.message
    assert len(judgement.message) < 10_000


def test_an_empty_patch_is_no_patch(tiny: TinyTask, base: Base, tmp_path: Path) -> None:
    assert judged(tiny, base, tmp_path, b"").status == "no_patch"


def test_a_patch_of_a_test_is_rejected(tiny: TinyTask, base: Base, tmp_path: Path) -> None:
    patch = tiny.patch("== 14", "== 14 or True", file="tests/test_core.py")
    judgement = judged(tiny, base, tmp_path, patch)
    assert (judgement.status, judgement.cause) == ("rejected", "outside_target_files")


def test_a_patch_of_something_else_does_not_apply(tiny: TinyTask, base: Base, tmp_path: Path) -> None:
    patch = tiny.patch("result = 0", "result = 1").replace(b"-    result = 0", b"-    other = 0")
    judgement = judged(tiny, base, tmp_path, patch)
    assert (judgement.status, judgement.cause) == ("rejected", "does_not_apply")


def test_what_is_not_a_patch_at_all_is_rejected(tiny: TinyTask, base: Base, tmp_path: Path) -> None:
    assert judged(tiny, base, tmp_path, b"\x00\xffnot a diff").status == "rejected"


def test_a_base_that_changed_meanwhile_is_our_failure(tiny: TinyTask, base: Base, tmp_path: Path) -> None:
    changed = tmp_path / "base"
    shutil.copytree(base.root, changed)
    core = changed / "tiny" / "core.py"
    core.write_text(core.read_text().replace("range(20)", "range(2000)"))
    judgement = judged(tiny, replace(base, root=changed), tmp_path, tiny.patch("range(20)", "range(1)"))
    assert (judgement.status, judgement.cause) == ("infra_failed", "base_changed")
