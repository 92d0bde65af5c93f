"""Two people exchanged over some frames, and what is said of proposals to do so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from annotations import proxemics, statements, trust
from annotations.edits import checked_person, touched
from annotations.errors import EditError
from annotations.pins import pinned
from annotations.ranges import overlap, union
from annotations.records import ClipState, KeptApart
from annotations.review import without_acceptance
from engine.structures import (
    BodyMotion,
    Constraints,
    Diagnostics,
    FrameRange,
    Observations,
    SwapProposal,
)


def swap(state: ClipState, frames: FrameRange, persons: tuple[int, int] = (0, 1)) -> ClipState:
    """Two people exchanged over the frames: evidence, bodies and what was said of them.

    Betas, heights and names stay with the identity; so do avatars, unless most frames are
    exchanged. Swapping twice gives the first state back (but for `edited`, for identity pins, and
    for acceptances and proposals to swap, which end where the bodies change).
    """
    a, b = persons
    for person in persons:
        checked_person(state, person)
    if a == b:
        raise EditError("A swap needs two people", received=f"person {a} twice")

    def exchange(array: np.ndarray) -> np.ndarray:
        swapped = array.copy()
        swapped[a, frames.as_slice()] = array[b, frames.as_slice()]
        swapped[b, frames.as_slice()] = array[a, frames.as_slice()]
        return swapped

    who = {a: b, b: a}
    observations = _swapped_observations(state.observations, exchange, frames, persons)
    after = replace(
        state,
        observations=observations,
        motion=_swapped_motion(state.motion, exchange),
        diagnostics=_swapped_diagnostics(state.diagnostics, exchange),
        constraints=_swapped_constraints(state.constraints, frames, who),
        proxemics=proxemics.exchanged(state.proxemics, frames, who),
        swaps=without_proposals(state, frames, persons),
        avatars=_swapped_avatars(state, frames, who),
        reviews=without_acceptance(state.reviews, frames),
        **touched(state, frames, persons),
    )
    return pinned(after, persons, frames)


def _swapped_constraints(
    said: Constraints, frames: FrameRange, who: statements.Persons
) -> Constraints:
    return replace(
        said,
        keypoint_edits=statements.swapped_edits(said.keypoint_edits, frames, who),
        contacts=statements.swapped_contacts(said.contacts, frames, who),
        depth_orders=statements.swapped_depth(said.depth_orders, frames, who),
        box_edits=statements.swapped_boxes(said.box_edits, frames, who),
        mask_edits=statements.swapped_masks(said.mask_edits, frames, who),
        trust=trust.swapped(said.trust, frames, who),
        proxemics=proxemics.swapped(said.proxemics, frames, who),
    )


def _swapped_avatars(
    state: ClipState, frames: FrameRange, who: statements.Persons
) -> Mapping[int, str]:
    """An avatar is learnt from all frames: it is whose most of them are."""
    known = state.motion or state.observations
    if known is None or 2 * len(frames) <= known.frame_count or not state.avatars:
        return state.avatars
    return {who.get(person, person): digest for person, digest in state.avatars.items()}


def without_proposals(
    state: ClipState, frames: FrameRange, persons: Iterable[int]
) -> tuple[SwapProposal, ...]:
    """The proposals to swap of other people or other frames: those are of what was there before."""
    touched_people = set(persons)
    return tuple(
        s
        for s in state.swaps
        if not {s.person_a, s.person_b} & touched_people or overlap(s.frames, frames) is None
    )


def keep_apart(state: ClipState, frames: FrameRange, persons: tuple[int, int]) -> ClipState:
    """Somebody looked: in these frames the two are who they are, whatever a fit thinks."""
    for person in persons:
        checked_person(state, person)
    if persons[0] == persons[1]:
        raise EditError("Two people can be exchanged", received=f"person {persons[0]} twice")
    pair = min(persons), max(persons)
    mine = union([*(k.frames for k in state.kept_apart if k.persons == pair), frames])
    others = [k for k in state.kept_apart if k.persons != pair]
    kept = sorted(
        [*others, *(KeptApart(pair, part) for part in mine)],
        key=lambda k: (k.frames.start, k.persons),
    )
    return state if tuple(kept) == state.kept_apart else replace(state, kept_apart=tuple(kept))


def _swapped_observations(
    observations: Observations | None,
    exchange: Callable[[np.ndarray], np.ndarray],
    frames: FrameRange,
    persons: tuple[int, int],
) -> Observations | None:
    if observations is None:
        return None
    masks = observations.masks
    if masks is not None:
        a, b = persons
        rows = [list(row) for row in masks]
        part = frames.as_slice()
        rows[a][part], rows[b][part] = rows[b][part], rows[a][part]
        masks = tuple(tuple(row) for row in rows)
    return replace(
        observations,
        keypoints2d=exchange(observations.keypoints2d),
        confidence=exchange(observations.confidence),
        boxes=exchange(observations.boxes),
        masks=masks,
    )


def _swapped_motion(
    motion: BodyMotion | None, exchange: Callable[[np.ndarray], np.ndarray]
) -> BodyMotion | None:
    if motion is None:
        return None
    return replace(
        motion,
        global_orient=exchange(motion.global_orient),
        body_pose=exchange(motion.body_pose),
        transl=exchange(motion.transl),
        valid=exchange(motion.valid),
        provenance=exchange(motion.provenance),
    )


def _swapped_diagnostics(
    diagnostics: Diagnostics | None, exchange: Callable[[np.ndarray], np.ndarray]
) -> Diagnostics | None:
    if diagnostics is None:
        return None
    expected = diagnostics.expected_error
    return replace(
        diagnostics,
        reprojection_px=exchange(diagnostics.reprojection_px),
        reasons={reason: exchange(scores) for reason, scores in diagnostics.reasons.items()},
        expected_error=None if expected is None else exchange(expected),
    )
