"""Gaussians anchored on the surface of bodies: where they are rests on the motion alone.

Every vertex of a body of one density carries one Gaussian. Its offset is added in the rest pose,
along the rest pose's axes, and is skinned with the body, so that clothes follow limbs. Besides
colour each Gaussian has an identity, one channel per person, which nothing can learn: what is
rendered there says who is seen where.

Axes: P persons, S pictures, N Gaussians of one person. Metres, camera frame of each picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.appearance.rasterizer import Rendered, rasterize
from engine.body.skinning import skin_rest_per_frame, skin_shared_rest
from engine.body.smpl import BodyModel, PosedBody
from engine.device import on

COLORS = 3
"""Channels before those of identity."""


@dataclass(frozen=True, eq=False)
class Anchors:
    """Places on a body's surface that carry a Gaussian each."""

    model: BodyModel
    place: Float[Tensor, "N 3"]
    """Rest positions of the mean shape, each axis of the body scaled to -1..1."""
    spacing: Float[Tensor, "N"]
    """Metres: mean length of the edges that meet there."""

    @classmethod
    def load(cls, body: str, density: str, device: torch.device | str = "cpu") -> Anchors:
        """Of a body by name. Raises WeightError where there is none."""
        return _load(body, density, str(device))

    def __len__(self) -> int:
        return len(self.place)

    def skin(
        self, posed: PosedBody, offsets: Float[Tensor, "P N 3"], frames: Int[Tensor, "S"]
    ) -> Float[Tensor, "P S N 3"]:
        """Centres of the Gaussians at some frames, in the frame that the bodies are in."""
        rest = (self.model.rest_vertices(posed.betas) + offsets).mT
        transforms = posed.transforms[:, frames]
        if self.model.posedirs is None:
            return skin_shared_rest(self.model.weights, rest, transforms)
        turned = posed.rotmats[:, frames, 1:]
        feature = (turned - torch.eye(3).to(turned)).flatten(-3)
        correction = (feature @ self.model.posedirs).unflatten(-1, (3, -1))
        return skin_rest_per_frame(self.model.weights, rest[:, None] + correction, transforms)


@dataclass(frozen=True)
class Gaussians:
    """What the avatars of P people look like, wherever their bodies are."""

    offsets: Float[Tensor, "P N 3"]
    """Metres, rest pose."""
    scales: Float[Tensor, "P N"]
    """Standard deviations in metres."""
    opacities: Float[Tensor, "P N"]
    colors: Float[Tensor, "P N 3"]
    """0..1, as the picture has them."""

    def detach(self) -> Gaussians:
        return Gaussians(
            self.offsets.detach(), self.scales.detach(), self.opacities.detach(),
            self.colors.detach(),
        )  # fmt: skip

    def exchanged(self, a: int, b: int) -> Gaussians:
        """The same with two people in each other's looks; who is who stays."""
        order = list(range(len(self.scales)))
        order[a], order[b] = order[b], order[a]
        return Gaussians(
            self.offsets[order], self.scales[order], self.opacities[order], self.colors[order]
        )

    @property
    def channels(self) -> Float[Tensor, "PN C"]:
        """Colour, then the identity of whom each Gaussian belongs to (1 of its person, else 0)."""
        people, count = self.scales.shape
        identity = torch.eye(people).to(self.colors).repeat_interleave(count, dim=0)
        return torch.cat([self.colors.flatten(0, 1), identity], dim=1)


@dataclass(frozen=True)
class View:
    """The cameras of S pictures of one size."""

    K: Float[Tensor, "S 3 3"]
    width: int
    height: int


def draw(
    means: Float[Tensor, "P S N 3"],
    look: Gaussians,
    view: View,
    backgrounds: Float[Tensor, "S H W 3"],
) -> tuple[Float[Tensor, "S H W 3"], Float[Tensor, "S H W P"]]:
    """Colours over the background, and the share of every person in each pixel.

    All people are sorted by depth together, so who hides whom follows from where they are.
    """
    people = len(means)
    behind = torch.cat([backgrounds, backgrounds.new_zeros(*backgrounds.shape[:3], people)], dim=-1)
    drawn: Rendered = rasterize(
        means.transpose(0, 1).flatten(1, 2),
        look.scales.flatten(),
        look.opacities.flatten(),
        look.channels,
        view.K,
        view.width,
        view.height,
        behind,
    )
    return drawn.colors[..., :COLORS], drawn.colors[..., COLORS:]


@lru_cache(maxsize=4)
def _load(body: str, density: str, device: str) -> Anchors:
    if device != "cpu":
        return on(_load(body, density, "cpu"), device)
    model = BodyModel.load(body, density)
    low, high = model.v_template.amin(0), model.v_template.amax(0)
    place = 2 * (model.v_template - low) / (high - low) - 1
    return Anchors(model, place, _spacing(model.v_template, model.faces))


def _spacing(vertices: Float[Tensor, "N 3"], faces: Int[Tensor, "T 3"]) -> Float[Tensor, "N"]:
    """Mean length of the edges at each vertex."""
    ends = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    length = (vertices[ends[:, 0]] - vertices[ends[:, 1]]).norm(dim=1)
    total, count = (torch.zeros(len(vertices)) for _ in range(2))
    for side in (0, 1):
        total.index_add_(0, ends[:, side], length)
        count.index_add_(0, ends[:, side], torch.ones_like(length))
    return total / count.clamp_min(1)
