"""Printing: results to standard output, as wide as it is, and what is to be told beside them to standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from harness.strict_json import strict_json

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


def print_json(document: object) -> None:
    """Print what a program asked for."""
    typer.echo(strict_json(document, indent=2))


def complain(text: str) -> None:
    """Tell something on standard error, whatever characters it holds."""
    from harness.text import printable  # noqa: PLC0415 - brings in pydantic

    typer.echo(printable(text, multiline=True), err=True)
