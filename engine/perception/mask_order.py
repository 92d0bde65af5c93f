"""Masks where people overlap, divided by whose fitted body is in front."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from engine.body.display import DisplayBody
from engine.structures import BodyMotion, Camera, Observations, RunLengthMask

Masks = tuple[tuple[RunLengthMask | None, ...], ...]

_DENSITY = "1k2"
_SIDE = 256
"""Longer side in pixels of the part of a frame in which bodies are drawn."""
_NEAR = 0.05
"""Metres in front of the camera below which nothing is drawn."""


def ordered_masks(
    observations: Observations, motion: BodyMotion, camera: Camera, frames: Iterable[int]
) -> Masks | None:
    """The observations' masks; of the frames given, those that meet are divided anew.

    Of the pixels that the people's masks have together, those that several bodies cover go to the
    one in front; the others stay with whom they were. None where there are no masks.
    """
    if observations.masks is None:
        return None
    body = DisplayBody.load(motion.body, _DENSITY)
    rows = [list(row) for row in observations.masks]
    for frame in frames:
        window = _meeting(observations.boxes[:, frame])
        people = [p for p in range(len(rows)) if rows[p][frame] and motion.valid[p, frame]]
        if window is None or len(people) < 2:
            continue
        front = _front(body, motion, camera, frame, people, window)
        x0, y0, x1, y1 = window
        whole = {p: _decoded(rows[p][frame]) for p in people}
        patches = {p: mask[y0:y1, x0:x1] for p, mask in whole.items()}
        claimed = np.any(list(patches.values()), axis=0)
        told = claimed & (front >= 0)
        for person, patch in patches.items():
            patch[told] = front[told] == person
            rows[person][frame] = RunLengthMask.encode(whole[person])
    return tuple(tuple(row) for row in rows)


def _decoded(mask: RunLengthMask | None) -> Bool[np.ndarray, "H W"]:
    assert mask is not None
    return mask.decode().copy()


def _meeting(boxes: Float[np.ndarray, "P 4"]) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 around all places where two boxes overlap."""
    shared = []
    for a, b in combinations(boxes[np.isfinite(boxes).all(axis=1)], 2):
        low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
        if (high - low > 2).all():
            shared.append(np.concatenate([low, high]))
    if not shared:
        return None
    corners = np.stack(shared)
    x0, y0 = np.maximum(corners[:, :2].min(axis=0), 0).astype(int).tolist()
    x1, y1 = np.ceil(corners[:, 2:].max(axis=0)).astype(int).tolist()
    return x0, y0, x1, y1


def _front(
    body: DisplayBody,
    motion: BodyMotion,
    camera: Camera,
    frame: int,
    people: list[int],
    window: tuple[int, int, int, int],
) -> Int[np.ndarray, "h w"]:
    """Who is in front where several bodies cover a pixel of the window, else -1."""
    x0, y0, x1, y1 = window
    width, height = (min(x1, camera.image_size[0]) - x0, min(y1, camera.image_size[1]) - y0)
    scale = min(1.0, _SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    canvas = np.full(size[::-1], -1, np.int16)
    covered = np.zeros(size[::-1], np.uint8)
    triangles, depths, owners = [], [], []
    for person in people:
        corners, depth = _triangles(body, motion, camera, frame, person)
        corners = (corners - (x0, y0)) * scale
        inside = ((corners.max(axis=1) >= 0) & (corners.min(axis=1) < size)).all(axis=1)
        triangles.append(corners[inside])
        depths.append(depth[inside])
        owners.append(np.full(int(inside.sum()), person))
        mask = np.zeros_like(covered)
        for corner in np.rint(corners[inside]).astype(np.int32):
            cv2.fillConvexPoly(mask, corner, 1)
        covered += mask
    # The painter's way: from the furthest to the nearest.
    order = np.argsort(-np.concatenate(depths))
    owner = np.concatenate(owners)[order].tolist()
    for corner, person in zip(
        np.rint(np.concatenate(triangles)[order]).astype(np.int32), owner, strict=True
    ):
        cv2.fillConvexPoly(canvas, corner, person)
    canvas[covered < 2] = -1
    return np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_NEAREST))


def _triangles(
    body: DisplayBody, motion: BodyMotion, camera: Camera, frame: int, person: int
) -> tuple[Float[np.ndarray, "T 3 2"], Float[np.ndarray, "T"]]:
    """The triangles that face the camera, in pixels, and their depths in metres."""
    world = body.vertices(
        motion.betas[person],
        motion.global_orient[person, frame],
        motion.body_pose[person, frame],
        motion.transl[person, frame],
    ).astype(np.float64)
    T = camera.T_camera_world[frame]
    points = world @ T[:3, :3].T + T[:3, 3]
    pixels, _ = cv2.projectPoints(
        points, np.zeros(3), np.zeros(3), camera.K, np.asarray(camera.distortion, np.float64)
    )
    corners = np.asarray(pixels)[:, 0][body.faces]
    depth = points[:, 2][body.faces]
    edges = corners[:, 1:] - corners[:, :1]
    facing = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0] < 0
    seen = facing & (depth.min(axis=1) > _NEAR)
    return corners[seen], depth[seen].mean(axis=1)
