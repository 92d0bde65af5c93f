"""How far apart labelled regions of fitted bodies are."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.fit.labels import DEEPEST, region_skin
from engine.fit.reasons import Gap
from engine.geometry.triangles import closest_on_triangles
from engine.structures import ContactLabel, FrameRange

TOUCHING = 0.005
"""Metres between surfaces that touch."""
CHUNK = 64
"""Frames compared at once: every point meets every triangle."""


@torch.no_grad()
def label_gaps(
    vertices: Float[np.ndarray, "P S V 3"],
    body: BodyModel,
    labels: tuple[ContactLabel, ...],
    part: FrameRange,
) -> tuple[list[Gap], list[Gap]]:
    """The least distance between the regions of every label in its frames: of contacts (beyond
    what touches), and, negative inside, of "no contact". `vertices` are those of `body` in the
    frames of `part`, metres; other frames are left out."""
    gaps: list[Gap] = []
    apart: list[Gap] = []
    for label in labels:
        start, stop = max(part.start, label.frames.start), min(part.stop, label.frames.stop)
        if start >= stop:
            continue
        pieces = [
            _least(vertices[:, at - part.start : min(at + CHUNK, stop) - part.start], body, label)
            for at in range(start, stop, CHUNK)
        ]
        signed = torch.cat(pieces).numpy().astype(np.float64)
        people = label.person_a, label.person_b, FrameRange(start, stop)
        if label.kind == "contact":
            gaps.append(Gap(*people, np.maximum(signed - TOUCHING, 0.0)))
        else:
            apart.append(Gap(*people, signed))
    return gaps, apart


def _least(
    vertices: Float[np.ndarray, "P F V 3"], body: BodyModel, label: ContactLabel
) -> Float[Tensor, "F"]:
    """The least of the signed distances from one side to the other and back."""
    sides = (label.person_a, label.region_a), (label.person_b, label.region_b)
    each = []
    for (person, region), (other, facing) in (sides, sides[::-1]):
        points, _ = region_skin(body, region)
        _, triangles = region_skin(body, facing)
        mine, theirs = vertices[person][:, points], vertices[other][:, triangles]
        each.append(_signed(torch.from_numpy(mine), torch.from_numpy(theirs)))
    nearest = torch.stack(each)
    return torch.take_along_dim(nearest, nearest.abs().argmin(0, keepdim=True), dim=0)[0]


def _signed(
    points: Float[Tensor, "F N 3"], triangles: Float[Tensor, "F T 3 3"]
) -> Float[Tensor, "F"]:
    """From the nearest point to the nearest triangle, negative behind it."""
    face, weights = closest_on_triangles(points, triangles)
    row = torch.arange(len(points))
    chosen = triangles[row[:, None], face]
    offset = points - torch.einsum("fnvi,fnv->fni", chosen, weights)
    distance = offset.norm(dim=-1)
    best = distance.argmin(dim=1)
    a, b, c = chosen[row, best].unbind(1)
    normal = torch.linalg.cross(b - a, c - a, dim=-1)
    nearest = distance[row, best]
    behind = ((offset[row, best] * normal).sum(-1) < 0) & (nearest < DEEPEST)
    return torch.where(behind, -nearest, nearest)
