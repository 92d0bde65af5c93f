"""What pictures cost a set of bodies and looks: both branches descend the same few terms."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from engine.appearance import photometric
from engine.appearance.footage import Shown
from engine.appearance.gaussians import Gaussians, draw
from engine.config import AppearanceConfig


@dataclass(frozen=True)
class PictureCosts:
    """For each of B pictures, sums over pixels divided by how many pixels the people's boxes have.

    So they do not depend on the working resolution. A term with weight zero is None.
    """

    appearance: Float[Tensor, "B"] | None
    identity: Float[Tensor, "B"] | None

    def weighted(self, config: AppearanceConfig) -> dict[str, Float[Tensor, "B"]]:
        """By name, those that there are, times their weights."""
        terms = {
            "appearance": (self.appearance, config.photometric),
            "identity": (self.identity, config.identity),
        }
        return {name: w * value for name, (value, w) in terms.items() if value is not None}


def picture_costs(
    means: Float[Tensor, "P B N 3"], look: Gaussians, shown: Shown, config: AppearanceConfig
) -> PictureCosts:
    """Bodies that carry Gaussians at `means` (camera frame, metres), as the pictures show them."""
    if not (config.photometric or config.identity):
        return PictureCosts(None, None)
    colors, shares = draw(means, look, shown.view, shown.background)
    appearance, identity = None, None
    if config.photometric:
        each = photometric.of_pictures(colors, shown.image, shown.counted, config.structure)
        appearance = each.sum((1, 2)) / shown.people
    if config.identity and bool(shown.trusted.any()):
        apart = photometric.identity(shares, shown.masks, shown.trusted)
        identity = apart.sum((1, 2, 3)) / shown.people
    return PictureCosts(appearance, identity)
