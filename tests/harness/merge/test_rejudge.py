"""`harness verify --bundle`: a second machine (its own home, its own folders) judges again and compares."""

from __future__ import annotations

import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from merged import RUN, Files, finished_run, keep_samples, with_manifest, write
from records import HOSTILE, device, interval, verdict
from synthetic_runs import a_measurement
from test_cli import ROOT, harness
from tiny_task import TinyTask

from harness.compare import Measured, compare_measured
from harness.merge.export import ExportOptions, export_attempt
from harness.merge.rejudge import _agreement, _follows
from harness.verdict import Verdict


def elsewhere(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Another machine: nothing of the first one's home, state or folders."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(home), "XDG_STATE_HOME": str(home / "state")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
def test_a_bundle_of_a_real_run_is_judged_again_on_another_machine(tiny: TinyTask, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "fast.diff").write_bytes(tiny.patch("range(20)", "range(1)"))
    ended = elsewhere(here, "verify", "fast.diff", "--task", str(tiny.file))
    assert ended.returncode == 0, ended.stderr
    ended = elsewhere(here, "export", "-o", "out")
    assert ended.returncode == 0, ended.stderr
    there.mkdir()
    (here / "out" / "evidence.tar.gz").rename(there / "evidence.tar.gz")
    shutil.rmtree(here)
    shutil.rmtree(tiny.folder)
    ended = elsewhere(there, "verify", "--bundle", "evidence.tar.gz", "--trust", "--require", "1.5", "--json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["agreement"] in ("reproduced", "other_factor")  # the machine is busy with others
    assert found["notes"] == []
    assert found["here"]["status"] == found["recorded"]["status"] == "faster"
    assert found["here"]["patch"]["sha256"] == found["recorded"]["patch"]["sha256"]
    assert found["here"]["base_commit"] == found["recorded"]["base_commit"]
    assert found["ratio"]["low"] < found["ratio"]["estimate"] < found["ratio"]["high"]
    assert [each["name"] for each in found["workloads"]] == ["small", "large", "secret"]
    assert "runs unconfined" in ended.stderr and "tests passed: 3 tests" in ended.stderr
    assert list((there / "worktrees").iterdir()) == []


@pytest.mark.slow
def test_a_claim_that_does_not_come_back_is_called_so(tiny: TinyTask, tmp_path: Path) -> None:
    """A doctored bundle: it says 3.91x of a patch that changes a comment, and brings samples of something else."""
    diff = tiny.patch("does too often", "makes too often")
    folder = finished_run(tiny, tmp_path / "runs", tmp_path, diff=diff)
    keep_samples(folder, verdict(speedup=2.0))
    made = export_attempt(folder, ExportOptions(folder=tmp_path / "to", hidden_tests=False))
    assert made.made.manifest.hidden_tests == "left_out"
    ended = elsewhere(tmp_path / "there", "verify", "--bundle", str(made.bundle), "--trust", "--require", "1.1")
    assert ended.returncode == 1, ended.stderr
    assert "NOT reproduced: there faster 3.91x [3.71, 4.11], here same" in ended.stdout
    assert "does not follow from its own samples" in ended.stdout
    assert "made without the hidden tests: they were not run here" in ended.stdout
    assert "tests passed: 2 tests" in ended.stderr


@pytest.mark.slow
def test_with_a_task_of_ones_own_nothing_of_the_bundle_runs_but_its_patch(
    tiny: TinyTask,
    files: Files,
    tmp_path: Path,
) -> None:
    trap = b"open('%s', 'w').close()\n" % bytes(tmp_path / "ran")
    evil = {"task/bench.py": trap + files["task/bench.py"], "task/hidden_tests/test_hidden.py": trap}
    bundle = write(tmp_path, with_manifest(files | evil, lambda manifest: None))
    ended = elsewhere(tmp_path / "there", "verify", "--bundle", str(bundle), "--task", str(tiny.file), "--json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["here"]["status"] == "faster" and "Judged with your own task file" in found["notes"][-1]
    assert not (tmp_path / "ran").exists()


def test_without_trust_nothing_is_run(files: Files, tmp_path: Path) -> None:
    trap = b"open('%s', 'w').close()\n" % bytes(tmp_path / "ran")
    evil = {"task/bench.py": trap, "task/hidden_tests/test_hidden.py": trap, "base/tiny/core.py": trap}
    bundle = write(tmp_path, with_manifest(files | evil, lambda manifest: None))
    ended = harness("verify", "--bundle", str(bundle), cwd=tmp_path)
    assert ended.returncode == 2
    assert "Nothing of it was run" in ended.stderr and "--trust" in ended.stderr and "--task FILE" in ended.stderr
    assert not (tmp_path / "ran").exists() and [path.name for path in tmp_path.glob("runs/*")] == [RUN]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bench": "../../../../etc/passwd"}, "which is not in the bundle|there is no file"),
        ({"source": {"path": "/etc"}}, "names /etc, which is not in the bundle"),
        ({"source": {"path": "../base", "overlay": "/etc"}}, "names /etc, which is not in the bundle"),
        ({"source": {"path": "../task"}}, "its base has the tree"),
        ({"source": {"git": "/srv/repository", "commit": "abc"}}, "which only its sender has"),
        ({"tests": {"hidden": "/etc"}}, "names /etc, which is not in the bundle"),
        ({"nonsense": 1}, "its task file is wrong: .*nonsense"),
    ],
)
def test_even_a_trusted_task_file_stays_in_its_bundle(
    files: Files,
    tmp_path: Path,
    change: dict[str, object],
    words: str,
) -> None:
    task = yaml.safe_load(files["task/tiny.yaml"]) | change
    bundle = write(tmp_path, with_manifest(files | {"task/tiny.yaml": yaml.safe_dump(task).encode()}, lambda m: None))
    ended = harness("verify", "--bundle", str(bundle), "--trust", cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert re.search(words, ended.stderr), ended.stderr
    assert [path.name for path in tmp_path.glob("runs/*")] == [RUN]


def test_a_bundle_of_another_task_is_refused(files: Files, tmp_path: Path) -> None:
    bundle = write(tmp_path, with_manifest(files, lambda manifest: manifest.update(task="other")))
    task = tmp_path / "tiny-task" / "tiny.yaml"
    ended = harness("verify", "--bundle", str(bundle), "--task", str(task), cwd=tmp_path)
    assert ended.returncode == 2 and "the bundle is of other" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "There is nothing to judge"),
        (["--trust"], "goes with --bundle"),
        (["x.diff", "--bundle", "y"], "exclude each other"),
        (["--bundle", "nowhere.tar.gz"], "There is no bundle nowhere.tar.gz"),
        (["nowhere.diff"], "There is no patch nowhere.diff"),
        (["."], "does not say which task"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, arguments: list[str], words: str) -> None:
    ended = harness("verify", *arguments, cwd=tmp_path)
    assert ended.returncode == 2 and words in ended.stderr, ended.stderr


def _sides(there: float, here: float, **changes: object) -> tuple[Measured, Measured]:
    sides = []
    for seed, (speedup, name) in enumerate(((there, "AMD EPYC"), (here, "Xeon"))):
        ratio = interval(speedup, speedup * 0.99, speedup * 1.01)
        judged = verdict(speedup=speedup, device=device(name), **(changes if name == "Xeon" else {}))
        workloads = [
            each.model_copy(update={"candidate_us": each.base_us / speedup, "speedup": ratio})
            for each in judged.workloads
        ]
        judged = judged.model_copy(update={"workloads": workloads})
        sides.append(Measured(judged, a_measurement(judged, random.Random(seed)).samples))
    return sides[0], sides[1]


@pytest.mark.parametrize(
    ("there", "here", "agreement", "words"),
    [
        (2.0, 2.0, "reproduced", "Reproduced: there faster 2.00x"),
        (2.0, 3.0, "other_factor", "the gain is more on this machine, here over there 1."),
        (3.0, 2.0, "other_factor", "the gain is less on this machine, here over there 0."),
    ],
)
def test_the_factors_are_tested_across_devices(there: float, here: float, agreement: str, words: str) -> None:
    compared = compare_measured(*_sides(there, here), across_devices=True)
    assert compared.ratio is not None and compared.ratio.low < here / there < compared.ratio.high
    assert _agreement(compared)[0] == agreement and words in _agreement(compared)[1]
    assert compare_measured(*_sides(there, here)).conclusion == "not_tested"


@pytest.mark.parametrize(
    ("changes", "agreement", "words"),
    [
        ({"status": "same"}, "not_reproduced", "NOT reproduced: there faster 2.00x [1.90, 2.10], here same"),
        ({"status": "infra_failed", "timing": None, "message": "The disk is full."}, "not_judged", "The disk is full"),
        ({"base_commit": "2e" * 20}, "reproduced", "The factors were not tested: Their bases differ"),
    ],
)
def test_verdicts_come_before_factors(changes: dict[str, object], agreement: str, words: str) -> None:
    one, two = _sides(2.0, 2.0)
    two = Measured(two.verdict.model_copy(update=changes), two.samples)
    found = _agreement(compare_measured(one, two, across_devices=True))
    assert found[0] == agreement and words in found[1]


def test_a_verdict_follows_from_its_samples_or_does_not() -> None:
    judged = verdict()
    samples = a_measurement(judged, random.Random(3)).samples
    from harness.selection import overall_values
    from harness.timing.statistics import hodges_lehmann

    true = hodges_lehmann(overall_values(samples), 0.05).as_ratio()
    assert _follows(judged.model_copy(update={"speedup": true}), samples)
    off = true.model_copy(update={"estimate": true.estimate * math.exp(1e-4)})
    assert not _follows(judged.model_copy(update={"speedup": off}), samples)
    assert not _follows(judged, []) and not _follows(Verdict.model_validate(judged.model_dump()), samples[:1])


def test_a_strangers_words_do_nothing_to_the_terminal(tmp_path: Path) -> None:
    from io import StringIO

    from rich.console import Console

    from harness.merge.rejudge import Rejudged
    from harness.merge.rejudge_display import rendered
    from harness.run import RunOutcome
    from harness.store import RunFolder

    one, two = _sides(2.0, 2.0)
    hostile = {"message": HOSTILE, "run": HOSTILE, "sandbox": HOSTILE, "harness_version": HOSTILE, "status": "same"}
    machine = device(HOSTILE).model_copy(update={"platform": HOSTILE, "versions": {HOSTILE: HOSTILE}})
    workloads = [each.model_copy(update={"name": HOSTILE}) for each in one.verdict.workloads]
    judged = one.verdict.model_copy(update=hostile | {"device": machine, "workloads": workloads})
    compared = compare_measured(Measured(judged, one.samples), two, across_devices=True)
    agreement, sentence = _agreement(compared)
    outcome = RunOutcome(RunFolder(tmp_path), [two.verdict])
    found = Rejudged(outcome, judged, agreement, sentence, [HOSTILE], compared, {})
    screen = StringIO()
    for part in rendered(found):
        Console(file=screen, width=120).print(part)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", screen.getvalue())
    assert "[bold red]x[/]" in screen.getvalue()
