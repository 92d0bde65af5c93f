"""What is to be said of a video and of its detections."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("media", sa.Column("note", sa.String(), nullable=False, server_default=""))
    op.add_column("observation", sa.Column("notes", sa.JSON(), nullable=False, server_default="[]"))
