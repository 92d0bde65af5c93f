"""From what was decided in the kept frames to observations of the whole video."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from engine.perception.bystanders import Bystanders
from engine.perception.mask_order import ordered_masks
from engine.perception.request import PerceptionRequest
from engine.perception.scene import Scene
from engine.structures import FrameRange, Observations, RunLengthMask


@dataclass(frozen=True)
class Found:
    """The people of the clip, in the pixels of the kept frames; masks in those of the video."""

    points: Float[np.ndarray, "P F 26 3"]
    boxes: Float[np.ndarray, "P F 4"]
    masks: list[list[RunLengthMask | None]]
    """masks[f][p]."""

    def parted(self, count: int) -> tuple[Found, Bystanders]:
        """The first `count` people, and the others."""
        people = Found(self.points[:count], self.boxes[:count], [row[:count] for row in self.masks])
        return people, Bystanders(self.points[count:], self.boxes[count:])


def observations_of(
    scene: Scene,
    found: Found,
    others: Bystanders | None,
) -> Observations:
    """In the pixels of the video and over all its frames, with what people said put in last."""
    video, part, scale = scene.video, scene.frames.as_slice(), scene.spool.scale
    people, count = len(found.points), video.frame_count
    points = _spread(found.points, count, part, scale)
    boxes = np.full((people, count, 4), np.nan)
    boxes[:, part] = found.boxes / scale
    notes = scene.watcher.notes(
        video.fps, scene.watcher.camera_motion_behind(boxes[:, : scene.frames.stop] * scale)
    )
    masks: list[list[RunLengthMask | None]] = [[None] * count for _ in range(people)]
    for frame, row in enumerate(found.masks):
        for person, mask in enumerate(row):
            masks[person][scene.frames.start + frame] = mask
    _put_in(scene.request, scene.frames, points, boxes, masks)
    found_here = Observations(
        keypoints2d=points[..., :2],
        confidence=points[..., 2],
        layout="halpe26",
        boxes=boxes,
        times=video.times,
        image_size=video.image_size,
        masks=tuple(tuple(row) for row in masks),
        cuts=tuple(scene.watcher.cuts),
        notes=notes,
    )
    base = _with_front_masks(scene, found_here)
    if others is None or not len(others.boxes):
        return base
    told = _spread(others.keypoints, count, part, scale)
    whole = np.full((len(told), count, 4), np.nan)
    whole[:, part] = others.boxes / scale
    beside = replace(
        base,
        keypoints2d=told[..., :2],
        confidence=told[..., 2],
        boxes=whole,
        masks=None,
        cuts=(),
        notes=(),
    )
    return replace(base, others=beside)


def _with_front_masks(scene: Scene, observations: Observations) -> Observations:
    """Masks divided by whose body is in front, where bodies were fitted; painted ones stay."""
    motion, camera = scene.request.motion, scene.request.camera
    matches = motion is not None and motion.valid.shape == observations.boxes.shape[:2]
    if motion is None or camera is None or not matches:
        return observations
    painted = {edit.frame for edit in scene.request.mask_edits}
    frames = [f for f in range(scene.frames.start, scene.frames.stop) if f not in painted]
    return replace(observations, masks=ordered_masks(observations, motion, camera, frames))


def _spread(
    points: Float[np.ndarray, "P f 26 3"], count: int, part: slice, scale: float
) -> Float[np.ndarray, "P F 26 3"]:
    """Over all frames of the video, in its pixels."""
    whole = np.full((len(points), count, *points.shape[2:]), np.nan)
    whole[..., 2] = 0.0
    whole[:, part] = points / (scale, scale, 1.0)
    return whole


def _put_in(
    request: PerceptionRequest,
    frames: FrameRange,
    points: Float[np.ndarray, "P F 26 3"],
    boxes: Float[np.ndarray, "P F 4"],
    masks: list[list[RunLengthMask | None]],
) -> None:
    """What people said, in place of what was found."""
    for drawn in request.box_edits:
        if drawn.kind == "person" and drawn.person is not None and drawn.frame in frames:
            boxes[drawn.person, drawn.frame] = drawn.box
    for joint in request.keypoint_edits:
        if joint.frame in frames:
            said = (joint.x, joint.y, 1.0 if joint.visible else 0.0)
            points[joint.person, joint.frame, joint.keypoint] = said
    for painted in request.mask_edits:
        if painted.frame in frames:
            masks[painted.person][painted.frame] = painted.mask
