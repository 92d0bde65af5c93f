"""The bodies of a motion as meshes, posed once per frame for both views."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float
from PySide6.QtCore import QObject
from scipy.ndimage import uniform_filter1d

from engine.body.display import DisplayBody
from engine.structures import BodyMotion

DENSITY = "7k"
KEPT_FRAMES = 8
"""Posed frames kept: the shown one, the other side of a comparison, and a few neighbours."""


@dataclass(frozen=True)
class PosedBody:
    """One person's mesh in one frame, in the world (metres, y up)."""

    vertices: Float[np.ndarray, "V 3"]
    normals: Float[np.ndarray, "V 3"]


class PosedBodies:
    """Poses frames of a motion and keeps the last few. GUI thread only."""

    def __init__(self) -> None:
        self._kept: OrderedDict[
            tuple[int, int], tuple[BodyMotion, tuple[PosedBody | None, ...]]
        ] = OrderedDict()

    def frame(self, motion: BodyMotion, frame: int) -> tuple[PosedBody | None, ...]:
        """Every person's mesh; None where a person has no pose in the frame."""
        key = (id(motion), frame)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][1]
        posed = tuple(self._pose(motion, person, frame) for person in range(motion.person_count))
        self._kept[key] = (motion, posed)
        while len(self._kept) > KEPT_FRAMES:
            self._kept.popitem(last=False)
        return posed

    def _pose(self, motion: BodyMotion, person: int, frame: int) -> PosedBody | None:
        if not 0 <= frame < motion.frame_count or not motion.valid[person, frame]:
            return None
        body = display_body(motion.body, person)
        vertices = body.vertices(
            motion.betas[person],
            motion.global_orient[person, frame],
            motion.body_pose[person, frame],
            motion.transl[person, frame],
        )
        return PosedBody(vertices, body.normals(vertices))


def path_of_pair(motion: BodyMotion) -> Float[np.ndarray, "F 3"]:
    """Where the people are on the floor, together and smoothed over a second: what an eye follows.

    y is 0. Frames in which nobody has a pose are filled from the frames around them.
    """
    valid = np.asarray(motion.valid, bool)
    weight = valid.sum(0)
    known = np.flatnonzero(weight)
    if not len(known):
        return np.zeros((motion.frame_count, 3))
    placed = np.where(valid[..., None], motion.transl, 0.0).sum(0)[known] / weight[known, None]
    frames = np.arange(motion.frame_count)
    path = np.stack([np.interp(frames, known, placed[:, axis]) for axis in range(3)], 1)
    path[:, 1] = 0.0
    step = float(np.median(np.diff(motion.time))) if motion.frame_count > 1 else 1.0
    half = min(round(0.5 / max(step, 1e-3)), motion.frame_count - 1)
    # Reflected through its ends, so that a steady walk is followed to the last frame.
    longer = np.pad(path, ((half, half), (0, 0)), mode="reflect", reflect_type="odd")
    return uniform_filter1d(longer, 2 * half + 1, axis=0)[half : half + motion.frame_count]


@lru_cache(maxsize=8)
def display_body(name: str, person: int = 0) -> DisplayBody:
    """The body to draw a person with. A body remembers the last shape, so each has its own."""
    shared = DisplayBody.load(name, DENSITY)
    return shared if person == 0 else DisplayBody(shared.data)


_of_view_state: WeakKeyDictionary[QObject, PosedBodies] = WeakKeyDictionary()


def posed_bodies(view_state: QObject) -> PosedBodies:
    """The one cache that all views of a view state share."""
    return _of_view_state.setdefault(view_state, PosedBodies())
