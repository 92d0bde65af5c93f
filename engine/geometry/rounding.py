"""Surfaces without edges: normals that turn smoothly from face to face.

The shortest way out of a mesh is the normal of a face. Along an edge it jumps to that of the next,
on hands by 30 degrees and more: what slides over edges is sent to and fro between them. The normals
of the vertices, interpolated (Phong 1975), turn as the surface does of which the mesh is a sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Normals:
    """Finds the normals of meshes of one topology at some of their vertices."""

    faces: Int[Tensor, "T1 3"]
    """The last is a point, and has no area."""
    around: Int[Tensor, "V K"]
    """The faces of each vertex; the last one where there are fewer than K."""

    @classmethod
    def of(cls, faces: Int[np.ndarray, "T 3"], vertex_count: int) -> Normals:
        count = np.bincount(faces.ravel(), minlength=vertex_count)
        around = np.full((vertex_count, count.max()), len(faces))
        order = np.argsort(faces.ravel(), kind="stable")
        around[np.arange(count.max()) < count[:, None]] = order // 3
        closed = np.concatenate([faces, np.zeros((1, 3), faces.dtype)])
        return cls(torch.from_numpy(closed.astype(np.int64)), torch.from_numpy(around))

    def at(
        self, meshes: Float[Tensor, "F V 3"], frame: Int[Tensor, "N"], vertex: Int[Tensor, "N"]
    ) -> Float[Tensor, "N 3"]:
        """Of unit length: the mean over the faces around, weighted by their areas."""
        a, b, c = meshes[frame[:, None, None], self.faces[self.around[vertex]]].unbind(2)
        return torch.nn.functional.normalize(
            torch.linalg.cross(b - a, c - a, dim=-1).sum(1), dim=-1
        )
