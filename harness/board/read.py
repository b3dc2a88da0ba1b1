"""Reading a board: what counts of its verdicts, one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain

from harness.board.database import opened
from harness.result import Result

# Rows that are fetched by one call: a call for each would take a fifth of the time. More would save nothing.
_AT_ONCE = 1000


def read_board(where: str, *, task: str | None = None, runs: Collection[str] = ()) -> Iterator[Result]:
    """What counts of a board's verdicts, in no order. The board stays open until the last is read.

    Args:
        where: a URL or a file, see `database.opened`.
        task: only of this one; None for all.
        runs: only of runs of these names; none for all.

    Raises:
        HarnessError: see `database.opened`.
    """
    with opened(where, create=False) as connection:
        from sqlalchemy import select  # noqa: PLC0415 - not everybody has it, which `opened` says

        from harness.board.tables import VERDICTS  # noqa: PLC0415

        wanted = select(*(VERDICTS.c[name] for name in Result._fields))
        if task is not None:
            wanted = wanted.where(VERDICTS.c.task == task)
        if runs:
            wanted = wanted.where(VERDICTS.c.run.in_(runs))
        rows = connection.execute(wanted)
        yield from map(Result._make, chain.from_iterable(rows.partitions(_AT_ONCE)))
