"""Whose evidence or constraints changed since the last fit, not only where."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "revision", sa.Column("edited_people", sa.JSON(), nullable=False, server_default="[]")
    )
