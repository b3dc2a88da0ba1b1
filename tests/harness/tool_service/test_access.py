"""The folder of tools: gone at the end, whatever an agent has put where it may write."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from deep_folders import deep_below

from harness.tool_service.access import made_folder


def test_it_goes_however_deep_its_folder_of_pipes_has_become(tmp_path: Path) -> None:
    with ExitStack() as afterwards:
        with made_folder(tmp_path / "tools") as folder:
            afterwards.enter_context(deep_below(folder / "pipes"))
        assert not (tmp_path / "tools").exists()
