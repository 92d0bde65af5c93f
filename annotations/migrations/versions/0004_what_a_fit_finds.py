"""Avatars, proposals to exchange people, and the ones that somebody turned down."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for table, column in (("revision", "kept_apart"), ("motion", "swaps")):
        op.add_column(table, sa.Column(column, sa.JSON(), nullable=False, server_default="[]"))
    op.create_table(
        "revision_avatar",
        sa.Column("revision_id", sa.Integer(), nullable=False),
        sa.Column("person", sa.Integer(), nullable=False),
        sa.Column("array_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["revision.id"], name=op.f("fk_revision_avatar_revision_id")
        ),
        sa.ForeignKeyConstraint(
            ["array_id"], ["array.id"], name=op.f("fk_revision_avatar_array_id")
        ),
        sa.PrimaryKeyConstraint("revision_id", "person", name=op.f("pk_revision_avatar")),
    )
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f'CREATE TRIGGER "revision_avatar_no_{verb.lower()}" BEFORE {verb} '
            'ON "revision_avatar" '
            "BEGIN SELECT RAISE(ABORT, 'revision_avatar rows are immutable'); END"
        )
