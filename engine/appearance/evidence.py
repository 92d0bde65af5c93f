"""What pictures say of a finished fit: who is who, and how well outlines fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from engine.appearance.footage import Footage
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
    """Nats, roughly: how badly the rendering of the people as they are named fits the colours."""
    cost_exchanged: Float[np.ndarray, "F"]
    """The same with the first two people in each other's looks."""
    silhouette_error: Float[np.ndarray, "P F"]
    """1 - intersection over union of rendered and seen outline, where masks are trusted."""


@torch.no_grad()
def identity_evidence(
    footage: Footage,
    posed: PosedBody,
    look: Gaussians,
    anchors: Anchors,
    *,
    pair: tuple[int, int] = (0, 1),
) -> tuple[Float[np.ndarray, "F"], Float[np.ndarray, "F"]]:
    """What the colours cost as people are named, and with the two of `pair` exchanged.

    Bodies in the camera frame of each frame. Only pixels that those two cover count, and those of
    both renderings, so a smaller person does not win by being smaller.
    """
    costs = np.full((2, posed.transforms.shape[1]), np.nan)
    looks = look, look.exchanged(*pair)
    for row, frame in enumerate(footage.frames.tolist()):
        shown = footage.shown([row])
        at = torch.tensor([frame])
        drawn = [
            draw(anchors.skin(posed, one.offsets, at), one, shown.view, shown.background)
            for one in looks
        ]
        covered = torch.stack([shares[..., list(pair)].sum(-1) for _, shares in drawn]).amax(0)
        there = (covered > COVERED) & (shown.counted > COVERED)
        if int(there.sum()) < FEWEST:
            continue
        for kind, (colors, _) in enumerate(drawn):
            off = absolute(colors, shown.image)[there].sum() / (COLOR_NOISE * ALIKE)
            costs[kind, frame] = float(off)
    return costs[0], costs[1]


@torch.no_grad()
def silhouette_error(
    footage: Footage, posed: PosedBody, look: Gaussians, anchors: Anchors
) -> Float[np.ndarray, "P F"]:
    """1 - IoU of rendered and seen outline per person; NaN where no mask is trusted."""
    errors = np.full(posed.transforms.shape[:2], np.nan)
    for row, frame in enumerate(footage.frames.tolist()):
        shown = footage.shown([row])
        if not bool(shown.trusted.any()):
            continue
        means = anchors.skin(posed, look.offsets, torch.tensor([frame]))
        _, shares = draw(means, look, shown.view, shown.background)
        rendered, seen = shares[0] > COVERED, shown.masks[0] > COVERED
        rendered, seen = rendered & shown.trusted[0], seen & shown.trusted[0]
        union = (rendered | seen).sum((0, 1))
        error = 1 - (rendered & seen).sum((0, 1)) / union.clamp_min(1)
        errors[:, frame] = torch.where(union >= FEWEST, error, torch.nan).numpy()
    return errors


def evidence_of(
    footage: Footage, posed: PosedBody, look: Gaussians, anchors: Anchors
) -> PictureEvidence:
    """Both, for a window of two people or more; of one person only the outline."""
    unknown = np.full(posed.transforms.shape[1], np.nan)
    costs = unknown, unknown
    if len(look.scales) > 1:
        costs = identity_evidence(footage, posed, look, anchors)
    return PictureEvidence(*costs, silhouette_error(footage, posed, look, anchors))
