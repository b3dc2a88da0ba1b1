"""Folders of ours in the system's temporary folder, so named that `harness clean` knows what a killed process left.

The system's temporary folder is everybody's: what is not made here, with one of these names, is never taken for ours.
"""

from __future__ import annotations

import re
from tempfile import TemporaryDirectory
from typing import Literal, get_args

Use = Literal[
    "base",
    "branch",
    "bundle",
    "calibrate",
    "commit",
    "commits",
    "export",
    "head",
    "import",
    "mail",
    "mlflow",
    "net",
    "onto",
    "program",
    "sandbox",
    "seal",
    "variance",
]
# Of a cluster's nodes: in it are folders for checkouts, whose owners hold them locked.
NODE_SPACES = "perf-harness-nodes"
# As tempfile makes them: a prefix and eight characters. `perf-harness-` alone is how older versions called sockets.
_OURS = re.compile(rf"(perf-harness|harness-({'|'.join(get_args(Use))}))-[a-z0-9_]{{8}}")


def temporary_folder(use: Use) -> TemporaryDirectory[str]:
    """A folder that is gone when its block ends; its path is what the block gets."""
    return TemporaryDirectory(prefix=f"harness-{use}-")


def is_temporary(name: str) -> bool:
    """Whether a folder of this name among the system's temporary files is one of ours."""
    return _OURS.fullmatch(name) is not None
