"""The Warp kernel behind `surface`: does a ray meet the mesh?

Warp reads the function's annotations as its own types, so a type checker cannot follow them.
"""
# mypy: ignore-errors

import numpy as np

from engine.geometry.closest_kernel import wp

_LONGEST_RAY = 10.0
"""Metres."""


@wp.kernel
def _cast(
    mesh: wp.uint64,
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    longest: float,
    hits: wp.array(dtype=wp.bool),
):
    i = wp.tid()
    hits[i] = wp.mesh_query_ray(mesh, origins[i], directions[i], longest).result


def rays_hit(
    vertices: np.ndarray, faces: np.ndarray, origins: np.ndarray, directions: np.ndarray
) -> np.ndarray:
    """Whether each ray (R, 3) meets a face of the mesh (V, 3), (T, 3); computed on the CPU."""
    with wp.ScopedDevice("cpu"):
        mesh = wp.Mesh(wp.array(vertices, dtype=wp.vec3), wp.array(faces.ravel(), dtype=wp.int32))
        rays = [wp.array(part, dtype=wp.vec3) for part in (origins, directions)]
        hits = wp.zeros(len(origins), dtype=wp.bool)
        wp.launch(_cast, dim=len(origins), inputs=[mesh.id, *rays, _LONGEST_RAY], outputs=[hits])
        return hits.numpy()
