"""Coarser meshes of a user's body, made when first needed and kept in the user's cache.

As for the open body, a coarser mesh has a part of the vertices, so shape, skinning and pose blend
shapes hold exactly and the joints are the same.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from engine.body.building.joint_regressor import weights_near
from engine.body.building.simplify import HalfMesh, collapse_attributes, levels_of_detail
from engine.body.data import BodyData, read_npz
from engine.errors import InputError
from engine.stamped_cache import cache_folder

TARGETS = {"2k5": 2500, "1k2": 1200}
"""Vertices per density; a user's own mesh stands for "full" and for "7k"."""
_REGRESSOR_VERTICES = 100
_PRIOR_RADIUS = 0.06


def at_density(data: BodyData, density: str, sha256: str) -> BodyData:
    """The body at a density of the open body; unchanged where its mesh is not finer than that.

    `sha256` of the model file names the cached mesh.
    """
    target = TARGETS.get(density, data.vertex_count)
    if data.vertex_count <= target:
        return data
    path = cache_folder() / f"body-{sha256[:16]}-{density}.npz"
    faces = _cached_faces(path, data.vertex_count)
    if faces is None:
        faces = _simplify(data, target)
        _keep(path, faces)
    return _subset(data, faces)


def _simplify(data: BodyData, target: int) -> Int[np.ndarray, "T 3"]:
    """Faces over the vertices of the whole mesh, which has no seam: every vertex counts twice."""
    mesh = HalfMesh(
        vertices=data.v_template,
        triangles=data.faces,
        seam=np.zeros(data.vertex_count, bool),
        attributes=collapse_attributes(data.weights, np.moveaxis(data.shapedirs, 2, 0)),
        locked=frozenset(data.vertex_ids.values()),
    )
    return levels_of_detail(mesh, (2 * target,))[0]


def _subset(data: BodyData, faces: Int[np.ndarray, "T 3"]) -> BodyData:
    kept = np.unique(faces)
    new = np.full(data.vertex_count, -1)
    new[kept] = np.arange(len(kept))
    posedirs = data.posedirs
    if posedirs is not None:
        posedirs = posedirs.reshape(len(posedirs), -1, 3)[:, kept].reshape(len(posedirs), -1)
    return replace(
        data,
        v_template=data.v_template[kept],
        shapedirs=data.shapedirs[kept],
        weights=data.weights[kept],
        J_regressor=_regressor(data, kept),
        faces=new[faces],
        vertex_ids={name: int(new[vertex]) for name, vertex in data.vertex_ids.items()},
        posedirs=posedirs,
    )


def _regressor(data: BodyData, kept: Int[np.ndarray, "V"]) -> Float[np.ndarray, "24 V"]:
    """Gives the joints of the finer mesh: those of the mean body exactly, close for any shape."""
    template = data.v_template[kept]
    regressor = np.zeros((len(data.J_template), len(kept)))
    fields = np.concatenate([template[None], np.moveaxis(data.shapedirs[kept], 2, 0)])
    targets = np.concatenate([data.J_template[None], np.moveaxis(data.J_shapedirs, 2, 0)])
    for joint, position in enumerate(data.J_template):
        distance = np.linalg.norm(template - position, axis=1)
        near = np.argsort(distance, kind="stable")[:_REGRESSOR_VERTICES]
        prior = np.exp(-distance[near] / _PRIOR_RADIUS)
        regressor[joint, near] = weights_near(
            prior / prior.sum(), fields[:, near], targets[:, joint]
        )
    return regressor


def _cached_faces(path: Path, vertex_count: int) -> Int[np.ndarray, "T 3"] | None:
    """None where there are none, or not of this mesh."""
    if not path.is_file():
        return None
    try:
        faces = read_npz(path)["faces"]
    except (InputError, KeyError):
        return None
    sound = faces.ndim == 2 and faces.shape[1] == 3 and faces.dtype == np.int64 and len(faces) > 0
    return faces if sound and faces.min() >= 0 and faces.max() < vertex_count else None


def _keep(path: Path, faces: Int[np.ndarray, "T 3"]) -> None:
    """Best effort: without a cache the mesh is made again."""
    partial = path.with_suffix(f".{os.getpid()}.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(partial, faces=faces)
        partial.replace(path)
    except OSError:
        return
