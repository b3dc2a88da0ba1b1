"""Printing to standard output, as wide as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


def print_parts(*parts: RenderableType) -> None:
    """Print one after the other."""
    from rich.console import Console  # noqa: PLC0415 - slow to import

    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width: 80 columns would fold tables that no screen limits.
        console = Console(highlight=False, width=200)
    for part in parts:
        console.print(part)
