"""Tests that need a GPU: not collected where there is none. Run them with `pytest tests/cuda`."""

from pathlib import Path

import pytest
from gpu_task import GpuTask

collect_ignore_glob = [] if any(Path("/dev").glob("nvidia[0-9]*")) else ["test_*.py"]


@pytest.fixture
def task(tmp_path: Path) -> GpuTask:
    return GpuTask(tmp_path)
