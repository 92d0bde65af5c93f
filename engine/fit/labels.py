"""Terms of what a person said of touch: regions that touch, and regions that surely do not.

A label is about surfaces: the least distance between a point of one region and the skin of the
other. Which points are nearest is found anew every few steps; between two refreshes they are fixed
and the terms are smooth. The distance of vertices to vertices would not do: on a coarse mesh the
vertices of two bodies that touch are centimetres apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.body.regions import face_regions, region_names, region_vertices
from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.device import on
from engine.fit import terms
from engine.fit.curvature import Rows
from engine.fit.jacobian import FREEDOM, Jacobian
from engine.fit.state import Posed
from engine.geometry.triangles import closest_on_triangles
from engine.structures import ContactKind, ContactLabel

NEARLY = 0.002
"""Metres beyond the clearance within which the next step may bring regions too near."""
LIMB = 0.03
"""Metres: radius of what regions lie on."""
DEEPEST = 0.1
"""Metres behind the other's skin up to which a point is inside it; further, on its far side."""


@dataclass(frozen=True)
class Patch:
    """A region of the body, in the numbering of the vertices that labels need."""

    points: Int[Tensor, "N"]
    triangles: Int[Tensor, "T 3"]


@dataclass(frozen=True)
class Attachment:
    """A point of one person's region and the nearest place on the other's, at each frame."""

    label: ContactLabel
    person: int
    other: int
    frame: Int[Tensor, "N"]
    """Frames of the window."""
    at: Int[Tensor, "N"]
    """Where they are among the frames that labels need."""
    point: Int[Tensor, "N"]
    corners: Int[Tensor, "N 3"]
    barycentric: Float[Tensor, "N 3"]
    apart: Float[Tensor, "N 3"]
    """From that place to the point when it was looked for, metres."""


class Labels:
    """What was said of touch in a window, for bodies of one topology."""

    def __init__(
        self, body: BodyModel, labels: tuple[ContactLabel, ...], movable: Bool[Tensor, "F"]
    ) -> None:
        self._given = body, labels, movable
        spoken = {name for label in labels for name in (label.region_a, label.region_b)}
        skin = {name: region_skin(body, name) for name in spoken}
        used = [values.ravel() for patch in skin.values() for values in patch]
        there = movable.device
        subset = np.unique(np.concatenate(used)) if used else np.zeros(0, np.int64)
        patches = {
            name: Patch(*(torch.from_numpy(np.searchsorted(subset, part)) for part in patch))
            for name, patch in skin.items()
        }
        self._patches = on(patches, there)
        self._model = body.restricted_to(torch.from_numpy(subset).to(there))
        self._frames = [_frames(label, movable) for label in labels]
        self._labels = labels
        none = torch.zeros(0, dtype=torch.long, device=there)
        self._needed = torch.unique(torch.cat([*self._frames, none]))

    def of_kind(self, *kinds: ContactKind) -> Labels:
        """Those of some kinds; all where none is named."""
        body, labels, movable = self._given
        some = tuple(label for label in labels if label.kind in kinds)
        return Labels(body, some, movable) if kinds and some != labels else self

    def __bool__(self) -> bool:
        return len(self._needed) > 0

    @torch.no_grad()
    def nearest(self, posed: Posed) -> tuple[Attachment, ...]:
        """The nearest points of every label with the bodies as they are."""
        skin = posed.surfaces(self._needed, self._model)
        found = []
        for label, frames in zip(self._labels, self._frames, strict=True):
            if not len(frames):
                continue
            sides = ((label.person_a, label.region_a), (label.person_b, label.region_b))
            for mine, theirs in (sides, sides[::-1]):
                found.append(self._attach(label, frames, skin, mine, theirs))
        return tuple(found)

    def _attach(
        self,
        label: ContactLabel,
        frames: Tensor,
        skin: Tensor,
        mine: tuple[int, str],
        theirs: tuple[int, str],
    ) -> Attachment:
        (person, region), (other, facing) = mine, theirs
        patch, against = self._patches[region], self._patches[facing]
        at = torch.searchsorted(self._needed, frames)
        points = skin[person, at][:, patch.points]
        triangles = skin[other, at][:, against.triangles]
        face, weights = closest_on_triangles(points, triangles)
        corners = against.triangles[face]
        row = torch.arange(len(frames), device=frames.device)
        surface = torch.einsum("fnvi,fnv->fni", triangles[row[:, None], face], weights)
        best = (points - surface).square().sum(-1).argmin(dim=1)
        return Attachment(
            label=label,
            person=person,
            other=other,
            frame=frames,
            at=at,
            point=patch.points[best],
            corners=corners[row, best],
            barycentric=weights[row, best],
            apart=points[row, best] - surface[row, best],
        )

    def costs(
        self, posed: Posed, found: tuple[Attachment, ...], time: Tensor, config: FitConfig
    ) -> dict[str, Float[Tensor, ""]]:
        """Weighted costs of contact and its absence with the given points."""
        weights, skin = config.weights, posed.surfaces(self._needed, self._model)
        costs: dict[str, Tensor] = {}
        for kind, weight in (("contact", weights.contact), ("no_contact", weights.no_contact)):
            said = [one for one in found if one.label.kind == kind]
            if weight and said:
                each = [_cost(one, skin, time, config) for one in said]
                # Each label is seen from both sides.
                costs[kind] = weight * torch.stack(each).sum() / 2
        return costs

    @torch.no_grad()
    def rows(self, seen: LabelTerm, posed: Posed, jacobian: Jacobian) -> Rows:
        """How stiff the labels are: regions that touch hold each other in every direction, those
        that do not are parted along the way between them."""
        skin, people = posed.surfaces(self._needed, self._model), len(posed.transl)
        frames = [self._needed[:0]]
        found = [skin.new_zeros(0, people, FREEDOM)]
        for one in seen.found:
            directions, stiff = _stiffness(one, skin, seen)
            alone = torch.ones_like(one.barycentric[:, :1])
            mine = jacobian.skin(one.point[:, None], alone, one.person, one.frame, self._model)
            theirs = jacobian.skin(one.corners, one.barycentric, one.other, one.frame, self._model)
            for axis in range(directions.shape[1]):
                row = skin.new_zeros(len(one.frame), people, FREEDOM)
                row[:, one.person] += jacobian.along(mine, directions[:, axis])
                row[:, one.other] -= jacobian.along(theirs, directions[:, axis])
                found.append(row * stiff[:, axis].sqrt()[:, None, None])
                frames.append(one.frame)
        return Rows(torch.cat(frames), torch.cat(found))


