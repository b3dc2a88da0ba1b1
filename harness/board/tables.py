"""The board's tables. What they are made of in a given version is in `migrations`; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, MetaData, String, Table, Text

METADATA = MetaData()

VERDICTS = Table(
    "verdicts",
    METADATA,
    # Names of runs repeat between machines; the digest of a run's first event does not.
    Column("run_key", String(64), primary_key=True),
    Column("attempt", String(64), primary_key=True),
    Column("run", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("model", Text),
    Column("status", String(32), nullable=False),
    Column("cause", Text),
    Column("speedup", Float),
    # What may be said of it by itself, with its interval: of a run's best attempt, less than it measured.
    Column("published", Float),
    Column("low", Float),
    Column("high", Float),
    Column("device", Text),
    Column("base_commit", String(64), nullable=False),
    Column("usd", Float),
    Column("tokens", BigInteger, nullable=False),
    Column("finished_at", String(40), nullable=False),
    Column("seconds", Float, nullable=False),
    Index("verdicts_by_task", "task", "device"),
)

# Whole verdicts as JSON, apart: a ranking does without, and they are most of a board.
DOCUMENTS = Table(
    "documents",
    METADATA,
    Column("run_key", String(64), primary_key=True),
    Column("attempt", String(64), primary_key=True),
    # Text: a JSON type of the database's would refuse what a model may write (NUL).
    Column("document", Text, nullable=False),
)
