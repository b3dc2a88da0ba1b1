"""`harness check`: mutants, planted cheats, and tasks that are admitted or refused."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_task import TinyTask

from harness.cheats import planted_cheats
from harness.check import check_task
from harness.exported import exported_names, parsed, reachable
from harness.findings import CheckFinding, CheckReport, Watch
from harness.mutants import mutants_of, sample_mutants
from harness.slowdown import slowed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ALIGN = (ROOT / "tasks/moe_align/target/moe_align/align.py").read_text()
CPP = (ROOT / "tasks/moe_align_native/target/csrc/align.cpp").read_text()


def changed(text: str, exported: set[str] | None = None) -> set[str]:
    """The mutated lines of a Python source."""
    return {m.diff.splitlines()[-1].removeprefix("+").strip() for m in mutants_of("a.py", text, exported or set())}


@pytest.mark.parametrize(
    ("line", "mutants"),
    [
        ("return a < b", {"return a <= b"}),
        ("return (a) not in (b)", {"return (a) in (b)"}),
        ("return a is None", {"return a is not None"}),
        ("return (a + b) * a", {"return (a - b) * a", "return (a + b) // a"}),
        ("return a and b", {"return a or b"}),
        ("return a[b:]", {"return a[(b) + 1:]"}),
        ("return 7", {"return 8", "return 6"}),
        ("return b if a else a", {"return b if (not (a)) else a"}),
        ("a += b", {"pass"}),
        ("a[b] = b", {"pass"}),
        ("a.sort()", {"pass"}),
        ("raise a", {"pass"}),
        ("c = a", set()),
        ("return True", set()),
        ("return f'{a < 3}'", set()),
        ("c: Literal[3] = a", set()),
        ("'''Doc, 3 < 4.'''", set()),
        ("ä = 'ß'; return 'ü' == a", {"ä = 'ß'; return 'ü' != a"}),
    ],
)
def test_the_faults_of_a_line(line: str, mutants: set[str]) -> None:
    assert changed(f"def f(a, b):\n    {line}\n") == mutants


def test_every_mutant_of_real_code_compiles_and_changes_one_place() -> None:
    mutants = list(mutants_of("align.py", ALIGN, {"moe_align_block_size"}))
    assert len(mutants) > 100
    for mutant in mutants:
        assert ast.dump(ast.parse(mutant.text)) != ast.dump(ast.parse(ALIGN))
        assert mutant.diff.count("\n@@") == 1
        assert mutant.text.splitlines()[mutant.line - 1] != ALIGN.splitlines()[mutant.line - 1]


def test_a_sample_is_repeatable_varied_and_spread() -> None:
    files = {"a/align.py": ALIGN, "csrc/align.cpp": CPP, "README.md": "1 < 2"}
    sample = sample_mutants(files, set(), 12, seed=4)
    assert sample == sample_mutants(files, set(), 12, seed=4)
    assert sample != sample_mutants(files, set(), 12, seed=5)
    assert len({(mutant.file, mutant.line) for mutant in sample}) == 12
    assert len({mutant.kind for mutant in sample}) >= 6


def test_faults_go_where_the_exports_lead() -> None:
    text = "def f(a):\n    return g(a)\n\ndef g(a):\n    return a < 1\n\ndef unused(a):\n    return a > 2\n"
    tree = parsed(text)
    assert tree is not None
    assert [node.name for node in reachable(tree, {"f"})] == ["f", "g"]
    assert [node.name for node in reachable(tree, {"nothing here"})] == ["f", "g", "unused"]
    assert not any("a > 2" in line or "a >= 2" in line for line in changed(text, {"f"}))


def test_what_a_package_exports(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("from pkg.a import f, _g\nimport os as system\n\ndef h(): ...\n")
    assert exported_names(tmp_path, "pkg") == {"f", "system", "h"}
    (package / "__init__.py").write_text("from pkg.a import f, g\n__all__ = ['f']\n")
    assert exported_names(tmp_path, "pkg") == {"f"}
    (tmp_path / "single.py").write_text("def run(): ...\n")
    assert exported_names(tmp_path, "single") == {"run"}
    assert exported_names(tmp_path, "absent") == set()


def test_a_slowed_source_does_everything_twice_and_no_more() -> None:
    text = "CALLS = []\n\ndef f(n):\n    CALLS.append(n)\n    return g(n) + 1\n\n"
    text += "def g(n):\n    CALLS.append(-n)\n    return n\n"
    made = slowed(text, {"f", "g"})
    assert made is not None
    namespace: dict[str, object] = {}
    exec(made, namespace)  # noqa: S102 - our own source
    assert namespace["f"](3) == 4  # type: ignore[operator]
    assert namespace["CALLS"] == [3, -3, 3, -3]
    assert slowed("@jit\ndef f(): ...\n", {"f"}) is None
    assert slowed("def f(:", {"f"}) is None


def test_cheats_fit_the_target() -> None:
    files = {"pkg/a.py": "A = 1\n", "tests/test_a.py": "x = 1\n", "README.md": "r\n"}
    cheats = planted_cheats(files, ["pkg/*.py"])
    assert [cheat.name for cheat in cheats] == [
        "adds a file",
        "edits tests/test_a.py",
        "ends the tests early",
        "slows the clock down",
    ]
    for cheat in cheats[2:]:
        compile(cheat.files["pkg/a.py"], "a.py", "exec")
    assert [cheat.name for cheat in planted_cheats({"a.cpp": ""}, ["a.cpp"])] == ["adds a file"]


def checked(tiny: TinyTask, tmp_path: Path) -> tuple[CheckReport, list[str]]:
    lines: list[str] = []
    watch = Watch(begun=lines.append, note=lines.append, done=lambda finding: lines.append(finding.message))
    report = check_task(str(tiny.file), tmp_path / "worktrees", 1, watch)
    assert list((tmp_path / "worktrees").iterdir()) == []
    return report, lines


def finding(report: CheckReport, name: str) -> CheckFinding:
    return next(each for each in report.findings if each.check == name)


def test_a_sound_task_is_admitted(tiny: TinyTask, tmp_path: Path) -> None:
    (tiny.folder / "reference.diff").write_bytes(tiny.patch("range(20)", "range(1)"))
    tiny.edit_task("recorded:", "reference_patch: reference.diff\nrecorded:")
    ended = subprocess.run(
        [sys.executable, "-m", "harness.cli", "check", str(tiny.file), "--json", "--seed", "1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\n") == 1
    report = CheckReport.model_validate_json(ended.stdout)
    assert report.admitted
    assert all(each.passed for each in report.findings), report.findings
    assert finding(report, "reference patch").message.startswith("faster")
    assert finding(report, "no-op patch").message.startswith("same")
    assert report.mutants is not None and report.mutants.caught >= 3
    for line in ("base: known effect ...", "slowed source ...", "mutant 1/", "cheat: adds a file ..."):
        assert line in ended.stderr
    assert "\x1b" not in ended.stderr
    json.loads(ended.stdout)


def test_tests_that_cannot_fail_are_refused(tiny: TinyTask, tmp_path: Path) -> None:
    (tiny.folder / "target/tests/test_core.py").write_text("def test_nothing(): pass\n")
    (tiny.folder / "hidden_tests/test_hidden.py").write_text("def test_nothing(): pass\n")
    bench = tiny.folder / "bench.py"
    bench.write_text(bench.read_text().replace("    expected =", "    return None\n    expected ="))
    report, lines = checked(tiny, tmp_path)
    assert not report.admitted
    failed = finding(report, "tests can fail")
    assert failed.passed is False and "a wrong patch would pass" in failed.message
    assert report.mutants is not None and report.mutants.survivors
    survivor = report.mutants.survivors[0]
    assert survivor.file == "tiny/core.py" and survivor.diff.count("\n+") >= 1
    assert any(line.endswith("survived") for line in lines)


def test_a_reference_that_is_not_faster_is_refused_and_named(tiny: TinyTask, tmp_path: Path) -> None:
    (tiny.folder / "reference.diff").write_bytes(tiny.patch("range(20)", "range(60)"))
    tiny.edit_task("recorded:", "reference_patch: reference.diff\nrecorded:")
    report, _ = checked(tiny, tmp_path)
    assert [each.check for each in report.findings if each.passed is False] == ["reference patch"]


def test_a_base_that_fails_ends_the_check_there(tiny: TinyTask, tmp_path: Path) -> None:
    (tiny.folder / "hidden_tests/test_hidden.py").write_text("def test_x(): assert False\n")
    report, _ = checked(tiny, tmp_path)
    assert not report.admitted
    assert report.findings[-1].check == "base: tests"
    assert "test_x" in report.findings[-1].message
    assert report.mutants is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to try it on")
def test_a_task_for_a_device_that_is_not_there_is_refused(tiny: TinyTask, tmp_path: Path) -> None:
    tiny.edit_task("api: tiny", "api: tiny\nmetric: {device: cuda}")
    report, _ = checked(tiny, tmp_path)
    assert not report.admitted
    assert [(each.check, each.passed) for each in report.findings] == [("loads", True), ("base", False)]
    assert "asks for device cuda" in report.findings[-1].message


def test_a_task_that_does_not_load_is_refused_with_its_words(tiny: TinyTask, tmp_path: Path) -> None:
    tiny.edit_task("bench: bench.py", "bench: no_bench.py")
    report, _ = checked(tiny, tmp_path)
    assert [each.check for each in report.findings] == ["loads"]
    assert "no_bench.py" in report.findings[0].message
    ended = subprocess.run(
        [sys.executable, "-m", "harness.cli", "check", str(tiny.file)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "refused: loads" in ended.stdout
