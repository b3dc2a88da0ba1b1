"""Printing: results to standard output, as wide as it is, and what is to be told beside them to standard error."""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING, TextIO

import typer

from harness.strict_json import strict_json

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


class Outlet(io.TextIOBase):
    """A stream that may go while work goes on: its terminal is closed, its reader gone, its disk full.

    What is said then is lost, and nothing else: what watches a run must not end it, or fail its attempts.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream."""
        return self._stream.encoding if self._stream is not None else "utf-8"

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """The stream's, of which the width of a terminal is asked."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write `text`, or forget it."""
        if self._stream is not None:
            try:
                return self._stream.write(text)
            except OSError:
                self._stream = None
        return len(text)

    def flush(self) -> None:
        """Send what was written on its way."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except OSError:
                self._stream = None


def flush_or_forget(stream: TextIO) -> None:
    """Send what was written on its way; where nobody is there any more, forget it, and so will the interpreter's end.

    That would otherwise make 120 of any exit code.
    """
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def print_parts(*parts: RenderableType) -> None:
    """Print one after the other."""
    from rich.console import Console  # noqa: PLC0415 - slow to import

    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width: 80 columns would fold tables that no screen limits.
        console = Console(highlight=False, width=200)
    for part in parts:
        console.print(part)


def plain_table(*headings: str, gap: int = 1) -> Table:
    """A table as all verbs print them, with a rule under its headings and no other lines.

    Args:
        headings: of columns whose cells are folded where the screen is narrow; others can be added.
        gap: blanks between columns.
    """
    from rich import box  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415

    from harness.text import safe  # noqa: PLC0415 - brings in pydantic

    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False)
    for heading in headings:
        table.add_column(safe(heading), overflow="fold")
    return table


def print_json(document: object) -> None:
    """Print what a program asked for."""
    typer.echo(strict_json(document, indent=2))


def complain(text: str) -> None:
    """Tell something on standard error, whatever characters it holds; where that is gone, nobody."""
    from harness.text import printable  # noqa: PLC0415 - brings in pydantic

    with contextlib.suppress(OSError):
        typer.echo(printable(text, multiline=True), err=True)
