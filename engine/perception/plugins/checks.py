"""What stands between a plugin and the rest: it runs the plugin and checks what comes back.

Every result is copied into arrays of known type and shape. Whatever a plugin raises or returns
wrongly becomes a `PluginError` that names the plugin, what was expected and what came.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from engine.body.joints import KEYPOINT_NAMES
from engine.perception.plugins.protocols import (
    FoundPeople,
    Image,
    InitialBodies,
    Kind,
    PluginError,
    spoken,
)
from engine.structures import FrameRange, Layout, Observations, VideoInfo

SHAPE_COUNT = 10

AnyChecked = TypeVar("AnyChecked", bound="Checked")


def failure(
    kind: Kind, name: str, what: str, error: BaseException, advice: str = ""
) -> PluginError:
    """The error to raise where a plugin raised one: what it was and in which line, no traceback."""
    reason = " ".join(str(error).split())[:300]
    text = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    message = f"The {spoken(kind)} plugin {name!r} {what}: {text.rstrip('.')}{_place(error)}"
    return PluginError(message, advice=advice)


def _place(error: BaseException) -> str:
    """The deepest line of the plugin's own file, which is the first one entered."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    frames = [frame for frame in frames if "importlib" not in frame.filename]
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


class Checked:
    """A plugin whose every call is checked. Close it after a run, or use it in a `with` block."""

    def __init__(self, kind: Kind, name: str, plugin: Any) -> None:
        self.kind: Kind = kind
        self.name = name
        self._plugin = plugin

    def __enter__(self: AnyChecked) -> AnyChecked:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, video: VideoInfo, frames: FrameRange) -> None:
        """Tell the plugin which frames will come, in order, each once."""
        if hasattr(self._plugin, "begin"):
            self._run(self._plugin.begin, video, frames)

    def close(self) -> None:
        """Let the plugin free what it holds."""
        if hasattr(self._plugin, "close"):
            self._run(self._plugin.close)

    def _run(self, method: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return method(*arguments)
        except (Exception, SystemExit) as error:
            raise failure(self.kind, self.name, "failed", error) from error

    def _wrong(self, what: str, expected: str, received: str) -> PluginError:
        return PluginError(
            f"The {spoken(self.kind)} plugin {self.name!r} returned {what} that cannot be used",
            expected=expected,
            received=received,
        )

    def _items(self, value: Any, what: str, count: int, of: str) -> list[Any]:
        """A list or tuple of `count` things."""
        if not isinstance(value, list | tuple):
            raise self._wrong(what, f"a list of {count} {of}", type(value).__name__)
        if len(value) != count:
            raise self._wrong(what, f"a list of {count} {of}", f"{len(value)}")
        return list(value)

    def _array(self, value: Any, what: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """A copy as real numbers (float64); None in `shape` stands for any length."""
        array = self._read(value, what)
        if not np.issubdtype(array.dtype, np.floating) and array.dtype.kind not in "iub":
            raise self._wrong(what, "real numbers", f"type {array.dtype}")
        return self._shaped(array, what, shape).astype(np.float64)

    def _flags(self, value: Any, what: str, shape: tuple[int | None, ...]) -> np.ndarray:
        array = self._read(value, what)
        if array.dtype != bool:
            raise self._wrong(what, "booleans", f"type {array.dtype}")
        return self._shaped(array, what, shape).copy()

    def _read(self, value: Any, what: str) -> np.ndarray:
        try:
            return np.asarray(value)
        except Exception as error:  # a tensor on another device, a ragged list
            raise self._wrong(
                what, "an array", f"{type(value).__name__}: {str(error)[:200]}"
            ) from error

    def _shaped(self, array: np.ndarray, what: str, shape: tuple[int | None, ...]) -> np.ndarray:
        fits = array.ndim == len(shape) and all(
            wanted is None or wanted == length
            for wanted, length in zip(shape, array.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("N" if length is None else str(length) for length in shape)
            received = ", ".join(map(str, array.shape))
            raise self._wrong(what, f"shape ({wanted})", f"shape ({received})")
        return array

    def _keypoints(self, value: Any, people: int | None, joints: int) -> np.ndarray:
        points = self._array(value, "keypoints", (people, joints, 3))
        absent = np.isnan(points[..., :2]).any(axis=-1)
        if np.isinf(points).any():
            raise self._wrong("keypoints", "pixels, or NaN where there is nothing", "infinity")
        points[..., 2] = np.where(absent, 0.0, np.nan_to_num(points[..., 2]))
        points[absent, :2] = np.nan
        return self._within_one(points, points[..., 2], "confidences")

    def _within_one(self, result: np.ndarray, values: np.ndarray, what: str) -> np.ndarray:
        """Raise unless `values`, a part of `result`, are within 0..1, but for rounding."""
        if values.size and not (values.min() >= -1e-3 and values.max() <= 1 + 1e-3):
            raise self._wrong(what, "0..1", f"{values.min():.4g}..{values.max():.4g}")
        np.clip(values, 0.0, 1.0, out=values)
        return result


class CheckedDetector(Checked):
    """See `engine.perception.plugins.Detector`."""

    def detect(self, images: Sequence[Image]) -> list[FoundPeople]:
        """Boxes and scores are finite, keypoints NaN with confidence 0 where there is nothing."""
        answer = self._run(self._plugin.detect, list(images))
        found = self._items(answer, "detections", len(images), "FoundPeople, one per picture")
        return [self._people(people) for people in found]

    def _people(self, found: Any) -> FoundPeople:
        if not isinstance(found, FoundPeople):
            raise self._wrong("detections", "FoundPeople", type(found).__name__)
        boxes = self._array(found.boxes, "boxes", (None, 4))
        if not np.isfinite(boxes).all():
            raise self._wrong("boxes", "finite pixels", "NaN or infinity")
        if (boxes[:, 2:] <= boxes[:, :2]).any():
            bad = boxes[(boxes[:, 2:] <= boxes[:, :2]).any(axis=1)][0]
            raise self._wrong("boxes", "x0 < x1 and y0 < y1", _listed(bad))
        scores = self._array(found.scores, "scores", (len(boxes),))
        if not np.isfinite(scores).all():
            raise self._wrong("scores", "0..1", "NaN or infinity")
        scores = self._within_one(scores, scores, "scores")
        points = found.keypoints
        keypoints = None if points is None else self._keypoints(points, len(boxes), 17)
        return FoundPeople(boxes, scores, keypoints)


class CheckedPoseEstimator(Checked):
    """See `engine.perception.plugins.PoseEstimator`."""

    def __init__(self, kind: Kind, name: str, plugin: Any) -> None:
        super().__init__(kind, name, plugin)
        layout = getattr(plugin, "layout", None)
        if layout not in KEYPOINT_NAMES:
            known = " or ".join(repr(known) for known in KEYPOINT_NAMES)
            raise PluginError(
                f"The pose estimator plugin {name!r} has no layout that is known",
                expected=known,
                received=repr(layout)[:80],
            )
        self.layout: Layout = layout

    def estimate(self, image: Image, boxes: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "N K 3"]:
        """NaN with confidence 0 where there is nothing. The plugin is not asked about no boxes."""
        joints = len(KEYPOINT_NAMES[self.layout])
        if not len(boxes):
            return np.zeros((0, joints, 3))
        return self._keypoints(self._run(self._plugin.estimate, image, boxes), len(boxes), joints)


class CheckedTracker(Checked):
    """See `engine.perception.plugins.Tracker`."""

    def track(
        self, found: Sequence[FoundPeople], times: Float[np.ndarray, "F"]
    ) -> list[Int[np.ndarray, "_"]]:
        """Track ids >= 0, or -1; none twice in a frame."""
        answer = self._run(self._plugin.track, list(found), times)
        rows = self._items(answer, "tracks", len(found), "arrays, one per frame")
        return [
            self._ids(row, len(people), frame)
            for frame, (row, people) in enumerate(zip(rows, found, strict=True))
        ]

    def _ids(self, row: Any, count: int, frame: int) -> Int[np.ndarray, "_"]:
        if count == 0 and np.size(row) == 0:
            return np.zeros(0, np.int64)  # whatever type an empty list is read as
        ids = self._shaped(self._read(row, "tracks"), "tracks", (count,))
        if ids.dtype.kind not in "iu":
            raise self._wrong("tracks", "whole numbers", f"type {ids.dtype}")
        named = ids[ids >= 0]
        if len(np.unique(named)) != len(named):
            raise self._wrong("tracks", "a track at most once in a frame", f"frame {frame}: {ids}")
        return np.maximum(ids.astype(np.int64), -1)


class CheckedSegmenter(Checked):
    """See `engine.perception.plugins.Segmenter`."""

    def segment(
        self, image: Image, boxes: Float[np.ndarray, "N 4"], keypoints: Float[np.ndarray, "N 26 3"]
    ) -> Bool[np.ndarray, "N H W"]:
        """Masks, empty for people whose row is NaN. Masks of several people may overlap."""
        height, width = image.shape[:2]
        absent = ~np.isfinite(boxes).all(axis=1)
        if absent.all():
            return np.zeros((len(boxes), height, width), bool)
        answer = self._run(self._plugin.segment, image, boxes, keypoints)
        masks = self._flags(answer, "masks", (len(boxes), height, width))
        masks[absent] = False
        return masks


class CheckedBodyInitializer(Checked):
    """See `engine.perception.plugins.BodyInitializer`."""

    def initialize(
        self, video: VideoInfo, observations: Observations, K: Float[np.ndarray, "3 3"]
    ) -> InitialBodies:
        """Finite wherever valid, and in front of the camera."""
        bodies = self._run(self._plugin.initialize, video, observations, K)
        if not isinstance(bodies, InitialBodies):
            raise self._wrong("bodies", "InitialBodies", type(bodies).__name__)
        size = observations.person_count, observations.frame_count
        betas = bodies.betas
        checked = InitialBodies(
            global_orient=self._array(bodies.global_orient, "global_orient", (*size, 3)),
            body_pose=self._array(bodies.body_pose, "body_pose", (*size, 23, 3)),
            transl=self._array(bodies.transl, "transl", (*size, 3)),
            valid=self._flags(bodies.valid, "valid", size),
            betas=None if betas is None else self._array(betas, "betas", (size[0], SHAPE_COUNT)),
        )
        if checked.betas is not None and not np.isfinite(checked.betas).all():
            raise self._wrong("betas", "finite numbers", "NaN or infinity")
        self._check_valid(checked)
        return checked

    def _check_valid(self, bodies: InitialBodies) -> None:
        valid = bodies.valid
        for name in ("global_orient", "body_pose", "transl"):
            if not np.isfinite(getattr(bodies, name)[valid]).all():
                raise self._wrong(name, "finite numbers where valid", "NaN or infinity")
        behind = bodies.transl[valid][:, 2] <= 0
        if behind.any():
            where = _listed(bodies.transl[valid][behind][0])
            raise self._wrong("transl", "people in front of the camera (z > 0, metres)", where)


def _listed(numbers: np.ndarray) -> str:
    return "(" + ", ".join(f"{number:.4g}" for number in numbers) + ")"


CHECKED: dict[Kind, type[Checked]] = {
    "detector": CheckedDetector,
    "pose_estimator": CheckedPoseEstimator,
    "tracker": CheckedTracker,
    "segmenter": CheckedSegmenter,
    "body_initializer": CheckedBodyInitializer,
}
