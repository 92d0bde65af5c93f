"""Motion that was never recorded: the same windows turned, mirrored, bent, of other people."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.body.joints import SMPL_JOINTS, mirrored
from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix
from engine.prior.dataset import WorldWindows
from engine.prior.skeleton import chained, relative
from engine.prior.timing import uniform

_JOINT_MIRROR = list(mirrored(SMPL_JOINTS))
_ARMS = torch.tensor(
    [
        any(part in name for part in ("collar", "shoulder", "elbow", "wrist", "hand"))
        for name in SMPL_JOINTS
    ]
)
_ROOT_BEND = 1.5
"""How much more the whole body leans than a joint bends."""


@dataclass(frozen=True)
class Augmentation:
    """How far motion is changed. Radians; shapes in standard deviations."""

    bend: float = 0.07
    """Standard deviation of a joint's bend over a whole window, of people alone."""
    paired_bend: float = 0.02
    """The same of people together, so that they stay in contact."""
    bent: float = 0.6
    """Share of windows that are bent."""
    other_arms: float = 0.3
    """Share of windows of people alone that get the arms of another window."""
    build: float = 0.7
    """Standard deviation of a change of shape that people together share; the motion grows with
    them, which keeps their contact."""
    own_build: float = 0.3
    """Of the change that each of them has alone. People alone get any shape."""


def augment(
    windows: WorldWindows, generator: torch.Generator, changes: Augmentation | None = None
) -> WorldWindows:
    """Exchange the people, mirror, turn about the vertical, bend, and give them other shapes."""
    changes = changes or Augmentation()
    windows = _bent(_mixed(windows, generator), generator, changes)
    windows = _shaped(windows, generator, changes)
    chosen = torch.nonzero(torch.rand(len(windows.pelvis), generator=generator) < 0.5)[:, 0]
    flipped = mirror(windows.select(lambda value: value[chosen]))
    return _turned(
        replace(
            windows,
            rotations=windows.rotations.index_copy(0, chosen, flipped.rotations),
            pelvis=windows.pelvis.index_copy(0, chosen, flipped.pelvis),
        ),
        generator,
    )


def mirror(windows: WorldWindows) -> WorldWindows:
    """The same motion with x -> -x and left and right joints exchanged."""
    flip = torch.tensor([-1.0, 1.0, 1.0])
    signs = flip[:, None] * flip
    return replace(
        windows,
        rotations=windows.rotations[..., _JOINT_MIRROR, :, :] * signs,
        pelvis=windows.pelvis * flip,
    )


def _mixed(windows: WorldWindows, generator: torch.Generator) -> WorldWindows:
    """People in any order."""
    batch, people = windows.pelvis.shape[:2]
    order = torch.rand(batch, people, generator=generator).argsort(1)
    rows = torch.arange(batch)[:, None]
    return replace(
        windows,
        rotations=windows.rotations[rows, order],
        pelvis=windows.pelvis[rows, order],
        betas=windows.betas[rows, order],
    )


def _bent(windows: WorldWindows, generator: torch.Generator, changes: Augmentation) -> WorldWindows:
    """Joints bent by the same for the whole window; people alone also with others' arms."""
    batch, people = windows.pelvis.shape[:2]
    local = relative(windows.rotations)
    if people == 1:
        other = torch.randperm(batch, generator=generator)
        taken = torch.rand(batch, generator=generator) < changes.other_arms
        taken = taken.view(-1, 1, 1, 1, 1, 1) & _ARMS[:, None, None]
        local = torch.where(taken, local[other], local)
    size = changes.bend if people == 1 else changes.paired_bend
    bend = torch.randn(batch, people, 1, 24, 3, generator=generator) * size
    if people == 1:
        bend[..., 0, :] *= _ROOT_BEND
    else:
        # A lean of one alone would take the two apart.
        bend[..., 0, :] = 0
    bend = bend * (torch.rand(batch, 1, 1, 1, 1, generator=generator) < changes.bent)
    return replace(windows, rotations=chained(local @ axis_angle_to_matrix(bend)))


def _shaped(
    windows: WorldWindows, generator: torch.Generator, changes: Augmentation
) -> WorldWindows:
    betas = windows.betas
    if betas.shape[1] == 1:
        return replace(windows, betas=torch.randn(betas.shape, generator=generator))
    shared = torch.randn(len(betas), 1, betas.shape[2], generator=generator) * changes.build
    own = torch.randn(betas.shape, generator=generator) * changes.own_build
    # Shapes further out than any adult's would come of shapes that are extreme already.
    new = (betas + shared + own).clamp(-3, 3)
    growth = (_size(new) / _size(betas)).mean(1)
    return replace(windows, betas=new, pelvis=windows.pelvis * growth[:, None, None, None])


def _size(betas: Tensor) -> Tensor:
    """Metres from the pelvis down to the ankles and up to the head, standing upright."""
    rest = BodyModel.load(density="1k2").rest_joints(betas)
    height = rest[..., 1]
    ankles = height[..., [SMPL_JOINTS.index("left_ankle"), SMPL_JOINTS.index("right_ankle")]]
    return height[..., SMPL_JOINTS.index("head")] - ankles.mean(-1)


def _turned(windows: WorldWindows, generator: torch.Generator) -> WorldWindows:
    yaw = torch.zeros(len(windows.pelvis), 3)
    yaw[:, 1] = uniform((len(yaw),), -np.pi, np.pi, generator)
    heading = axis_angle_to_matrix(yaw)
    return replace(
        windows,
        rotations=heading[:, None, None, None] @ windows.rotations,
        pelvis=windows.pelvis @ heading[:, None].mT,
    )
