"""From what was heard in every frame to each person's joints, boxes and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from engine.body.joints import HALPE26
from engine.perception.confidence import calibrated, evidence
from engine.perception.detection import oks, pad_box, union
from engine.perception.fusion import Testimony, fuse_window
from engine.perception.keypoints import FootLooks, halpe26
from engine.perception.looks import Heard, SoftMask, Witnesses
from engine.perception.ownership import belonging
from engine.perception.segmentation import crop_to_person, divide, encode_window, limb_mask
from engine.structures import RunLengthMask

_MIN_PRESENCE = 0.5
_CONVERGED = 0.5
"""A look this like (OKS) one at somebody else saw that one."""
_LIMB = 0.6
"""How sure it is that a limb between likely joints belongs to the person's mask."""
_INNER = 0.55
"""How much of a limb's usual width is surely its own."""
_MASK_SIDE = 640
"""Longer side in pixels at which masks are divided among people."""


def plausible(frame: Heard) -> list[Witnesses | None]:
    """Without those whom the detector did not see and the other models do not see either."""
    return [None if w is None or _is_ghost(w, frame) else w for w in frame]


def _is_ghost(witnesses: Witnesses, frame: Heard) -> bool:
    if witnesses.detected:
        return False
    if float(witnesses.presence.max()) < _MIN_PRESENCE:
        return True
    mine = witnesses.points[len(witnesses.presence) - 1]
    return any(
        oks(mine, other.points[0]) > _CONVERGED
        for other in frame
        if other is not None and other is not witnesses and other.detected
    )


def decide(
    heard: Sequence[Heard],
    times: Float[np.ndarray, "F"],
    colors: Float[np.ndarray, "P 10 4"],
    cuts: Sequence[int],
) -> Float[np.ndarray, "P F 26 3"]:
    """Halpe-26 of every person: pixels of the kept frames and calibrated confidence."""
    xy, facts = joints_with_evidence(heard, times, colors, cuts)
    coco = np.concatenate([xy, calibrated(facts)[..., None]], axis=-1)
    rows = zip(*heard, strict=True)
    return np.stack(
        [
            np.stack([_halpe(joints, w) for joints, w in zip(person, row, strict=True)])
            for person, row in zip(coco, rows, strict=True)
        ]
    )


def joints_with_evidence(
    heard: Sequence[Heard],
    times: Float[np.ndarray, "F"],
    colors: Float[np.ndarray, "P 10 4"],
    cuts: Sequence[int],
) -> tuple[Float[np.ndarray, "P F 17 2"], Float[np.ndarray, "P F 17 E"]]:
    """Joints in pixels of the kept frames, and what speaks for and against each."""
    rows = [list(row) for row in zip(*heard, strict=True)]
    fused = fuse_window([Testimony.of(row) for row in rows], times, cuts)
    facts = []
    for person, (row, joints) in enumerate(zip(rows, fused, strict=True)):
        rivals = [c for other, c in enumerate(colors) if other != person]
        detected = np.array([w is not None and w.detected for w in row])
        own = belonging(row, joints.xy, colors[person], rivals)
        facts.append(evidence(joints, detected, own))
    return np.stack([joints.xy for joints in fused]), np.stack(facts)


def _halpe(coco: Float[np.ndarray, "17 3"], heard: Witnesses | None) -> np.ndarray:
    if heard is None:
        empty = np.full((len(HALPE26), 3), np.nan)
        empty[:, 2] = 0.0
        return empty
    return halpe26(coco, FootLooks(heard.landmarks, heard.presence), heard.size)


def boxes_of_people(
    points: Float[np.ndarray, "P F 26 3"], heard: Sequence[Heard]
) -> Float[np.ndarray, "P F 4"]:
    """Around what was detected and the joints that are likely right; NaN for who is not there."""
    boxes = np.full((*points.shape[:2], 4), np.nan)
    for frame, row in enumerate(heard):
        for person, witnesses in enumerate(row):
            if witnesses is None:
                continue
            joints = points[person, frame]
            sure = joints[joints[:, 2] > 0.3, :2]
            if len(sure) < 6:
                boxes[person, frame] = witnesses.box
                continue
            tight = pad_box(np.concatenate([sure.min(axis=0), sure.max(axis=0)]), 0.03)
            boxes[person, frame] = union([tight, witnesses.box]) if witnesses.detected else tight
    return boxes


