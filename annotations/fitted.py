"""How a fit's result enters a clip's state: only in the frames it may touch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from annotations import proxemics
from annotations.arrays import digest_of_bytes
from annotations.edits import due
from annotations.errors import EditError
from annotations.ranges import as_mask, cut, overlap, union
from annotations.records import ClipState
from annotations.review import accepted_frames
from engine.structures import (
    BodyMotion,
    Camera,
    Diagnostics,
    FitResult,
    FrameRange,
    Observations,
    Reason,
    RunLengthMask,
    SwapProposal,
)

PER_FRAME = ("global_orient", "body_pose", "transl", "valid", "provenance")


def apply_fit(
    state: ClipState, result: FitResult, frames: FrameRange, times: Float[np.ndarray, "F"]
) -> ClipState:
    """The state with the result's bodies in `frames`; `times` is the clip's frame table.

    Frames outside the range, accepted frames and frozen frames stay exactly as they were. The
    result may hold the whole clip or the range alone. Betas, K and distortion belong to the whole
    clip, so they are taken over only where every frame is: a fit that keeps frames holds them.
    """
    count = len(times)
    part = _part(result, frames, count)
    _check(state, result, part)
    taken = as_mask([frames], count)
    if state.motion is not None:
        taken &= ~accepted_frames(state, count)
        taken &= ~as_mask(state.constraints.frozen, count)
    if not taken.any():
        raise EditError(
            "All of these frames are accepted or frozen, so the fit changes nothing",
            advice="Send them back or unfreeze them first.",
        )
    return replace(
        state,
        motion=replace(_merged_motion(state.motion, result.motion, taken, part), time=times),
        camera=_merged_camera(state.camera, result.camera, taken, part),
        diagnostics=_merged_diagnostics(state.diagnostics, result.diagnostics, taken, part),
        proxemics=proxemics.merged(state.proxemics, result.proxemics, taken, part),
        swaps=_merged_swaps(state.swaps, result.swaps, frames),
        avatars={
            **state.avatars,
            **{person: digest_of_bytes(data) for person, data in result.appearance.items()},
        },
        observations=_with_masks(state, result, taken, part),
        **due(
            union(cut(state.edited, frames)),
            [union(cut(mine, frames)) for mine in state.edited_people],
        ),
    )


def _part(result: FitResult, frames: FrameRange, count: int) -> slice:
    """Where the clip's frames lie in the result: clip frame f is result frame f - part.start."""
    length = result.motion.frame_count
    if length == count:
        return slice(0, count)
    if length == len(frames):
        return frames.as_slice()
    raise EditError(
        "This fit is not of these frames",
        expected=f"{count} or {len(frames)} frames",
        received=str(length),
    )


def _check(state: ClipState, result: FitResult, part: slice) -> None:
    motion, count = result.motion, part.stop - part.start
    people = len(state.identities)
    if motion.person_count != people:
        raise EditError(
            "This fit is of other people", expected=str(people), received=str(motion.person_count)
        )
    if state.motion is not None and state.motion.body != motion.body:
        raise EditError(
            "This fit is on another body", expected=state.motion.body, received=motion.body
        )
    shapes = {
        "global_orient": (people, count, 3),
        "body_pose": (people, count, 23, 3),
        "transl": (people, count, 3),
        "valid": (people, count),
        "provenance": (people, count),
    }
    for name, shape in shapes.items():
        if getattr(motion, name).shape != shape:
            raise EditError(
                f"This fit is not whole: {name}",
                expected=str(shape),
                received=str(getattr(motion, name).shape),
            )
    if result.masks is not None and [len(row) for row in result.masks] != [count] * people:
        raise EditError("This fit is not whole: the masks", expected=f"{count} for each person")
    _check_findings(result, people, count)
    if result.camera.T_camera_world.shape != (count, 4, 4):
        raise EditError("This fit is not whole: the camera", expected=f"{count} frames")
    numbers = (motion.betas, motion.global_orient, motion.body_pose, motion.transl)
    if not np.isfinite(motion.betas).all() or not all(
        np.isfinite(array[motion.valid]).all() for array in numbers[1:]
    ):
        raise EditError("This fit holds values that are not numbers", advice="Fit again.")


def _check_findings(result: FitResult, people: int, count: int) -> None:
    """What a fit found besides bodies is of these people and frames."""
    proxemics.check_found(result.proxemics, people, count)
    diagnostics = result.diagnostics
    for name, score in (*diagnostics.reasons.items(), ("ranking", diagnostics.expected_error)):
        if score is not None and score.shape != (people, count):
            raise EditError(
                f"This fit is not whole: {name}",
                expected=str((people, count)),
                received=str(score.shape),
            )
    named = {person for swap in result.swaps for person in (swap.person_a, swap.person_b)}
    if not {*named, *result.appearance} <= set(range(people)):
        raise EditError("This fit is of other people", expected=f"{people} people")


