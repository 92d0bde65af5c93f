"""What a plugin is: the protocol of each kind, and the values that it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float, UInt8

from engine.errors import EngineError
from engine.structures import Layout, Observations, VideoInfo

Kind = Literal["detector", "pose_estimator", "tracker", "segmenter", "body_initializer"]
GROUPS: dict[Kind, str] = {
    "detector": "dyad.detectors",
    "pose_estimator": "dyad.pose_estimators",
    "tracker": "dyad.trackers",
    "segmenter": "dyad.segmenters",
    "body_initializer": "dyad.body_initializers",
}
"""Entry point group of each kind of plugin."""
METHODS: dict[Kind, str] = {
    "detector": "detect",
    "pose_estimator": "estimate",
    "tracker": "track",
    "segmenter": "segment",
    "body_initializer": "initialize",
}
"""The method that a plugin of each kind has."""

Image = UInt8[np.ndarray, "H W 3"]


class PluginError(EngineError):
    """A plugin is not installed, cannot be loaded, fails, or returns what cannot be used."""


@dataclass(frozen=True)
class FoundPeople:
    """The N people that a detector found in one picture."""

    boxes: np.ndarray
    """(N, 4): x0, y0, x1, y1 in pixels of the picture."""
    scores: np.ndarray
    """(N,): 0..1."""
    keypoints: np.ndarray | None = None
    """(N, 17, 3): COCO-17 as x, y in pixels and confidence 0..1, where the detector has them. NaN
    where there is nothing."""

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class InitialBodies:
    """First bodies of P people over F frames, in the camera frame: x right, y down, z forward."""

    global_orient: np.ndarray
    """(P, F, 3): axis-angle from SMPL's rest pose into the camera frame."""
    body_pose: np.ndarray
    """(P, F, 23, 3): axis-angle of SMPL's joints 1 to 23, each relative to its parent."""
    transl: np.ndarray
    """(P, F, 3): the pelvis joint in metres (not smplx's `transl`, which is the pelvis less its
    place in the rest pose). It is where `K` projects it: a model that worked with another focal
    length f multiplies z by K[0, 0] / f."""
    valid: np.ndarray
    """(P, F) bool: where there is a body. Elsewhere the values are not read."""
    betas: np.ndarray | None = None
    """(P, 10): SMPL's, one row per person. Bodies of another shape space leave them out."""


class Detector(Protocol):
    """Finds people in pictures: RTMDet, YOLO, Mask R-CNN."""

    def detect(self, images: Sequence[Image]) -> list[FoundPeople]:
        """One `FoundPeople` for each picture (RGB)."""


class PoseEstimator(Protocol):
    """Finds the joints of people whose boxes are known: RTMPose, ViTPose."""

    layout: Layout
    """Order of the K keypoints: "coco17" or "halpe26"."""

    def estimate(self, image: Image, boxes: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "N K 3"]:
        """x, y in pixels of the picture (RGB) and confidence 0..1; NaN where a joint is absent.

        There is at least one box and all are finite.
        """


class Tracker(Protocol):
    """Says which detections are the same person: ByteTrack, OC-SORT, SAM 2."""

    def track(
        self, found: Sequence[FoundPeople], times: Float[np.ndarray, "F"]
    ) -> list[np.ndarray]:
        """For each frame the track of every detection, int (N_f,); -1 where it is nobody's.

        `times` are seconds. A track has at most one detection in a frame.
        """


class Segmenter(Protocol):
    """Finds the pixels of people whose boxes and joints are known: SAM 2."""

    def segment(
        self, image: Image, boxes: Float[np.ndarray, "N 4"], keypoints: Float[np.ndarray, "N 26 3"]
    ) -> np.ndarray:
        """Bool (N, H, W). `keypoints` are Halpe-26: x, y in pixels and confidence.

        Row n is the same person in every frame of a run. A row of NaN is a person who was not
        found in this frame, whose mask is not read.
        """


class BodyInitializer(Protocol):
    """Bodies from pictures for the fit to start from: SAM 3D Body, PromptHMR."""

    def initialize(
        self, video: VideoInfo, observations: Observations, K: Float[np.ndarray, "3 3"]
    ) -> InitialBodies:
        """Bodies of the observed people, numbered as they are; K are the intrinsics in pixels.

        Frames where a person's box is NaN need no body.
        """


def spoken(kind: Kind) -> str:
    """The kind in words."""
    return "body initialiser" if kind == "body_initializer" else kind.replace("_", " ")
