"""Which joints of a drawn body can be seen, and who stands before whom."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from engine.body.data import OPEN_BODY, load_body_data
from engine.body.joints import HALPE26, SMPL_JOINTS
from engine.synthesis.figures import DENSITY
from engine.synthesis.raster import NOTHING, Buffers


class Visibility(IntEnum):
    """Of a keypoint. Only a VISIBLE one can be placed by looking; the others are guessed."""

    OUTSIDE = 0
    """Outside the picture."""
    OCCLUDED = 1
    """Another person is before it."""
    SELF_OCCLUDED = 2
    """Another part of the same body is before it."""
    VISIBLE = 3


LANDMARK_TOLERANCE = 0.045
"""Metres that clothes and hair may stand before a keypoint on the skin."""
_FLESH = {"hip": 0.20, "shoulder": 0.13, "knee": 0.11, "neck": 0.15, "ankle": 0.09,
          "elbow": 0.08, "wrist": 0.07, "head": 0.25}  # fmt: skip
"""Metres of its own part of the body, clothes included, that may lie before a joint; the top of a
head shows whichever way the head is turned, and under hair."""
_PARTS = {
    "shoulder": ("collar", "shoulder", "spine3"), "elbow": ("shoulder", "elbow"),
    "wrist": ("elbow", "wrist", "hand"), "hip": ("hip", "pelvis", "spine1"),
    "knee": ("hip", "knee"), "ankle": ("knee", "ankle", "foot"),
    "neck": ("neck", "spine3", "collar", "head"),
    "toe": ("ankle", "foot"), "heel": ("ankle", "foot", "knee"),
}  # fmt: skip
"""Whose skin covers a keypoint: words of the names of SMPL's joints, on the keypoint's side."""
_FACE = ("nose", "eye", "ear", "head")


def joint_visibility(
    pixels: Float[np.ndarray, "P 26 2"],
    depth: Float[np.ndarray, "P 26"],
    buffers: Buffers,
) -> UInt8[np.ndarray, "P 26"]:
    """Visibility of Halpe-26 keypoints at given pixels and depths (metres).

    A keypoint inside the body is visible when the surface nearest to the camera on its ray is skin
    (or clothes) of its own part of the body, no further before it than that part is thick.
    """
    rows, columns = buffers.depth.shape[1:]
    levels = np.full(pixels.shape[:2], Visibility.OUTSIDE, np.uint8)
    inside = (pixels >= 0).all(-1) & (pixels[..., 0] < columns) & (pixels[..., 1] < rows)
    inside &= depth > 0.05
    part_of_face, allowed, flesh = _parts_of_faces(), _allowed_parts(), _flesh()
    for person, keypoint in np.argwhere(inside):
        column, row = pixels[person, keypoint].astype(int)
        own = buffers.depth[person, row, column]
        others = np.delete(buffers.depth[:, row, column], person)
        # Off its own silhouette by a pixel, a keypoint hides only behind what is nearer than it.
        surface = own if own < NOTHING else depth[person, keypoint]
        if others.size and others.min() < min(surface, depth[person, keypoint]):
            levels[person, keypoint] = Visibility.OCCLUDED
            continue
        before = depth[person, keypoint] - surface
        face = buffers.face[person, row, column]
        is_own_part = face < 0 or allowed[keypoint, part_of_face[face]]
        seen = is_own_part and before <= flesh[keypoint]
        levels[person, keypoint] = Visibility.VISIBLE if seen else Visibility.SELF_OCCLUDED
    return levels


def in_front(buffers: Buffers) -> Float[np.ndarray, "P P"]:
    """Share of the pixels that two people both cover in which the first is the nearer one.

    NaN where they cover none in common, and on the diagonal.
    """
    people = len(buffers.depth)
    share = np.full((people, people), np.nan)
    covered = buffers.depth < NOTHING
    for a in range(people):
        for b in range(people):
            both = covered[a] & covered[b]
            if a != b and both.any():
                share[a, b] = float((buffers.depth[a][both] < buffers.depth[b][both]).mean())
    return share


@lru_cache(maxsize=1)
def _parts_of_faces() -> Int[np.ndarray, "T"]:
    """The SMPL joint that moves most of each drawn face."""
    data = load_body_data(OPEN_BODY, DENSITY)
    return np.asarray(data.weights[data.faces].sum(axis=1).argmax(axis=1))


@lru_cache(maxsize=1)
def _allowed_parts() -> Bool[np.ndarray, "26 24"]:
    allowed = np.zeros((len(HALPE26), len(SMPL_JOINTS)), bool)
    for row, name in zip(allowed, HALPE26, strict=True):
        side, _, _ = name.partition("_")
        words = next((w for part, w in _PARTS.items() if part in name), ("head", "neck"))
        for column, joint in enumerate(SMPL_JOINTS):
            other = {"left": "right", "right": "left"}.get(side, "none")
            row[column] = any(word in joint for word in words) and not joint.startswith(other)
    return allowed


@lru_cache(maxsize=1)
def _flesh() -> Float[np.ndarray, "26"]:
    return np.array(
        [next((f for part, f in _FLESH.items() if part in name), LANDMARK_TOLERANCE)
         for name in HALPE26]
    )  # fmt: skip
