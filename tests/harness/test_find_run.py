"""Runs and attempts by what people call them; of what is not there, what was found instead and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from records import AT, story, verdict, write_run

from harness.errors import UsageError
from harness.events import RunFinished
from harness.find_run import find_attempt, find_run
from harness.journal import Journal
from harness.store import AttemptFolder, create_run


def test_an_attempt_is_found_by_what_people_call_it(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs", verdict())
    expected = folder.path / "001"
    for name in (f"{folder.name}/001", folder.name, "latest/001", "latest", str(expected), f"{expected}/"):
        assert find_attempt(tmp_path / "runs", name).path == expected, name
    folder.attempt("002").create()
    with pytest.raises(UsageError, match=r"has 2 attempts.*\n.*004512/001, .*004512/002"):
        find_attempt(tmp_path / "runs", folder.name)


def test_near_misses_are_suggested(tmp_path: Path) -> None:
    folder = write_run(tmp_path, verdict())
    with pytest.raises(UsageError, match="Did you mean moe_align-20261121-004512"):
        find_attempt(tmp_path, "moe_align-20261121-004521/001")
    with pytest.raises(UsageError, match=r"has no attempt 01\.\nDid you mean 001"):
        find_attempt(tmp_path, f"{folder.name}/01")
    with pytest.raises(UsageError, match="There are no runs in"):
        find_attempt(tmp_path / "empty", "latest")
    with pytest.raises(UsageError):
        find_attempt(tmp_path, "../../etc/passwd")


def test_a_folder_or_file_that_is_no_run_is_named_with_what_is_in_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "kept" / "runs", verdict())
    (tmp_path / "empty" / "runs").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    out = tmp_path / "runs"
    for folder in (tmp_path / "kept", run.path.parent):
        with pytest.raises(
            UsageError, match=f"^{folder} is no run, but .*\n--out {run.path.parent} takes all .*{run.path}"
        ):
            find_run(out, str(folder))
    for folder in (tmp_path / "empty", tmp_path / "empty" / "runs"):
        with pytest.raises(UsageError, match=rf"^{folder} is no run: .*\n.*`harness list`.*--out DIR"):
            find_run(out, str(folder))
    kept = AttemptFolder(tmp_path / "records" / "gpu" / "001").create()
    kept.verdict.write_text("{}")
    with pytest.raises(UsageError, match=f"kept verdicts in it\\.\nName their folder: {tmp_path}/records/gpu\\."):
        find_run(out, str(tmp_path / "records"))
    with pytest.raises(UsageError, match=f"^{tmp_path}/file is a file, .*\n.*--out DIR"):
        find_attempt(out, str(tmp_path / "file"))
    for name in ("nowhere", "x" * 300):
        with pytest.raises(UsageError, match=rf"^There is no run {name}: there are no runs in {out}\."):
            find_run(out, name)


def test_a_run_without_attempts_says_why_and_how_to_go_on(tmp_path: Path) -> None:
    write_run(tmp_path, verdict(run="t-20261121-004512"))
    run = create_run("t", tmp_path)
    with Journal(run.journal) as journal:
        journal.append(story(verdict())[0])
        with pytest.raises(UsageError, match=f"{run.name} has no attempts yet: .*\n`harness watch {run.name}`"):
            find_attempt(tmp_path, "latest/001")
        journal.append(RunFinished(at=AT, run=run.name, attempts=[], error="No GPU.\nPut one in."))
    with pytest.raises(
        UsageError, match=r"before the first\. No GPU\.\nThe newest run with attempts is t-20261121-004512"
    ):
        find_attempt(tmp_path)
    run.plan.write_text("{}")
    with pytest.raises(
        UsageError, match=f"\n`harness resume {run.name}` goes on with it, if the task stays as it is; "
    ):
        find_attempt(tmp_path, str(run.path))
