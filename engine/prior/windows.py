"""Windows of motion and what is seen of them: what crosses the borders inside the prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.joints import HALPE26, SMPL_JOINTS, mirrored
from engine.prior.skeleton import relative

RATE = 30.0
"""Frames per second that the prior sees, whatever the video's rate."""
KEYPOINT_COUNT = 26
"""Of Halpe-26."""
_JOINT_MIRROR, _KEYPOINT_MIRROR = list(mirrored(SMPL_JOINTS)), list(mirrored(HALPE26))
_FLIP = torch.tensor([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class PairWindows:
    """B windows of F frames at `RATE` of P people before one camera (OpenCV axes), metres."""

    rotations: Float[Tensor, "B P F 24 3 3"]
    """Of every joint in the camera's frame. What an image shows of a limb is its direction in the
    camera, so that is learnt; `local_rotations` are relative to the parents."""
    pelvis: Float[Tensor, "B P F 3"]
    """The pelvis joint."""
    betas: Float[Tensor, "B P 10"]
    up: Float[Tensor, "B 3"]
    """Unit vector against gravity."""

    @property
    def local_rotations(self) -> Float[Tensor, "B P F 24 3 3"]:
        """Relative to the parents; the root's in the camera's frame."""
        return relative(self.rotations)

    def turned(self, rotation: Float[Tensor, "B 3 3"]) -> PairWindows:
        """The same seen from a camera turned about its centre: v -> rotation @ v."""
        return PairWindows(
            rotation[:, None, None, None] @ self.rotations,
            self.pelvis @ rotation[:, None].mT,
            self.betas,
            (rotation @ self.up[..., None])[..., 0],
        )

    def mirrored(self) -> PairWindows:
        """The same motion in a mirror (x -> -x), left and right joints exchanged."""
        flip = _FLIP.to(self.pelvis)
        return PairWindows(
            self.rotations[..., _JOINT_MIRROR, :, :] * flip[:, None] * flip,
            self.pelvis * flip,
            self.betas,
            self.up * flip,
        )

    def select(self, pick: Callable[[Tensor], Tensor]) -> PairWindows:
        """`pick` done to every tensor: windows chosen, say, by `lambda v: v[index]`."""
        return PairWindows(pick(self.rotations), pick(self.pelvis), pick(self.betas), pick(self.up))


@dataclass(frozen=True)
class Seen:
    """2D keypoints (Halpe-26) of P people in B windows, as rays of the camera."""

    rays: Float[Tensor, "B P F 26 2"]
    """(x / z, y / z); 0 where missing."""
    confidence: Float[Tensor, "B P F 26"]
    """0 to 1; 0 where missing."""

    @classmethod
    def nothing(
        cls, count: int, people: int, frames: int, device: torch.device | None = None
    ) -> Seen:
        """Nobody is seen."""
        shape = count, people, frames, KEYPOINT_COUNT
        return cls(torch.zeros(*shape, 2, device=device), torch.zeros(shape, device=device))

    def mirrored(self) -> Seen:
        """What is seen in a mirror (x -> -x), left and right keypoints exchanged."""
        return Seen(
            self.rays[..., _KEYPOINT_MIRROR, :] * _FLIP[:2].to(self.rays),
            self.confidence[..., _KEYPOINT_MIRROR],
        )
