"""The skin as one closed surface: half a mesh of triangles, its mirror image completes it.

MakeHuman's skin folds into the mouth and the eye sockets. These pockets, which no outside ray
reaches, are cut out and closed: the socket by a fan around the pole of the eye, the mouth by the
triangulation of least area. Everything is done on the left half; the seam is the plane x = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from engine.body.building.mesh import border_edges, directed_edges
from engine.body.building.ray_kernel import rays_hit

HEAD_HEIGHT = 0.24
"""Pockets are looked for in the topmost part of the body, metres."""
HIDDEN_SHARE = 0.06
"""A face that fewer rays than this share reach lies in a pocket."""
SMALLEST_POCKET = 100
"""Faces in half a mesh; smaller hidden patches (nostrils, ears) stay."""
DIRECTIONS = 96
_RAY_OFFSET = 2e-4


@dataclass(frozen=True)
class Skin:
    """Vertices kept from MakeHuman's mesh (body, then both eye poles) and their symmetry."""

    source: Int[np.ndarray, "V"]
    """Vertex of MakeHuman's mesh."""
    rest: Float[np.ndarray, "V 3"]
    """Position in MakeHuman's base mesh (used for symmetry only)."""
    mirror: Int[np.ndarray, "V"]
    """Index of the mirror image of each vertex."""
    left_eye: int

    @property
    def seam(self) -> Bool[np.ndarray, "V"]:
        """Vertices on the plane of symmetry."""
        return np.asarray(self.mirror == np.arange(len(self.mirror)))


def symmetrized(
    points: Float[np.ndarray, "*n V 3"], mirror: Int[np.ndarray, "V"]
) -> Float[np.ndarray, "*n V 3"]:
    """The symmetric part of positions or displacements; exactly symmetric afterwards."""
    return np.asarray((points + points[..., mirror, :] * np.array([-1.0, 1.0, 1.0])) / 2)


def left_half_triangles(
    quads: Int[np.ndarray, "Q 4"], skin: Skin, shape: Float[np.ndarray, "V 3"]
) -> Int[np.ndarray, "T 3"]:
    """Quads of the left half, each cut along its shorter diagonal."""
    x = np.where(skin.seam, 0, skin.rest[:, 0])
    left = (x[quads] >= 0).all(1)
    if 2 * left.sum() != len(quads):
        raise ValueError("a face of the base mesh straddles the plane of symmetry")
    a, b, c, d = quads[left].T
    first = np.linalg.norm(shape[a] - shape[c], axis=1) <= np.linalg.norm(
        shape[b] - shape[d], axis=1
    )
    upper = np.where(first, [a, b, c], [a, b, d])
    lower = np.where(first, [a, c, d], [b, c, d])
    return np.concatenate([upper.T, lower.T])


def close_pockets(
    half: Int[np.ndarray, "T 3"],
    skin: Skin,
    shape: Float[np.ndarray, "V 3"],
    generator: np.random.Generator,
) -> Int[np.ndarray, "S 3"]:
    """The left half without its pockets, closed."""
    hidden = _clean_rim(_openness(half, skin, shape, generator) <= HIDDEN_SHARE, half)
    kept = half[~hidden]
    patches: list[tuple[int, int, int]] = []
    for chain in _hole_chains(kept, skin.seam):
        if chain[0] == chain[-1]:
            patches += [(a, b, skin.left_eye) for a, b in pairwise(chain)]
        else:
            patches += _least_area_triangles(chain, shape, directed_edges(kept))
    return np.concatenate([kept, np.array(patches, int)])


def whole_mesh(half: Int[np.ndarray, "T 3"], skin: Skin) -> Int[np.ndarray, "T2 3"]:
    """A half and its mirror image, all faces outwards."""
    return np.concatenate([half, skin.mirror[half][:, ::-1]])


