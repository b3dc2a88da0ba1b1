"""Files that are whole or not there, and the way out where none can be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import StorageError
from harness.whole_file import whole_file, write_atomic
from harness.workspace import workspace


def test_the_way_out_of_a_place_that_cannot_be_written_is_its_own_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="--worktrees"), workspace(tmp_path / "file" / "one"):
        pass
    for place in ("file/x.parquet", "missing/x.parquet"):
        with pytest.raises(StorageError, match=f"Cannot write .*{place}.*\n.* -o"), whole_file(tmp_path / place, "-o"):
            pass
    with pytest.raises(StorageError, match="-o"):
        write_atomic(tmp_path / "folder", "", "-o")


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
from harness.whole_file import write_atomic
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
