"""Where runs live: names that sort and never collide, files that are whole, and what people may call them."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from records import AT, story, verdict, write_run

from harness.errors import StorageError, UsageError
from harness.events import RunFinished
from harness.exports.whole_file import whole_file
from harness.journal import Journal
from harness.store import (
    AttemptFolder,
    RunFolder,
    create_run,
    find_attempt,
    find_run,
    find_runs,
    new_run_name,
    write_atomic,
)
from harness.workspace import workspace


def test_runs_made_in_the_same_second_get_names_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: create_run("moe_align", tmp_path / "a" / "b"), range(24)))
    assert len({folder.path for folder in folders}) == 24
    assert all(re.fullmatch(r"moe_align-\d{8}-\d{6}(-\d+)?", folder.name) for folder in folders)
    assert new_run_name("moe_align", tmp_path).count("-") == 2


def test_the_newest_run_is_found_across_tasks_and_suffixes(tmp_path: Path) -> None:
    names = ["zz-20261121-004512", "aa-20261121-004512-2", "aa-20261121-004512-10", "mm-20261122-000000"]
    for name in names:
        write_run(tmp_path, verdict(run=name))
    (tmp_path / "not-a-run").mkdir()
    assert [run.name for run in find_runs(tmp_path)] == names[::-1]
    assert find_run(tmp_path).name == find_run(tmp_path, "latest").name == names[-1]
    assert find_attempt(tmp_path).run.name == names[-1]


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


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    for out in (tmp_path / "runs", tmp_path / "runs" / "deeper"):
        with pytest.raises(StorageError, match=r"runs.*\n.*--out"):
            create_run("t", out)
    with pytest.raises(StorageError, match="Not a directory"):
        find_runs(tmp_path / "runs")


def test_the_way_out_of_a_place_that_cannot_be_written_is_its_own_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="--worktrees"), workspace(tmp_path / "file" / "one"):
        pass
    for place in ("file/x.parquet", "missing/x.parquet"):
        with pytest.raises(StorageError, match=f"Cannot write .*{place}.*\n.* -o"), whole_file(tmp_path / place):
            pass
    with pytest.raises(StorageError, match="-o"):
        write_atomic(tmp_path / "folder", "", "-o")


def test_a_name_too_long_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="shorter folder"):
        create_run("t", tmp_path / ("x" * 300))


def test_a_written_file_is_whole_and_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    write_atomic(path, "old")
    write_atomic(path, "new ✓ \udc80")
    assert path.read_text(encoding="utf-8") == "new ✓ ?"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [file.name for file in tmp_path.iterdir()] == ["verdict.json"]


FILL = """
import resource, signal, sys
from pathlib import Path
from harness.errors import StorageError
from harness.store import write_atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic(Path(sys.argv[1]), "x" * 5000)
except StorageError as error:
    print(error)
"""


def test_a_full_disk_keeps_the_old_file_and_leaves_no_half_one(tmp_path: Path) -> None:
    path = tmp_path / "samples.json"
    path.write_text("old")
    ended = subprocess.run([sys.executable, "-c", FILL, str(path)], capture_output=True, text=True, check=True)
    assert f"Cannot write {path}" in ended.stdout and "Free some space" in ended.stdout
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_every_file_of_an_attempt_has_its_place(tmp_path: Path) -> None:
    attempt = RunFolder(tmp_path).attempt("001")
    assert set(attempt.files) == {
        "prompt.md",
        "trajectory.jsonl",
        "model_patch.diff",
        "verdict.json",
        "samples.json",
        "build.log",
        "tests.xml",
    }
    assert all(path.parent == tmp_path / "001" for path in attempt.files.values())
