"""Where a video's picture cuts, shows nothing, and whether its camera moves.

A cut is a change of the picture that lasts: the frames before and after it differ, however they
are paired (a flash does not outlast itself), the change is far greater than the ones around it
(fast motion is not), and hardly a point of the picture can be followed across it (people who cross
leave the background). A dissolve is a picture that is a blend of what comes before and after it,
in growing part; it counts as a cut in its middle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from engine.perception.camera_motion import (
    SMALL_SIDE,
    CameraMotion,
    PointFollower,
    Step,
    camera_motion,
    equalised,
)

Image = UInt8[np.ndarray, "H W 3"]

_THUMB_SIDE = 48
"""Longer side of the pictures that are compared."""
_AFTER = 5
"""Frames on either side of a cut that are looked at before it is believed: no flash is longer."""
_BESIDE = 4
"""Frames on either side whose changes a cut's change is compared with."""
_REACH = 32
"""Frames on either side of a dissolve's middle that are kept; it may last twice as long."""
_CHANGE = 0.3
"""Change of the picture, in parts of its contrast, from which it may be another shot."""
_ISOLATED = 2.5
"""How much greater the change at a cut is than the changes beside it."""
_ISOLATED_CLEAR = 1.4
"""The same where points are followed well before and after it, and not across."""
_JUMP = 0.03 * SMALL_SIDE
"""Small pixels that the picture moves at once where frames were taken out of a shot."""
_LASTING = 0.6
"""How much of it is there between any frame shortly before and any shortly after."""
_FOLLOWED = 0.35
"""Share of points that may still be found on the other side of a cut."""
_DISSOLVE_HALVES = (5, 8, 12, 18, 26, 32)
_BLEND_RESIDUAL = 0.3
"""How far a picture may be from a blend, in parts of the difference of the two shots."""
_APART = 16
"""Frames between the middles of two dissolves, at least."""
_DARK_LEVEL, _DARK_MOST = 14.0, 40.0
"""A black frame: its mean, and its 99th percentile, of 255."""
_PERHAPS_PX = 5.0
"""Motion of what little can be followed of the background that is worth a word, in pixels."""
_FLAT = 2.5
"""Standard deviation of a picture that shows nothing, of 255."""


@dataclass(frozen=True)
class _Glance:
    """What is kept for a while of a frame that shows something."""

    frame: int
    thumb: Float32[np.ndarray, "h w 3"]
    step: Step
    """What became of the points of the frame before."""

    @cached_property
    def normal(self) -> Float32[np.ndarray, "h w 3"]:
        """Without brightness and contrast, which lamps and fades change."""
        centred = self.thumb - self.thumb.mean()
        return np.asarray(centred / max(float(np.abs(centred).mean()), 1.0), np.float32)


@dataclass(frozen=True)
class _Dissolve:
    """That a frame may be the middle of a dissolve."""

    frame: int
    half: int
    """Frames from it to the shots that it is a blend of."""
    residual: float
    """How far it is from that blend, in parts of the difference of the two shots."""


