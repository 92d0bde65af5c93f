"""A clip's detections as a whole, and rows of them: taken in, exchanged, emptied.

A row is one person through the clip: keypoints, confidence, box and mask of each frame. People
whom the clip is not about have rows of their own (`Observations.others`), without masks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from annotations import ranges
from annotations.arrays import Masks
from annotations.edits import default_identities, touched
from annotations.errors import EditError
from annotations.records import ClipState
from annotations.statements import ABOUT_THE_SAME, box_at, iou
from engine.body.joints import KEYPOINT_NAMES
from engine.structures import Constraints, FrameRange, Observations, RunLengthMask, VideoInfo

ROW_ARRAYS = {"keypoints2d": np.nan, "confidence": 0.0, "boxes": np.nan}
"""What a row is made of, apart from masks, and what stands in it where nobody is seen."""
NOTE_LIMIT, NOTE_LENGTH = 200, 1000
"""Sentences about a clip, and characters of one: more is a mistake."""


def set_observations(state: ClipState, observations: Observations, video: VideoInfo) -> ClipState:
    """Other detections of the whole clip. What people said (joints they placed too) stays.

    Frames whose detections are other ones than before are due for a fit.
    """
    _check(observations, video)
    identities = state.identities
    if observations.person_count != len(identities):
        if state.motion is not None or state.constraints != Constraints():
            raise EditError(
                "The number of people differs from what this clip has been annotated with",
                expected=f"{len(identities)} people",
                received=f"{observations.person_count}",
            )
        identities = default_identities(observations.person_count)
    keypoint_count = len(KEYPOINT_NAMES[observations.layout])
    if any(e.keypoint >= keypoint_count for e in state.constraints.keypoint_edits):
        raise EditError(
            f"Joints were placed by hand that the layout {observations.layout} does not have",
            advice="Detect with the layout halpe26.",
        )
    found = _canonical(observations)
    for frames in ranges.from_mask(_other_frames(state.observations, found)):
        state = replace(state, **touched(state, frames))
    return replace(
        state,
        identities=identities,
        observations=found,
        swaps=(),  # they were of other detections
    )


def _other_frames(before: Observations | None, found: Observations) -> Bool[np.ndarray, "F"]:
    """In which anything that a fit looks at differs."""
    every = np.ones(found.frame_count, bool)
    if before is None or before.confidence.shape != found.confidence.shape:
        return every
    if (before.layout, before.cuts) != (found.layout, found.cuts):
        return every
    if not np.array_equal(before.times, found.times):
        return every
    other = np.zeros_like(every)
    for name in ("keypoints2d", "confidence", "boxes"):
        was, now = getattr(before, name), getattr(found, name)
        same = (was == now) | (np.isnan(was) & np.isnan(now))
        other |= ~same.all(axis=(0, *range(2, same.ndim)))
    nothing = ((None,) * found.frame_count,) * found.person_count
    for old, new in zip(before.masks or nothing, found.masks or nothing, strict=True):
        other |= [a != b for a, b in zip(old, new, strict=True)]
    return other


def _check(observations: Observations, video: VideoInfo) -> None:
    _check_rows(observations, video)
    people, frames = observations.person_count, video.frame_count
    if people < 1:
        raise EditError("These observations hold nobody")
    masks = observations.masks
    if masks is not None and [len(row) for row in masks] != [frames] * people:
        raise EditError(
            "These observations do not belong to this video: masks",
            expected=f"{frames} for each of {people} people",
        )
    if observations.others is not None:
        if observations.others.layout != observations.layout:
            raise EditError(
                "The other people's joints are laid out differently",
                expected=observations.layout,
                received=observations.others.layout,
            )
        _check_rows(observations.others, video)
    if not all(0 < cut < frames for cut in observations.cuts):
        raise EditError(
            "A cut lies outside of the clip",
            expected=f"frames 1 to {frames - 1}",
            received=", ".join(map(str, observations.cuts[:8])),
        )
    notes = observations.notes
    if len(notes) > NOTE_LIMIT or any(len(note) > NOTE_LENGTH for note in notes):
        raise EditError(
            "There is too much to say about this clip",
            expected=f"at most {NOTE_LIMIT} sentences of at most {NOTE_LENGTH} characters",
        )


def _check_rows(observations: Observations, video: VideoInfo) -> None:
    people, frames = observations.person_count, video.frame_count
    names = KEYPOINT_NAMES.get(observations.layout, ())
    expected = (people, frames, len(names), 2)
    facts: tuple[tuple[str, object, object], ...] = (
        ("keypoints2d (P, F, K, 2)", expected, observations.keypoints2d.shape),
        ("confidence (P, F, K)", expected[:3], observations.confidence.shape),
        ("boxes (P, F, 4)", (people, frames, 4), observations.boxes.shape),
        ("times (F,)", (frames,), observations.times.shape),
        ("image size", tuple(video.image_size), tuple(observations.image_size)),
    )
    for name, wanted, received in facts:
        if wanted != received:
            raise EditError(
                f"These observations do not belong to this video: {name}",
                expected=str(wanted),
                received=str(received),
            )


def _canonical(observations: Observations) -> Observations:
    """As the project keeps them: cuts sorted, no other rows without anybody in them."""
    cuts = tuple(sorted({int(cut) for cut in observations.cuts}))
    others = observations.others
    if others is not None:
        others = without_empty_rows(others)
    if others is not None:
        arrays: dict[str, Any] = {
            name: np.asarray(getattr(others, name), getattr(observations, name).dtype)
            for name in ROW_ARRAYS
        }
        others = replace(
            others, **arrays, times=observations.times, image_size=observations.image_size,
            masks=None, others=None, cuts=(), notes=(),
        )  # fmt: skip
    if others is observations.others and cuts == observations.cuts:
        return observations
    return replace(observations, others=others, cuts=cuts)


def detected_again(before: Observations, found: Observations, frames: FrameRange) -> Observations:
    """Detections of a part of a clip, within those that were there before.

    Both of the same people and layout. The others are joined to the rows that they continue at an
    end of the part; a cut at its first frame is kept, because the part alone does not show it.
    """
    part = frames.as_slice()

    def merged(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        result = old.copy()
        result[:, part] = new[:, part]
        return result

    nothing = ((None,) * found.frame_count,) * found.person_count
    masks = tuple(
        (*old[: frames.start], *new[part], *old[frames.stop :])
        for old, new in zip(before.masks or nothing, found.masks or nothing, strict=True)
    )
    inside = FrameRange(frames.start + 1, frames.stop)
    cuts = {cut for cut in before.cuts if cut not in inside} | {
        c for c in found.cuts if c in frames
    }
    return replace(
        before,
        keypoints2d=merged(before.keypoints2d, found.keypoints2d),
        confidence=merged(before.confidence, found.confidence),
        boxes=merged(before.boxes, found.boxes),
        masks=masks if before.masks or found.masks else None,
        others=_others_again(before, found, frames),
        cuts=tuple(sorted(cuts)),
        notes=tuple(dict.fromkeys((*before.notes, *found.notes))),
    )


def _others_again(
    before: Observations, found: Observations, frames: FrameRange
) -> Observations | None:
    if found.others is None and before.others is None:
        return None
    old = before.others or blank_rows(before, 0)
    new = found.others or blank_rows(found, 0)
    count, free = old.person_count, set(range(old.person_count))
    places: list[int] = []
    for row in range(new.person_count):
        place = _continued(old, new.boxes[row], free, frames)
        if place is None:
            place, count = count, count + 1
        free.discard(place)
        places.append(place)
    rows = blank_rows(before, count)
    part, arrays = frames.as_slice(), {name: getattr(rows, name) for name in ROW_ARRAYS}
    for name, array in arrays.items():
        array[: old.person_count] = getattr(old, name)
        array[:, part] = ROW_ARRAYS[name]
        array[places, part] = getattr(new, name)[:, part]
    return without_empty_rows(rows)


def _continued(
    old: Observations, boxes: np.ndarray, free: Iterable[int], frames: FrameRange
) -> int | None:
    """The free row of `old` that a track of the part (boxes (F, 4)) continues best."""
    best, most = None, ABOUT_THE_SAME
    last = old.frame_count - 1
    for outside, inside in ((frames.start - 1, frames.start), (frames.stop, frames.stop - 1)):
        for row in free if 0 <= outside <= last else ():
            shared = iou(box_at(old.boxes[row], outside), box_at(boxes, inside))
            if shared > most:
                best, most = row, shared
    return best


def blank_rows(like: Observations, count: int) -> Observations:
    """Rows of nobody, of the same clip and layout."""
    arrays: dict[str, Any] = {
        name: np.full_like(
            getattr(like, name), nothing, shape=(count, *getattr(like, name).shape[1:])
        )
        for name, nothing in ROW_ARRAYS.items()
    }
    return replace(like, **arrays, masks=None, others=None, cuts=(), notes=())


def is_seen(observations: Observations, row: int) -> np.ndarray:
    """Bool (F,): where anything is known of a row's person."""
    box = np.isfinite(observations.boxes[row]).all(-1)
    joints = np.isfinite(observations.keypoints2d[row]).all(-1).any(-1)
    return np.asarray(box | joints)


