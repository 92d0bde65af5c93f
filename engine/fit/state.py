"""The tensors that a fit moves, and how they become bodies.

Everything is held in the anchor frame: the camera's own frame for a static camera, the given
world for a camera that moves. Rotations are 6D (Zhou et al. 2019), which has no flips at pi. A
body is placed by the viewing ray of its pelvis and the logarithm of its depth, because 2D fixes
the ray well and the depth badly, and an optimiser should see the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.body.smpl import BodyModel, PosedBody
from engine.geometry.rotations import sixd_to_matrix


@dataclass(frozen=True)
class FitState:
    """What the solver may move."""

    betas: Float[Tensor, "P B"]
    rotation: Float[Tensor, "P F 24 6"]
    """6D rotations in the camera frame of the frame (root) and of the parent joint (others)."""
    placement: Float[Tensor, "P F 3"]
    """x/z, y/z and log z of the pelvis in the camera frame of the frame, at the first focal length.

    At `log_focal` s, x/z and y/z shrink by e^s and z grows by e^s: the image stays what it is.
    """
    log_focal: Float[Tensor, ""]
    """Logarithm of the focal length over the one that the fit began with."""
    up: Float[Tensor, "3"]
    """Direction against gravity in the anchor frame; normalised where it is used."""
    floor: Float[Tensor, ""]
    """Height of the anchor frame's origin above the floor, metres."""


SCALE: dict[str, Tensor] = {
    "betas": torch.tensor(0.5),
    "rotation": torch.tensor(0.1),
    "placement": torch.tensor([0.02, 0.02, 0.04]),
    "log_focal": torch.tensor(0.05),
    "up": torch.tensor(0.05),
    "floor": torch.tensor(0.05),
}
"""An optimiser's unit step in each parameter, so that it is equally bold in all."""


@dataclass(frozen=True)
class Anchor:
    """Per-frame transform from the camera to the anchor frame; None when they are the same."""

    rotation: Float[Tensor, "F 3 3"] | None = None
    translation: Float[Tensor, "F 3"] | None = None

    def __call__(self, points: Float[Tensor, "P F N 3"]) -> Float[Tensor, "P F N 3"]:
        if self.rotation is None or self.translation is None:
            return points
        return torch.einsum("fij,pfnj->pfni", self.rotation, points) + self.translation[:, None]

    def directions(self, direction: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
        """A direction that is the same in every camera frame, as the anchor has it on average."""
        if self.rotation is None:
            return direction
        turned: Tensor = (self.rotation @ direction).mean(0)
        unit: Tensor = turned / turned.norm()
        return unit


@dataclass(frozen=True)
class Posed:
    """What the terms look at."""

    body: PosedBody
    """In the camera frame of each frame."""
    transl: Float[Tensor, "P F 3"]
    """Camera frame, metres."""
    keypoints_camera: Float[Tensor, "P F K 3"]
    joints: Float[Tensor, "P F 24 3"]
    """Anchor frame, metres."""
    keypoints: Float[Tensor, "P F K 3"]
    up: Float[Tensor, "3"]
    floor: Float[Tensor, ""]
    log_focal: Float[Tensor, ""]
    rotation: Float[Tensor, "P F 24 6"]
    anchor: Anchor

    @property
    def forward(self) -> Float[Tensor, "P F 3"]:
        """Where each pelvis faces in the anchor frame: its own z axis, a unit vector."""
        pelvis = self.body.joints[:, :, :1]
        ahead = self.anchor(pelvis + self.rotmats[:, :, :1, :, 2]) - self.anchor(pelvis)
        return ahead[:, :, 0]

    @property
    def rotmats(self) -> Float[Tensor, "P F 24 3 3"]:
        return self.body.rotmats

    @property
    def betas(self) -> Float[Tensor, "P B"]:
        return self.body.betas

    def surfaces(
        self, frames: Int[Tensor, "S"], part: BodyModel | None = None
    ) -> Float[Tensor, "P S V 3"]:
        """Vertices at some of the frames (of a part of the body), camera frame, metres."""
        body = self.body
        some = replace(
            body,
            rotmats=body.rotmats[:, frames],
            transforms=body.transforms[:, frames],
            joints=body.joints[:, frames],
        )
        return (part or body.model).skin(some)


def detached(state: FitState) -> FitState:
    """The same values without their gradients."""
    return replace(state, **{f.name: getattr(state, f.name).detach() for f in fields(state)})


def scaled(state: FitState) -> dict[str, Tensor]:
    """The state as the leaf tensors that an optimiser moves (values divided by SCALE)."""
    values = {f.name: getattr(state, f.name) for f in fields(FitState)}
    return {name: (v / SCALE[name].to(v)).detach().clone() for name, v in values.items()}


def unscaled(parameters: dict[str, Tensor]) -> FitState:
    return FitState(**{name: value * SCALE[name].to(value) for name, value in parameters.items()})


def pose(state: FitState, body: BodyModel, anchor: Anchor) -> Posed:
    """Forward kinematics of both people."""
    rotmats = sixd_to_matrix(state.rotation)
    zoom = state.log_focal.exp()
    depth = state.placement[..., 2:].exp()
    pelvis = torch.cat([state.placement[..., :2] * depth, depth * zoom], dim=-1)
    rest = body.rest_joints(state.betas)
    transl = pelvis - rest[:, None, 0]
    posed = body.pose(state.betas, rotmats, transl)
    keypoints = posed.keypoints("halpe26")
    return Posed(
        body=posed,
        transl=transl,
        keypoints_camera=keypoints,
        joints=anchor(posed.joints),
        keypoints=anchor(keypoints),
        up=state.up / state.up.norm(),
        floor=state.floor,
        log_focal=state.log_focal,
        rotation=state.rotation,
        anchor=anchor,
    )


def people(state: FitState, index: Tensor) -> FitState:
    """The state of some of the people (or the same one several times, as hypotheses)."""
    return replace(
        state,
        betas=state.betas[index],
        rotation=state.rotation[index],
        placement=state.placement[index],
    )


def free_masks(
    state: FitState, movable: Bool[Tensor, "F"], *, shape: bool, up: bool, floor: bool, focal: bool
) -> dict[str, Tensor]:
    """1 where the optimiser may move a parameter, 0 where it is held."""
    frames = movable.to(state.placement.dtype)
    return {
        "betas": torch.full_like(state.betas, float(shape)),
        "rotation": frames[:, None, None].expand_as(state.rotation),
        "placement": frames[:, None].expand_as(state.placement),
        "log_focal": torch.full_like(state.log_focal, float(focal)),
        "up": torch.full_like(state.up, float(up)),
        "floor": torch.full_like(state.floor, float(floor)),
    }
