"""The people of a clip as the metrics see them, and what two of them must have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from engine.body.data import BodyData
from engine.body.display import DisplayBody
from engine.body.joints import COCO17, SMPL_JOINTS
from engine.errors import InputError
from engine.files import FitFile
from engine.geometry.touching import Touch, find_touch
from engine.structures import BodyMotion, Camera

DENSITY = "2k5"
"""Of the meshes that surfaces are compared on."""
BOX_ROOM = 0.03
"""Room around the keypoints of a person's box, as a share of its longer side."""
KEYPOINTS = len(COCO17)
FPS_TOLERANCE = 0.01
"""Relative difference up to which two frame rates are called the same."""


@dataclass(frozen=True, eq=False)
class Bodies:
    """P people over F frames, in the camera frame (OpenCV's axes), metres.

    Meshes and contacts are computed when they are first asked for, and kept: score many
    predictions against one `Bodies` of the truth.
    """

    joints: Float[np.ndarray, "P F 24 3"]
    """SMPL's joints; NaN where a person is not known (everywhere where there are only keypoints).
    """
    valid: Bool[np.ndarray, "P F"]
    """Frames in which the person counts."""
    times: Float[np.ndarray, "F"]
    """Presentation time in seconds."""
    keypoints2d: Float[np.ndarray, "P F 17 2"]
    """COCO's keypoints, pixels; NaN where there is none."""
    boxes: Float[np.ndarray, "P F 4"]
    """x0, y0, x1, y1 around the person in pixels, not cut at the border of the picture."""
    motion: BodyMotion | None = None
    """The bodies in the camera frame; None where there are only keypoints."""
    camera: Camera | None = None
    density: str = DENSITY
    cuts: tuple[int, ...] = ()
    """Frames that begin another shot: nothing is continuous from the frame before."""

    @property
    def person_count(self) -> int:
        return int(self.valid.shape[0])

    @property
    def frame_count(self) -> int:
        return int(self.valid.shape[1])

    @property
    def fps(self) -> float:
        """Median rate in frames per second; 30 for a single frame."""
        return float(1 / np.median(np.diff(self.times))) if len(self.times) > 1 else 30.0

    @cached_property
    def data(self) -> BodyData | None:
        """The body at `density`, None where there is none."""
        return None if self.motion is None else self._display().data

    @cached_property
    def vertices(self) -> Float[np.ndarray, "P F V 3"] | None:
        """Skin at `density`, metres; NaN where a person is not known."""
        if self.motion is None:
            return None
        body = self._display()
        skin = np.full((*self.valid.shape, body.vertex_count, 3), np.nan, np.float32)
        for person, known in enumerate(self.valid):
            skin[person, known] = body.vertices(*posed(self.motion, person, known))
        return skin

    @cached_property
    def touches(self) -> tuple[Touch, ...]:
        """Contacts and penetration of every pair of people; frames in which one of them is not
        known have none."""
        if self.vertices is None or self.data is None:
            return ()
        return tuple(
            find_touch(self.vertices[a], self.vertices[b], self.data, (a, b))
            for a, b in combinations(range(self.person_count), 2)
        )

    def _display(self) -> DisplayBody:
        assert self.motion is not None
        return DisplayBody.load(self.motion.body, self.density)


def bodies_of(fit: FitFile, density: str = DENSITY, cuts: Sequence[int] = ()) -> Bodies:
    """The bodies of a fit.npz or of the truth's `fit`: its parameters on its own body.

    Joints are walked from the parameters, so that they are those of the mesh. Raises
    `WeightError` where the body is not at hand.
    """
    motion = fit.motion
    known = motion.valid & _finite(motion.global_orient, motion.body_pose, motion.transl)
    body = DisplayBody.load(motion.body, density)
    joints = np.full((*known.shape, len(SMPL_JOINTS), 3), np.nan)
    for person, frames in enumerate(known):
        joints[person, frames] = body.joints(*posed(motion, person, frames))
    pixels = np.where(known[..., None, None], fit.keypoints2d_reprojected, np.nan)
    return Bodies(
        joints=joints,
        valid=known,
        times=motion.time,
        keypoints2d=pixels[:, :, :KEYPOINTS],
        boxes=boxes_around(pixels),
        motion=motion,
        camera=fit.camera,
        density=density,
        cuts=tuple(cuts),
    )


def bodies_of_keypoints(
    keypoints2d: Float[np.ndarray, "P F K 2"],
    boxes: Float[np.ndarray, "P F 4"],
    times: Float[np.ndarray, "F"],
) -> Bodies:
    """People of whom there are only 2D keypoints (COCO's 17 first), pixels; NaN where missing."""
    points = np.asarray(keypoints2d[:, :, :KEYPOINTS], np.float64)
    seen = np.asarray(np.isfinite(points).all(axis=-1).any(axis=-1))
    boxes = np.where(np.isfinite(boxes), boxes, boxes_around(keypoints2d))
    joints = np.full((*seen.shape, len(SMPL_JOINTS), 3), np.nan)
    return Bodies(joints, seen, times, points, boxes)


def posed(
    motion: BodyMotion, person: int, frames: Bool[np.ndarray, "F"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """betas, global_orient, body_pose, transl of one person in some frames."""
    return (
        motion.betas[person],
        motion.global_orient[person, frames],
        motion.body_pose[person, frames],
        motion.transl[person, frames],
    )


def boxes_around(points: Float[np.ndarray, "P F K 2"]) -> Float[np.ndarray, "P F 4"]:
    """Boxes around keypoints and a little room; NaN where there are none."""
    boxes = np.full((*points.shape[:2], 4), np.nan)
    seen = np.isfinite(points).all(axis=-1).any(axis=-1)
    if seen.any():
        low, high = np.nanmin(points[seen], axis=1), np.nanmax(points[seen], axis=1)
        room = BOX_ROOM * (high - low).max(axis=-1, keepdims=True)
        boxes[seen] = np.concatenate([low - room, high + room], axis=-1)
    return boxes


def check_comparable(prediction: Bodies, truth: Bodies) -> None:
    """Raises InputError where the two are not of the same people, frames, times and body."""

    def need(what: str, expected: object, received: object) -> None:
        if expected != received:
            raise InputError(
                f"The prediction is not of the truth's {what}",
                expected=str(expected),
                received=str(received),
            )

    need("people", truth.person_count, prediction.person_count)
    need("frames", truth.frame_count, prediction.frame_count)
    if truth.motion is not None and prediction.motion is not None:
        need("body", truth.motion.body, prediction.motion.body)
        need("mesh", truth.density, prediction.density)
    step = 1 / truth.fps
    apart = abs((truth.times - truth.times[0]) - (prediction.times - prediction.times[0])).max()
    if abs(prediction.fps * step - 1) > FPS_TOLERANCE:
        need("frames per second", f"{truth.fps:.4g}", f"{prediction.fps:.4g}")
    if apart > step / 2:
        need(
            "presentation times", f"within {step / 2:.3g} s of the truth's", f"{apart:.3g} s apart"
        )


def _finite(*arrays: np.ndarray) -> np.ndarray:
    """(P, F): True where every number is finite."""
    finite = [np.isfinite(a).reshape(*a.shape[:2], -1).all(axis=-1) for a in arrays]
    return np.asarray(np.all(finite, axis=0))
