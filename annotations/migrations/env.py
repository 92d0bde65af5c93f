"""Run by alembic on the connection, inside a transaction, that annotations.database hands over."""

from __future__ import annotations

from alembic import context

from annotations.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()
