"""From a person's latent tensor to what the Gaussians on the body look like.

The latent is a tri-plane (Chan et al. 2022) over the rest pose: three square feature planes, which
a place on the body reads at its x-y, z-y and x-z coordinates. The published method decodes a map in
texture coordinates, which the open body does not have, and a map has seams where a body has none.
Near places read nearly the same features, so a side that no picture shows looks like what is next
to it; a free vector per Gaussian would keep its random start there.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from engine.appearance.gaussians import Anchors, Gaussians

CHANNELS, RESOLUTION, HIDDEN = 8, 48, 64
"""Of the latent planes, and width of the decoder. A plane's texel is 4 cm of a standing person."""
OFFSET_LIMIT = 0.05
"""Metres by which a Gaussian may leave the bare skin: clothes and hair."""
SCALE_OF_SPACING = 0.6
"""Standard deviation of a Gaussian over the distance of its neighbours: the surface is closed."""
SCALE_RANGE = 2.0
"""Factor by which a scale may differ from that, either way."""
LEAST_OPACITY, FIRST_OPACITY = 0.6, 0.9
"""Bodies are solid: a limb in the wrong place must move, it may not fade."""
OUTPUTS = 8
"""Offset 3, scale 1, opacity 1, colour 3."""
_PLANES = ((0, 1), (2, 1), (0, 2))
"""Coordinates by which a place reads each plane."""


class Decoder(nn.Module):
    """Two hidden layers, the same for every place. What it gives at first is a grey, bare body."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(len(_PLANES) * CHANNELS, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, OUTPUTS),
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=1e-2)
        nn.init.zeros_(last.bias)

    def forward(self, features: Float[Tensor, "N I"]) -> Float[Tensor, "N O"]:
        decoded: Tensor = self.layers(features)
        return decoded


def new_latent(generator: torch.Generator) -> Float[Tensor, "3 C R R"]:
    """A latent of its own storage, near zero."""
    shape = (len(_PLANES), CHANNELS, RESOLUTION, RESOLUTION)
    return 0.1 * torch.randn(shape, generator=generator)


def features(latent: Float[Tensor, "3 C R R"], place: Float[Tensor, "N 3"]) -> Float[Tensor, "N I"]:
    """What places (coordinates in -1..1) read from the planes, bilinearly."""
    at = torch.stack([place[:, list(axes)] for axes in _PLANES])[:, None]
    read = F.grid_sample(latent, at, align_corners=True, padding_mode="border")
    return read[:, :, 0].permute(2, 0, 1).flatten(1)


def decode(
    latent: Float[Tensor, "3 C R R"], decoder: Decoder, anchors: Anchors, widen: float = 1.0
) -> Gaussians:
    """The Gaussians of one person (P is 1); scales are `widen` times as large as decoded."""
    raw = decoder(features(latent, anchors.place))[None]
    scale = (
        SCALE_OF_SPACING
        * anchors.spacing
        * torch.exp(math.log(SCALE_RANGE) * torch.tanh(raw[..., 3]))
    )
    solid = torch.sigmoid(
        raw[..., 4] + math.log((FIRST_OPACITY - LEAST_OPACITY) / (1 - FIRST_OPACITY))
    )
    return Gaussians(
        offsets=OFFSET_LIMIT * torch.tanh(raw[..., :3]),
        scales=widen * scale,
        opacities=LEAST_OPACITY + (1 - LEAST_OPACITY) * solid,
        colors=torch.sigmoid(raw[..., 5:]),
    )


def together(people: list[Gaussians]) -> Gaussians:
    """Gaussians of several people as one."""
    return Gaussians(
        offsets=torch.cat([one.offsets for one in people]),
        scales=torch.cat([one.scales for one in people]),
        opacities=torch.cat([one.opacities for one in people]),
        colors=torch.cat([one.colors for one in people]),
    )
