"""The tables of a project file.

A revision is a snapshot by reference: it points at immutable rows (identities, observations,
motion, constraints, reviews) that it shares with its parent wherever it did not change them.
Arrays are lists of content-addressed chunks of frames (annotations.arrays). Only `head`, `clip`
names and `media` paths are ever updated; triggers (annotations.migrations) hold the rest still.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    MetaData,
    Table,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, attribute_keyed_dict, mapped_column
from sqlalchemy.orm import relationship as related

SCHEMA_VERSION = 4
"""SQLite's user_version: the number of the newest migration."""
APPLICATION_ID = 0x44594144
"""SQLite's application_id: "DYAD" in ASCII, so that a foreign database is recognised."""


class UtcDateTime(TypeDecorator[datetime]):
    """Aware times, stored without a zone as UTC because SQLite has no zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _now() -> datetime:
    return datetime.now(UTC)


class ProjectRow(Base):
    """What holds for the whole file: exactly one row."""

    __tablename__ = "project"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]
    body_sha256: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=_now)


class ArrayChunkRow(Base):
    """A block of consecutive frames of some array, found by the hash of what it holds."""

    __tablename__ = "array_chunk"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    data: Mapped[bytes]


class ArrayRow(Base):
    """An array: its type, its shape and the chunks it is made of, in order."""

    __tablename__ = "array"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    dtype: Mapped[str]
    """NumPy's dtype string, or "masks" for run-length coded masks (P, F)."""
    shape: Mapped[list[Any]]
    frame_axis: Mapped[int | None]
    """None: one chunk, not cut by frames."""
    chunks: Mapped[bytes]
    """The chunks' digests, concatenated."""


class MediaRow(Base):
    """A video or image folder: its hash, its size, its frame table."""

    __tablename__ = "media"
    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    path: Mapped[str]
    relative_path: Mapped[str | None]
    """From the project's folder, so that both can be moved together."""
    width: Mapped[int]
    height: Mapped[int]
    focal_px: Mapped[float | None]
    frame_count: Mapped[int]
    times_id: Mapped[int] = mapped_column(ForeignKey("array.id"))
    note: Mapped[str] = mapped_column(server_default="")
    times: Mapped[ArrayRow] = related()


class ClipRow(Base):
    __tablename__ = "clip"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"), index=True)
    imported_at: Mapped[datetime] = mapped_column(default=_now)
    media: Mapped[MediaRow] = related()
    head: Mapped[HeadRow] = related(back_populates="clip")


class IdentityRow(Base):
    """A person of a clip as named at some time."""

    __tablename__ = "identity"
    id: Mapped[int] = mapped_column(primary_key=True)
    person: Mapped[int]
    name: Mapped[str]
    color: Mapped[str]
    gender: Mapped[str]


