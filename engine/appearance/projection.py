"""Gaussians before cameras, and where they are seen: EWA splatting of isotropic Gaussians.

Zwicker et al., EWA Volume Splatting (2001), in the form and with the limits of gsplat 1.5 (Ye et
al. 2025), so that all backends draw the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

NEAR = 0.01
"""Metres before the camera's plane from which a Gaussian is drawn."""
BLUR = 0.3
"""Pixels squared, added to the variance of every splat: none is narrower than a pixel."""
ALPHA_MIN = 1 / 255
"""Less than this is not drawn."""
ALPHA_MAX = 0.999
TRANSMITTANCE_MIN = 1e-4
"""A Gaussian that would leave less than this of what is behind it ends the pixel, undrawn."""
MARGIN = 0.3
"""Share of the half picture beyond its edge up to which the perspective is linearised in place."""
EXTENT = 3.33
"""Standard deviations beyond which nothing is drawn: at opacity 1 alpha is under ALPHA_MIN."""


@dataclass(frozen=True)
class Scene:
    """B pictures of N isotropic Gaussians with C channels, as `rasterize` hands them to a backend.

    All of one floating type on one device; finite, Ks without skew, opacities in 0..1.
    """

    means: Float[Tensor, "B N 3"]
    """Metres in each picture's camera (x right, y down, z forward)."""
    scales: Float[Tensor, "B N"]
    """Standard deviation, metres."""
    opacities: Float[Tensor, "N"]
    colors: Float[Tensor, "N C"]
    Ks: Float[Tensor, "B 3 3"]
    width: int
    height: int


@dataclass(frozen=True)
class Splats:
    """Gaussians on the picture."""

    means2d: Float[Tensor, "B N 2"]
    """Pixels; (0.5, 0.5) is the middle of the first."""
    conics: Float[Tensor, "B N 3"]
    """Inverse of the covariance, 1 / px²: xx, xy, yy."""
    depths: Float[Tensor, "B N"]
    """Metres along the view."""
    radii: Float[Tensor, "B N 2"]
    """Whole pixels along x and y beyond which nothing is drawn; 0, 0 for what is not drawn at all.
    Without gradient."""


def project(scene: Scene) -> Splats:
    """The splat of each Gaussian; differentiable but for the radii.

    With u = x / z and v = y / z, the perspective at a mean takes an isotropic variance s² to
    s² / z² [[fx² (1 + u²), fx fy u v], [fx fy u v, fy² (1 + v²)]], u and v kept near the picture.
    """
    x, y, z = scene.means.unbind(-1)
    before = z >= NEAR
    z = torch.where(before, z, 1.0)  # what is not drawn has no gradient either
    fx, fy = scene.Ks[:, 0, 0, None], scene.Ks[:, 1, 1, None]
    cx, cy = scene.Ks[:, 0, 2, None], scene.Ks[:, 1, 2, None]
    means2d = torch.stack([fx * x / z + cx, fy * y / z + cy], dim=-1)
    u = _near_picture(x / z, (cx / fx, scene.width / fx))
    v = _near_picture(y / z, (cy / fy, scene.height / fy))
    along_x, along_y = fx * scene.scales / z, fy * scene.scales / z
    xx = along_x.square() * (1 + u.square()) + BLUR
    yy = along_y.square() * (1 + v.square()) + BLUR
    xy = along_x * along_y * u * v
    # Written out: as xx yy - xy² it would lose all digits of a large splat at the edge.
    determinant = (along_x * along_y).square() * (1 + u.square() + v.square()) + BLUR * (
        xx + yy - BLUR
    )
    conics = torch.stack([yy, -xy, xx], dim=-1) / determinant[..., None]
    radii = _radii(scene.opacities, torch.stack([xx, yy], dim=-1))
    return Splats(means2d, conics, scene.means[..., 2], radii * before[..., None])


def _near_picture(
    slope: Float[Tensor, "B N"], edges: tuple[Float[Tensor, "B 1"], Float[Tensor, "B 1"]]
) -> Float[Tensor, "B N"]:
    """The slope of a ray, kept within the picture and a margin; `edges` are centre and size."""
    centre, size = edges
    beyond = MARGIN * size / 2
    return slope.clamp(-centre - beyond, size - centre + beyond)


@torch.no_grad()
def _radii(
    opacities: Float[Tensor, "N"], variances: Float[Tensor, "B N 2"]
) -> Float[Tensor, "B N 2"]:
    """Half sizes of the box in which alpha reaches ALPHA_MIN (Radl et al. 2024, appendix B.2)."""
    seen = opacities >= ALPHA_MIN
    reach = torch.sqrt(2 * torch.log(opacities.clamp_min(ALPHA_MIN) / ALPHA_MIN))
    reach = torch.where(seen, reach.clamp_max(EXTENT), 0.0)
    return torch.ceil(reach[:, None] * variances.sqrt())
