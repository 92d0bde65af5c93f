"""Undo, redo and branches: a clip's head moving among immutable revisions.

Undo moves the head to the parent, redo towards the tip; an edit made after an undo starts a new
branch, whose end is the new tip. The old branch stays in the file and can be gone back to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations.errors import EditError
from annotations.records import Changes, FitRecord, RevisionRecord
from annotations.said import contact_from_json, contact_to_json
from annotations.schema import (
    ClipRow,
    ConstraintRow,
    FitRow,
    IdentityRow,
    ReviewRow,
    RevisionRow,
)
from engine.structures import FitResult, FrameRange


def clip(rows: Session, clip_id: int) -> ClipRow:
    """The clip, or an EditError."""
    row = rows.get(ClipRow, clip_id)
    if row is None:
        raise EditError("There is no such clip in this project", received=f"clip {clip_id}")
    return row


def revision(rows: Session, clip_id: int, revision_id: int) -> RevisionRow:
    """A revision of the clip, or an EditError."""
    row = rows.get(RevisionRow, revision_id)
    if row is None or row.clip_id != clip_id:
        raise EditError(
            "There is no such revision of this clip", received=f"revision {revision_id}"
        )
    return row


def lineage(rows: Session, tip: RevisionRow) -> Iterator[RevisionRow]:
    """The revision, its parent, and so on to the first one."""
    row: RevisionRow | None = tip
    while row is not None:
        yield row
        row = rows.get(RevisionRow, row.parent_id) if row.parent_id is not None else None


def records(rows: Session, clip_id: int) -> tuple[RevisionRecord, ...]:
    """All revisions of the clip, other branches included, in the order they were made."""
    clip(rows, clip_id)
    query = select(RevisionRow).where(RevisionRow.clip_id == clip_id).order_by(RevisionRow.id)
    return tuple(record(row) for row in rows.scalars(query))


def record(row: RevisionRow) -> RevisionRecord:
    frames = None
    if row.start is not None and row.stop is not None:
        frames = FrameRange(row.start, row.stop)
    return RevisionRecord(
        id=row.id,
        clip_id=row.clip_id,
        parent_id=row.parent_id,
        kind=cast(Any, row.kind),
        label=row.label,
        frames=frames,
        author=row.author,
        created_at=row.created_at,
        fit_id=row.fit_id,
    )


def previous(rows: Session, clip_id: int) -> RevisionRow | None:
    """Where undo leads, None at the first revision."""
    head = clip(rows, clip_id).head.revision
    return rows.get(RevisionRow, head.parent_id) if head.parent_id is not None else None


def following(rows: Session, clip_id: int) -> RevisionRow | None:
    """Where redo leads, None at the tip."""
    head = clip(rows, clip_id).head
    after = None
    if head.revision_id == head.tip_id:
        return None
    for row in lineage(rows, revision(rows, clip_id, head.tip_id)):
        if row.id == head.revision_id:
            return after
        after = row
    raise AssertionError(f"clip {clip_id}: the head is not on the way to the tip")


def is_ancestor(rows: Session, ancestor: RevisionRow, tip: RevisionRow) -> bool:
    return any(row.id == ancestor.id for row in lineage(rows, tip))


def changes(kind: str, old: RevisionRow, new: RevisionRow, label: str) -> Changes:
    """What differs between two revisions of a clip, from their references alone.

    `old` and `new` are parent and child in either order, or any two revisions; then the frames
    are unknown and views redraw the clip.
    """
    parts: set[str] = {"history"}
    if old.observation_id != new.observation_id:
        parts |= {"observations", "clips"}
    if old.motion_id != new.motion_id:
        parts |= {"motion", "clips"}
    edited = old.edited != new.edited or old.edited_people != new.edited_people
    if _ids(old.constraints) != _ids(new.constraints) or edited:
        parts.add("constraints")
    if _ids(old.reviews) != _ids(new.reviews):
        parts |= {"reviews", "clips"}
    if old.kept_apart != new.kept_apart:
        parts.add("reviews")
    if _ids(old.identities) != _ids(new.identities):
        parts.add("identities")
    child = new if new.parent_id == old.id else old if old.parent_id == new.id else None
    frames = record(child).frames if child is not None else None
    return Changes(kind, new.clip_id, frames, cast(Any, frozenset(parts)), label)


def _ids(found: Iterable[IdentityRow | ConstraintRow | ReviewRow]) -> list[int]:
    return [row.id for row in found]


def fit_row(clip_id: int, result: FitResult, frames: FrameRange) -> FitRow:
    """The record of a fit, apart from what becomes of its motion."""
    return FitRow(
        clip_id=clip_id,
        start=frames.start,
        stop=frames.stop,
        body=result.motion.body,
        outcome=result.outcome.value,
        advice=result.advice,
        notes=list(result.diagnostics.notes),
        contacts=[contact_to_json(contact) for contact in result.contacts],
        provenance=dict(result.provenance),
    )


def last_fit(rows: Session, head: RevisionRow) -> FitRecord | None:
    """The newest fit that a revision descends from."""
    for row in lineage(rows, head):
        if row.fit_id is not None:
            return _fit_record(rows.get_one(FitRow, row.fit_id), row.parent_id)
    return None


def fits(rows: Session, clip_id: int) -> tuple[FitRecord, ...]:
    """Every fit that was applied to the clip, the oldest first."""
    clip(rows, clip_id)
    query = (
        select(FitRow, RevisionRow.parent_id)
        .join(RevisionRow, RevisionRow.fit_id == FitRow.id)
        .where(FitRow.clip_id == clip_id)
        .order_by(FitRow.id)
    )
    return tuple(_fit_record(row, base) for row, base in rows.execute(query))


def _fit_record(row: FitRow, base: int | None) -> FitRecord:
    return FitRecord(
        id=row.id,
        clip_id=row.clip_id,
        base_revision=base or 0,
        frames=FrameRange(row.start, row.stop),
        body=row.body,
        outcome=row.outcome,
        advice=row.advice,
        notes=tuple(row.notes),
        contacts=tuple(contact_from_json(item) for item in row.contacts),
        provenance=dict(row.provenance),
        created_at=row.created_at,
    )
