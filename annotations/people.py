"""Edits of who is who: another track chosen, a track dismissed; annotations.swapping swaps two.

Each also records where the people are said to be (identity pins), or that none of them is there
(marks), so that the next run of perception cannot undo what a person decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, cast

import numpy as np

from annotations import statements
from annotations.corrections import corrected
from annotations.edits import checked_person, touched
from annotations.errors import EditError
from annotations.observed import (
    emptied,
    exchanged_with_other,
    is_seen,
    moved_to_others,
    without_other,
)
from annotations.pins import key_frames, pinned
from annotations.records import ClipState
from annotations.review import without_acceptance
from annotations.statements import box_at
from annotations.swapping import without_proposals
from engine.structures import BoxEdit, BoxKind, Constraints, FrameRange

Source = tuple[Literal["person", "other"], int]
"""A row of the clip's people, or of the others."""
NobodyKind = Literal["someone_else", "not_a_person"]


def assign(state: ClipState, person: int, other: int, frames: FrameRange) -> ClipState:
    """Somebody among the others is the person over the frames; whoever was, is one of the others.

    Nothing seen is lost: the rows are exchanged. What was said of the person there goes along with
    whoever it was said of (joints and boxes become part of that row), except in a frame where a
    box was drawn around the very track that is chosen now. The other people are pinned as well,
    or the next run of perception might take whoever was given up for one of them. The bodies stay
    until the next fit.
    """
    checked_person(state, person)
    incoming = _other_boxes(state, other, frames)
    agreed = {
        e.frame
        for e in state.constraints.box_edits
        if e.kind == "person" and e.person == person and _agrees(e, incoming)
    }
    settled = _settled(state, person, frames, agreed)
    assert settled.observations is not None
    said = settled.constraints
    after = replace(
        settled,
        observations=exchanged_with_other(settled.observations, person, other, frames),
        constraints=replace(
            said,
            box_edits=tuple(
                e
                for e in said.box_edits
                if e.person is not None or e.frame not in frames or not _agrees(e, incoming)
            ),
        ),
        reviews=without_acceptance(state.reviews, frames),
        swaps=without_proposals(state, frames, [person]),
        **touched(state, frames, [person]),
    )
    return pinned(after, range(len(state.identities)), frames)


def dismiss(state: ClipState, source: Source, frames: FrameRange, kind: NobodyKind) -> ClipState:
    """Whoever was found there is none of the clip's people, or nobody at all.

    A person's evidence moves to a row of its own among the others (someone_else) or goes
    (not_a_person), and with it what was said of it; the bodies stay until the next fit. An other
    row is only marked as someone else, or emptied. The rest of the people are pinned: they are
    who they were. Undo gives back all of it.
    """
    if kind not in ("someone_else", "not_a_person"):
        raise EditError(
            "No such thing to say of a track",
            expected="someone_else or not_a_person",
            received=str(kind)[:40],
        )
    if source[0] == "person":
        return _dismissed_person(state, source[1], frames, kind)
    if source[0] != "other":
        raise EditError("No such track", expected="person or other", received=str(source[0])[:40])
    marked = _marked(state, _other_boxes(state, source[1], frames), frames, kind)
    if kind == "someone_else" or state.observations is None:
        return marked
    return replace(marked, observations=without_other(state.observations, source[1], frames))


def _dismissed_person(
    state: ClipState, person: int, frames: FrameRange, kind: NobodyKind
) -> ClipState:
    checked_person(state, person)
    if state.observations is None:
        raise EditError("Nobody was detected yet")
    settled = _settled(state, person, frames)
    observations = settled.observations
    assert observations is not None
    if not is_seen(observations, person)[frames.as_slice()].any():
        raise EditError(f"Person {person + 1} is not seen in these frames")
    move = moved_to_others if kind == "someone_else" else emptied
    after = replace(
        settled,
        observations=move(observations, person, frames),
        reviews=without_acceptance(state.reviews, frames),
        swaps=without_proposals(state, frames, [person]),
        **touched(state, frames, [person]),
    )
    rest = [other for other in range(len(state.identities)) if other != person]
    return _marked(pinned(after, rest, frames), observations.boxes[person], frames, kind)


def _other_boxes(state: ClipState, other: int, frames: FrameRange) -> np.ndarray:
    """(F, 4) of a row among the others that is seen in the frames, or an EditError."""
    others = state.observations.others if state.observations is not None else None
    count = 0 if others is None else others.person_count
    if others is None or not 0 <= other < count:
        raise EditError(
            "There is no such other person in this clip",
            expected=f"0 to {count - 1}" if count else "a clip in which somebody else was seen",
            received=str(other),
        )
    boxes = np.asarray(others.boxes[other])
    if not np.isfinite(boxes[frames.as_slice()]).all(-1).any():
        raise EditError("Nobody else was seen there in these frames", received=f"other {other + 1}")
    return boxes


def _agrees(edit: BoxEdit, boxes: np.ndarray) -> bool:
    """Whether the box is at about the place of a track (F, 4) in its frame."""
    return statements.iou(edit.box, box_at(boxes, edit.frame)) > statements.ABOUT_THE_SAME


def _settled(
    state: ClipState, person: int, frames: FrameRange, kept: Iterable[int] = ()
) -> ClipState:
    """What was said of a person's evidence in the frames becomes a part of that evidence.

    `kept`: frames in which it stays a statement about the person. Painted masks go.
    """
    said, rest = state.constraints, set(kept)

    def goes(who: int | None, frame: int) -> bool:
        return who == person and frame in frames and frame not in rest

    joints = tuple(e for e in said.keypoint_edits if goes(e.person, e.frame))
    boxes = tuple(e for e in said.box_edits if goes(e.person, e.frame))
    observations = state.observations
    assert observations is not None
    part = Constraints(keypoint_edits=joints, box_edits=boxes)
    return replace(
        state,
        observations=corrected(observations, part),
        constraints=replace(
            said,
            keypoint_edits=tuple(e for e in said.keypoint_edits if not goes(e.person, e.frame)),
            box_edits=tuple(e for e in said.box_edits if not goes(e.person, e.frame)),
            mask_edits=tuple(e for e in said.mask_edits if not goes(e.person, e.frame)),
        ),
    )


def _marked(state: ClipState, boxes: np.ndarray, frames: FrameRange, kind: NobodyKind) -> ClipState:
    """The state with marks that none of the people is where a track (F, 4) is."""
    assert state.observations is not None
    edits = state.constraints.box_edits
    for frame in key_frames(boxes, state.observations.times, frames):
        mark = BoxEdit(frame, box_at(boxes, frame), cast(BoxKind, kind))
        edits = statements.with_mark(edits, mark)
    return replace(state, constraints=replace(state.constraints, box_edits=edits))