def _taken_over(
    old: np.ndarray, new: np.ndarray, taken: Bool[np.ndarray, "F"], part: slice, axis: int
) -> np.ndarray:
    """`old` with `new` in the taken frames; the frame axis is `axis`."""
    merged = np.moveaxis(old.copy(), axis, 0)
    chosen = np.flatnonzero(taken)
    merged[chosen] = np.moveaxis(new, axis, 0)[chosen - part.start]
    return np.ascontiguousarray(np.moveaxis(merged, 0, axis))


def _blank(like: np.ndarray, count: int, axis: int, fill: float) -> np.ndarray:
    shape = list(like.shape)
    shape[axis] = count
    return np.full(shape, fill, like.dtype)


def _merged_motion(
    old: BodyMotion | None, new: BodyMotion, taken: Bool[np.ndarray, "F"], part: slice
) -> BodyMotion:
    if taken.all():
        return new
    count = len(taken)
    arrays: dict[str, Any] = {}
    for name in PER_FRAME:
        values = getattr(new, name)
        base = _blank(values, count, 1, 0.0) if old is None else getattr(old, name)
        arrays[name] = _taken_over(base, values, taken, part, 1)
    if old is not None:
        return replace(old, **arrays)
    return replace(new, **arrays)


def _merged_camera(
    old: Camera | None, new: Camera, taken: Bool[np.ndarray, "F"], part: slice
) -> Camera:
    if taken.all():
        return new
    base = (
        np.tile(np.eye(4, dtype=new.T_camera_world.dtype), (len(taken), 1, 1))
        if old is None
        else old.T_camera_world
    )
    moved = _taken_over(base, new.T_camera_world, taken, part, 0)
    return replace(new if old is None else old, T_camera_world=moved)


def _merged_diagnostics(
    old: Diagnostics | None, new: Diagnostics, taken: Bool[np.ndarray, "F"], part: slice
) -> Diagnostics:
    if taken.all():
        return new
    count = len(taken)
    pixels, depth = new.reprojection_px, new.penetration_m
    base_pixels = _blank(pixels, count, 1, np.nan) if old is None else old.reprojection_px
    base_depth = _blank(depth, count, 0, np.nan) if old is None else old.penetration_m
    known = {} if old is None else old.reasons
    names: list[Reason] = [*known, *(reason for reason in new.reasons if reason not in known)]
    reasons = {n: _merged_scores(known.get(n), new.reasons.get(n), taken, part) for n in names}
    expected = None if old is None else old.expected_error
    return Diagnostics(
        reprojection_px=_taken_over(base_pixels, pixels, taken, part, 1),
        penetration_m=_taken_over(base_depth, depth, taken, part, 0),
        notes=new.notes,
        reasons={name: scores for name, scores in reasons.items() if scores is not None},
        expected_error=_merged_scores(expected, new.expected_error, taken, part),
    )


def _merged_scores(
    old: np.ndarray | None, new: np.ndarray | None, taken: Bool[np.ndarray, "F"], part: slice
) -> Float[np.ndarray, "P F"] | None:
    """Scores (P, F) of which one side may know nothing: NaN where nothing is known."""
    like = old if old is not None else new
    if like is None:
        return None
    base = _blank(like, len(taken), 1, np.nan) if old is None else old
    fresh = _blank(like, part.stop - part.start, 1, np.nan) if new is None else new
    return _taken_over(base, fresh, taken, part, 1)


def _merged_swaps(
    old: tuple[SwapProposal, ...], new: tuple[SwapProposal, ...], frames: FrameRange
) -> tuple[SwapProposal, ...]:
    """The new proposals; of the old ones those of other frames than were fitted or proposed."""
    fresh = (frames, *(swap.frames for swap in new))
    kept = (swap for swap in old if not any(overlap(swap.frames, part) for part in fresh))
    return (*new, *kept)


def _with_masks(
    state: ClipState, result: FitResult, taken: Bool[np.ndarray, "F"], part: slice
) -> Observations | None:
    """The detections with the fit's masks in the taken frames.

    Where a mask is painted the detected one is left as it is: it counts again when the painted one
    is cleared, and the fit's was made from the painted one.
    """
    observations = state.observations
    if result.masks is None or observations is None:
        return observations
    nothing = (None,) * len(taken)
    old = observations.masks or (nothing,) * observations.person_count
    painted = {(edit.person, edit.frame) for edit in state.constraints.mask_edits}
    rows: list[list[RunLengthMask | None]] = [list(row) for row in old]
    for frame in np.flatnonzero(taken).tolist():
        for person, row in enumerate(rows):
            if (person, frame) not in painted:
                row[frame] = result.masks[person][frame - part.start]
    masks = tuple(map(tuple, rows))
    return observations if masks == old else replace(observations, masks=masks)
