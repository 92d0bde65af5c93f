"""A clip's state to rows and back.

Writing compares the new state with its parent's by object identity, part by part: a part that is
the same object is referred to, another one is written, and of its arrays only the chunks of frames
that the project does not hold yet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations import motion_rows, said
from annotations.arrays import ArrayStore, damaged
from annotations.records import ClipState, Identity, KeptApart, ReviewMark
from annotations.schema import (
    ArrayRow,
    IdentityRow,
    ObservationArrayRow,
    ObservationRow,
    ReviewRow,
    RevisionAvatarRow,
    RevisionRow,
    TrackRow,
)
from engine.structures import (
    ZONES,
    BoxEdit,
    Constraints,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    Observations,
)

OBSERVATION_AXES = {"keypoints2d": 1, "confidence": 1, "times": 0}
OTHERS_AXES = {"keypoints2d": 1, "confidence": 1, "boxes": 1}
"""The frame axis of each array."""


def write(
    rows: Session,
    arrays: ArrayStore,
    parent: RevisionRow | None,
    states: tuple[ClipState | None, ClipState],
    revision: RevisionRow,
    provenance: dict[str, str] | None = None,
) -> None:
    """Fill in a new revision's references from (the parent's state, its own state), and add it."""
    before, after = states
    old = before or ClipState(identities=())
    revision.edited = _pairs(after.edited)
    revision.edited_people = [_pairs(mine) for mine in after.edited_people]
    revision.kept_apart = [[*k.persons, k.frames.start, k.frames.stop] for k in after.kept_apart]
    revision.avatars = _avatar_rows(rows, after)
    if parent is not None and after.observations is old.observations:
        revision.observation = parent.observation
    elif after.observations is not None:
        previous = parent.observation if parent is not None else None
        if provenance is None:
            provenance = dict(previous.provenance) if previous is not None else {}
        revision.observation = _write_observations(
            rows, arrays, after.observations, previous, provenance
        )
    if parent is not None and _same_objects(motion_rows.parts_of(after), motion_rows.parts_of(old)):
        revision.motion = parent.motion
    elif after.motion is not None:
        revision.motion = motion_rows.write(rows, arrays, after)
    known = parent.identities if parent is not None else []
    revision.identities = [_identity_row(known, identity) for identity in after.identities]
    if parent is not None and after.constraints is old.constraints:
        revision.constraints = list(parent.constraints)
    else:
        revision.constraints = said.rows_of(rows, after.constraints)
    marks = parent.reviews if parent is not None else []
    revision.reviews = [_review_row(marks, mark, revision.author) for mark in after.reviews]
    rows.add(revision)
    rows.flush()


def _same_objects(mine: Iterable[object], yours: Iterable[object]) -> bool:
    return all(a is b for a, b in zip(mine, yours, strict=True))


def _avatar_rows(rows: Session, state: ClipState) -> list[RevisionAvatarRow]:
    """Their bytes are stored before a revision refers to them."""
    found = []
    for person, digest in sorted(state.avatars.items()):
        array = rows.scalar(select(ArrayRow).where(ArrayRow.digest == bytes.fromhex(digest)))
        if array is None:
            raise damaged()
        found.append(RevisionAvatarRow(person=person, array=array))
    return found


def read(
    rows: Session, arrays: ArrayStore, revision: RevisionRow, *, masks: bool = True
) -> ClipState:
    """Everything the revision says, in fresh arrays. Raises ProjectError where it is damaged.

    Masks are most of a state's bytes: an edit that leaves them alone reads it without them.
    """
    try:
        return _read(rows, arrays, revision, masks)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        # Columns that some other hand has filled with something else.
        raise damaged() from error


def _read(rows: Session, arrays: ArrayStore, revision: RevisionRow, masks: bool) -> ClipState:
    observations = _read_observations(rows, arrays, revision.observation, masks)
    constraints = said.read(revision.constraints)
    _check(constraints, len(revision.identities), observations)
    return ClipState(
        identities=tuple(
            Identity(row.person, row.name, row.color, cast(Any, row.gender))
            for row in revision.identities
        ),
        observations=observations,
        **motion_rows.read(rows, arrays, revision.motion),
        constraints=constraints,
        reviews=read_reviews(revision),
        edited=_ranges(revision.edited),
        edited_people=tuple(_ranges(mine) for mine in revision.edited_people),
        kept_apart=tuple(
            KeptApart((a, b), FrameRange(start, stop)) for a, b, start, stop in revision.kept_apart
        ),
        avatars={row.person: row.array.digest.hex() for row in revision.avatars},
    )


def _pairs(frames: tuple[FrameRange, ...]) -> list[list[int]]:
    return [[r.start, r.stop] for r in frames]


def _ranges(pairs: Iterable[Any]) -> tuple[FrameRange, ...]:
    return tuple(FrameRange(start, stop) for start, stop in pairs)


def _check(said: Constraints, people: int, observations: Observations | None) -> None:
    """Raises ValueError where a correction is of no person, frame, joint or size of the clip."""
    corrections: tuple[KeypointEdit | BoxEdit | MaskEdit, ...] = (
        *said.keypoint_edits,
        *said.box_edits,
        *said.mask_edits,
    )
    if any(e.person is not None and not 0 <= e.person < people for e in corrections):
        raise ValueError("a correction of somebody who is not in the clip")
    _check_stretches(said, people)
    if observations is None:
        return
    if any(not 0 <= e.frame < observations.frame_count for e in corrections):
        raise ValueError("a correction of a frame that is not in the clip")
    if any(not 0 <= e.keypoint < observations.confidence.shape[2] for e in said.keypoint_edits):
        raise ValueError("a joint that the layout does not have")
    if any(e.mask.size != observations.image_size[::-1] for e in said.mask_edits):
        raise ValueError("a mask of another size than the video")


def _check_stretches(said: Constraints, people: int) -> None:
    """The same of trust and proxemics."""
    about = [t.person for t in said.trust]
    about += [person for p in said.proxemics for person in (p.person_a, p.person_b)]
    if any(not 0 <= person < people for person in about):
        raise ValueError("something said of somebody who is not in the clip")
    stretches = [*(t.frames for t in said.trust), *(p.frames for p in said.proxemics)]
    if any(not 0 <= frames.start < frames.stop for frames in stretches):
        raise ValueError("something said of no frames")
    if any(not 0 <= t.weight <= 1 for t in said.trust):
        raise ValueError("a trust that is no share")
    if any(p.zone is not None and p.zone not in ZONES for p in said.proxemics):
        raise ValueError("a zone that there is not")
    for p in said.proxemics:
        numbers = (p.head_distance, p.pelvis_distance, *p.facing)
        if not all(number is None or math.isfinite(number) for number in numbers):
            raise ValueError("a distance or a facing that is no number")


def read_reviews(revision: RevisionRow) -> tuple[ReviewMark, ...]:
    return tuple(
        ReviewMark(FrameRange(row.start, row.stop), cast(Any, row.verdict), row.reason)
        for row in revision.reviews
    )


# Observations --------------------------------------------------------------------------------


def _write_observations(
    rows: Session,
    arrays: ArrayStore,
    observations: Observations,
    previous: ObservationRow | None,
    provenance: dict[str, str],
) -> ObservationRow:
    width, height = observations.image_size
    row = ObservationRow(
        layout=observations.layout, width=width, height=height, provenance=provenance,
        notes=list(observations.notes),
    )  # fmt: skip
    stored = {
        name: arrays.put(rows, getattr(observations, name), axis)
        for name, axis in OBSERVATION_AXES.items()
    }
    if observations.others is not None:
        for name, axis in OTHERS_AXES.items():
            array = getattr(observations.others, name)
            stored[f"others {name}"] = arrays.put(rows, array, axis)
    if observations.cuts:
        stored["cuts"] = arrays.put(rows, np.asarray(observations.cuts, np.int64))
    if observations.masks is not None:
        old = previous.arrays.get("masks") if previous is not None else None
        stored["masks"] = arrays.put_masks(rows, observations.masks, old.array if old else None)
    row.arrays = {n: ObservationArrayRow(name=n, array=array) for n, array in stored.items()}
    for person, boxes in enumerate(observations.boxes):
        seen = int(np.isfinite(boxes).all(-1).sum())
        track = TrackRow(person=person, boxes=arrays.put(rows, boxes, 0), frames_seen=seen)
        row.tracks.append(track)
    return row


def _read_observations(
    rows: Session, arrays: ArrayStore, row: ObservationRow | None, with_masks: bool
) -> Observations | None:
    if row is None:
        return None
    masks = row.arrays.get("masks") if with_masks else None
    found: dict[str, Any] = {
        name: arrays.get(rows, row.arrays[name].array) for name in OBSERVATION_AXES
    }
    cuts = row.arrays.get("cuts")
    observations = Observations(
        **found,
        layout=cast(Any, row.layout),
        boxes=np.stack([arrays.get(rows, track.boxes) for track in row.tracks]),
        image_size=(row.width, row.height),
        masks=None if masks is None else arrays.get_masks(rows, masks.array),
        cuts=() if cuts is None else tuple(arrays.get(rows, cuts.array).tolist()),
        notes=tuple(row.notes),
    )
    if "others boxes" not in row.arrays:
        return observations
    return replace(observations, others=_read_others(rows, arrays, row, observations))


def _read_others(
    rows: Session, arrays: ArrayStore, row: ObservationRow, observations: Observations
) -> Observations:
    found: dict[str, Any] = {
        name: arrays.get(rows, row.arrays[f"others {name}"].array) for name in OTHERS_AXES
    }
    return replace(observations, **found, masks=None, cuts=(), notes=())


# Identities, reviews -------------------------------------------------------------------------


def _identity_row(known: Iterable[IdentityRow], identity: Identity) -> IdentityRow:
    wanted = (identity.index, identity.name, identity.color, identity.gender)
    for row in known:
        if (row.person, row.name, row.color, row.gender) == wanted:
            return row
    person, name, color, gender = wanted
    return IdentityRow(person=person, name=name, color=color, gender=gender)


def _review_row(known: Iterable[ReviewRow], mark: ReviewMark, author: str) -> ReviewRow:
    """The row that says this; a piece of an older verdict keeps its author and date."""
    start, stop = mark.frames.start, mark.frames.stop
    new = ReviewRow(start=start, stop=stop, verdict=mark.verdict, reason=mark.reason, author=author)
    for row in known:
        if (row.verdict, row.reason) == (mark.verdict, mark.reason):
            if (row.start, row.stop) == (start, stop):
                return row
            if row.start <= start and stop <= row.stop:
                new.author, new.created_at = row.author, row.created_at
    return new
