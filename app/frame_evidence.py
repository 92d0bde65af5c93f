"""What a frame's picture says about the people, as the curator left it: joints, boxes, trails."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from annotations.records import ClipState, Identity
from app.overlay_items import Skeleton
from app.picture_transform import PictureTransform
from app.tokens import PERSON_COLORS
from engine.body.joints import BONES, KEYPOINT_NAMES
from engine.structures import (
    BoxEdit,
    DepthOrder,
    KeypointEdit,
    MaskEdit,
    Observations,
    RunLengthMask,
)

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


def said_of_joint(state: ClipState, person: int, frame: int, keypoint: int) -> KeypointEdit | None:
    """What the curator said of a joint last."""
    edits = reversed(state.constraints.keypoint_edits)
    place = (person, frame, keypoint)
    return next((e for e in edits if (e.person, e.frame, e.keypoint) == place), None)


def placed(skeleton: Skeleton, transform: PictureTransform) -> Skeleton:
    """The same skeleton in view pixels."""
    points = transform.to_view(skeleton.points)
    return Skeleton(points, skeleton.confidence, skeleton.hidden, skeleton.edited)


def drawn_box(state: ClipState, person: int, frame: int) -> BoxEdit | None:
    """The box that the curator drew around a person in a frame."""
    edits = reversed(state.constraints.box_edits)
    said = ("person", person, frame)
    return next((e for e in edits if (e.kind, e.person, e.frame) == said), None)


def box(state: ClipState, person: int, frame: int) -> Float[np.ndarray, "4"] | None:
    """x0, y0, x1, y1 in picture pixels: as drawn, else as detected; None in a gap."""
    drawn = drawn_box(state, person, frame)
    if drawn is not None:
        return np.array(drawn.box, float)
    return _box(state.observations, person, frame)


def beside(state: ClipState, person: int, frame: int) -> int | None:
    """Who somebody in a frame most likely stands in front of: whose box covers most of theirs, else
    whose is nearest. The only other person also where boxes are missing; None where nobody is."""
    others = [other for other in range(len(state.identities)) if other != person]
    if len(others) < 2:
        return others[0] if others else None
    boxes = {other: box(state, other, frame) for other in (person, *others)}
    own = boxes.pop(person)
    seen = {} if own is None else {o: _gaps(own, b) for o, b in boxes.items() if b is not None}

    def nearness(other: int) -> tuple[float, float]:
        gaps = seen[other]
        common = np.prod(-gaps) if (gaps < 0).all() else 0.0
        return float(common), -float(np.linalg.norm(gaps.clip(min=0)))

    return max(seen, key=nearness, default=None)


def _gaps(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> Float[np.ndarray, "2"]:
    """Pixels between two boxes along x and y; negative where they overlap."""
    gaps: np.ndarray = np.maximum(a[:2], b[:2]) - np.minimum(a[2:], b[2:])
    return gaps


def _box(observations: Observations | None, row: int, frame: int) -> Float[np.ndarray, "4"] | None:
    if observations is None or not 0 <= frame < observations.frame_count:
        return None
    found = np.asarray(observations.boxes[row, frame], float)
    return found if np.isfinite(found).all() else None


def painted_mask(state: ClipState, person: int, frame: int) -> MaskEdit | None:
    """The mask that the curator painted of a person in a frame."""
    edits = reversed(state.constraints.mask_edits)
    return next((e for e in edits if (e.person, e.frame) == (person, frame)), None)


def mask(state: ClipState, person: int, frame: int) -> RunLengthMask | None:
    """As painted, else as detected; None where there is neither."""
    painted = painted_mask(state, person, frame)
    if painted is not None:
        return painted.mask
    masks = state.observations.masks if state.observations is not None else None
    if masks is None or not 0 <= frame < len(masks[person]):
        return None
    return masks[person][frame]


# -- people whom the clip is not about ----------------------------------------------------------


def others(state: ClipState | None) -> Observations | None:
    """Rows of people in view who are neither of the two; None where there is nobody."""
    return state.observations.others if state is not None and state.observations else None


def other_bones(state: ClipState | None) -> tuple[tuple[int, int], ...]:
    found = others(state)
    return () if found is None else BONES[found.layout]


def other_skeleton(state: ClipState, other: int, frame: int) -> Skeleton | None:
    """Joints of somebody else in picture pixels; None where they are not seen."""
    found = others(state)
    if found is None or not 0 <= frame < found.frame_count:
        return None
    points = np.array(found.keypoints2d[other, frame], float)
    if not np.isfinite(points).any():
        return None
    nothing = np.zeros(len(points), bool)
    confidence = np.nan_to_num(np.array(found.confidence[other, frame], float))
    return Skeleton(points, confidence, nothing, nothing)


def other_box(state: ClipState, other: int, frame: int) -> Float[np.ndarray, "4"] | None:
    """x0, y0, x1, y1 in picture pixels of somebody else; None where they are not seen."""
    return _box(others(state), other, frame)


def frames_seen(observations: Observations, row: int) -> Int[np.ndarray, "N"]:
    """Frames in which a row has a box or a joint, in order."""
    joints = np.isfinite(observations.keypoints2d[row]).all(-1).any(-1)
    return np.flatnonzero(joints | np.isfinite(observations.boxes[row]).all(-1))


def segment_stop(state: ClipState | None, frame: int, frame_count: int) -> int:
    """First frame after the shot that a frame is in: the next cut, else the end of the clip."""
    observations = state.observations if state is not None else None
    cuts = observations.cuts if observations is not None else ()
    return min((cut for cut in cuts if cut > frame), default=frame_count)


def depth_order(state: ClipState | None, frame: int) -> DepthOrder | None:
    """What was said of who is nearer to the camera in a frame."""
    orders = state.constraints.depth_orders if state is not None else ()
    return next((order for order in orders if frame in order.frames), None)


def trust(state: ClipState, person: int, frame: int) -> float:
    """How far what was detected of a person in a frame is believed, 0..1."""
    said = (t.weight for t in state.constraints.trust if t.person == person and frame in t.frames)
    return next(said, 1.0)


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