def masks_of_frame(
    row: Heard, points: Float[np.ndarray, "P 26 3"], scale: float, size: tuple[int, int]
) -> list[RunLengthMask | None]:
    """Masks without overlap, in the pixels of the video; `size` is its (width, height).

    `scale` is pixels of the kept frame per pixel of the video, `points` are of the kept frame.
    """
    there = [(p, w.mask) for p, w in enumerate(row) if w is not None and w.mask is not None]
    result: list[RunLengthMask | None] = [None] * len(row)
    if not there:
        return result
    window = _Window.around([mask for _, mask in there])
    canvases = [window.placed(mask) for _, mask in there]
    joints = [window.points(points[p]) for p, _ in there]
    # BlazePose's mask has holes and stops short of what it takes for the edge of the body.
    for (person, _), canvas, seen in zip(there, canvases, joints, strict=True):
        inner = limb_mask(
            seen[:17], canvas.shape[::-1], window.size_of(row[person]), seen=0.5, thick=_INNER
        )
        np.maximum(canvas, _LIMB * inner, out=canvas)
    for (person, _), mask, seen in zip(there, divide(canvases, joints), joints, strict=True):
        found = seen[seen[:, 2] > 0.15, :2]
        if len(found):
            tight = np.concatenate([found.min(axis=0), found.max(axis=0)])
            mask = crop_to_person(mask, pad_box(tight, 0.14))
        result[person] = window.coded(mask, scale, size)
    return result


@dataclass(frozen=True)
class _Window:
    """A part of the kept frame, shrunk to at most _MASK_SIDE pixels."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def around(cls, masks: Sequence[SoftMask]) -> _Window:
        corners = np.array([(x, y, x + w, y + h) for x, y, w, h in (m.window for m in masks)])
        x0, y0 = corners[:, :2].min(axis=0).tolist()
        x1, y1 = corners[:, 2:].max(axis=0).tolist()
        return cls(x0, y0, max(2, x1 - x0), max(2, y1 - y0))

    @property
    def scale(self) -> float:
        return min(1.0, _MASK_SIDE / max(self.width, self.height))

    @property
    def shape(self) -> tuple[int, int]:
        return (max(1, round(self.height * self.scale)), max(1, round(self.width * self.scale)))

    def placed(self, mask: SoftMask) -> Float[np.ndarray, "h w"]:
        """The soft mask where it is in the window."""
        canvas = np.zeros(self.shape, np.float32)
        x, y, w, h = mask.window
        x0, y0 = round((x - self.x) * self.scale), round((y - self.y) * self.scale)
        size = max(1, round(w * self.scale)), max(1, round(h * self.scale))
        patch = cv2.resize(mask.values, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
        part = canvas[max(0, y0) : y0 + size[1], max(0, x0) : x0 + size[0]]
        part[:] = patch[: part.shape[0], : part.shape[1]] / 255.0
        return canvas

    def points(self, points: Float[np.ndarray, "26 3"]) -> Float[np.ndarray, "26 3"]:
        moved = points.copy()
        moved[:, :2] = (moved[:, :2] - (self.x, self.y)) * self.scale
        return moved

    def size_of(self, heard: Witnesses | None) -> float:
        """A person's size in the window's pixels."""
        return 1.0 if heard is None else heard.size * self.scale

    def coded(
        self, mask: Bool[np.ndarray, "h w"], scale: float, size: tuple[int, int]
    ) -> RunLengthMask:
        """Run lengths in the whole frame of the video."""
        x0, y0 = max(0, round(self.x / scale)), max(0, round(self.y / scale))
        x1 = min(size[0], round((self.x + self.width) / scale))
        y1 = min(size[1], round((self.y + self.height) / scale))
        large = cv2.resize(
            mask.astype(np.uint8), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR
        )
        return encode_window(np.asarray(large) > 0, (x0, y0), size)