def _openness(
    half: np.ndarray, skin: Skin, shape: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Share of directions in which a face of the head sees the outside; 1 below the head."""
    directions = generator.normal(size=(DIRECTIONS, 3))
    directions = np.concatenate([directions, directions * [-1, 1, 1]])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    corners = shape[half]
    centers = corners.mean(1)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    head = np.flatnonzero(centers[:, 1] > shape[:, 1].max() - HEAD_HEIGHT)
    outwards = normals[head] @ directions.T > 0.02
    face, direction = np.nonzero(outwards)
    origins = centers[head[face]] + _RAY_OFFSET * normals[head[face]]
    blocked = rays_hit(shape, whole_mesh(half, skin), origins, directions[direction])
    openness = np.ones(len(half))
    openness[head] = np.bincount(face[~blocked], minlength=len(head)) / DIRECTIONS / 2
    return openness


def _clean_rim(hidden: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Keep the large hidden patches, with a smooth rim and without islands."""
    pairs = _adjacent_faces(half)
    hidden = hidden & (_patch_sizes(hidden, pairs) > SMALLEST_POCKET)
    for _ in range(3):
        beside = np.bincount(pairs[:, 0], hidden[pairs[:, 1]], len(half))
        beside += np.bincount(pairs[:, 1], hidden[pairs[:, 0]], len(half))
        hidden = beside >= 2
    hidden &= _patch_sizes(hidden, pairs) > SMALLEST_POCKET
    seen = _patch_sizes(~hidden, pairs)
    return np.asarray(hidden | (seen < seen.max()))


def _adjacent_faces(half: np.ndarray) -> np.ndarray:
    """Pairs of faces that share an edge."""
    edges = np.sort(half[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    order = np.lexsort(edges.T)
    same = (edges[order][1:] == edges[order][:-1]).all(1)
    return np.stack([order[:-1][same] // 3, order[1:][same] // 3], 1)


def _patch_sizes(chosen: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """For each chosen face the size of its connected patch; 0 for the others."""
    inside = pairs[chosen[pairs].all(1)]
    graph = sp.coo_matrix((np.ones(len(inside)), inside.T), shape=(len(chosen),) * 2)
    _, label = sp.csgraph.connected_components(graph, directed=False)
    return np.asarray(np.bincount(label[chosen], minlength=label.max() + 1)[label] * chosen)


def _hole_chains(faces: np.ndarray, seam: np.ndarray) -> list[list[int]]:
    """Borders that are not the seam: closed loops (first = last), or chains from seam to seam."""
    following = {a: b for a, b in border_edges(faces) if not (seam[a] and seam[b])}
    starts = sorted(set(following) - set(following.values())) + sorted(following)
    chains = []
    for start in starts:
        if start not in following:
            continue
        chain = [start]
        while chain[-1] in following:
            chain.append(following.pop(chain[-1]))
        chains.append(chain)
    return chains


def _least_area_triangles(
    chain: list[int], shape: np.ndarray, existing: set[tuple[int, int]]
) -> list[tuple[int, int, int]]:
    """Triangulation of a polygon with the least area that makes no existing edge again."""
    count, corners = len(chain), shape[chain]
    best = np.zeros((count, count))
    choice = np.zeros((count, count), int)
    for length in range(2, count):
        for i in range(count - length):
            k = i + length
            middle = np.arange(i + 1, k)
            sides = np.cross(corners[middle] - corners[i], corners[k] - corners[i])
            cost = best[i, middle] + best[middle, k] + np.linalg.norm(sides, axis=1) / 2
            pair = (chain[i], chain[k])
            taken = length < count - 1 and (pair in existing or pair[::-1] in existing)
            best[i, k] = cost.min() + 1e3 * taken
            choice[i, k] = middle[cost.argmin()]
    triangles, open_spans = [], [(0, count - 1)]
    while open_spans:
        i, k = open_spans.pop()
        if k - i >= 2:
            j = int(choice[i, k])
            triangles.append((chain[i], chain[j], chain[k]))
            open_spans += [(i, j), (j, k)]
    return triangles
