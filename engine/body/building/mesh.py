"""Areas and edges of triangle meshes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def vertex_areas(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "T 3"]
) -> Float[np.ndarray, "V"]:
    """A third of the area of the faces around each vertex."""
    a, b, c = vertices[faces.T]
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return np.bincount(faces.ravel(), np.repeat(area / 3, 3), len(vertices))


def directed_edges(faces: Int[np.ndarray, "T 3"]) -> set[tuple[int, int]]:
    """Each face's three edges, in its own direction."""
    return set(map(tuple, faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).tolist()))


def border_edges(faces: Int[np.ndarray, "T 3"]) -> list[tuple[int, int]]:
    """Edges with a face on one side only, directed as the missing face would have them."""
    edges = directed_edges(faces)
    return sorted((b, a) for a, b in edges if (b, a) not in edges)
