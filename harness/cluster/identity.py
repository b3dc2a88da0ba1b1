"""Which harness this is: its version and its code. A verdict is judged by one harness, wherever that runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.errors import UsageError

_PACKAGES = ("agent", "harness", "prompts")
_ROOT = Path(__file__).resolve().parents[2]


def code_digest(root: Path = _ROOT) -> str:
    """A digest of the installed harness's own source and prompts, by path and content; 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.suffix in (".py", ".j2"):
                digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def require_same(node: str, version: str, code: str, *, mine: tuple[str, str]) -> None:
    """Refuse a node whose harness is another one.

    Args:
        node: its name.
        version: of its harness.
        code: the digest of its harness's code.
        mine: the same two of this one.

    Raises:
        UsageError: they are not the same.
    """
    if version != mine[0]:
        raise UsageError(
            f"Node {node} has version {version} of the harness, and this is {mine[0]}.",
            remedy="Install the same version there.",
        )
    if code != mine[1]:
        raise UsageError(
            f"Node {node} has other code of the harness than this one, both called {version} "
            f"(digests {code} and {mine[1]}).",
            remedy="Install the same code there.",
        )
