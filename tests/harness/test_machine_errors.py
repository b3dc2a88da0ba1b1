"""What a machine does to any program: told by name where it can be, and no bug."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from records import verdict, write_run
from test_resume import record, start
from tiny_task import TinyTask

from harness.errors import StorageError
from harness.find_run import find_run
from harness.journal import read_events
from harness.machine_errors import machine_error
from harness.run_state import fold
from harness.store import find_runs

# Every file that this process and its children write may be so long, as on a disk that is full from there on.
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))
os.execv(sys.argv[1], sys.argv[1:])
"""


def limited(size: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMITED.format(size), sys.executable, "-m", "harness.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_what_is_no_fault_of_the_machine_stays_a_bug() -> None:
    assert machine_error(FileNotFoundError(errno.ENOENT, "gone", "x"), refusals=True) is None
    assert machine_error(PermissionError(errno.EACCES, "no", "x"), refusals=False) is None
    told = machine_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "here/x"), refusals=False)
    assert isinstance(told, StorageError) and "here/x" in str(told) and "Free some space" in str(told)


def test_a_disk_that_fills_up_ends_a_run_and_judges_no_attempt(tiny: TinyTask, tmp_path: Path) -> None:
    run = start(tiny, tmp_path, attempts=1).run_folder
    before = run.journal.stat().st_size
    arguments = ["resume", run.name, "--out", str(tmp_path / "runs"), "-n", "2"]
    done = limited(before + 900, *arguments)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr and "bug in harness" not in done.stderr
    assert "Free some space" in done.stderr
    assert list((tmp_path / "worktrees").iterdir()) == []
    again = limited(1 << 40, *arguments[:-2])
    assert again.returncode == 0, again.stderr
    assert not list(run.path.glob("*/internal_error.txt"))


@pytest.mark.slow
def test_checkouts_that_are_removed_below_a_run_are_no_attempts_fault(tiny: TinyTask, tmp_path: Path) -> None:
    record(tiny, tmp_path, "sleep 3")
    folders = ["--out", str(tmp_path / "runs"), "--worktrees", str(tmp_path / "worktrees")]
    command = [sys.executable, "-m", "harness.cli", "run", str(tiny.file), *folders]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    give_up = time.monotonic() + 100
    while not any(b'"tool": "shell"' in each.journal.read_bytes() for each in find_runs(tmp_path / "runs")):
        assert process.poll() is None and time.monotonic() < give_up
        time.sleep(0.05)
    shutil.rmtree(tmp_path / "worktrees", ignore_errors=True)
    said = process.communicate(timeout=100)[1]
    assert process.returncode == 4, said
    assert "was removed while the run lasted" in said and "Traceback" not in said
    state = fold(read_events(find_run(tmp_path / "runs").journal))
    assert state.verdicts == [] and "was removed" in str(state.error)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs", verdict())
    run.attempt("001").trajectory.write_text("{}\n")
    run.attempt("001").trajectory.chmod(0)
    done = limited(1 << 40, "export-session", f"{run.name}/001", "--out", str(tmp_path / "runs"))
    assert done.returncode in (2, 4)
    assert "trajectory.jsonl: cannot be read (Permission denied)" in done.stderr
