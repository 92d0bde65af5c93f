"""Where bodies are in each other: each vertex inside another body, and its way out.

A vertex leaves a body where it lies least deep. With a limb that is wrong for half of the vertices:
where two forearms cross, some would leave to one side and some to the other, and nothing moves. So
a limb leaves along the shortest line between the two bones, smoothed over time, and vertices that
would leave against it wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from engine.body.joints import SMPL_JOINTS, SMPL_PARENTS
from engine.body.smpl import BodyModel
from engine.geometry.proximity import Parts, SurfaceQuery, box_overlap, surface_query

NEIGHBOURHOOD = 0.02
"""Metres outside a body within which vertices are watched, so that what parts does not go on."""
_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head", "left_collar", "right_collar")
_THIN = np.array([name not in _TRUNK for name in SMPL_JOINTS])
_ENDS = np.array(
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 10, 11, 15, 16, 17, 15, 18, 19, 20, 21, 22, 23, 22, 23]
)
"""The joint at the other end of each joint's bone; head, hands and feet end in themselves."""


@dataclass(frozen=True)
class Hit:
    """Vertices of one body inside another, or just outside it, in all frames."""

    inner: int
    outer: int
    frame: Int[Tensor, "N"]
    vertex: Int[Tensor, "N"]
    corners: Int[Tensor, "N 3"]
    """Of the face of the outer body that is closest."""
    barycentric: Float[Tensor, "N 3"]
    outwards: Float[Tensor, "N 3"]
    inside: Bool[Tensor, "N"]

    def kept(self, rows: Bool[Tensor, "N"] | Int[Tensor, "M"]) -> Hit:
        """Some of them, or all in another order."""
        names = ("frame", "vertex", "corners", "barycentric", "outwards", "inside")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


@dataclass(frozen=True)
class Search:
    query: SurfaceQuery
    parts: Parts
    part_of_vertex: Int[np.ndarray, "V"]
    faces: Int[Tensor, "T 3"]

    @classmethod
    def of(cls, model: BodyModel) -> Search:
        part = model.data.weights.argmax(axis=1)
        query = surface_query(model.data.faces, model.vertex_count, model.faces.device)
        return cls(query, Parts(part), part, model.faces.cpu())


def find_hits(
    skins: list[np.ndarray],
    frames: Int[np.ndarray, "W"],
    search: Search,
    neighbourhood: float = NEIGHBOURHOOD,
) -> list[Hit]:
    """Of every two people (skins F, V, 3) in the given frames; `neighbourhood` in metres."""
    hits = []
    for inner, outer in permutations(range(len(skins)), 2):
        near = frames[box_overlap(skins[inner][frames], skins[outer][frames], neighbourhood)]
        hit = _hits_of_pair((inner, outer), near, skins, (search, neighbourhood))
        if len(hit.frame):
            hits.append(hit)
    return hits


def together(hits: Sequence[Hit]) -> list[Hit]:
    """Hits of several stretches of frames as one for every two people."""
    pairs: dict[tuple[int, int], list[Hit]] = {}
    for hit in hits:
        pairs.setdefault((hit.inner, hit.outer), []).append(hit)
    names = "frame", "vertex", "corners", "barycentric", "outwards", "inside"
    return [
        Hit(*pair, *(torch.cat([getattr(hit, name) for hit in same]) for name in names))
        for pair, same in sorted(pairs.items())
    ]


def _hits_of_pair(
    pair: tuple[int, int],
    frames: Int[np.ndarray, "W"],
    skins: list[np.ndarray],
    looking: tuple[Search, float],
) -> Hit:
    """The vertices of the one inside the other, or outside by at most so many metres."""
    search, neighbourhood = looking
    points, meshes = (skins[person][frames] for person in pair)
    near = [search.parts.around(*both) for both in zip(meshes, points, strict=True)]
    row = np.repeat(np.arange(len(frames)), [len(some) for some in near])
    vertex = np.concatenate([np.zeros(0, np.int64), *near])
    asked = [some[rows] for some, rows in zip(points, near, strict=True)]
    closest = search.query.closest_of_each(meshes, asked, neighbourhood).to("cpu")
    corners, weights = search.faces[closest.face], closest.barycentric
    on_mesh = torch.from_numpy(meshes)[torch.from_numpy(row)[:, None], corners]
    away = (on_mesh * weights[..., None]).sum(dim=1) - torch.from_numpy(points[row, vertex])
    sign = torch.where(closest.inside, 1.0, -1.0)[:, None]
    return Hit(
        *pair,
        frame=torch.from_numpy(frames[row]),
        vertex=torch.from_numpy(vertex),
        corners=corners,
        barycentric=weights,
        outwards=torch.nn.functional.normalize(sign * away, dim=-1),
        inside=closest.inside,
    ).kept(closest.found)


