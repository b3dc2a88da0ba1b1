"""Very many folders in one another, as code that means harm may leave them. Pytest itself could not delete them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEEP = 2500  # levels: more than Python's calls may nest, in a path longer than the kernel takes


@contextmanager
def deep_below(top: Path) -> Iterator[None]:
    """Make them below `top`, a file in the last; whatever is left of them goes at the end."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(DEEP):
        os.mkdir("deep", dir_fd=here)
        inner = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    try:
        yield
    finally:
        subprocess.run(["rm", "-rf", str(top / "deep")], check=True)
