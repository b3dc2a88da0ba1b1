"""A table for terminals of any width: what does not fit is left out, and said to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.text import safe

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

# A name that is folded further is hard to recognise.
LEAST_NAME = 12


@dataclass(frozen=True)
class Column:
    """A column, with its cells from the top down.

    Attributes:
        goes: when it is left out, 1 before 2 (a narrow one may stay where a wider one goes); 0 for one that stays.
        folds: whether its cells may be folded, as names may; a folded or cut number would be another number.
        legible: characters that a column that folds should have before one that goes is drawn; it gets on with fewer.
    """

    heading: str
    cells: Sequence[str]
    goes: int = 0
    folds: bool = False
    justify: Literal["left", "right"] = "right"
    legible: int = LEAST_NAME

    @property
    def least(self) -> int:
        """Characters that it cannot do without."""
        return min(self._widest, LEAST_NAME) if self.folds else self._widest

    @property
    def wanted(self) -> int:
        """Characters that it has before a column that goes is drawn."""
        return min(self._widest, self.legible) if self.folds else self._widest

    @property
    def _widest(self) -> int:
        from rich.cells import cell_len  # noqa: PLC0415 - rich is slow to import

        return max(cell_len(safe(text).plain) for text in (self.heading, *self.cells))


@dataclass(frozen=True)
class FittingTable:
    """Draws as many of its columns as there is room for, with a title above and notes beneath."""

    columns: Sequence[Column]
    title: str = ""
    notes: Sequence[str] = field(default_factory=tuple)

    def fitting(self, width: int) -> list[Column]:
        """The columns that are drawn on so many characters, in their order."""
        # One character between two columns, and one at each end.
        room = width - 1 - sum(each.wanted + 1 for each in self.columns if not each.goes)
        kept = {each.heading for each in self.columns if not each.goes}
        for column in sorted((each for each in self.columns if each.goes), key=lambda each: -each.goes):
            if column.wanted + 1 <= room:
                room -= column.wanted + 1
                kept.add(column.heading)
        return [each for each in self.columns if each.heading in kept]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        from rich import box  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        kept = self.fitting(options.max_width)
        notes = list(self.notes)
        gone = [column.heading for column in self.columns if column not in kept]
        if gone:
            notes.append(f"Not on a terminal as narrow as this: {'; '.join(gone)} (--format markdown has all).")
        table = Table(
            title=safe(self.title, "bold") if self.title else None,
            title_justify="left",
            caption=safe("\n".join(notes), multiline=True),
            caption_justify="left",
            box=box.SIMPLE_HEAD,
            padding=0,
        )
        for column in kept:
            table.add_column(
                safe(column.heading),
                justify=column.justify,
                overflow="fold",
                no_wrap=not column.folds,
                min_width=column.least,
            )
        for row in zip(*(column.cells for column in kept), strict=True):
            table.add_row(*map(safe, row))
        yield table