class ShotWatcher:
    """Sees every frame once, in order; afterwards says what the picture does as a whole.

    On one core it takes about 3 ms for a frame of 1080p, 1.7 ms for one that is reduced already
    (SMALL_SIDE), and keeps at most 0.4 KB of each.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self._last = -1
        self._size = (0, 0)
        self._small = (0, 0)
        self._follower = PointFollower()
        self._glances: deque[_Glance] = deque(maxlen=2 * _REACH + 1)
        self._cuts: list[int] = []
        self._dissolves: list[_Dissolve] = []
        self._all_cuts: tuple[int, ...] | None = None
        self._black: list[int] = []
        self._blank: list[int] = []
        self._motion: CameraMotion | None = None

    def see(self, frame: int, image: Image) -> None:
        """The next frame, RGB; frames may begin anywhere. ValueError if one comes out of order."""
        if frame <= self._last:
            raise ValueError(f"frame {frame} after frame {self._last}")
        if self._first is None:
            self._first = frame
            self._size = image.shape[1], image.shape[0]
        self._last = frame
        self._motion = self._all_cuts = None
        small = self._reduced(image)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        if self._shows_nothing(frame, grey):
            return
        step = self._follower.see(frame, equalised(grey))
        self._glances.append(_Glance(frame, _thumb(small), step))
        glances = list(self._glances)
        at = len(glances) - 1 - _AFTER
        if at > 0 and _is_cut(glances, at):
            self._cuts.append(glances[at].frame)
        if len(glances) == self._glances.maxlen:
            found = _dissolve(glances, _REACH, self._cuts)
            self._dissolves += [found] if found is not None else []

    def _reduced(self, image: Image) -> UInt8[np.ndarray, "h w 3"]:
        """At most SMALL_SIDE pixels a side. A coarse step first: means of all pixels cost more."""
        scale = SMALL_SIDE / max(image.shape[:2])
        if scale >= 1:
            self._small = self._size
            return image
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        if scale < 0.4:
            double = 2 * size[0], 2 * size[1]
            image = np.asarray(cv2.resize(image, double, interpolation=cv2.INTER_LINEAR), np.uint8)
        self._small = size
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _shows_nothing(self, frame: int, grey: UInt8[np.ndarray, "h w"]) -> bool:
        if grey.mean() < _DARK_LEVEL and np.percentile(grey, 99) < _DARK_MOST:
            self._black.append(frame)
        elif grey.std() < _FLAT:
            self._blank.append(frame)
        else:
            return False
        return True

    # -- afterwards -----------------------------------------------------------------------------

    @property
    def cuts(self) -> tuple[int, ...]:
        """Frames that begin another shot, in order; the middle of a dissolve."""
        if self._all_cuts is None:
            glances = list(self._glances)
            last = range(max(1, len(glances) - _AFTER), len(glances) - 1)
            hard = [*self._cuts, *(glances[at].frame for at in last if _is_cut(glances, at))]
            settled = len(glances) == self._glances.maxlen  # up to the middle of the window
            rest = range(_REACH + 1 if settled else 1, len(glances) - 1)
            found = [*self._dissolves, *(_dissolve(glances, at, hard) for at in rest)]
            middles = _middles([dissolve for dissolve in found if dissolve is not None])
            self._all_cuts = tuple(sorted({*hard, *middles}))
        return self._all_cuts

    @property
    def black(self) -> tuple[int, ...]:
        """Frames that show nothing: black, or all of one colour."""
        return tuple(sorted([*self._black, *self._blank]))

    @property
    def camera_motion(self) -> CameraMotion:
        """As far as it can be told without knowing where the people are."""
        if self._motion is None:
            self._motion = self.camera_motion_behind(None)
        return self._motion

    def camera_motion_behind(self, boxes: Float[np.ndarray, "P F 4"] | None) -> CameraMotion:
        """What the background does; `boxes` (pixels of the video, NaN in gaps) are people's."""
        return camera_motion(
            self._follower,
            self._last + 1,
            self._size,
            self._small,
            cuts=self.cuts,
            boxes=boxes,
        )

    def notes(self, fps: float, motion: CameraMotion | None = None) -> tuple[str, ...]:
        """Sentences for Observations.notes; `motion` is the camera's where it is known better."""
        if self._first is None:
            return ()
        notes = []
        if cuts := self.cuts:
            places = _listed([f"{cut} ({cut / fps:.1f} s)" for cut in cuts])
            frames = "frame" if len(cuts) == 1 else f"{len(cuts)} frames:"
            notes.append(
                f"The picture cuts at {frames} {places}; people are followed within each shot."
            )
        for kind, frames_of in (("black", self._black), ("of one colour", self._blank)):
            notes += _span_notes(kind, frames_of)
        return (*notes, *camera_notes(motion or self.camera_motion))


def camera_notes(motion: CameraMotion) -> tuple[str, ...]:
    """A sentence, unless the camera stands still."""
    drift = f"{motion.drift_px:.0f} pixels" if np.isfinite(motion.drift_px) else ""
    words = {
        "static": (),
        "shaky": (f"The camera shakes: the background moves by up to {drift}.",),
        "moving": (f"The camera moves: the background moves by up to {drift}.",),
        "unknown": (),
    }
    if motion.kind == "unknown" and motion.drift_px > _PERHAPS_PX:
        return (f"The camera may move: the background seems to move by up to {drift}.",)
    return words[motion.kind]


def _thumb(small: Image) -> Float32[np.ndarray, "h w 3"]:
    scale = min(1.0, _THUMB_SIDE / max(small.shape[:2]))
    size = max(1, round(small.shape[1] * scale)), max(1, round(small.shape[0] * scale))
    return cv2.resize(small.astype(np.float32), size, interpolation=cv2.INTER_AREA)


def _change(a: _Glance, b: _Glance) -> float:
    """Mean difference in parts of the contrast: about 1.2 between pictures of other places."""
    return float(np.abs(a.normal - b.normal).mean())