@dataclass(frozen=True)
class LabelTerm:
    """What was said of touch, with the nearest points as they were when they were looked for."""

    labels: Labels
    found: tuple[Attachment, ...]
    time: Float[Tensor, "F"]
    config: FitConfig

    def __call__(self, posed: Posed) -> dict[str, Tensor]:
        return self.labels.costs(posed, self.found, self.time, self.config)

    def rows(self, posed: Posed, jacobian: Jacobian) -> Rows:
        return self.labels.rows(self, posed, jacobian)


def _stiffness(
    one: Attachment, skin: Tensor, seen: LabelTerm
) -> tuple[Float[Tensor, "N D 3"], Float[Tensor, "N D"]]:
    """Directions in which an attachment holds, and how much (second derivative per metre^2).

    Only while it does: a label that is satisfied must not hold bodies where they are.
    """
    offset, triangle = _apart(one, skin)
    weights, time = seen.config.weights, seen.time[one.frame]
    distance = offset.norm(dim=-1).clamp_min(1e-6)
    unit = (offset / distance[:, None])[:, None]
    if one.label.kind == "contact":
        beyond = ((distance - terms.TOUCHING) / 0.01).clamp_min(0)
        across = 2 * beyond.clamp_max(terms.NEAR) / 0.01 / distance * _held(one)
        along = torch.where((beyond > 0) & (beyond < terms.NEAR), 2 / 0.01**2, across)
        axes = torch.cat([unit, _perpendicular(unit)], dim=1)
        stiff = torch.stack([along, across, across], dim=1)
        return axes, weights.contact / 2 * stiff * time[:, None]
    near = _signed(offset, triangle) < seen.config.clearance + NEARLY
    return unit, (weights.no_contact / 2 * 2 / 0.01**2 * near * time)[:, None]


def _perpendicular(unit: Float[Tensor, "N 1 3"]) -> Float[Tensor, "N 2 3"]:
    """Two unit vectors at right angles to one, and to each other."""
    least = torch.nn.functional.one_hot(unit.abs().argmin(dim=-1), 3).to(unit.dtype)
    first = torch.nn.functional.normalize(torch.linalg.cross(unit, least, dim=-1), dim=-1)
    return torch.cat([first, torch.linalg.cross(unit, first, dim=-1)], dim=1)


def _cost(one: Attachment, skin: Tensor, time: Tensor, config: FitConfig) -> Tensor:
    offset, triangle = _apart(one, skin)
    if one.label.kind == "contact":
        each = terms.contact(_sliding(one, offset))
    else:
        each = terms.no_contact(_signed(offset, triangle), config.clearance)
    return (each * time[one.frame]).sum()


def _held(one: Attachment) -> Float[Tensor, "N"]:
    """How much stiffer the distance to a round surface is against moves across the way than that
    to a fixed point of it (second derivatives 1 / (d + r) and 1 / d): the nearest place follows."""
    distance: Tensor = one.apart.norm(dim=-1)
    return distance / (distance + LIMB)


def _sliding(one: Attachment, offset: Float[Tensor, "N 3"]) -> Float[Tensor, "N"]:
    """Metres to a surface whose nearest place slides along; as if it were fixed (which is what
    ICP does from point to point, and creeps) regions would hold each other where they first meet.
    """
    way = torch.nn.functional.normalize(one.apart, dim=-1)
    along = (offset * way).sum(-1).square()
    across = offset.square().sum(-1) - along
    distance: Tensor = (along + _held(one) * across + 1e-12).sqrt()
    return distance


def _apart(one: Attachment, skin: Tensor) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 3 3"]]:
    """The way from the other's skin to the point, and the triangle it begins in."""
    triangle = skin[one.other, one.at[:, None], one.corners]
    surface = (triangle * one.barycentric[..., None]).sum(1)
    return skin[one.person, one.at, one.point] - surface, triangle


def _signed(offset: Float[Tensor, "N 3"], triangle: Float[Tensor, "N 3 3"]) -> Float[Tensor, "N"]:
    """Metres outside the other's skin, negative inside."""
    distance = (offset.square().sum(-1) + 1e-12).sqrt()
    edges = triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0]
    behind = ((offset * torch.linalg.cross(*edges, dim=-1)).sum(-1) < 0) & (distance < DEEPEST)
    return torch.where(behind, -distance, distance)


def region_skin(body: BodyModel, region: str) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of a region."""
    vertices, faces = region_vertices(body, region), body.faces.cpu().numpy()
    own = face_regions(body) == region_names().index(region)
    if not own.any():  # too few vertices for a face of their own
        own = np.isin(faces, vertices).any(axis=1)
    return vertices, faces[own]


def _frames(label: ContactLabel, movable: Bool[Tensor, "F"]) -> Int[Tensor, "N"]:
    start, stop = max(0, label.frames.start), min(len(movable), label.frames.stop)
    frames = torch.arange(start, stop, device=movable.device)
    return frames[movable[frames]]
