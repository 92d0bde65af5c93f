"""Cameras before moving people: near and far, from above and below, tilted, cut by the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from engine.geometry.rotations import axis_angle_to_matrix
from engine.prior.dataset import WorldWindows
from engine.prior.timing import uniform

NEAREST = 0.8
"""Metres before the camera that nobody's pelvis comes closer than."""
WIDEST = 0.7
"""Least focal length over the longer side of the picture."""
FRAMED = 0.6
"""Share of windows whose camera was set up to have everybody in the picture."""
_LIMBS = 0.9
"""Metres that head and feet are from the pelvis."""


@dataclass(frozen=True)
class Views:
    """One camera for each of B windows."""

    rotation: Float[Tensor, "B 3 3"]
    """From the world (y up) to the camera (OpenCV axes)."""
    translation: Float[Tensor, "B 3"]
    focal: Float[Tensor, "B"]
    """Focal length over the longer side of the picture."""
    half: Float[Tensor, "B 2"]
    """Half the picture as rays: |x / z| and |y / z| at its border."""

    def see(self, points: Float[Tensor, "B *rest 3"]) -> Float[Tensor, "B *rest 3"]:
        """World to camera."""
        count = len(points)
        turned = points.reshape(count, -1, 3) @ self.rotation.mT + self.translation[:, None]
        return turned.reshape(points.shape)


def draw_views(windows: WorldWindows, generator: torch.Generator) -> Views:
    """Cameras that look past the middle of the people in the middle of the window.

    Distance 2 to 8 m (more where somebody would come too close), camera 0.3 to 3.2 m high (or, for
    a third, anywhere from 14 degrees below to 52 above the people), roll up to 28 degrees, focal
    0.7 to 2 sides. Most look at the middle through a lens that has everybody in the picture where a
    lens can; the others look past it and cut somebody off more often.
    """
    count = len(windows.pelvis)
    middle = windows.pelvis[:, :, windows.pelvis.shape[2] // 2].mean(1)
    distance = uniform((count,), np.log(2.0), np.log(8.0), generator).exp()
    focal = uniform((count,), np.log(WIDEST), np.log(2.0), generator).exp()
    framed = torch.rand(count, generator=generator) < FRAMED
    reach = (windows.pelvis - middle[:, None, None]).norm(dim=-1).amax((1, 2)) + _LIMBS
    fitting = (0.4 * distance / reach).clamp_min(WIDEST)
    focal = torch.where(framed, torch.minimum(focal, fitting), focal)
    shapes = torch.tensor([[0.5, 0.28], [0.28, 0.5], [0.5, 0.375], [0.5, 0.5]])
    half = shapes[torch.randint(4, (count,), generator=generator)] / focal[:, None]
    aside = torch.where(framed, 0.25, 0.7)[:, None]
    offset = (torch.rand(count, 2, generator=generator) * 2 - 1) * half * aside
    elevation = _elevation(middle[:, 1], distance, generator)
    roll, pitch = torch.zeros(count, 3), torch.zeros(count, 3)
    pitch[:, 0] = (elevation - offset[:, 1].atan()).clamp(-0.35, 0.95)
    tilted = torch.rand(count, generator=generator) < 0.4
    wide = uniform((count,), -0.5, 0.5, generator)
    roll[:, 2] = torch.where(tilted, wide, torch.randn(count, generator=generator) * 0.06)
    turn = axis_angle_to_matrix(roll)
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    rotation = turn @ axis_angle_to_matrix(pitch) @ upright
    ray = F.normalize(F.pad(offset, (0, 1), value=1.0), dim=-1)
    ray = (turn @ ray[..., None])[..., 0]
    around = (windows.pelvis - middle[:, None, None]).flatten(1, 2) @ rotation.mT
    nearest = around[..., 2].amin(1)
    distance = torch.maximum(distance, (NEAREST - nearest) / ray[:, 2])
    translation = ray * distance[:, None] - (rotation @ middle[..., None])[..., 0]
    return Views(rotation, translation, focal, half)


def _elevation(
    height: Float[Tensor, "B"], distance: Float[Tensor, "B"], generator: torch.Generator
) -> Float[Tensor, "B"]:
    """Radians by which cameras are above what they look at."""
    count = len(height)
    camera = uniform((count,), 0.3, 3.2, generator)
    elevation = ((camera - height.clamp(0.2, 1.3)) / distance).clamp(-0.5, 0.95).asin()
    steep = torch.rand(count, generator=generator) < 0.3
    return torch.where(steep, uniform((count,), -0.25, 0.9, generator), elevation)
