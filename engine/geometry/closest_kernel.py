"""The Warp kernel behind `engine.geometry.proximity`; imported at the first query only.

Warp reads the function's annotations as its own types, so a type checker cannot follow them.
"""
# mypy: ignore-errors

import os
import sys

import warp as wp

__all__ = ["closest", "wp"]


def _start_warp():
    """Start Warp without its complaint on a machine that has no GPU (native code, to stderr)."""
    wp.config.log_level = wp.LOG_ERROR
    sys.stderr.flush()
    kept = os.dup(2)
    quiet = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(quiet, 2)
        wp.init()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(quiet)


_start_warp()


@wp.kernel
def closest(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    max_distance: float,
    face: wp.array(dtype=wp.int32),
    u: wp.array(dtype=float),
    v: wp.array(dtype=float),
    sign: wp.array(dtype=float),
):
    """Closest face and barycentrics; the sign by winding number is negative inside."""
    i = wp.tid()
    query = wp.mesh_query_point_sign_winding_number(mesh, points[i], max_distance)
    face[i] = -1
    sign[i] = 1.0
    if query.result:
        face[i] = query.face
        u[i] = query.u
        v[i] = query.v
        sign[i] = query.sign
