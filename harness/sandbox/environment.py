"""The environment of a command of the target's side: nothing inherited but what is named here.

It is the same for base and candidate.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def scrubbed_environment(checkout: Path, scratch: Path) -> dict[str, str]:
    """The whole environment of a build, test or tool command.

    Args:
        checkout: the tree under work, first on the import path.
        scratch: a private folder; home, temporary files and caches go there.

    Returns:
        The variables, nothing inherited but the language settings and the GPU's visibility.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    interpreter = Path(sys.executable).parent
    kept = {
        key: os.environ[key] for key in ("CUDA_VISIBLE_DEVICES", "CUDA_HOME", "LD_LIBRARY_PATH") if key in os.environ
    }
    return kept | {
        "PATH": f"{interpreter}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "TRITON_CACHE_DIR": str(scratch / "triton"),
        "PYTHONPATH": str(checkout),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
    }