def _is_cut(glances: Sequence[_Glance], at: int) -> bool:
    """Whether another shot begins at `glances[at]`, judged by the frames on both sides."""
    return _is_other_picture(glances, at) or _is_jump(glances, at)


def _is_other_picture(glances: Sequence[_Glance], at: int) -> bool:
    change = _change(glances[at - 1], glances[at])
    kept = glances[at].step.kept
    if change < _CHANGE or kept > _FOLLOWED:  # NaN is no objection
        return False
    before, after = glances[max(0, at - _AFTER) : at], glances[at : at + _AFTER]
    if min(_change(a, b) for a in before for b in after) < _LASTING * change:
        return False
    beside = [glance.step.kept for glance in (glances[at - 1], glances[at + 1])]
    clear = kept < 0.5 * _FOLLOWED and min(beside) > _FOLLOWED
    isolated = _ISOLATED_CLEAR if clear else _ISOLATED
    return change > isolated * max(_steps(before[-_BESIDE:]), _steps(after[:_BESIDE]))


def _is_jump(glances: Sequence[_Glance], at: int) -> bool:
    """The picture moves at once and stays: another crop, or other frames of the same place."""
    moved = glances[at].step.moved
    beside = [glance.step.moved for glance in glances[max(0, at - _BESIDE) : at + _BESIDE]]
    beside.remove(moved)
    clear = glances[at].step.kept > _FOLLOWED
    return clear and moved > _JUMP and moved > 8 * max(beside, default=np.inf)


def _steps(glances: Sequence[_Glance]) -> float:
    """The usual change from one frame to the next."""
    changes = [_change(a, b) for a, b in pairwise(glances)]
    return float(np.median(changes)) if changes else 0.0


def _dissolve(glances: Sequence[_Glance], at: int, hard: Sequence[int]) -> _Dissolve | None:
    """Whether `glances[at]` and its neighbours are a growing blend of the two shots around."""
    best: _Dissolve | None = None
    for half in _DISSOLVE_HALVES:
        if at - half < 0 or at + half >= len(glances):
            break
        a, b = glances[at - half], glances[at + half]
        if any(a.frame < cut <= b.frame for cut in hard):
            break
        if _change(a, b) < 1.5 * _CHANGE:
            continue
        between = [glances[at + round(share * half)].thumb for share in (-0.5, 0.0, 0.5)]
        residual = _blend_residual(a.thumb, b.thumb, between)
        if residual is not None and (best is None or residual < best.residual):
            best = _Dissolve(glances[at].frame, half, residual)
    return best


def _blend_residual(
    a: Float32[np.ndarray, "h w 3"],
    b: Float32[np.ndarray, "h w 3"],
    between: Sequence[Float32[np.ndarray, "h w 3"]],
) -> float | None:
    step = b - a
    power = float((step * step).sum())
    shares = [float(((image - a) * step).sum()) / max(power, 1e-6) for image in between]
    if not (0.08 < shares[0] < 0.45 and 0.3 < shares[1] < 0.7 and 0.55 < shares[2] < 0.92):
        return None
    rest = [np.abs(i - a - s * step).mean() for i, s in zip(between, shares, strict=True)]
    residual = float(max(rest) / max(float(np.abs(step).mean()), 1e-6))
    return residual if residual < _BLEND_RESIDUAL else None


def _middles(dissolves: Sequence[_Dissolve]) -> list[int]:
    """The best frame of each run of candidates."""
    middles: list[_Dissolve] = []
    for found in dissolves:
        if middles and found.frame - middles[-1].frame <= max(_APART, middles[-1].half):
            if found.residual < middles[-1].residual:
                middles[-1] = found
        else:
            middles.append(found)
    return [found.frame for found in middles]


def _span_notes(kind: str, frames: Sequence[int]) -> list[str]:
    """One sentence for a few runs of frames; only their number for many."""
    if not frames:
        return []
    breaks = np.flatnonzero(np.diff(frames) > 1) + 1
    spans = [(int(run[0]), int(run[-1])) for run in np.split(np.array(frames), breaks)]
    if len(spans) == 1 and spans[0][0] == spans[0][1]:
        return [f"Frame {spans[0][0]} is {kind}."]
    return [f"Frames {_listed([f'{a} to {b}' if b > a else str(a) for a, b in spans])} are {kind}."]


def _listed(places: Sequence[str], most: int = 6) -> str:
    if len(places) > most:
        return ", ".join(places[:most]) + f" and {len(places) - most} more"
    return " and ".join([", ".join(places[:-1]), places[-1]] if len(places) > 1 else places)
