"""Fixtures of the tests of exporting and judging again."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from merged import Files, finished_run, keep_samples, make_repository
from tiny_task import TinyTask

from harness.merge.export import ExportOptions, export_attempt
from harness.store import AttemptFolder
from harness.verdict import Verdict


@pytest.fixture
def in_repository(tiny: TinyTask) -> TinyTask:
    """The tiny task in a git repository, its target one folder down."""
    make_repository(tiny.folder)
    return tiny


@pytest.fixture
def files(tiny: TinyTask, tmp_path: Path) -> Files:
    """The files of an honest bundle."""
    link = tiny.folder / "target" / "tiny" / "alias.py"
    link.symlink_to("core.py")
    folder: AttemptFolder = finished_run(tiny, tmp_path / "runs", tmp_path)
    keep_samples(folder, Verdict.model_validate_json(json.dumps(_last(folder))))
    made = export_attempt(folder, ExportOptions(folder=tmp_path / "to"))
    with tarfile.open(fileobj=io.BytesIO(made.made.data)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def _last(folder: AttemptFolder) -> object:
    return json.loads(folder.run.journal.read_text().splitlines()[-1])["attempts"][0]
