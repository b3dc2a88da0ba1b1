"""The harness's command line as its user calls it: a process of its own, in some folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def harness(cwd: Path, *arguments: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a verb of this checkout, wherever `cwd` is, and give what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
