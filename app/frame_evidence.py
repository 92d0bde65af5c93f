"""What a frame's picture says about the people, as the curator left it: joints, boxes, trails."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from annotations.records import ClipState, Identity
from app.overlay_items import Skeleton
from app.picture_transform import PictureTransform
from app.tokens import PERSON_COLORS
from engine.body.joints import BONES, KEYPOINT_NAMES
from engine.structures import KeypointEdit

TRAIL_FRAMES = 30
LEFT_HIP, RIGHT_HIP = 11, 12
"""The same in both layouts: Halpe-26 starts with COCO-17."""


def bones(state: ClipState | None) -> tuple[tuple[int, int], ...]:
    if state is None or state.observations is None:
        return ()
    return BONES[state.observations.layout]


def keypoint_name(state: ClipState, keypoint: int) -> str:
    """As people say it: "left wrist"."""
    assert state.observations is not None
    return KEYPOINT_NAMES[state.observations.layout][keypoint].replace("_", " ")


def identity(state: ClipState | None, person: int) -> Identity:
    """The person's record; a stand-in where the state has none."""
    if state is not None and person < len(state.identities):
        return state.identities[person]
    color = PERSON_COLORS[person % len(PERSON_COLORS)]
    return Identity(person, f"Person {person + 1}", color)


def skeleton(
    state: ClipState, person: int, frame: int, pending: Sequence[KeypointEdit] = ()
) -> Skeleton | None:
    """Joints in picture pixels, with the curator's edits over the detections.

    `pending` are edits that the project does not have yet: the drag in hand. None where nothing is
    known of the person in that frame.
    """
    observations = state.observations
    if observations is None or not 0 <= frame < observations.frame_count:
        return None
    points = np.array(observations.keypoints2d[person, frame], float)
    confidence = np.nan_to_num(np.array(observations.confidence[person, frame], float))
    hidden, edited = np.zeros(len(points), bool), np.zeros(len(points), bool)
    for edit in (*state.constraints.keypoint_edits, *pending):
        if edit.person != person or edit.frame != frame:
            continue
        hidden[edit.keypoint] = not edit.visible
        edited[edit.keypoint] = edit.visible
        if np.isfinite([edit.x, edit.y]).all():
            points[edit.keypoint] = edit.x, edit.y
    if not np.isfinite(points).any():
        return None
    return Skeleton(points, confidence, hidden, edited)


def placed(skeleton: Skeleton, transform: PictureTransform) -> Skeleton:
    """The same skeleton in view pixels."""
    points = transform.to_view(skeleton.points)
    return Skeleton(points, skeleton.confidence, skeleton.hidden, skeleton.edited)


def box(state: ClipState, person: int, frame: int) -> Float[np.ndarray, "4"] | None:
    """x0, y0, x1, y1 in picture pixels; None in a gap."""
    observations = state.observations
    if observations is None or not 0 <= frame < observations.frame_count:
        return None
    found = np.asarray(observations.boxes[person, frame], float)
    return found if np.isfinite(found).all() else None


def trail(state: ClipState, person: int, frame: int) -> Float[np.ndarray, "N 2"]:
    """Middle of the hips over the last frames, in picture pixels; NaN in gaps."""
    observations = state.observations
    if observations is None:
        return np.zeros((0, 2))
    span = slice(max(0, frame - TRAIL_FRAMES), frame + 1)
    hips = observations.keypoints2d[person, span][:, [LEFT_HIP, RIGHT_HIP]]
    return np.asarray(hips, float).mean(1)


def nearest_joint(
    skeletons: Sequence[Skeleton | None],
    at: tuple[float, float],
    reach: float,
    preferred: int | None = None,
) -> tuple[int, int] | None:
    """(person, keypoint) of the joint closest to a point, within `reach`.

    Where two people's joints lie on each other, the preferred person's wins.
    """
    best, best_distance = None, reach
    for person, shown in enumerate(skeletons):
        if shown is None:
            continue
        distance = np.hypot(*(shown.points - np.array(at)).T)
        distance = np.where(np.isfinite(distance), distance, np.inf)
        if person == preferred:
            distance = np.where(distance <= reach, distance - reach, distance)
        keypoint = int(distance.argmin())
        if distance[keypoint] < best_distance:
            best, best_distance = (person, keypoint), float(distance[keypoint])
    return best
