"""What is true of the people in a clip, to measure perception against: truth.npz.

A true joint has a place also where it cannot be seen; its visibility says how it is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from engine.body.joints import HALPE26
from engine.file_checks import Checks
from engine.files import FRAME_LIMIT, PERSON_LIMIT
from engine.npz import NpzArchive
from engine.structures import RunLengthMask

KIND = "a truth.npz of people in a clip"
MaskRows = tuple[tuple[RunLengthMask | None, ...], ...]


class Visibility(IntEnum):
    """How a joint can be seen in the picture."""

    OUTSIDE = 0
    """Not in the picture."""
    OCCLUDED = 1
    """Another person is in front."""
    SELF_OCCLUDED = 2
    """The person's own body is in front."""
    VISIBLE = 3
    UNKNOWN = 4
    """The truth does not know this joint in this frame."""


SCORED = (Visibility.VISIBLE, Visibility.SELF_OCCLUDED, Visibility.OCCLUDED)
"""Joints that count."""


@dataclass(frozen=True)
class PerceptionTruth:
    """The P people of a clip as they are, F frames, K keypoints (COCO-17 or Halpe-26)."""

    keypoints2d: Float[np.ndarray, "P F K 2"]
    """Pixels, also where hidden; NaN where unknown."""
    visibility: UInt8[np.ndarray, "P F K"]
    """Values of `Visibility`."""
    boxes: Float[np.ndarray, "P F 4"]
    """x0, y0, x1, y1 of the whole body in pixels, clipped to the picture; NaN where the person is
    not in it."""
    image_size: tuple[int, int]
    """(width, height) in pixels."""
    masks: MaskRows | None = None
    """masks[p][f] of what is seen of a person; None where nothing is."""

    @property
    def person_count(self) -> int:
        return int(self.keypoints2d.shape[0])

    @property
    def frame_count(self) -> int:
        return int(self.keypoints2d.shape[1])

    @property
    def scored(self) -> np.ndarray:
        """bool (P, F, K): joints with a known place inside the picture."""
        known = np.isfinite(self.keypoints2d).all(axis=-1)
        return np.asarray(np.isin(self.visibility, SCORED) & known)

    def part(self, frames: slice) -> PerceptionTruth:
        """Some of its frames."""
        return PerceptionTruth(
            self.keypoints2d[:, frames],
            self.visibility[:, frames],
            self.boxes[:, frames],
            self.image_size,
            None if self.masks is None else tuple(row[frames] for row in self.masks),
        )


def read_truth(path: Path | str) -> PerceptionTruth:
    """Read and check a truth.npz. Raises InputError with what was expected and received."""
    with NpzArchive(path, KIND) as archive:
        checks = Checks(archive, KIND)
        checks.expect_names(("keypoints2d", "visibility", "boxes", "image_size"), ("masks",))
        checks.shape("keypoints2d", ("P", "F", "K", 2), kinds="f")
        people, frames, count = archive.headers["keypoints2d"].shape[:3]
        checks.at_most("people", people, PERSON_LIMIT)
        checks.at_most("frames", frames, FRAME_LIMIT)
        checks.at_most("keypoints", count, len(HALPE26))
        width, height = (int(v) for v in checks.integers("image_size", (2,)))
        masks: MaskRows | None = None
        if "masks" in archive:
            checks.shape("masks", (people, frames, height, width), kinds="bui")
            coded = [
                RunLengthMask.encode(mask != 0) if mask.any() else None
                for mask in archive.slices("masks", axes=2)
            ]
            masks = tuple(tuple(coded[p * frames : (p + 1) * frames]) for p in range(people))
        return PerceptionTruth(
            keypoints2d=checks.floats("keypoints2d", (people, frames, count, 2), nan=True),
            visibility=checks.integers("visibility", (people, frames, count)).astype(np.uint8),
            boxes=checks.floats("boxes", (people, frames, 4), nan=True),
            image_size=(width, height),
            masks=masks,
        )


def write_truth(path: Path | str, truth: PerceptionTruth) -> None:
    """Write a truth.npz without masks, places in single precision."""
    np.savez_compressed(
        path,
        keypoints2d=truth.keypoints2d.astype(np.float32),
        visibility=truth.visibility.astype(np.uint8),
        boxes=truth.boxes.astype(np.float32),
        image_size=np.array(truth.image_size),
    )
