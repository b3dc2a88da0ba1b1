"""Fixtures of the agent's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_parts import FolderBench


@pytest.fixture
def bench(tmp_path: Path) -> FolderBench:
    """A workbench over a folder with one file, `a.py`."""
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_text("x = 1\n")
    return FolderBench(root)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of these tests listen on loopback; no proxy of the machine stands between."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
