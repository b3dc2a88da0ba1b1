"""`harness verify --onto`: a target that goes on, commit by commit, and what becomes of a kept patch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from merged import RUN, commit_all, finished_run, git, make_repository
from records import verdict
from test_cli import harness
from test_rejudge import elsewhere
from tiny_task import TinyTask

from harness.errors import UsageError
from harness.merge.fit import Fit, fit
from harness.merge.kept_patch import KeptPatch, kept_patch, with_hashes
from harness.merge.onto import Onto, OntoReport
from harness.merge.versions import versions_of
from harness.options import RunOptions
from harness.source import seal
from harness.task_file import load_task


def change(tiny: TinyTask, old: str, new: str, message: str) -> str:
    text = tiny.core.read_text()
    assert old in text
    tiny.core.write_text(text.replace(old, new))
    return commit_all(tiny.folder, message)


def history(tiny: TinyTask) -> dict[str, str]:
    """Commits after the one that the patch is for."""
    commits = {
        "elsewhere": change(tiny, '"""The slow part."""', '"""The slow part.\n\nOf all of it.\n"""', "words"),
        "beside": change(tiny, "    result = 0\n", "    result = 0  # so far\n", "a line beside the patch"),
    }
    git(tiny.folder, "tag", "v2", commits["beside"])
    git(tiny.folder, "checkout", "--quiet", "-b", "upstream")
    commits["upstream"] = change(tiny, "range(20)", "range(1)", "the same idea upstream")
    git(tiny.folder, "checkout", "--quiet", "-b", "other", "main")
    commits["rewritten"] = change(tiny, "for _ in range(20):", "for _ in range(30):", "another loop")
    git(tiny.folder, "checkout", "--quiet", "-b", "broken", "main")
    commits["broken"] = change(tiny, "result += square", "result -= square", "its own tests fail")
    git(tiny.folder, "rm", "-r", "--quiet", "target")
    git(tiny.folder, "commit", "--quiet", "-m", "gone")
    commits["gone"] = git(tiny.folder, "rev-parse", "HEAD")
    git(tiny.folder, "checkout", "--quiet", "main")
    return commits


def fitted(tiny: TinyTask, tmp_path: Path, name: str) -> Fit:
    patch = tmp_path / "p.diff"
    if not patch.exists():
        patch.write_bytes(finished_run(tiny, tmp_path / "runs", tmp_path).patch.read_bytes())
    (found,) = versions_of(load_task(str(tiny.file)), [name], tmp_path).found
    folder = tmp_path / f"at-{name}"
    folder.mkdir()
    sealed = seal(found.task(folder), folder / "sealed.git")
    return fit(patch, sealed, [tiny.folder / ".git" / "objects"], folder)


def test_how_a_patch_goes_onto_what_came_later(in_repository: TinyTask, tmp_path: Path) -> None:
    patch = finished_run(in_repository, tmp_path / "runs", tmp_path).patch.read_bytes()
    (tmp_path / "p.diff").write_bytes(patch)
    commits = history(in_repository)
    found = {name: fitted(in_repository, tmp_path, commits[name]) for name in commits if name != "gone"}
    assert {name: each.how for name, each in found.items()} == {
        "elsewhere": "cleanly",
        "beside": "merged",
        "upstream": "already_there",
        "rewritten": "conflict",
        "broken": "merged",
    }
    assert b"+        for _ in range(1):" in found["beside"].text and b"so far" in found["beside"].text
    assert "tiny/core.py" in found["rewritten"].message and found["rewritten"].text == b""


def test_a_change_that_arrived_in_another_form_is_there(in_repository: TinyTask, tmp_path: Path) -> None:
    """The same line, beside a change that keeps the reversed patch from applying as it is."""
    (tmp_path / "p.diff").write_bytes(finished_run(in_repository, tmp_path / "runs", tmp_path).patch.read_bytes())
    change(in_repository, "range(20)", "range(1)", "the same idea")
    change(in_repository, "    result = 0\n", "    result = 0  # so far\n", "and a line beside it")
    assert fitted(in_repository, tmp_path, "main").how == "already_there"


def test_a_diff_without_hashes_gets_those_of_its_base(in_repository: TinyTask, tmp_path: Path) -> None:
    """As a person, or another tool, writes one: it could not be merged three ways."""
    plain = tmp_path / "plain.diff"
    plain.write_bytes(in_repository.patch("range(20)", "range(1)").split(b"\n", 1)[1])
    options = RunOptions(task=str(in_repository.file))
    (tmp_path / "a").mkdir()
    file, objects = with_hashes(KeptPatch(plain, options), tmp_path / "a")
    base = git(in_repository.folder, "rev-parse", "HEAD:target/tiny/core.py")
    assert f"index {base}..".encode() in file.read_bytes() and (objects[0] / base[:2]).is_dir()
    history(in_repository)
    (tmp_path / "b").mkdir()
    assert with_hashes(KeptPatch(plain, options), tmp_path / "b") == (plain, [])  # today's base is another
    kept = kept_patch(Path(f"{RUN}/001"), RunOptions(task="", out=_older(in_repository, tmp_path)))
    (tmp_path / "c").mkdir()
    assert f"index {base}..".encode() in with_hashes(kept, tmp_path / "c")[0].read_bytes()


def _older(tiny: TinyTask, tmp_path: Path) -> Path:
    """The runs of somebody who ran on the first commit."""
    git(tiny.folder, "checkout", "--quiet", "main~2")
    attempt = finished_run(tiny, tmp_path / "runs", tmp_path)
    attempt.patch.write_bytes(tiny.patch("range(20)", "range(1)").split(b"\n", 1)[1])
    git(tiny.folder, "checkout", "--quiet", "main")
    return tmp_path / "runs"


def test_names_ranges_and_what_is_none(in_repository: TinyTask, tmp_path: Path) -> None:
    first = git(in_repository.folder, "rev-parse", "HEAD")
    commits = history(in_repository)
    loaded = load_task(str(in_repository.file))
    found = versions_of(loaded, ["v2", f"{first}..main", "HEAD~1"], tmp_path).found
    assert [each.version for each in found] == [
        commits["beside"],
        commits["elsewhere"],
        commits["beside"],
        commits["elsewhere"],
    ]
    assert found[0].name == "v2" and len(found[0].date) == len("2026-11-21")
    for bad, words in (
        ("nope", "nope is no commit"),
        ("--all", "is no commit"),
        ("main..main", "no commit in that range"),
    ):
        with pytest.raises(UsageError, match=words):
            versions_of(loaded, [bad], tmp_path)


def test_a_target_without_a_history_has_no_newer_commits(tiny: TinyTask, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lies in no git repository"):
        versions_of(load_task(str(tiny.file)), ["main"], tmp_path)


def test_a_git_source_is_looked_at_in_its_repository(tiny: TinyTask, tmp_path: Path) -> None:
    repository = tmp_path / "upstream"
    (tiny.folder / "target").rename(repository)
    first = make_repository(repository)
    (repository / "README.md").write_text("newer\n")
    second = commit_all(repository)
    tiny.edit_task("source: {path: target}", f"source: {{git: 'file://{repository}', commit: {first}}}")
    versions = versions_of(load_task(str(tiny.file)), ["main"], tmp_path)
    assert [each.version for each in versions.found] == [second]
    sealed = seal(versions.found[0].task(tmp_path), tmp_path / "sealed.git")
    assert sealed.git("show", f"{sealed.commit}:README.md") == b"newer\n"
    assert (versions.objects[0] / "pack").is_dir()


@pytest.mark.slow
def test_every_commit_gets_its_row_and_none_stops_the_others(in_repository: TinyTask, tmp_path: Path) -> None:
    finished_run(in_repository, tmp_path / "runs", tmp_path)
    commits = history(in_repository)
    names = ["beside", "upstream", "rewritten", "broken", "gone"]
    ended = elsewhere(
        tmp_path, "verify", f"{RUN}/001", "--onto", "v2", *(commits[name] for name in names[1:]), "--json"
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    rows = dict(zip(names, found["versions"], strict=True))
    assert [each["ending"] for each in rows.values()] == [
        "judged",
        "already_there",
        "conflict",
        "base_refused",
        "not_there",
    ]
    assert rows["beside"]["verdict"]["status"] == "faster" and rows["beside"]["correct"] is True
    assert rows["beside"]["applies"] == "merged" and rows["beside"]["speedup"]["low"] > 1.5
    assert "admitted" in ended.stderr and found["recorded"]["attempt"] == "001"
    assert found["sentence"].startswith("Still faster on 1 of 2, already there on 1; lost first at ")
    assert rows["beside"]["run"] and Path(tmp_path / rows["beside"]["run"]).is_dir()
    assert git(in_repository.folder, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--onto", "nope"], "nope is no commit"),
        (["main"], "What is main?"),
        (["--onto", "main", "--bundle", "x"], "exclude each other"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(
    in_repository: TinyTask, tmp_path: Path, arguments: list[str], words: str
) -> None:
    finished_run(in_repository, tmp_path / "runs", tmp_path)
    ended = harness("verify", f"{RUN}/001", *arguments, cwd=tmp_path)
    assert ended.returncode == 2 and words in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr


def _row(ending: str, status: str | None = None, speedup: float = 2.0) -> Onto:
    judged = None if status is None else verdict(status=status, speedup=speedup)
    return Onto.model_validate(
        {
            "name": "c",
            "version": "ab" * 20,
            "short": "abababababab",
            "date": "2026-11-21",
            "ending": ending,
            "speedup": judged.speedup if judged else None,
            "message": "because.",
            "verdict": judged,
        }
    )


@pytest.mark.parametrize(
    ("rows", "code", "meets", "sentence"),
    [
        ([_row("judged", "faster")], 0, True, "Still faster on 1 of 1."),
        ([_row("judged", "faster"), _row("already_there")], 0, True, "Still faster on 1 of 1, already there on 1."),
        ([_row("judged", "same")], 0, False, "Still faster on 0 of 1; lost first at c (same)."),
        (
            [_row("conflict"), _row("base_refused")],
            0,
            False,
            "Still faster on 0 of 1; lost first at c (conflict); 1 could not be judged.",
        ),
        ([_row("base_refused"), _row("not_judged")], 2, False, "Still faster on 0 of 0; 2 could not be judged."),
        ([_row("not_judged")], 4, False, "Still faster on 0 of 0; 1 could not be judged."),
    ],
)
def test_what_it_comes_to(rows: list[Onto], code: int, meets: bool, sentence: str) -> None:
    report = OntoReport(task="tiny", patch="p", recorded=None, versions=rows)
    assert (report.exit_code, report.meets(1.5), report.sentence) == (code, meets, sentence)
