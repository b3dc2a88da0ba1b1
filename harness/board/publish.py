"""Publishing runs to a board: as often as one likes, with the same result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.board.database import opened
from harness.errors import HarnessError
from harness.journal import read_events
from harness.run_state import fold
from harness.store import RunFolder
from harness.strict_json import strict_json
from harness.verdict import Verdict

if TYPE_CHECKING:
    from sqlalchemy import Table


@dataclass
class Published:
    """What was done.

    Attributes:
        verdicts: how many are on the board now that are in these runs.
        new: how many of them were not there before.
        problems: a sentence for each run that could not be read.
    """

    verdicts: int = 0
    new: int = 0
    problems: list[str] = field(default_factory=list)


def publish(runs: Iterable[RunFolder], where: str) -> Published:
    """Put the verdicts of runs on a board; those that are there are brought up to date.

    A run that is not over is published as far as it came. All of it happens in one transaction; where there is no
    verdict, nothing happens.

    Raises:
        HarnessError: see `database.opened`.
    """
    done = Published()
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for run in runs:
        try:
            rows |= {(row["run_key"], row["attempt"]): row for row in _rows(run)}
        except HarnessError as error:
            done.problems.append(str(error))
    if not rows:
        return done  # no board is made for nothing
    with opened(where, create=True) as connection:
        from sqlalchemy import func, select  # noqa: PLC0415 - not everybody has it, which `opened` says

        from harness.board.tables import DOCUMENTS, VERDICTS  # noqa: PLC0415

        before = connection.scalar(select(func.count()).select_from(VERDICTS)) or 0
        ordered = [rows[key] for key in sorted(rows)]  # two that publish at once take their locks in one order
        for table in (VERDICTS, DOCUMENTS):
            names = table.c.keys()
            connection.execute(
                _upsert(connection.dialect.name, table), [{name: row[name] for name in names} for row in ordered]
            )
        after = connection.scalar(select(func.count()).select_from(VERDICTS)) or 0
    done.verdicts, done.new = len(rows), after - before
    return done


def _rows(run: RunFolder) -> list[dict[str, Any]]:
    events = read_events(run.journal)
    state = fold(events)
    if state.started is None:
        return []
    key = run_key(run)
    # A session that was brought in from elsewhere was never judged: nothing of it is a result.
    return [_row(key, run.name, verdict) for verdict in state.verdicts if verdict.was_judged]


def run_key(run: RunFolder) -> str:
    """What tells a run from every other, wherever it was made: its first event, by the bytes that were written."""
    with run.journal.open("rb") as journal:
        return hashlib.sha256(journal.readline().strip()).hexdigest()


def _row(key: str, run: str, verdict: Verdict) -> dict[str, Any]:
    speedup, published, tokens = verdict.speedup, verdict.published, verdict.cost.tokens
    return {
        "run_key": key,
        "attempt": _text(verdict.attempt or ""),
        "run": _text(run),
        "task": _text(verdict.task),
        "agent": _text(verdict.entrant),
        "model": _text(verdict.model),
        "status": verdict.status,
        "cause": _text(verdict.cause),
        "speedup": None if speedup is None else speedup.estimate,
        "published": None if published is None else published.estimate,
        "low": None if published is None else published.low,
        "high": None if published is None else published.high,
        "device": None if verdict.device is None else _text(verdict.device.name),
        "base_commit": verdict.base_commit,
        "usd": verdict.cost.usd,
        "tokens": tokens.input + tokens.output,
        "finished_at": verdict.finished_at,
        "seconds": verdict.cost.seconds,
        "document": strict_json(verdict.model_dump()),
    }


def _text(value: str | None) -> str | None:
    """What every database can hold: PostgreSQL has no NUL, and UTF-8 no lone surrogates."""
    return None if value is None else value.replace("\0", "?").encode("utf-8", "replace").decode("utf-8")


def _upsert(dialect: str, table: Table) -> Any:  # noqa: ANN401 - the two dialects' own statements
    from sqlalchemy.dialects import postgresql, sqlite  # noqa: PLC0415

    insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    changed = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)
