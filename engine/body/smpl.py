"""Linear blend skinning of SMPL-format bodies in torch (Loper et al. 2015).

Equal to smplx to rounding, and faster where one identity has many frames: a frame's vertices are
one matrix product of its joint transforms (3 x 96) with the identity's weighted rest vertices
(96 x V), so nothing of size frames x vertices exists but the result. With pose blend shapes the
rest vertices differ per frame and a blended transform per vertex is needed instead.

Axes: P persons, F frames, V vertices, K keypoints. Metres, radians; `transl` is added after
skinning. The frame is whatever `transl` and the root's rotation say.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.body.chain import chained, from_root
from engine.body.data import OPEN_BODY, BodyData, load_body_data
from engine.body.joints import KEYPOINT_NAMES
from engine.body.keypoints import keypoint_regressor, landmark_vertices
from engine.body.skinning import skin_rest_per_frame, skin_shared_rest
from engine.geometry.rotations import axis_angle_to_matrix
from engine.structures import BodyMotion, Layout


def forward_kinematics(
    rotmats: Float[Tensor, "*batch 24 3 3"], joints: Float[Tensor, "*#batch 24 3"]
) -> tuple[Float[Tensor, "*batch 24 3 3"], Float[Tensor, "*batch 24 3"]]:
    """World rotations and positions of the joints, from local rotations and rest positions.

    The root's rest position stays where it is (it rotates about itself), as in smplx.
    """
    rotations = chained(rotmats)
    return rotations, joints[..., :1, :] + from_root(rotations, joints)


@dataclass(frozen=True, eq=False)
class PosedBody:
    """Bodies in poses, before any vertex is computed: skin only what you need."""

    model: BodyModel
    betas: Float[Tensor, "P B"]
    rotmats: Float[Tensor, "P F 24 3 3"]
    transforms: Float[Tensor, "P F 24 3 4"]
    """From rest position to the posed position, translation included."""
    joints: Float[Tensor, "P F 24 3"]

    def vertices(self, subset: Int[Tensor, "S"] | None = None) -> Float[Tensor, "P F S 3"]:
        """Skinned vertices, all of them or those with the given indices."""
        model = self.model if subset is None else self.model.restricted_to(subset)
        return model.skin(self)

    def keypoints(self, layout: Layout) -> Float[Tensor, "P F K 3"]:
        """Keypoints of a layout: joints and a few skinned landmarks (see engine.body.keypoints)."""
        landmarks, regressor = self.model.landmark_model
        sources = torch.cat([self.joints, landmarks.skin(self)], -2)
        return regressor[: len(KEYPOINT_NAMES[layout])] @ sources


@dataclass(frozen=True, eq=False)
class BodyModel:
    """A body's constants as tensors of one type and device; the methods are pure functions."""

    data: BodyData
    v_template: Float[Tensor, "V 3"]
    shapedirs: Float[Tensor, "V 3 B"]
    weights: Float[Tensor, "V 24"]
    J_template: Float[Tensor, "24 3"]
    J_shapedirs: Float[Tensor, "24 3 B"]
    faces: Int[Tensor, "T 3"]
    posedirs: Float[Tensor, "207 VC"] | None = None
    """Columns ordered coordinate, vertex (the layout in which they are used)."""

    @classmethod
    def load(cls, name: str = OPEN_BODY, density: str = "7k") -> BodyModel:
        """A body by name, float32 on the CPU. Raises `WeightError` if it is missing or altered."""
        return _load(name, density)

    @classmethod
    def from_data(cls, data: BodyData) -> BodyModel:
        posedirs = None
        if data.posedirs is not None:
            by_vertex = data.posedirs.reshape(len(data.posedirs), -1, 3)
            posedirs = _tensor(by_vertex.transpose(0, 2, 1).reshape(len(by_vertex), -1))
        return cls(
            data=data,
            v_template=_tensor(data.v_template),
            shapedirs=_tensor(data.shapedirs),
            weights=_tensor(data.weights),
            J_template=_tensor(data.J_template),
            J_shapedirs=_tensor(data.J_shapedirs),
            faces=torch.from_numpy(data.faces.copy()),
            posedirs=posedirs,
        )

    def to(self, target: torch.device | torch.dtype | str) -> BodyModel:
        """The same body on a device, or in another float type."""

        def move(value: Tensor) -> Tensor:
            keeps_type = isinstance(target, torch.dtype) and not value.is_floating_point()
            return value if keeps_type else value.to(target)

        tensors: dict[str, Any] = {
            field.name: move(getattr(self, field.name))
            for field in fields(self)
            if isinstance(getattr(self, field.name), Tensor)
        }
        return replace(self, **tensors)

    @property
    def name(self) -> str:
        return self.data.name

    @property
    def parents(self) -> tuple[int, ...]:
        return self.data.parents

    @property
    def J_regressor(self) -> Float[Tensor, "24 V"]:
        """Regresses the rest joints from the rest vertices of the whole mesh."""
        return _tensor(self.data.J_regressor).to(self.v_template)

    @property
    def vertex_count(self) -> int:
        return len(self.v_template)

    def restricted_to(self, subset: Int[Tensor, "S"]) -> BodyModel:
        """The same skeleton with only these vertices (and no faces)."""
        posedirs = self.posedirs
        if posedirs is not None:
            posedirs = posedirs.unflatten(1, (3, -1))[..., subset].flatten(1)
        return replace(
            self,
            v_template=self.v_template[subset],
            shapedirs=self.shapedirs[subset],
            weights=self.weights[subset],
            faces=self.faces[:0],
            posedirs=posedirs,
        )

    @cached_property
    def landmark_model(self) -> tuple[BodyModel, Float[Tensor, "26 JL"]]:
        """The landmark vertices alone, and Halpe-26's regressor (COCO-17 is its first rows)."""
        subset = torch.tensor(landmark_vertices(self.data), device=self.v_template.device)
        regressor = torch.from_numpy(keypoint_regressor(self.data, "halpe26"))
        return self.restricted_to(subset), regressor.to(self.v_template)

    def rest(
        self, betas: Float[Tensor, "*batch B"]
    ) -> tuple[Float[Tensor, "*batch V 3"], Float[Tensor, "*batch 24 3"]]:
        """Vertices and joints of a shape in the rest pose."""
        return self.rest_vertices(betas), self.rest_joints(betas)

    def rest_vertices(self, betas: Float[Tensor, "*batch B"]) -> Float[Tensor, "*batch V 3"]:
        return self.v_template + _blend(self.shapedirs, betas)

    def rest_joints(self, betas: Float[Tensor, "*batch B"]) -> Float[Tensor, "*batch 24 3"]:
        return self.J_template + _blend(self.J_shapedirs, betas)

    def pose(
        self,
        betas: Float[Tensor, "P B"],
        rotmats: Float[Tensor, "P F 24 3 3"],
        transl: Float[Tensor, "P F 3"],
    ) -> PosedBody:
        """Walk the joint tree. `rotmats` are local rotations, the root's first."""
        rest = self.rest_joints(betas)[:, None]
        rotations, joints = forward_kinematics(rotmats, rest)
        joints = joints + transl[..., None, :]
        offsets = joints[..., None] - rotations @ rest[..., None]
        transforms = torch.cat([rotations, offsets], -1)
        return PosedBody(self, betas, rotmats, transforms, joints)

    def pose_of(self, motion: BodyMotion) -> PosedBody:
        """The bodies of a motion, in the motion's own frame."""
        pose = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)
        return self.pose(
            _tensor(motion.betas), axis_angle_to_matrix(_tensor(pose)), _tensor(motion.transl)
        )

    def joints(
        self,
        betas: Float[Tensor, "P B"],
        rotmats: Float[Tensor, "P F 24 3 3"],
        transl: Float[Tensor, "P F 3"],
    ) -> Float[Tensor, "P F 24 3"]:
        return self.pose(betas, rotmats, transl).joints

    def vertices(
        self,
        betas: Float[Tensor, "P B"],
        rotmats: Float[Tensor, "P F 24 3 3"],
        transl: Float[Tensor, "P F 3"],
        subset: Int[Tensor, "S"] | None = None,
    ) -> Float[Tensor, "P F S 3"]:
        return self.pose(betas, rotmats, transl).vertices(subset)

    def keypoints(
        self,
        betas: Float[Tensor, "P B"],
        rotmats: Float[Tensor, "P F 24 3 3"],
        transl: Float[Tensor, "P F 3"],
        layout: Layout = "halpe26",
    ) -> Float[Tensor, "P F K 3"]:
        return self.pose(betas, rotmats, transl).keypoints(layout)

    def skin(self, posed: PosedBody) -> Float[Tensor, "P F V 3"]:
        """This model's vertices in a pose (of this body, or of one it was restricted from)."""
        rest = self.rest_vertices(posed.betas).mT
        if self.posedirs is None:
            return skin_shared_rest(self.weights, rest, posed.transforms)
        feature = posed.rotmats[..., 1:, :, :] - torch.eye(3).to(posed.rotmats)
        correction = (feature.flatten(-3) @ self.posedirs).unflatten(-1, (3, -1))
        return skin_rest_per_frame(self.weights, rest[:, None] + correction, posed.transforms)


def _blend(directions: Tensor, betas: Tensor) -> Tensor:
    """directions (N, 3, B) times betas (..., b), b <= B: the change of N points."""
    used = directions[..., : betas.shape[-1]]
    return (betas @ used.flatten(0, 1).T).reshape(*betas.shape[:-1], -1, 3)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.tensor(array, dtype=torch.float32)


@lru_cache(maxsize=8)
def _load(name: str, density: str) -> BodyModel:
    return BodyModel.from_data(load_body_data(name, density))
