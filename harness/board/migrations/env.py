"""Alembic runs this file: migrate over the connection that `harness.board.database` opened."""

from alembic import context

from harness.board.database import VERSION_TABLE
from harness.board.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
context.run_migrations()
