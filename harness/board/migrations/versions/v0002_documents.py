"""Whole verdicts in a table of their own, and what a ranking needs of them in columns: it reads a tenth as much."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEYS = ("run_key", "attempt")


def upgrade() -> None:
    """Move the documents, and fill the new column from them."""
    op.create_table(
        "documents",
        sa.Column("run_key", sa.String(64), primary_key=True),
        sa.Column("attempt", sa.String(64), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.execute("INSERT INTO documents SELECT run_key, attempt, document FROM verdicts")
    op.add_column("verdicts", sa.Column("seconds", sa.Float, nullable=False, server_default="0"))
    op.add_column("verdicts", sa.Column("published", sa.Float))
    _fill()
    with op.batch_alter_table("verdicts") as table:
        table.alter_column("seconds", server_default=None)
        table.drop_column("document")


def _fill() -> None:
    connection = op.get_bind()
    documents = sa.table("documents", *map(sa.column, (*KEYS, "document")))
    verdicts = sa.table("verdicts", *map(sa.column, (*KEYS, *_columns({}))))
    of_one = (verdicts.c.run_key == sa.bindparam("key")) & (verdicts.c.attempt == sa.bindparam("name"))
    filled = sa.update(verdicts).where(of_one).values({name: sa.bindparam(f"new_{name}") for name in _columns({})})
    for key in connection.scalars(sa.select(documents.c.run_key).distinct()).all():
        rows = connection.execute(sa.select(documents).where(documents.c.run_key == key)).all()
        new = [
            {"key": key, "name": row.attempt}
            | {f"new_{name}": value for name, value in _columns(json.loads(row.document)).items()}
            for row in rows
        ]
        connection.execute(filled, new)


def _columns(verdict: dict[str, Any]) -> dict[str, float | None]:
    published = (verdict.get("timing") or {}).get("adjusted") or verdict.get("speedup") or {}
    return {
        "seconds": verdict.get("cost", {}).get("seconds", 0.0),
        "published": published.get("estimate"),
        "low": published.get("low"),
        "high": published.get("high"),
    }


def downgrade() -> None:
    """Move them back."""
    op.add_column("verdicts", sa.Column("document", sa.Text, nullable=False, server_default=""))
    op.execute(
        "UPDATE verdicts SET document = (SELECT document FROM documents"
        " WHERE documents.run_key = verdicts.run_key AND documents.attempt = verdicts.attempt)"
    )
    with op.batch_alter_table("verdicts") as table:
        table.alter_column("document", server_default=None)
        table.drop_column("seconds")
        table.drop_column("published")
    op.drop_table("documents")
