"""`harness export` from the command line, and the bundle that it writes."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from merged import RUN, finished_run, keep_samples
from test_cli import harness
from test_merge_export import SAID
from tiny_task import TinyTask

from harness.errors import UsageError
from harness.merge.commit import Author
from harness.merge.export import ExportOptions, export_attempt
from harness.store import AttemptFolder
from harness.verdict import Verdict


def test_the_bundle_is_the_same_bytes_and_tells_nothing_of_the_machine(tiny: TinyTask, tmp_path: Path) -> None:
    folder = finished_run(tiny, tmp_path / "runs", tmp_path, message=f"See {tmp_path}/runs and {Path.home()}/x.")
    keep_samples(folder, Verdict.model_validate(json.loads(_kept(folder))))
    first = export_attempt(folder, ExportOptions(folder=tmp_path / "a"))
    tiny.file.touch()
    second = export_attempt(folder, ExportOptions(folder=tmp_path / "b"))
    assert first.made.data == second.made.data == (tmp_path / "b" / "evidence.tar.gz").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(first.made.data)) as tar:
        members = tar.getmembers()
        content = {member.name: tar.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    assert [member.name for member in members] == sorted(content)
    assert {(member.mtime, member.uid, member.uname, member.mode) for member in members} == {(0, 0, "", 0o644)}
    assert {"task/bench.py", "task/hidden_tests/test_hidden.py", "base/tiny/core.py", "samples.json"} <= set(content)
    assert str(Path.home()).encode() not in b"".join(content.values())
    assert str(tmp_path).encode() not in b"".join(content.values())


def _kept(folder: AttemptFolder) -> str:
    last = folder.run.journal.read_text().splitlines()[-1]
    return json.dumps(json.loads(last)["attempts"][0])


def test_hidden_tests_can_be_left_out(tiny: TinyTask, tmp_path: Path) -> None:
    folder = finished_run(tiny, tmp_path / "runs", tmp_path)
    made = export_attempt(folder, ExportOptions(folder=tmp_path / "to", hidden_tests=False))
    assert made.made.manifest.hidden_tests == "left_out"
    assert not [name for name in made.made.manifest.files if "hidden" in name]
    text = (tmp_path / "to" / "pull_request.md").read_text()
    assert "made without the hidden tests" in text and "**the hidden tests**" not in text


def test_the_verb(in_repository: TinyTask, tmp_path: Path) -> None:
    finished_run(in_repository, tmp_path / "runs", tmp_path, said=SAID)
    ended = harness("export", f"{RUN}/001", "--author", "Ann <ann@example.org>", "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert Path(document["patch"]) == Path(f"export-{RUN}-001/0001-tiny.patch")
    assert "From: Ann <ann@example.org>" in (tmp_path / document["patch"]).read_text()
    assert document["branch"] is None and document["hidden_tests"] == "included"
    told = harness("export", cwd=tmp_path)
    assert told.returncode == 0 and "git am 0001-tiny.patch" in told.stdout
    assert "--no-hidden-tests" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense/001"], "There is no run nonsense"),
        (["--author", "ann"], "is no author"),
        (["--repo", "."], "--branch"),
        (["--branch", "a b"], "is no name for a branch"),
        (["--branch", "-f"], "is no name for a branch"),
        (["--branch", "main"], "There is a branch main"),
        (["--branch", "main/x"], "cannot be made"),
        (["--branch", "x", "--repo", "nowhere"], "there is no such folder"),
        (["--branch", "x", "--repo", "runs"], "this is no git repository"),
        (["--task", "nowhere.yaml"], "There is no task file nowhere.yaml"),
    ],
)
def test_what_cannot_be_done_is_said(in_repository: TinyTask, tmp_path: Path, arguments: list[str], words: str) -> None:
    finished_run(in_repository, tmp_path / "runs", tmp_path)
    ended = harness("export", *arguments, cwd=tmp_path)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_author_is_of_gits_form() -> None:
    assert Author.parse("Ann Lee <ann@example.org>") == Author("Ann Lee", "ann@example.org")
    for bad in ("Ann", "<ann@example.org>", "Ann <ann>", "Ann <a@b>\nX", "A <a@b> <c@d>"):
        with pytest.raises(UsageError):
            Author.parse(bad)
