"""What pictures say of a finished fit: who is who, and how well outlines fit."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.appearance.footage import Footage, Shown
from engine.appearance.gaussians import Anchors, Gaussians, draw
from engine.appearance.photometric import absolute
from engine.body.smpl import PosedBody

COLOR_NOISE = 0.1
"""Share of white by which the colours of a right rendering are off (scale of a Laplace law)."""
ALIKE = 50.0
"""Pixels that are wrong or right together: folds, limbs and shadows are larger than a pixel."""
COVERED = 0.5
"""Share of a pixel from which somebody is there."""
FEWEST = 30
"""Pixels from which something is said of a person in a picture."""


@dataclass(frozen=True)
class PictureEvidence:
    """Of F frames; NaN where the pictures say nothing."""

    cost_as_is: Float[np.ndarray, "F"]
    """Nats, roughly: how badly the bodies, each in its own looks, fit the colours."""
    cost_exchanged: Float[np.ndarray, "F"]
    """The same with the first two in each other's looks. Whose keypoints those bodies are at is
    another question (engine.fit.identity.followed)."""
    silhouette_error: Float[np.ndarray, "P F"]
    """1 - intersection over union of rendered and seen outline, where masks are trusted."""


def evidence_of(
    footage: Footage, posed: PosedBody, look: Gaussians, anchors: Anchors
) -> Generator[None, None, PictureEvidence]:
    """All that there is, of bodies in the camera frame of each frame. Yields between pictures."""
    people, frames = posed.transforms.shape[:2]
    costs, errors = np.full((2, frames), np.nan), np.full((people, frames), np.nan)
    looks = (look, look.exchanged(0, 1)) if people > 1 else (look,)
    for row, frame in enumerate(footage.frames.tolist()):
        shown = footage.shown([row], posed.transforms.device)
        with torch.no_grad():
            drawn = [_drawn(shown, frame, posed, one, anchors) for one in looks]
            errors[:, frame] = _outline_errors(shown, drawn[0][1])
            if people > 1:
                costs[:, frame] = _color_costs(shown, drawn)
        yield None
    return PictureEvidence(costs[0], costs[1], errors)


Drawn = tuple[Float[Tensor, "H W 3"], Float[Tensor, "H W P"]]


def _drawn(shown: Shown, frame: int, posed: PosedBody, look: Gaussians, anchors: Anchors) -> Drawn:
    means = anchors.skin(posed, look.offsets, torch.tensor([frame], device=posed.joints.device))
    colors, shares = draw(means, look, shown.view, shown.background)
    return colors[0], shares[0]


def _color_costs(shown: Shown, drawn: list[Drawn]) -> Float[np.ndarray, "2"]:
    """What colours cost as people are named, and exchanged. Only pixels that the first two cover in
    either rendering count, and for both, so a smaller person does not win by being smaller."""
    covered = torch.stack([shares[..., :2].sum(-1) for _, shares in drawn]).amax(0)
    there = (covered > COVERED) & (shown.counted[0] > COVERED)
    if int(there.sum()) < FEWEST:
        return np.full(2, np.nan)
    off = [absolute(colors[None], shown.image)[0][there].sum() for colors, _ in drawn]
    return np.array([float(value) for value in off]) / (COLOR_NOISE * ALIKE)


def _outline_errors(shown: Shown, shares: Float[Tensor, "H W P"]) -> Float[np.ndarray, "P"]:
    """1 - IoU of rendered and seen outline per person; NaN where no mask is trusted."""
    trusted = shown.trusted[0]
    rendered, seen = (shares > COVERED) & trusted, (shown.masks[0] > COVERED) & trusted
    union = (rendered | seen).sum((0, 1))
    error = 1 - (rendered & seen).sum((0, 1)) / union.clamp_min(1)
    return torch.where(union >= FEWEST, error, torch.nan).double().cpu().numpy()
