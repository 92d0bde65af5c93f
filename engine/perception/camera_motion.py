"""How the camera moves, from points of the picture that are followed at a small size.

Points of one frame (the anchor) are looked for in each frame after it (pyramidal Lucas-Kanade,
forward and backward), so that a camera that stands still shows no drift, however long it stands.
When too few are left, another frame becomes the anchor. Where a point was is kept, and what the
camera did is worked out at the end: only then is it known which points were on people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8, UInt16

Grey = UInt8[np.ndarray, "h w"]
Points = Float32[np.ndarray, "N 2"]
Kind = Literal["static", "shaky", "moving", "unknown"]

SMALL_SIDE = 320
"""Longer side of the picture in which points are followed, in pixels."""
MOST_POINTS = 96
_GRID = 16
"""Points are taken evenly from a grid of so many cells along the longer side."""
_AROUND = (25, 25)
_NOISE = 4.0
"""Grey levels of contrast below which there is only noise."""
_MOVED_ON = 0.05 * SMALL_SIDE
"""How far the view may move, in small pixels, until another frame becomes the anchor."""
_PATIENCE = 12
"""Frames without a trace of the anchor (a flash, something held before the lens) until another
frame takes its place for good."""
_ROUND_TRIP = 0.6
"""Small pixels that a point may be off after it was followed there and back."""
_SUBPIXEL, _GONE = 64.0, 65535
_FEWEST = 8
"""Points off the people below which nothing is said of the camera."""
_INLIER = 0.5
"""Small pixels that a point of the background may be off the motion of the whole."""
_AGREE, _STILL = 0.4, 0.25
"""Share of the points that must agree on a motion, and on there being none (which is likelier)."""
STATIC = 0.0025
SHAKY = 0.03
"""Share of the picture's diagonal that a camera that stands, or shakes, moves the picture."""


@dataclass(frozen=True)
class CameraMotion:
    """What the background of the picture does from frame to frame."""

    kind: Kind
    H_frame_previous: Float[np.ndarray, "F 3 3"]
    """A similarity of the picture plane in pixels: takes a point of the background in the frame
    before to this frame. NaN where it is not known, as in a shot's first frame."""
    shift_px: Float[np.ndarray, "F"]
    """How far the background has moved since its shot began: root mean square over the picture's
    corners and centre, in pixels; NaN where it is not known."""

    @property
    def drift_px(self) -> float:
        """The largest shift that lasts (its 98th percentile); NaN where nothing is known."""
        known = self.shift_px[np.isfinite(self.shift_px)]
        return float(np.percentile(known, 98)) if len(known) else float("nan")


@dataclass(frozen=True)
class Step:
    """What became of the points from one frame to the next; NaN where they were too few."""

    kept: float = float("nan")
    """The share that is still there."""
    moved: float = float("nan")
    """How far these moved: the median, in small pixels."""


def equalised(grey: Grey) -> Grey:
    """Each place in parts of the contrast around it, which no flash or lamp changes.

    Local, so that it moves with the picture: a global gain that follows what comes into view would
    draw the points aside.
    """
    image = grey.astype(np.float32)
    mean = cv2.blur(image, _AROUND)
    spread = np.sqrt(np.maximum(cv2.blur(image * image, _AROUND) - mean * mean, 0.0)) + _NOISE
    return np.asarray(cv2.convertScaleAbs((image - mean) / spread, alpha=48, beta=128))


