"""Fixtures of the tests of exporting and judging again."""

from __future__ import annotations

import pytest
from merged import make_repository
from tiny_task import TinyTask


@pytest.fixture
def in_repository(tiny: TinyTask) -> TinyTask:
    """The tiny task in a git repository, its target one folder down."""
    make_repository(tiny.folder)
    return tiny
