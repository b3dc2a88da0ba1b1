"""Fixtures of the timing room's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from toy_task import Toy

from harness.timing.measurement import Progress


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


@pytest.fixture
def ignore() -> Callable[[Progress], None]:
    return lambda progress: None
