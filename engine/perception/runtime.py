"""The shipped 2D models through onnxruntime: plain calls on pixels, no state between them.

MoveNet MultiPose and Thunder (TensorFlow Hub model cards) give COCO-17; BlazePose GHUM (MediaPipe
Pose) gives 33 landmarks, two that define the next region of interest, and a mask of the person.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import onnxruntime as ort
from jaxtyping import Float, UInt8

from engine.weights import find

Image = UInt8[np.ndarray, "H W 3"]
CROP = 256
"""Side of the square that Thunder and BlazePose look at, in pixels."""
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
"""The first that onnxruntime offers: CUDA where `onnxruntime-gpu` is installed."""
CORES = max(1, min(4, os.cpu_count() or 1))
"""So many looks are taken at a time."""
_STRIDE = 32
"""MultiPose wants sides that are multiples of this."""


@dataclass(frozen=True)
class Region:
    """A square of an image for a single-person model, turned so that the body is upright."""

    x: float
    y: float
    side: float
    angle: float = 0.0
    """Tilt of the body in radians: 0 upright, positive leaning to the image's right."""

    @classmethod
    def of_box(cls, box: Float[np.ndarray, "4"], scale: float) -> Region:
        """Upright, around a box x0, y0, x1, y1; its side is `scale` of the box's longer side."""
        x0, y0, x1, y1 = (float(v) for v in box)
        return cls((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0, 1.0) * scale)

    @property
    def image_from_crop(self) -> Float[np.ndarray, "2 3"]:
        scale = self.side / CROP
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        linear = np.array([[cos, -sin], [sin, cos]])
        offset = np.array([self.x, self.y]) - linear @ np.full(2, CROP / 2)
        return np.hstack([linear, offset[:, None]])

    @property
    def corners(self) -> Float[np.ndarray, "4 2"]:
        side = float(CROP)
        return self.to_image(np.array([[0.0, 0.0], [side, 0.0], [side, side], [0.0, side]]))

    def crop(self, image: Image) -> UInt8[np.ndarray, "256 256 3"]:
        """The square as CROP x CROP pixels; black outside the image."""
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(image, self.image_from_crop, (CROP, CROP), flags=flags))

    def to_image(self, points: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
        matrix = self.image_from_crop
        return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


@dataclass(frozen=True)
class BlazePose:
    """One person as BlazePose sees it, in the pixels of the image that the region was cut from."""

    landmarks: Float[np.ndarray, "33 3"]
    """x, y and visibility in 0..1."""
    presence: float
    """Whether there is a person in the region at all, 0..1."""
    region: Region
    """Where it looked."""
    next_region: Region
    """Where to look for the same person next."""
    mask: Float[np.ndarray, "256 256"]
    """Probability of the person, in the crop of `region`."""

    def image_mask(self, size: tuple[int, int]) -> Float[np.ndarray, "H W"]:
        """The mask warped to an image of (width, height)."""
        warped = cv2.warpAffine(self.mask, self.region.image_from_crop, size)
        return np.asarray(warped, np.float32)


class PoseModels:
    """The three networks, loaded once. Raises WeightError where a file is missing or altered."""

    def __init__(self) -> None:
        # Frames are detected one after the other; single people of several frames are looked at
        # at a time, each by one thread, which keeps the cores busier than sharing one look.
        self._multipose = _load("movenet-multipose", CORES)
        self._thunder = _load("movenet-thunder", 1)
        self._blazepose = _load("blazepose-full", 1)

    def multipose(self, image: Image, scale: float) -> Float[np.ndarray, "6 56"]:
        """Up to six people in an image seen at a scale: 17 x (x, y, confidence), box, score.

        Coordinates are pixels of the image; the box is x0, y0, x1, y1.
        """
        height, width = image.shape[:2]
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        padded_h, padded_w = (int(np.ceil(s / _STRIDE)) * _STRIDE for s in small[::-1])
        canvas = np.zeros((1, padded_h, padded_w, 3), np.int32)
        canvas[0, : small[1], : small[0]] = cv2.resize(image, small, interpolation=method)
        raw = self._multipose.run(None, {self._multipose.get_inputs()[0].name: canvas})[0][0]
        unit_x, unit_y = padded_w * width / small[0], padded_h * height / small[1]
        people = np.array(raw, np.float64)
        points = people[:, :51].reshape(-1, 17, 3)
        points[..., :2] = points[..., 1::-1] * (unit_x, unit_y)
        people[:, 51:55] = people[:, [52, 51, 54, 53]] * (unit_x, unit_y, unit_x, unit_y)
        return people

    def thunder(self, image: Image, region: Region) -> Float[np.ndarray, "17 3"]:
        """The most prominent person of a region: x, y in pixels of the image, and confidence."""
        crop = region.crop(image)[None].astype(np.int32)
        raw = self._thunder.run(None, {self._thunder.get_inputs()[0].name: crop})[0]
        points = np.asarray(raw, np.float64).reshape(17, 3)
        return np.column_stack([region.to_image(points[:, 1::-1] * CROP), points[:, 2]])

    def blazepose(self, image: Image, regions: Sequence[Region]) -> list[BlazePose]:
        """The person of each region, in one call."""
        if not regions:
            return []
        crops = np.stack([region.crop(image) for region in regions]).astype(np.float32) / 255.0
        names = [output.name for output in self._blazepose.get_outputs()]
        values = self._blazepose.run(None, {self._blazepose.get_inputs()[0].name: crops})
        by_width = {v.shape[1:]: v for v in values}
        assert len(by_width) == len(names)
        landmarks = by_width[(195,)].reshape(-1, 39, 5).astype(np.float64)
        presence = by_width[(1,)][:, 0]
        masks = by_width[(CROP, CROP, 1)][..., 0]
        return [
            _blazepose(points, float(p), mask, region)
            for points, p, mask, region in zip(landmarks, presence, masks, regions, strict=True)
        ]


def _blazepose(
    points: Float[np.ndarray, "39 5"],
    presence: float,
    mask: Float[np.ndarray, "256 256"],
    region: Region,
) -> BlazePose:
    xy = region.to_image(points[:, :2])
    visible = _sigmoid(points[:, 3]) * _sigmoid(points[:, 4])
    # Landmarks 33 and 34: the middle of the hips and a point of the circle around the whole body.
    (x, y), along = xy[33], xy[34] - xy[33]
    radius = float(np.hypot(*along))
    following = Region(float(x), float(y), 2.5 * radius, float(np.arctan2(along[0], -along[1])))
    return BlazePose(np.column_stack([xy[:33], visible[:33]]), presence, region, following, mask)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -60, 60))))


def _load(name: str, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin between calls would take the cores from the window.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    offered = ort.get_available_providers()
    providers = [name for name in _PROVIDERS if name in offered]
    return ort.InferenceSession(str(find(name).path), options, providers=providers)
