"""Importing: a run's folder like any other comes out, and nothing of it ranks."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from recorded_elsewhere import DIFF, EVENTS, ROLLOUT, TRANSCRIPT, lines
from rich.console import Console
from test_cli import harness
from tiny_task import TinyTask

from agent.trajectory import read_trajectory
from harness.errors import UsageError
from harness.export_session import session_as_atif
from harness.find_run import find_attempt
from harness.import_session import import_session
from harness.imported import Imported
from harness.leaderboard import leaderboard
from harness.report.material import read_run
from harness.run_lines import load_run_line
from harness.show import load_shown
from harness.store import RunFolder
from harness.verdict import Verdict
from harness.verdict_folder import read_verdicts


def _import(folder: Path, content: str, task: str | None = None) -> Imported:
    file = folder / "session.txt"
    file.write_text(content)
    return import_session(file, task, folder / "runs")


def _tiny_transcript(tiny: TinyTask) -> str:
    """The transcript, its last diff replaced by one that fits the tiny target."""
    patch = tiny.patch("        for _ in range(20):  # the work a first version does too often\n    ", "").decode()
    assert TRANSCRIPT.count(DIFF) == 2
    return TRANSCRIPT.replace(DIFF, patch + "\n")


def test_an_attempt_like_any_other_comes_out(tmp_path: Path) -> None:
    imported = _import(tmp_path, TRANSCRIPT)
    folder = find_attempt(tmp_path / "runs")
    assert folder.path == imported.folder.path
    patch = folder.patch.read_text()
    assert "One pass in C" in patch and ".bench_scratch" not in patch
    assert imported.left_out == [".bench_scratch/time_it.py"]
    assert len(list(read_trajectory(folder.trajectory))) == len(imported.session.events)
    assert "faster." in folder.prompt.read_text()
    verdict = Verdict.model_validate_json(folder.verdict.read_text())
    assert (verdict.status, verdict.cause, verdict.was_judged) == ("infra_failed", "not_judged", False)
    assert (verdict.agent, verdict.model, verdict.task) == ("codex", "gpt-example", "imported")
    assert session_as_atif(folder)["agent"] == {"name": "codex", "version": "0.87.0", "model_name": "gpt-example"}
    assert verdict.patch is not None
    assert (verdict.patch.insertions, verdict.patch.deletions, verdict.patch.files) == (2, 3, ["shop/cart.py"])
    assert verdict.origin is not None and "session.txt" in verdict.origin


def test_it_is_shown_and_listed_and_on_no_board(tmp_path: Path) -> None:
    imported = _import(tmp_path, TRANSCRIPT)
    run = RunFolder(imported.folder.path.parent)
    line = load_run_line(run)
    assert (line.status, line.judged, line.best) == ("imported", [], None)
    stream = io.StringIO()
    Console(file=stream, width=200).print(load_shown(imported.folder).render(diff=True))
    assert "not judged" in stream.getvalue() and "sum(prices)" in stream.getvalue()
    problems: list[str] = []
    verdicts = list(read_verdicts([run], problems))
    assert len(verdicts) == 1 and not problems
    assert leaderboard(verdicts) == []
    assert read_run(run).attempts[0].status == "not_judged"
    assert verdicts[0].counted_speedup is None


def test_where_the_target_is_present_the_patch_is_held_against_it(tmp_path: Path, tiny: TinyTask) -> None:
    imported = _import(tmp_path, _tiny_transcript(tiny), str(tiny.file))
    assert imported.applies is True and imported.verdict.task == "tiny"
    assert imported.verdict.patch is not None and imported.verdict.patch.files == ["tiny/core.py"]
    stream = io.StringIO()
    Console(file=stream, width=400).print(imported.render())
    assert f"--task {tiny.file}" in stream.getvalue()
    elsewhere = _import(tmp_path, TRANSCRIPT, str(tiny.file))
    assert elsewhere.applies is False
    assert "shop/cart.py" in " ".join(elsewhere.notes)
    assert elsewhere.verdict.base_commit == "unknown"


def test_a_session_files_edits_are_made_on_the_base(tmp_path: Path, tiny: TinyTask) -> None:
    without = _import(tmp_path, lines(*ROLLOUT))
    assert without.verdict.patch is None and "--task" in " ".join(without.notes)
    imported = _import(tmp_path, lines(*ROLLOUT), str(tiny.file))
    assert imported.applies is True
    assert "+        square = value * value" in imported.folder.patch.read_text()
    tiny.core.write_text(tiny.core.read_text().replace("range(20)", "range(30)"))
    late = _import(tmp_path, lines(*ROLLOUT), str(tiny.file))
    assert late.applies is False and late.verdict.patch is None
    assert "Edit 1 of 1" in " ".join(late.notes)


def test_without_a_patch_it_says_so(tmp_path: Path) -> None:
    imported = _import(tmp_path, lines(*EVENTS))
    assert imported.verdict.patch is None and imported.folder.patch.read_bytes() == b""
    assert "no patch" in imported.verdict.message and "no patch" in " ".join(imported.notes)


def test_our_own_trajectory_brings_its_runs_facts_along(tmp_path: Path, tiny: TinyTask) -> None:
    first = _import(tmp_path, _tiny_transcript(tiny), str(tiny.file))
    again = import_session(first.folder.trajectory, None, tmp_path / "others")
    assert (again.verdict.agent, again.verdict.model, again.verdict.task) == ("codex", "gpt-example", "tiny")
    assert again.folder.patch.read_bytes() == first.folder.patch.read_bytes()
    assert again.session.events == first.session.events
    # Counted also where nothing of the target is there.
    assert again.verdict.patch is not None and again.verdict.patch.insertions > 0
    assert again.verdict.patch.model_dump(exclude={"path"}) == first.verdict.patch.model_dump(exclude={"path"})


def test_a_file_that_is_no_session_makes_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a recorded session"):
        _import(tmp_path, "nothing of the kind\n")
    assert not (tmp_path / "runs").exists()


def test_the_verb(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(TRANSCRIPT)
    ended = harness("import", "t.txt", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    for fact in ("7 turns, 6 calls, 2 of them failed", "4 in the recording", "+2 -3 in shop/cart.py", "harness verify"):
        assert fact in ended.stdout, ended.stdout
    document = json.loads(harness("import", "t.txt", "--json", cwd=tmp_path).stdout)
    assert document["verdict"]["cause"] == "not_judged" and document["diffs"] == 4
    ended = harness("import", "none.txt", cwd=tmp_path)
    assert ended.returncode == 2 and "no file none.txt" in ended.stderr
    assert "imported" in harness("list", cwd=tmp_path).stdout
    assert "No attempts" in harness("leaderboard", cwd=tmp_path).stdout
