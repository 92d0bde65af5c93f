"""How well projected bodies agree with masks, where masks are to be trusted.

Masks fail where people overlap, so that inside the box of somebody else nothing is compared unless
a person drew the mask.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Bool, Float

from engine.body.display import DisplayBody
from engine.structures import (
    BodyMotion,
    Camera,
    Constraints,
    FrameRange,
    Observations,
    RunLengthMask,
)

DENSITY = "1k2"
SIDE = 160
"""Pixels of the longer side of the picture in which a person is compared."""
EVERY_SECONDS = 0.1
"""Between two frames that are looked at; those between get what lies between."""
LEAST_SHARE = 0.25
"""Of the body's and the mask's pixels together that must count, for them to be compared."""
NEAR = 0.05
"""Metres in front of the camera below which no triangle is drawn."""


def agreement(
    motion: BodyMotion,
    camera: Camera,
    observations: Observations,
    constraints: Constraints,
    part: FrameRange,
) -> Float[np.ndarray, "P F"] | None:
    """Intersection over union of body and mask for each person and frame of `part`, over the
    pixels that count; NaN elsewhere and where there are too few, None where there are no masks."""
    drawn = {(e.person, e.frame): e.mask for e in constraints.mask_edits}
    if observations.masks is None and not drawn:
        return None
    body = DisplayBody.load(motion.body, DENSITY)
    result = np.full(motion.valid.shape, np.nan)
    besides = {frame for _, frame in drawn} & set(range(part.start, part.stop))
    looked = [part.start + f for f in _looked_at(observations.times[part.as_slice()])]
    looked = sorted({*looked, *besides})
    for person in range(motion.person_count):
        for frame in looked:
            mask = drawn.get((person, frame)) or _mask(observations, person, frame)
            if mask is None or not motion.valid[person, frame]:
                continue
            others = np.delete(observations.boxes[:, frame], person, axis=0)
            hidden = np.zeros((0, 4)) if (person, frame) in drawn else others
            corners = _corners(body, motion, camera, person, frame)
            result[person, frame] = compare(corners, mask, hidden)
        result[person] = _between(result[person], looked, observations.boxes[person])
    return result


def compare(
    corners: Float[np.ndarray, "T 3 2"], mask: RunLengthMask, hidden: Float[np.ndarray, "N 4"]
) -> float:
    """Intersection over union of triangles (pixels) and a mask, without the pixels in the boxes
    `hidden`; NaN where less than a quarter of both is left."""
    pixels = mask.decode()
    low, high = _bounds(corners, pixels)
    if (high - low < 2).any():
        return float("nan")
    scale = min(1.0, SIDE / float((high - low).max()))
    size = np.maximum(np.ceil((high - low) * scale), 1).astype(int)
    seen = _cut(pixels, low, high, (int(size[0]), int(size[1])))
    body = np.zeros(seen.shape, np.uint8)
    for triangle in np.rint((corners - low) * scale).astype(np.int32):
        cv2.fillConvexPoly(body, triangle, 1)
    counted = np.ones(seen.shape, bool)
    for box in hidden[np.isfinite(hidden).all(axis=1)]:
        x0, y0, x1, y1 = np.clip((box.reshape(2, 2) - low) * scale, 0, size).astype(int).ravel()
        counted[y0 : y1 + 1, x0 : x1 + 1] = False
    both, either = seen & (body > 0), seen | (body > 0)
    left = float((either & counted).sum())
    if left < LEAST_SHARE * float(either.sum()) or left < 1:
        return float("nan")
    return float((both & counted).sum()) / left


def _bounds(
    corners: Float[np.ndarray, "T 3 2"], pixels: Bool[np.ndarray, "H W"]
) -> tuple[np.ndarray, np.ndarray]:
    """Around body and mask, inside the picture."""
    columns, rows = np.flatnonzero(pixels.any(axis=0)), np.flatnonzero(pixels.any(axis=1))
    points = [corners.reshape(-1, 2)]
    if len(columns):
        points.append(np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]]))
    every = np.concatenate(points)
    limit = np.array(pixels.shape[::-1])
    if not len(every):
        return np.zeros(2), np.zeros(2)
    return np.clip(np.floor(every.min(0)), 0, limit), np.clip(np.ceil(every.max(0)), 0, limit)


def _cut(
    pixels: Bool[np.ndarray, "H W"], low: np.ndarray, high: np.ndarray, size: tuple[int, int]
) -> Bool[np.ndarray, "h w"]:
    x0, y0, x1, y1 = (*low.astype(int), *high.astype(int))
    part = pixels[y0:y1, x0:x1].astype(np.uint8)
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_NEAREST) > 0)


def _corners(
    body: DisplayBody, motion: BodyMotion, camera: Camera, person: int, frame: int
) -> Float[np.ndarray, "T 3 2"]:
    """The triangles that face the camera, in pixels of the picture."""
    world = body.vertices(
        motion.betas[person],
        motion.global_orient[person, frame],
        motion.body_pose[person, frame],
        motion.transl[person, frame],
    ).astype(np.float64)
    T = camera.T_camera_world[frame]
    points = world @ T[:3, :3].T + T[:3, 3]
    still, distortion = np.zeros(3), np.asarray(camera.distortion, np.float64)
    ahead = np.where(points[:, 2:] > NEAR, points, [0.0, 0.0, 1.0])
    pixels, _ = cv2.projectPoints(ahead, still, still, camera.K, distortion)
    corners = np.asarray(pixels)[:, 0][body.faces]
    edges = corners[:, 1:] - corners[:, :1]
    facing = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0] < 0
    return np.asarray(corners[facing & (points[:, 2][body.faces].min(axis=1) > NEAR)])


def _mask(observations: Observations, person: int, frame: int) -> RunLengthMask | None:
    return None if observations.masks is None else observations.masks[person][frame]


def _looked_at(times: Float[np.ndarray, "F"]) -> list[int]:
    """Frames `EVERY_SECONDS` apart, and the last one."""
    if not len(times):
        return []
    wanted = np.arange(times[0], times[-1] + 1e-9, EVERY_SECONDS)
    found = np.clip(np.searchsorted(times, wanted - 1e-9), 0, len(times) - 1)
    return sorted({*found.tolist(), len(times) - 1})


def _between(
    values: Float[np.ndarray, "F"], looked: list[int], boxes: Float[np.ndarray, "F 4"]
) -> Float[np.ndarray, "F"]:
    """Values of the frames that were not looked at: between two that tell, else nothing."""
    result = values.copy()
    for a, b in pairwise(looked):
        inner = np.arange(a + 1, b)
        share = (inner - a) / (b - a)
        result[inner] = values[a] * (1 - share) + values[b] * share
    return np.where(np.isfinite(boxes).all(axis=1), result, np.nan)