class ObservationArrayRow(Base):
    __tablename__ = "observation_array"
    observation_id: Mapped[int] = mapped_column(ForeignKey("observation.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    array_id: Mapped[int] = mapped_column(ForeignKey("array.id"))
    array: Mapped[ArrayRow] = related()


class TrackRow(Base):
    """One person's boxes through the clip."""

    __tablename__ = "track"
    observation_id: Mapped[int] = mapped_column(ForeignKey("observation.id"), primary_key=True)
    person: Mapped[int] = mapped_column(primary_key=True)
    boxes_id: Mapped[int] = mapped_column(ForeignKey("array.id"))
    frames_seen: Mapped[int]
    boxes: Mapped[ArrayRow] = related()


class ObservationRow(Base):
    """2D evidence of a whole clip."""

    __tablename__ = "observation"
    id: Mapped[int] = mapped_column(primary_key=True)
    layout: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    provenance: Mapped[dict[str, Any]]
    notes: Mapped[list[Any]] = mapped_column(server_default="[]")
    arrays: Mapped[dict[str, ObservationArrayRow]] = related(
        collection_class=attribute_keyed_dict("name")
    )
    tracks: Mapped[list[TrackRow]] = related(order_by=TrackRow.person)


class FitRow(Base):
    """What a fit was: never changed, also when its motion is edited or undone later."""

    __tablename__ = "fit"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[int] = mapped_column(ForeignKey("clip.id"), index=True)
    start: Mapped[int]
    stop: Mapped[int]
    body: Mapped[str]
    outcome: Mapped[str]
    advice: Mapped[str]
    notes: Mapped[list[Any]]
    contacts: Mapped[list[Any]]
    provenance: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=_now)


class MotionArrayRow(Base):
    __tablename__ = "motion_array"
    motion_id: Mapped[int] = mapped_column(ForeignKey("motion.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    array_id: Mapped[int] = mapped_column(ForeignKey("array.id"))
    array: Mapped[ArrayRow] = related()


class MotionRow(Base):
    """The bodies of a whole clip with their camera and the evidence of how well they fit."""

    __tablename__ = "motion"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]
    gravity: Mapped[str]
    camera: Mapped[dict[str, Any]]
    """Image size and focal source; empty where no camera is known."""
    notes: Mapped[list[Any]]
    swaps: Mapped[list[Any]] = mapped_column(server_default="[]")
    """Proposals to exchange two people."""
    arrays: Mapped[dict[str, MotionArrayRow]] = related(
        collection_class=attribute_keyed_dict("name")
    )


class ConstraintRow(Base):
    """A block of what people said, found by the hash of what it holds."""

    __tablename__ = "constraint"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    kind: Mapped[str]
    first_frame: Mapped[int]
    items: Mapped[list[Any]]


class ReviewRow(Base):
    """A verdict on a range of frames, and who gave it."""

    __tablename__ = "review"
    id: Mapped[int] = mapped_column(primary_key=True)
    start: Mapped[int]
    stop: Mapped[int]
    verdict: Mapped[str]
    reason: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=_now)


def _links(target: str) -> Table:
    return Table(
        f"revision_{target}",
        Base.metadata,
        Column("revision_id", ForeignKey("revision.id"), primary_key=True),
        Column(f"{target}_id", ForeignKey(f"{target}.id"), primary_key=True),
    )


class RevisionAvatarRow(Base):
    """What a person of the clip looks like at a revision: an avatar's bytes."""

    __tablename__ = "revision_avatar"
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"), primary_key=True)
    person: Mapped[int] = mapped_column(primary_key=True)
    array_id: Mapped[int] = mapped_column(ForeignKey("array.id"))
    array: Mapped[ArrayRow] = related()


class RevisionRow(Base):
    """One undo step. Its parent is the state it was made from."""

    __tablename__ = "revision"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip_id: Mapped[int] = mapped_column(ForeignKey("clip.id"), index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("revision.id"))
    kind: Mapped[str]
    label: Mapped[str]
    start: Mapped[int | None]
    stop: Mapped[int | None]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=_now)
    fit_id: Mapped[int | None] = mapped_column(ForeignKey("fit.id"))
    observation_id: Mapped[int | None] = mapped_column(ForeignKey("observation.id"))
    motion_id: Mapped[int | None] = mapped_column(ForeignKey("motion.id"))
    edited: Mapped[list[Any]]
    edited_people: Mapped[list[Any]]
    kept_apart: Mapped[list[Any]] = mapped_column(server_default="[]")
    """Where somebody said that two people are not exchanged."""
    observation: Mapped[ObservationRow | None] = related()
    motion: Mapped[MotionRow | None] = related()
    identities: Mapped[list[IdentityRow]] = related(
        secondary=_links("identity"), order_by=IdentityRow.person
    )
    constraints: Mapped[list[ConstraintRow]] = related(
        secondary=_links("constraint"), order_by=(ConstraintRow.kind, ConstraintRow.first_frame)
    )
    reviews: Mapped[list[ReviewRow]] = related(secondary=_links("review"), order_by=ReviewRow.start)
    avatars: Mapped[list[RevisionAvatarRow]] = related(order_by=RevisionAvatarRow.person)


class HeadRow(Base):
    """Where a clip stands: undo and redo move this row and touch nothing else."""

    __tablename__ = "head"
    clip_id: Mapped[int] = mapped_column(ForeignKey("clip.id"), primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    tip_id: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    """The end of the branch that redo walks towards."""
    clip: Mapped[ClipRow] = related(back_populates="head")
    revision: Mapped[RevisionRow] = related(foreign_keys=[revision_id])


class SplitPlanRow(Base):
    """An assignment of clips to splits; the newest one counts, older ones stay on record."""

    __tablename__ = "split_plan"
    id: Mapped[int] = mapped_column(primary_key=True)
    seed: Mapped[int]
    fractions: Mapped[dict[str, Any]]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=_now)
    assignments: Mapped[list[SplitRow]] = related(order_by="SplitRow.clip_id")


class SplitRow(Base):
    __tablename__ = "split"
    plan_id: Mapped[int] = mapped_column(ForeignKey("split_plan.id"), primary_key=True)
    clip_id: Mapped[int] = mapped_column(ForeignKey("clip.id"), primary_key=True)
    split: Mapped[str]
    group: Mapped[str]


class ExportRow(Base):
    """A file set that left the project."""

    __tablename__ = "export"
    id: Mapped[int] = mapped_column(primary_key=True)
    format: Mapped[str]
    path: Mapped[str]
    digest: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=_now)
    clips: Mapped[list[ExportClipRow]] = related(order_by="ExportClipRow.clip_id")


class ExportClipRow(Base):
    """Which revision of a clip an export holds."""

    __tablename__ = "export_clip"
    export_id: Mapped[int] = mapped_column(ForeignKey("export.id"), primary_key=True)
    clip_id: Mapped[int] = mapped_column(ForeignKey("clip.id"), primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"))
