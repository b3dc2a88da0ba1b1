"""The table of verdicts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "verdicts",
        sa.Column("run_key", sa.String(64), primary_key=True),
        sa.Column("attempt", sa.String(64), primary_key=True),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("cause", sa.Text),
        sa.Column("speedup", sa.Float),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("device", sa.Text),
        sa.Column("base_commit", sa.String(64), nullable=False),
        sa.Column("usd", sa.Float),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.String(40), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("verdicts_by_task", "verdicts", ["task", "device"])


def downgrade() -> None:
    """Take it away."""
    op.drop_index("verdicts_by_task", "verdicts")
    op.drop_table("verdicts")
