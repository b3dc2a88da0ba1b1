"""The folder of tools: gone at the end, whatever an agent has put where it may write."""

from __future__ import annotations

import os
from pathlib import Path

from harness.tool_service.access import made_folder


def test_it_goes_however_deep_its_folder_of_pipes_has_become(tmp_path: Path) -> None:
    with made_folder(tmp_path / "tools") as folder:
        here = os.open(folder / "pipes", os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("deep", dir_fd=here)
            inner = os.open("deep", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
        os.close(here)
    assert not (tmp_path / "tools").exists()