def without_empty_rows(others: Observations) -> Observations | None:
    """Without the rows of nobody; None where none is left."""
    rows = [row for row in range(others.person_count) if is_seen(others, row).any()]
    if len(rows) == others.person_count and rows:
        return others
    return replace(others, **{n: getattr(others, n)[rows] for n in ROW_ARRAYS}) if rows else None


def emptied(observations: Observations, row: int, frames: FrameRange) -> Observations:
    """Nobody in the row over the frames."""
    changes: dict[str, Any] = {}
    for name, nothing in ROW_ARRAYS.items():
        array = getattr(observations, name).copy()
        array[row, frames.as_slice()] = nothing
        changes[name] = array
    return replace(
        observations,
        **changes,
        masks=None if observations.masks is None else _without_masks(observations, row, frames),
    )


def without_other(observations: Observations, other: int, frames: FrameRange) -> Observations:
    """Nobody in a row of the others over the frames."""
    assert observations.others is not None
    others = without_empty_rows(emptied(observations.others, other, frames))
    return replace(observations, others=others)


def exchanged_with_other(
    observations: Observations, person: int, other: int, frames: FrameRange
) -> Observations:
    """A person's row and an other one's, exchanged over the frames; the person's masks go."""
    others, part = observations.others, frames.as_slice()
    assert others is not None
    mine: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    for name in ROW_ARRAYS:
        old, new = getattr(observations, name), getattr(others, name)
        mine[name], theirs[name] = old.copy(), new.copy()
        mine[name][person, part] = new[other, part]
        theirs[name][other, part] = old[person, part]
    return replace(
        observations,
        **mine,
        others=without_empty_rows(replace(others, **theirs)),
        masks=None if observations.masks is None else _without_masks(observations, person, frames),
    )


def moved_to_others(observations: Observations, person: int, frames: FrameRange) -> Observations:
    """A person's row over the frames becomes a row of its own among the others."""
    part = frames.as_slice()
    before = observations.others or blank_rows(observations, 0)
    row = blank_rows(observations, 1)
    arrays: dict[str, Any] = {}
    for name in ROW_ARRAYS:
        getattr(row, name)[0, part] = getattr(observations, name)[person, part]
        arrays[name] = np.concatenate([getattr(before, name), getattr(row, name)])
    return replace(emptied(observations, person, frames), others=replace(before, **arrays))


def _without_masks(observations: Observations, row: int, frames: FrameRange) -> Masks:
    assert observations.masks is not None
    rows: list[list[RunLengthMask | None]] = [list(each) for each in observations.masks]
    rows[row][frames.as_slice()] = [None] * len(frames)
    return tuple(map(tuple, rows))