def to_one_side(
    hit: Hit,
    joints: Float[np.ndarray, "P F 24 3"],
    runs: tuple[list[Int[np.ndarray, "R"]], float],
    search: Search,
    *,
    bias: Float[np.ndarray, "N"] | float = 0.0,
) -> Hit:
    """Without the vertices that would leave to the other side of the bone.

    `runs` are the frames of each sequence, and the frames (one standard deviation) over which the
    line between two bones is smoothed. `bias` is added to the cosine between each way out and the
    line: towards leaving where positive, towards waiting where negative.
    """
    part, bias = search.part_of_vertex, np.broadcast_to(bias, hit.frame.shape)
    inner, outer = part[hit.vertex.numpy()], part[hit.corners[:, 0].numpy()]
    frame, kept = hit.frame.numpy(), np.ones(len(inner), bool)
    one_sided = _THIN[inner] | _THIN[outer]
    for pair in np.unique(np.stack([inner, outer], axis=1)[one_sided], axis=0).tolist():
        rows = np.flatnonzero((inner == pair[0]) & (outer == pair[1]))
        line = _between(joints[hit.inner], joints[hit.outer], (pair[0], pair[1]))
        for run in runs[0]:
            line[run] = gaussian_filter1d(line[run], runs[1], axis=0, mode="nearest")
        line /= np.linalg.norm(line, axis=1, keepdims=True).clip(1e-9)
        at, inside = frame[rows], hit.inside.numpy()[rows]
        cosine = (hit.outwards.numpy()[rows] * line[at]).sum(axis=1)
        # Where all would leave against the line, they agree, and it is the line that is wrong.
        decided = np.bincount(at[(cosine > 0) & inside], minlength=len(line)) > 0
        kept[rows] = (cosine + bias[rows] > 0) | ~decided[at]
    return hit.kept(torch.from_numpy(kept))


def _between(
    inner: Float[np.ndarray, "F 24 3"], outer: Float[np.ndarray, "F 24 3"], bones: tuple[int, int]
) -> Float[np.ndarray, "F 3"]:
    """The shortest line from the outer body's bone to the inner one's (Ericson 2004, 5.1.9)."""
    (p, d), (r, e) = _bone(inner, bones[0]), _bone(outer, bones[1])
    gap = p - r
    dd, ee, de = ((x * y).sum(axis=1) for x, y in ((d, d), (e, e), (d, e)))
    dg, eg = (d * gap).sum(axis=1), (e * gap).sum(axis=1)
    s = np.clip((de * eg - dg * ee) / np.maximum(dd * ee - de * de, 1e-9), 0, 1)
    t = np.clip((de * s + eg) / np.maximum(ee, 1e-9), 0, 1)
    s = np.clip((de * t - dg) / np.maximum(dd, 1e-9), 0, 1)
    line: np.ndarray = gap + d * s[:, None] - e * t[:, None]
    return line


def _bone(
    joints: Float[np.ndarray, "F 24 3"], joint: int
) -> tuple[Float[np.ndarray, "F 3"], Float[np.ndarray, "F 3"]]:
    """Where it begins, and the way to its end; hands and feet go on as their parents point."""
    end = _ENDS[joint]
    begin = joints[:, joint]
    return begin, joints[:, end] - begin if end != joint else begin - joints[:, SMPL_PARENTS[joint]]


def depth_of(hit: Hit, skins: Sequence[Tensor]) -> Float[Tensor, "N"]:
    """Metres inside along the way out, both bodies free to move; negative outside."""
    inside = skins[hit.inner][hit.frame, hit.vertex]
    outer = skins[hit.outer][hit.frame[:, None], hit.corners]
    surface = (outer * hit.barycentric[..., None]).sum(dim=1)
    return ((surface - inside) * hit.outwards).sum(dim=-1)


def used_vertices(hits: list[Hit], people: int) -> tuple[list[Tensor], list[Hit]]:
    """The vertices of each person that any hit names, and the hits with indices into those."""
    names: list[list[Tensor]] = [[torch.zeros(0, dtype=torch.long)] for _ in range(people)]
    for hit in hits:
        names[hit.inner].append(hit.vertex)
        names[hit.outer].append(hit.corners.flatten())
    used = [torch.cat(rows).unique() for rows in names]
    renamed = [
        replace(
            hit,
            vertex=torch.searchsorted(used[hit.inner], hit.vertex),
            corners=torch.searchsorted(used[hit.outer], hit.corners),
        )
        for hit in hits
    ]
    return used, renamed


def still_held(before: list[Hit], found: list[Hit]) -> list[Hit]:
    """Hits of frames in which the bodies are clear of each other now: without them the change alone
    would draw the bodies back into each other; with them, until they touch."""
    frames = torch.cat([torch.zeros(0, dtype=torch.long), *(hit.frame for hit in found)])
    return [hit.kept(~torch.isin(hit.frame, frames)) for hit in before]
