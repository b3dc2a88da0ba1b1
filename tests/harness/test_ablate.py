"""`harness ablate` on a real task: stopped, gone on with, and what it says where there is nothing to take apart."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ablation_task import CORE, HELPER, USE, make_ablation_task
from filelock import FileLock
from records import HOSTILE, verdict, write_run
from rich.console import Console
from tiny_task import TinyTask

from harness.ablation.display import ablation_shown
from harness.ablation.parts import Part
from harness.ablation.records import Ablation, Outcome, PartFinding, Smallest
from harness.errors import UsageError
from harness.show import load_shown
from harness.strict_json import strict_json
from harness.verdict import Interval

ROOT = Path(__file__).resolve().parents[2]


def ablate(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "ablate", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "120", "TERM": "dumb"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests may have switched Ctrl-C off for what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )


def ended(folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = ablate(folder, *arguments)
    stdout, stderr = process.communicate(timeout=300)
    return process.returncode, stdout, stderr


@pytest.mark.slow
def test_three_hunks_stopped_and_gone_on_with(tmp_path: Path) -> None:
    tiny, patch = make_ablation_task(tmp_path / "task")
    (tmp_path / "three.diff").write_bytes(patch)
    arguments = ("three.diff", "--task", str(tiny.file), "-o", "found")
    process = ablate(tmp_path, *arguments)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("1: without h1"):
            process.send_signal(signal.SIGINT)
            break
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "found with 1 variant; the same command goes on" in stderr, stderr
    before = Ablation.model_validate_json((tmp_path / "found" / "ablation.json").read_bytes())
    assert before.smallest is None and [trial.left_out for trial in before.trials] == [["h1"]]
    assert not any((tmp_path / "worktrees").iterdir())

    code, stdout, stderr = ended(tmp_path, *arguments, "--json")
    assert code == 0, stderr
    assert "going on: 1 variant was tried before" in stderr and "base: noise" not in stderr
    found = Ablation.model_validate_json(stdout)
    assert found.trials[0] == before.trials[0]
    outcomes = {finding.part.name: finding.outcome for finding in found.findings}
    assert outcomes == {"h1": "needed", "h2": "carries", "h3": "no_difference"}
    assert "_square" in found.findings[0].sentence
    helper, loop, _ = found.findings
    assert helper.share is None and loop.share is not None and loop.share.low < 1 < loop.share.high + 0.2
    assert found.smallest is not None and found.smallest.left_out == ["h3"]
    assert found.smallest.against_whole is not None and found.smallest.against_whole.low >= 0.8
    assert found.smallest.speedup.low > 2
    samples = json.loads((tmp_path / "found" / "evidence" / "trials" / "002" / "samples.json").read_text())
    assert samples["samples"]

    smallest = tmp_path / "found" / "minimal_patch.diff"
    subprocess.run(["git", "init", "-q"], cwd=tiny.folder / "target", check=True)
    subprocess.run(["git", "apply", str(smallest)], cwd=tiny.folder / "target", check=True)
    expected = CORE.replace("SCALE = 1\n", HELPER)
    assert USE in tiny.core.read_text() and "of them" not in tiny.core.read_text()
    assert expected.count("\n") - 1 == tiny.core.read_text().count("\n")
    tiny.core.write_text(CORE)

    code, stdout, stderr = ended(tmp_path, *arguments)
    assert code == 0 and "this was done before" in stderr
    assert "Without h3 the gain stays" in stdout and "carries gain" in stdout and "+        square = _square" in stdout


def test_what_cannot_be_taken_apart(tiny: TinyTask, tmp_path: Path) -> None:
    (tmp_path / "one.diff").write_bytes(tiny.patch("range(20)", "range(1)"))
    (tmp_path / "outside.diff").write_bytes(tiny.patch("== 14", "== 15", "tests/test_core.py"))
    (tmp_path / "empty.diff").write_bytes(b"")
    (tmp_path / "other.diff").write_bytes(tiny.patch("range(20)", "range(1)").replace(b"-        for", b"-        far"))
    for name, words in {
        "one.diff": "it is one hunk, so there is nothing to leave out",
        "outside.diff": "only tiny/core.py may change",
        "empty.diff": "nothing was changed",
        "other.diff": "does not apply",
    }.items():
        code, stdout, stderr = ended(tmp_path, name, "--task", str(tiny.file))
        assert (code, stdout) == (2, "") and words in stderr and "Traceback" not in stderr
    code, _, stderr = ended(tmp_path, "one.diff", "--task", str(tiny.file), "--by", "line-group")
    assert code == 2 and "one line group" in stderr
    code, _, stderr = ended(tmp_path, "one.diff")
    assert code == 2 and "--task" in stderr
    assert not list(tmp_path.glob("*.ablation"))


def test_one_at_a_time_in_a_folder(tmp_path: Path) -> None:
    tiny, patch = make_ablation_task(tmp_path / "task")
    (tmp_path / "three.diff").write_bytes(patch)
    (tmp_path / "found").mkdir()
    with FileLock(tmp_path / "found" / ".ablation.lock"):
        code, _, stderr = ended(tmp_path, "three.diff", "--task", str(tiny.file), "-o", "found")
    assert code == 2 and "Another `harness ablate` is writing to found" in stderr


def test_hostile_parts_are_shown_harmlessly(tmp_path: Path) -> None:
    part = Part(name="h1", path=HOSTILE, line=3, heading=HOSTILE, added=1, removed=0, text=f"@@ -1 +1 @@\n+{HOSTILE}\n")
    finding = PartFinding(part=part, outcome="needed", sentence=f"needed: {HOSTILE}")
    record = Ablation(
        patch=HOSTILE,
        task="tiny",
        by="hunk",
        sha256="",
        base_commit="",
        made_of={},
        limit=9,
        parts=[part],
        findings=[finding],
        notes=[HOSTILE],
    )
    console = Console(file=io.StringIO(), width=100)
    console.print(ablation_shown(record, tmp_path))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold red]x[/]" in shown and "\x1b" not in shown and "\u202e" not in shown and "\x07" not in shown
    assert json.loads(strict_json(record.model_dump(mode="json")))["notes"]


def test_show_tells_that_a_patch_was_taken_apart(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs", verdict()).attempt("001")
    (folder.path / "ablation").mkdir()
    parts = [
        Part(name=name, path="a.py", line=1, heading="", added=1, removed=0, text="+x\n") for name in ("h1", "h2", "h3")
    ]
    outcomes: tuple[Outcome, ...] = ("carries", "needed", "no_difference")
    interval = Interval(estimate=1.0, low=0.99, high=1.01)
    smallest = Smallest(
        left_out=["h3"], insertions=2, deletions=0, sha256="", path="p", against_whole=interval, speedup=interval
    )
    record = Ablation(
        patch="x",
        task="tiny",
        by="hunk",
        sha256="",
        base_commit="",
        made_of={},
        limit=9,
        parts=parts,
        findings=[
            PartFinding(part=part, outcome=outcome, sentence="") for part, outcome in zip(parts, outcomes, strict=True)
        ],
        smallest=smallest,
    )
    for kept, words in (
        (record, "carries the gain: h1; needed: h2; without h3 it is 1.00x [0.99, 1.01] as fast"),
        (record.model_copy(update={"smallest": None}), "not finished, 0 variants tried of 3 parts"),
    ):
        (folder.path / "ablation" / "ablation.json").write_text(kept.model_dump_json())
        console = Console(file=io.StringIO(), width=200)
        console.print(load_shown(folder).render(diff=False))
        assert f"ablation by hunk: {words}" in console.file.getvalue()  # type: ignore[attr-defined]


def test_more_parts_than_the_limit(tmp_path: Path) -> None:
    tiny, patch = make_ablation_task(tmp_path / "task")
    (tmp_path / "three.diff").write_bytes(patch)
    code, _, stderr = ended(tmp_path, "three.diff", "--task", str(tiny.file), "--limit", "2")
    assert code == 2 and "has 3 parts" in stderr and "--limit 6" in stderr


def test_an_attempt_without_a_gain_is_told_at_once(tmp_path: Path) -> None:
    from harness.ablation.asked import find_patch

    folder = write_run(tmp_path / "runs", verdict("same", 1.0))
    with pytest.raises(UsageError, match="is same: It is same"):
        find_patch(tmp_path / "runs", folder.name, None)
    with pytest.raises(UsageError, match="There is no run other"):
        find_patch(tmp_path / "runs", "other/001", None)
    folder = write_run(tmp_path / "more", verdict("no_patch", patch=None), diff="")
    folder.attempt("001").patch.unlink()
    with pytest.raises(UsageError, match="left no patch"):
        find_patch(tmp_path / "more", "latest", None)


def test_an_attempt_knows_its_task_and_its_folder(tmp_path: Path) -> None:
    from harness.ablation.asked import find_patch

    folder = write_run(tmp_path / "runs", verdict())
    asked = find_patch(tmp_path / "runs", f"{folder.name}/001", None)
    assert asked.patch == folder.attempt("001").patch and asked.into == folder.attempt("001").path / "ablation"
    assert asked.task == "moe_align" and find_patch(tmp_path / "runs", "latest", "other.yaml").task == "other.yaml"
