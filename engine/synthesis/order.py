"""What is asked of a synthetic clip, and random numbers that follow from it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.structures import FrameRange
from engine.synthesis.cameras import CameraOrder
from engine.synthesis.scenery import SceneryKind

OTHERS_LIMIT = 6
FPS_LIMITS = 1.0, 240.0
KEY_POSE_LIMIT = 60.0


@dataclass(frozen=True)
class SynthesisOrder:
    """What clip to make. The same order gives the same files."""

    motion: Path
    out: Path | None = None
    """The folder of the clip; a case that is not drawn needs none."""
    seed: int = 0
    frames: FrameRange | None = None
    """Frames of the motion; None is all of them."""
    fps: float | None = None
    """Frames a second of the clip, whose motion stays as fast as it is; None is the motion's own
    rate, and 30 for key poses."""
    key_pose_seconds: float | None = None
    """From one frame of the motion to the next, for key poses whose timing says nothing; None is
    what the motion's own rate says."""
    variable_rate: bool = False
    """Frames come as irregularly as from a phone: engine.synthesis.timing."""
    camera: CameraOrder = field(default_factory=CameraOrder)
    scenery: SceneryKind | None = None
    """None: any but a picture."""
    picture: Path | None = None
    """A photograph without people to put behind them."""
    similar: bool = False
    """All people wear the same clothes."""
    shape_residual: bool | None = None
    """Skins differ beyond the ten shape components. None: yes, but not those of prepared or fitted
    people, who touch as they are."""
    separate: bool = True
    """Take the bodies out of each other; False leaves them as captured."""
    others: int = 0
    """Passers-by, whom the clip is not about."""
    others_motion: Path | None = None
    """How they move: windows of this motion, drawn at random."""
    leaving: bool = False
    """The last person walks out of the picture and comes back."""
    cut: bool = False
    """From mid clip on another camera films."""
    vertices: bool = False
    """truth.npz holds the bodies' vertices too."""
    crf: int | None = None
    """H.264's quality, 0 (lossless) to 51; None is drawn between 18 and 28."""

    def check(self) -> None:
        """Raises InputError for an order that cannot be met."""
        self.camera.check()
        if not 0 <= self.others <= OTHERS_LIMIT:
            raise InputError(
                "So many passers-by are not drawn",
                expected=f"0 to {OTHERS_LIMIT}",
                received=str(self.others),
            )
        if self.others and self.others_motion is None:
            raise InputError("Passers-by need a motion", advice="Give one with --others-motion.")
        if self.fps is not None and not FPS_LIMITS[0] <= self.fps <= FPS_LIMITS[1]:
            raise InputError(
                "No clip is made at this rate",
                expected=f"{FPS_LIMITS[0]:g} to {FPS_LIMITS[1]:g} frames a second",
                received=f"{self.fps:g}",
            )
        if self.key_pose_seconds is not None and not 0 < self.key_pose_seconds <= KEY_POSE_LIMIT:
            raise InputError(
                "Key poses do not follow each other at this pace",
                expected=f"more than 0 and at most {KEY_POSE_LIMIT:g} seconds",
                received=f"{self.key_pose_seconds:g}",
            )
        if self.seed < 0:
            raise InputError("A seed is not negative", received=str(self.seed))

    def generator(self, purpose: str) -> np.random.Generator:
        """Random numbers of one purpose: what another one draws does not change them."""
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])


@dataclass(frozen=True)
class SynthesisProgress:
    stage: str
    fraction: float
    remaining_seconds: float | None = None