def spread_points(grey: Grey) -> Points:
    """The best corner of each cell of a grid."""
    found: Any = cv2.goodFeaturesToTrack(grey, 6 * MOST_POINTS, 0.001, 4)
    if found is None:
        return np.zeros((0, 2), np.float32)
    points = np.asarray(found, np.float32).reshape(-1, 2)
    cells = (points // (max(grey.shape) / _GRID)).astype(np.int64)
    _, best = np.unique(cells @ np.array([_GRID + 1, 1]), return_index=True)  # best come first
    return points[np.sort(best)[:MOST_POINTS]]


@dataclass
class _Anchor:
    """A frame whose points are looked for in the frames after it."""

    frame: int
    grey: Grey
    points: Points
    here: Points
    """Where each was last seen."""
    seen: Bool[np.ndarray, "N"]
    """Which are in view now."""
    pace: Float32[np.ndarray, "2"]
    """How far they moved last, which is where they are looked for next."""

    @classmethod
    def of(cls, frame: int, grey: Grey) -> _Anchor:
        points = spread_points(grey)
        seen, still = np.ones(len(points), bool), np.zeros(2, np.float32)
        return cls(frame, grey, points, points.copy(), seen, still)

    def follow(self, grey: Grey) -> Step:
        """Look for the points in this picture; a point that was hidden may come back."""
        if not len(self.points):
            return Step()
        start, guess = self.points[:, None], self._expected()[:, None]
        there, seen = _there_and_back(self.grey, grey, start, guess)
        before = self.seen
        steps = (there - self.here)[before & seen]
        moved = np.linalg.norm(steps, axis=1)
        self.pace = np.median(steps, axis=0) if len(steps) else np.zeros(2, np.float32)
        self.seen = seen
        self.here = np.where(seen[:, None], there, self.here)
        if before.sum() < _FEWEST:
            return Step()
        kept = len(moved) / int(before.sum())
        return Step(kept, float(np.median(moved)) if len(moved) else 0.0)

    def _expected(self) -> Points:
        """Where to begin: points that are out of sight move as the others do."""
        if not self.seen.any():
            return self.here
        moved = np.median((self.here - self.points)[self.seen], axis=0)
        places = np.where(self.seen[:, None], self.here, self.points + moved) + self.pace
        return np.asarray(places, np.float32)

    @property
    def weak(self) -> bool:
        """Too few points are left, or the view has moved on. People hide points for a while."""
        count = int(self.seen.sum())
        if count < _FEWEST:
            return True
        moved = np.median((self.here - self.points)[self.seen], axis=0)
        return bool(np.linalg.norm(moved) > _MOVED_ON)

    def packed(self) -> UInt16[np.ndarray, "N 2"]:
        """Where the points are, in two bytes a number."""
        places = np.clip(self.here * _SUBPIXEL, 0, _GONE - 1).astype(np.uint16)
        places[~self.seen] = _GONE
        return places


@dataclass
class _Sight:
    """The points of one anchor in one frame."""

    frame: int
    anchor: int
    """The anchor's frame."""
    places: UInt16[np.ndarray, "N 2"]


@dataclass
class PointFollower:
    """Follows points through a video at a small size; keeps at most 0.4 KB of each frame."""

    sights: list[_Sight] = field(default_factory=list)
    points: dict[int, Points] = field(default_factory=dict)
    """Of each anchor, by its frame."""
    _anchor: _Anchor | None = None
    _next: _Anchor | None = None
    """Takes over if the anchor does not come back into view."""
    _missed: int = 0

    def see(self, frame: int, grey: Grey) -> Step:
        """Look for the points in the next frame, and say what became of them."""
        if self._anchor is None:
            self._begin(frame, grey)
            return Step()
        before = int(self._anchor.seen.sum())
        step = self._anchor.follow(grey)
        if self._anchor.seen.sum() >= max(3, 0.15 * before):
            self._keep(frame, grey, self._anchor)
            return step
        self._anchor.seen[:] = False
        return self._miss(frame, grey) or step

    def _begin(self, frame: int, grey: Grey) -> None:
        self._anchor, self._next, self._missed = _Anchor.of(frame, grey), None, 0
        self._note(frame, self._anchor)

    def _note(self, frame: int, anchor: _Anchor) -> None:
        self.points[anchor.frame] = anchor.points
        self.sights.append(_Sight(frame, anchor.frame, anchor.packed()))

    def _keep(self, frame: int, grey: Grey, anchor: _Anchor) -> None:
        if self._next is not None:  # what was noted meanwhile belongs to nothing that lasts
            self.sights = [s for s in self.sights if s.anchor != self._next.frame]
            del self.points[self._next.frame]
        self._next, self._missed = None, 0
        self._note(frame, anchor)
        if anchor.weak:
            self._begin(frame, grey)

    def _miss(self, frame: int, grey: Grey) -> Step | None:
        """Nothing of the anchor is in view: a cut, or only a flash."""
        self._missed += 1
        if self._next is None:
            self._next = _Anchor.of(frame, grey)
            self._note(frame, self._next)
            return None
        step = self._next.follow(grey)
        self._note(frame, self._next)
        if self._next.weak:
            self._begin(frame, grey)
        elif self._missed >= _PATIENCE:
            self._anchor, self._next, self._missed = self._next, None, 0
        return step


def _there_and_back(
    anchor: Grey,
    grey: Grey,
    start: Float32[np.ndarray, "N 1 2"],
    guess: Float32[np.ndarray, "N 1 2"],
) -> tuple[Points, Bool[np.ndarray, "N"]]:
    """Where the points of `anchor` are in `grey`, and which of them lead back to the start."""
    there, found = _flow(anchor, grey, start, guess)
    back, returned = _flow(grey, anchor, there, start)
    off = np.linalg.norm(back - start, axis=2)[:, 0]
    places = there[:, 0]
    inside = ((places >= 0) & (places < grey.shape[::-1])).all(1)
    return places, found & returned & (off < _ROUND_TRIP) & inside


def _flow(
    source: Grey,
    target: Grey,
    start: Float32[np.ndarray, "N 1 2"],
    guess: Float32[np.ndarray, "N 1 2"],
) -> tuple[Float32[np.ndarray, "N 1 2"], Bool[np.ndarray, "N"]]:
    places, found, _ = cv2.calcOpticalFlowPyrLK(
        source,
        target,
        start,
        guess.copy(),
        winSize=(9, 9),
        maxLevel=3,
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 12, 0.02),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return np.asarray(places, np.float32), np.asarray(found, bool)[:, 0]


def camera_motion(
    follower: PointFollower,
    frames: int,
    size: tuple[int, int],
    small: tuple[int, int],
    *,
    cuts: Sequence[int] = (),
    boxes: Float[np.ndarray, "P F 4"] | None = None,
) -> CameraMotion:
    """Of a video of so many frames; `boxes` (pixels, NaN in gaps) are people, who move themselves.

    `size` and `small` are (width, height) of the video and of what the follower saw.
    """
    if not follower.sights:
        unknown = np.full((frames, 3, 3), np.nan)
        return CameraMotion("unknown", unknown, unknown[:, 0, 0])
    H_frame_anchor = _from_anchors(follower, frames, size, small, boxes)
    steps = np.full((frames, 3, 3), np.nan)
    for (frame, anchor), H in H_frame_anchor.items():
        before = H_frame_anchor.get((frame - 1, anchor))
        if before is not None and frame not in cuts:
            steps[frame] = H @ np.linalg.inv(before)
    shift = _shifts(H_frame_anchor, frames, size, cuts)
    return CameraMotion(_kind(shift, size), steps, shift)


def _from_anchors(
    follower: PointFollower,
    frames: int,
    size: tuple[int, int],
    small: tuple[int, int],
    boxes: Float[np.ndarray, "P F 4"] | None,
) -> dict[tuple[int, int], Float[np.ndarray, "3 3"]]:
    """By (frame, anchor): from the anchor's pixels to the frame's."""
    scale = np.array(size) / small
    found = {}
    for sight in follower.sights:
        seen = sight.places[:, 0] != _GONE
        anchor = follower.points[sight.anchor]
        start = (anchor[seen] + 0.5) * scale - 0.5
        here = (sight.places[seen] / _SUBPIXEL + 0.5) * scale - 0.5
        if boxes is not None and sight.frame < frames:
            free = ~_inside(start, boxes[:, sight.anchor]) & ~_inside(here, boxes[:, sight.frame])
            start, here = start[free], here[free]
        if sight.frame == sight.anchor:
            found[sight.frame, sight.anchor] = np.eye(3)
        elif (H := _similarity(start, here, _INLIER * float(scale.max()))) is not None:
            found[sight.frame, sight.anchor] = H
    return found


def _inside(
    points: Float[np.ndarray, "N 2"], boxes: Float[np.ndarray, "P 4"]
) -> Bool[np.ndarray, "N"]:
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    pad = 0.05 * (high - low)
    return np.asarray(((points > low - pad) & (points < high + pad)).all(2).any(0))


def _similarity(
    start: Float[np.ndarray, "N 2"], here: Float[np.ndarray, "N 2"], tolerance: float
) -> Float[np.ndarray, "3 3"] | None:
    """The similarity on which most points agree, or None where they do not."""
    if len(start) < _FEWEST:
        return None
    still = (np.linalg.norm(here - start, axis=1) < tolerance).mean()
    found, agree = cv2.estimateAffinePartial2D(
        start, here, method=cv2.RANSAC, ransacReprojThreshold=tolerance
    )
    share = 0.0 if found is None else float(agree.mean())
    if still >= max(_STILL, share - 0.05):
        return np.eye(3)
    if share < _AGREE or share * len(start) < _FEWEST:
        return None
    return np.vstack([found, [0.0, 0.0, 1.0]])


def _shifts(
    H_frame_anchor: dict[tuple[int, int], Float[np.ndarray, "3 3"]],
    frames: int,
    size: tuple[int, int],
    cuts: Sequence[int],
) -> Float[np.ndarray, "F"]:
    """Chained over anchors: each begins in a frame that the one before it still saw."""
    width, height = size
    probes = np.array(
        [(0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1), (width / 2, height / 2, 1)],
        np.float64,
    ).T
    shift = np.full(frames, np.nan)
    H_anchor_first: dict[int, Float[np.ndarray, "3 3"]] = {}
    chained: dict[int, Float[np.ndarray, "3 3"]] = {}
    for (frame, anchor), H in H_frame_anchor.items():
        if frame == anchor:
            H_anchor_first[anchor] = np.eye(3) if frame in cuts else chained.get(frame, np.eye(3))
        if anchor not in H_anchor_first or frame >= frames:
            continue
        chained[frame] = H @ H_anchor_first[anchor]
        moved = (chained[frame] @ probes - probes)[:2]
        shift[frame] = np.sqrt((moved**2).sum(0).mean())
    return shift


def _kind(shift: Float[np.ndarray, "F"], size: tuple[int, int]) -> Kind:
    known = shift[np.isfinite(shift)]
    if len(known) < max(2, 0.5 * len(shift)):
        return "unknown"
    reach = float(np.percentile(known, 98)) / float(np.hypot(*size))
    return "static" if reach < STATIC else "shaky" if reach < SHAKY else "moving"
