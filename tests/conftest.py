"""Fixtures: a home of its own for every test, and a tiny task that builds and times in milliseconds."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_task import TinyTask, make_tiny_task


@pytest.fixture(autouse=True)
def hermetic(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no home and no git configuration of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("PERF_HARNESS_GATE", str(tmp_path_factory.mktemp("gate")))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tiny(tmp_path: Path) -> TinyTask:
    """A fresh copy of the tiny task."""
    return make_tiny_task(tmp_path / "tiny-task")
