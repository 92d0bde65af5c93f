"""What the prior says of the keypoints of a fit, beside the fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.joints import SMPL_PARENTS
from engine.body.smpl import BodyModel
from engine.fit.evidence import DEVIATION_PER_METRE, NEAR_DEVIATION
from engine.fit.window import cut, shots_apart
from engine.perception.initialization import Start3D, initialize, with_shapes
from engine.structures import Camera, Constraints, FrameRange, Observations

LIMBS = 4, 5, 7, 8, 18, 19, 20, 21
"""Knees, ankles, elbows, wrists: ends of the bones that a camera sees mirrored in depth."""


@dataclass(frozen=True)
class SecondLook:
    """The bodies of the prior in the shapes of the fit, camera frame, metres."""

    joints: Float[np.ndarray, "P F 24 3"]
    variance: Float[np.ndarray, "P F 24"]
    """Expected squared error of each rotation, rad^2."""
    rotmats: Float[np.ndarray, "P F 24 3 3"]
    """Relative to the parents; the root's in the camera frame."""
    together: bool
    """Whether the people were seen together, so that what lies between them says something."""

    def deviations(self, rotmats: Float[np.ndarray, "P F 24 3 3"]) -> Float[np.ndarray, "P F 24"]:
        """How far rotations are from the prior's, in its standard deviations."""
        squared = 0.5 * np.square(rotmats - self.rotmats).sum(axis=(-1, -2))
        return np.asarray(np.sqrt(squared / self.variance))

    def spread(self) -> Float[np.ndarray, "P F 24"]:
        """Metres by which joints are expected to be off because rotations are: the variance of a
        bone's direction adds up along the chain from the pelvis."""
        total = np.zeros(self.joints.shape[:3])
        for joint, parent in enumerate(SMPL_PARENTS):
            if parent >= 0:
                bone = np.square(self.joints[:, :, joint] - self.joints[:, :, parent]).sum(-1)
                total[:, :, joint] = total[:, :, parent] + bone * self.variance[:, :, parent]
        return np.asarray(np.sqrt(total))


CONTEXT = 16
"""Frames on each side of a part of a clip that the prior is shown as well."""


def look_in(
    observations: Observations,
    constraints: Constraints,
    camera: Camera,
    body: BodyModel,
    betas: Float[Tensor, "P B"],
    part: FrameRange,
) -> SecondLook | None:
    """`second_look` at a part of a clip; elsewhere NaN."""
    count = observations.frame_count
    shown = FrameRange(max(0, part.start - CONTEXT), min(count, part.stop + CONTEXT))
    found = second_look(cut(observations, shown), constraints, camera, body, betas)
    if found is None:
        return None
    inner = slice(part.start - shown.start, part.stop - shown.start)

    def whole(values: np.ndarray) -> np.ndarray:
        result = np.full((len(values), count, *values.shape[2:]), np.nan)
        result[:, part.as_slice()] = values[:, inner]
        return result

    return replace(
        found,
        joints=whole(found.joints),
        variance=whole(found.variance),
        rotmats=whole(found.rotmats),
    )


def second_look(
    observations: Observations,
    constraints: Constraints,
    camera: Camera,
    body: BodyModel,
    betas: Float[Tensor, "P B"],
) -> SecondLook | None:
    """What the prior says of undistorted keypoints; None without its weights.

    The optimisation does not enter, nor what people said but for their heights.
    """
    seen = shots_apart(observations)
    first = initialize(seen, camera.K, body, heights=constraints.heights)
    if len(first.facings) > 1:  # guessed, not seen
        return None
    first = with_shapes(first, body, betas)
    return SecondLook(
        joints=_joints(first, body),
        variance=np.maximum(first.variance.numpy().astype(np.float64), 1e-4),
        rotmats=first.rotmats.numpy().astype(np.float64),
        together=first.seen_together is not None,
    )


@torch.no_grad()
def _joints(first: Start3D, body: BodyModel) -> Float[np.ndarray, "P F 24 3"]:
    transl = first.pelvis - body.rest_joints(first.betas)[:, None, 0]
    posed = body.pose(first.betas, first.rotmats, transl)
    return posed.joints.numpy().astype(np.float64)


def offset_deviation(metres: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Standard deviation of the prior's depth between two people so many metres apart."""
    return NEAR_DEVIATION + DEVIATION_PER_METRE * metres
