"""The Warp kernel behind `engine.geometry.proximity`; imported at the first query only.

Warp reads the function's annotations as its own types, so a type checker cannot follow them.
"""
# mypy: ignore-errors

import os
import sys

import warp as wp

__all__ = ["closest", "closest_of_open", "wp"]


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
FAR = wp.constant(1.0e3)
"""Metres: further than a body reaches."""
BESIDE = wp.constant(1.0e-5)
"""Metres around a ray within which triangles are looked at: more than rounding moves them."""


@wp.func
def _crossing(a: wp.vec3, b: wp.vec3):
    """How often the edge from a to b crosses the half-plane z = 0, y > 0: 1 upwards, -1 downwards.

    Both triangles of an edge come to the same answer, whatever rounding does: they begin at its
    lower end.
    """
    up = b[2] > 0.0
    if (a[2] > 0.0) == up:
        return 0
    if up:
        return wp.where(a[1] * b[2] - a[2] * b[1] > 0.0, 1, 0)
    return wp.where(b[1] * a[2] - b[2] * a[1] > 0.0, -1, 0)


@wp.func
def _winding_number(mesh: wp.uint64, point: wp.vec3):
    """How often a closed surface that faces outwards goes round a point.

    That is how often the ray along x leaves it, less how often it enters: the sum of the solid
    angles, without an arctangent, and of few triangles.
    """
    number = wp.int32(0)
    beside = wp.vec3(0.0, BESIDE, BESIDE)
    query = wp.mesh_query_aabb(mesh, point - beside, point + beside + wp.vec3(FAR, 0.0, 0.0))
    triangle = wp.int32(0)
    while wp.mesh_query_aabb_next(query, triangle):
        a = wp.mesh_get_point(mesh, 3 * triangle) - point
        b = wp.mesh_get_point(mesh, 3 * triangle + 1) - point
        c = wp.mesh_get_point(mesh, 3 * triangle + 2) - point
        side = _crossing(a, b) + _crossing(b, c) + _crossing(c, a)
        if side != 0 and wp.dot(a, wp.cross(b, c)) * float(side) > 0.0:
            number += side
    return number


@wp.kernel
def closest(
    meshes: wp.array(dtype=wp.uint64),
    mesh_of: wp.array(dtype=wp.int32),
    points: wp.array(dtype=wp.vec3),
    reach: wp.vec2,
    face: wp.array(dtype=wp.int32),
    u: wp.array(dtype=float),
    v: wp.array(dtype=float),
    inside: wp.array(dtype=wp.bool),
):
    """Closest face of one of several closed surfaces, its barycentrics, and whether the surface
    goes round the point. `reach`: how far is looked for points inside, and for all others, which is
    no further."""
    i = wp.tid()
    mesh, point, number = meshes[mesh_of[i]], points[i], 0
    query = wp.mesh_query_point_no_sign(mesh, point, reach[1])
    if query.result or reach[1] < reach[0]:
        number = _winding_number(mesh, point)
        if number > 0 and not query.result:
            query = wp.mesh_query_point_no_sign(mesh, point, reach[0])
    face[i] = -1
    if query.result:
        face[i] = query.face
        u[i] = query.u
        v[i] = query.v
        inside[i] = number > 0


@wp.kernel
def closest_of_open(
    meshes: wp.array(dtype=wp.uint64),
    mesh_of: wp.array(dtype=wp.int32),
    points: wp.array(dtype=wp.vec3),
    reach: wp.vec2,
    face: wp.array(dtype=wp.int32),
    u: wp.array(dtype=float),
    v: wp.array(dtype=float),
    inside: wp.array(dtype=wp.bool),
):
    """The same of surfaces with holes: inside is where solid angles say that most of it goes round
    the point (generalised winding number, Jacobson et al. 2013)."""
    i = wp.tid()
    mesh, point = meshes[mesh_of[i]], points[i]
    query = wp.mesh_query_point_sign_winding_number(mesh, point, reach[0])
    face[i] = -1
    if query.result:
        on_surface = wp.mesh_eval_position(mesh, query.face, query.u, query.v)
        if query.sign < 0.0 or wp.length(on_surface - point) <= reach[1]:
            face[i] = query.face
            u[i] = query.u
            v[i] = query.v
            inside[i] = query.sign < 0.0
