"""What a fit is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.body.joints import KEYPOINT_NAMES
from engine.errors import CannotFitError, InputError
from engine.perception.plugins import InitialBodies
from engine.structures import (
    BodyMotion,
    Camera,
    Constraints,
    Diagnostics,
    FocalSource,
    FrameRange,
    Observations,
    VideoInfo,
)

MINIMUM_JOINTS = 5
"""A frame with fewer confident keypoints of a person tells nothing about the body."""


@dataclass(frozen=True)
class FitProblem:
    """Observations of P people and everything that is known or was said about them."""

    observations: Observations
    """As detected: what people said of joints is put in by `solve`, which compares the two."""
    camera: Camera | None = None
    """A whole camera, in any world. None: a static camera, gravity to be estimated."""
    gravity_known: bool = True
    """Whether the camera's world is known to have y up. `solve` finds out where it is given."""
    camera_found: bool = False
    """Whether `camera` is what the fit itself found for the shots before. `solve` sets it."""
    K: np.ndarray | None = None
    """(3, 3) intrinsics where no whole camera is known. None: the focal length is assumed."""
    focal_source: FocalSource = "user"
    """Where `K` comes from; the focal length of an "assumed" one is adjusted to the people."""
    body: str = "open-body"
    constraints: Constraints = field(default_factory=Constraints)
    warm_start: BodyMotion | None = None
    """Bodies of the whole clip to start from; needed when `frames` is a part of the clip."""
    frames: FrameRange | None = None
    """The part to solve; None for the whole clip."""
    betas: np.ndarray | None = None
    """(P, B) known shapes, held fixed; None to estimate them."""
    video: VideoInfo | None = None
    """The video that the observations are of; needed by a body initialiser, which looks at it."""
    initial: InitialBodies | None = None
    """Bodies of the whole clip that stand in for the prior's; None: those of the initialiser that
    the configuration names."""
    avatars: Mapping[int, bytes] = field(default_factory=dict)
    """By person, avatars that an earlier fit learnt (`FitResult.appearance`)."""
    diagnostics: Diagnostics | None = None
    """Of the warm start, where a part of a clip is solved: kept outside that part. None: everything
    is diagnosed anew, which takes 3 ms for every frame of the clip."""


def check(problem: FitProblem) -> None:
    """Raise InputError or CannotFitError with one clear sentence if the problem cannot be posed."""
    observations = problem.observations
    people, frames, keypoints = observations.confidence.shape
    names = KEYPOINT_NAMES.get(observations.layout)
    if names is None or len(names) != keypoints:
        raise InputError(
            "The keypoints do not follow their layout",
            expected=f"{len(names) if names else 'coco17 or halpe26'} keypoints",
            received=f"{keypoints} in layout {observations.layout!r}",
        )
    if people < 1 or frames < 1:
        raise CannotFitError("There is nothing to fit", expected="people and frames")
    if frames > 1 and not (np.diff(observations.times) > 0).all():
        raise InputError("The times of the frames must increase")
    seen = (observations.confidence > 0.2).sum(axis=2) >= MINIMUM_JOINTS
    for person in range(people):
        if not seen[person].any():
            raise CannotFitError(
                f"Person {person + 1} has no frame with at least {MINIMUM_JOINTS} visible joints",
                advice="Draw a box around the person, or correct the keypoints, and detect again.",
            )
    warm = problem.warm_start
    if warm is not None and warm.transl.shape[:2] != (people, frames):
        raise InputError(
            "The bodies to start from do not match the observations",
            expected=f"{people} people, {frames} frames",
            received=f"{warm.person_count} people, {warm.frame_count} frames",
        )
    video = problem.video
    if video is not None and video.frame_count != frames:
        raise InputError(
            "The observations are not of this video",
            expected=f"{video.frame_count} frames",
            received=f"{frames}",
        )
    part = problem.frames
    if part is not None and not 0 <= part.start < part.stop <= frames:
        raise InputError(
            "The range to fit lies outside the clip",
            expected=f"0 <= start < stop <= {frames}",
            received=f"{part.start}:{part.stop}",
        )
