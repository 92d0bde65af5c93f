"""Who and what is under the mouse in the frame view: joints, bodies, bones, boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from PySide6.QtCore import QPointF

from annotations.people import Source
from app import frame_evidence as evidence
from app.frame_body_overlay import FrameBodyOverlay
from app.overlay_items import Skeleton
from app.view_state import Region

if TYPE_CHECKING:
    from app.frame_view import FrameView

GRIP = 11.0
"""View pixels around a joint in which the mouse takes it."""
BONE_GRIP = 6.0
"""View pixels around a bone of somebody else in which the mouse finds them."""


class FramePicker:
    """Answers for points of one frame view, in its pixels."""

    def __init__(self, view: FrameView, bodies: FrameBodyOverlay) -> None:
        self._view = view
        self._bodies = bodies

    @property
    def _has_skeletons(self) -> bool:
        return "skeletons" in self._view.layers and self._view.view_state.overlays_visible

    def joint(self, position: QPointF, reach: float) -> tuple[int, int] | None:
        """(person, keypoint) nearest to a point; where two lie there, the selected person's."""
        if not self._has_skeletons:
            return None
        at = (position.x(), position.y())
        preferred = self._view.view_state.selected_person
        return evidence.nearest_joint(self._view.skeletons(), at, reach, preferred)

    def region(self, position: QPointF) -> Region | None:
        """Person and region of the projected body at a point."""
        x, y = self._view.to_picture(position)
        return self._bodies.region_at(self._view.shown_frame, x, y)

    def other(self, position: QPointF) -> int | None:
        """Somebody else by joint or bone; by box who has nothing else."""
        state = self._view.view_state.state
        if state is None or not self._has_skeletons:
            return None
        skeletons, frame = self._view.other_skeletons(), self._view.shown_frame
        at = (position.x(), position.y())
        found = nearest_skeleton(skeletons, evidence.other_bones(state), at)
        if found is not None:
            return found
        boxes = [
            evidence.other_box(state, other, frame) if skeleton is None else None
            for other, skeleton in enumerate(skeletons)
        ]
        x, y = self._view.to_picture(position).tolist()
        return smallest_box(boxes, (x, y))

    def person(self, position: QPointF) -> int | None:
        """One of the clip's people by joint, body or (smallest) box."""
        joint, region = self.joint(position, GRIP), self.region(position)
        if joint is not None or region is not None:
            return joint[0] if joint is not None else region[0]  # type: ignore[index]
        state, frame = self._view.view_state.state, self._view.shown_frame
        if state is None:
            return None
        x, y = self._view.to_picture(position).tolist()
        people = range(len(state.identities))
        return smallest_box([evidence.box(state, p, frame) for p in people], (x, y))

    def source(self, position: QPointF) -> Source | None:
        """A joint of the two comes first, then somebody else, then bodies and boxes."""
        joint, other = self.joint(position, GRIP), self.other(position)
        if joint is None and other is not None:
            return "other", other
        person = self.person(position)
        return ("person", person) if person is not None else None


def nearest_skeleton(
    skeletons: Sequence[Skeleton | None],
    bones: Sequence[tuple[int, int]],
    at: tuple[float, float],
) -> int | None:
    """Whose joint is within `GRIP` of a point, else whose bone is within `BONE_GRIP`."""
    joint = evidence.nearest_joint(skeletons, at, GRIP)
    if joint is not None:
        return joint[0]
    best, best_distance = None, BONE_GRIP
    for index, skeleton in enumerate(skeletons):
        if skeleton is None or not bones:
            continue
        distance = float(np.nanmin(_bone_distances(skeleton.points, bones, at), initial=np.inf))
        if distance < best_distance:
            best, best_distance = index, distance
    return best


def _bone_distances(
    points: Float[np.ndarray, "K 2"], bones: Sequence[tuple[int, int]], at: tuple[float, float]
) -> Float[np.ndarray, "B"]:
    """Distance from a point to each bone in pixels; NaN where an end is not known."""
    starts, ends = points[[a for a, _ in bones]], points[[b for _, b in bones]]
    along = ends - starts
    length2 = np.maximum((along**2).sum(1), 1e-12)
    share = np.clip(((np.array(at) - starts) * along).sum(1) / length2, 0, 1)
    return np.hypot(*(starts + share[:, None] * along - np.array(at)).T)


def smallest_box(
    boxes: Sequence[Float[np.ndarray, "4"] | None], at: tuple[float, float]
) -> int | None:
    """Index of the smallest box that holds a point."""
    best: tuple[float, int] | None = None
    for index, box in enumerate(boxes):
        if box is not None and box[0] <= at[0] <= box[2] and box[1] <= at[1] <= box[3]:
            area = float((box[2] - box[0]) * (box[3] - box[1]))
            best = min(best or (area, index), (area, index))
    return None if best is None else best[1]
