"""The board's one table. What it is made of in a given version is in `migrations`; a test holds the two together."""

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
    Column("low", Float),
    Column("high", Float),
    Column("device", Text),
    Column("base_commit", String(64), nullable=False),
    Column("usd", Float),
    Column("tokens", BigInteger, nullable=False),
    Column("finished_at", String(40), nullable=False),
    # The whole verdict as JSON. Text: a JSON type of the database's would refuse what a model may write (NUL).
    Column("document", Text, nullable=False),
    Index("verdicts_by_task", "task", "device"),
)
