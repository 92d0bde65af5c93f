"""A body model as plain NumPy arrays, and the reader of the open body. Imports no torch."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from engine import weights
from engine.body.joints import SMPL_PARENTS
from engine.errors import InputError, WeightError

Density = Literal["full", "7k", "2k5", "1k2"]
DENSITIES: tuple[Density, ...] = get_args(Density)
OPEN_BODY = "open-body"
SHAPE_COUNT = 10
"""Shape directions used: `betas` have ten entries everywhere."""


@dataclass(frozen=True, eq=False)
class BodyData:
    """A body in SMPL's terms, reduced to the 24 joints of SMPL. Metres, y up, facing +z.

    The arrays are float64 (shapes of the literature) and read-only; models cast them once.
    """

    name: str
    v_template: Float[np.ndarray, "V 3"]
    shapedirs: Float[np.ndarray, "V 3 B"]
    weights: Float[np.ndarray, "V 24"]
    """Skinning weights; each row sums to one."""
    J_regressor: Float[np.ndarray, "24 V"]
    J_template: Float[np.ndarray, "24 3"]
    """Joints of the mean body."""
    J_shapedirs: Float[np.ndarray, "24 3 B"]
    """Change of the joints per unit of betas."""
    faces: Int[np.ndarray, "T 3"]
    vertex_ids: Mapping[str, int]
    """Landmarks under smplx's 21 names (nose, leye, LBigToe, ...) and "crown"."""
    posedirs: Float[np.ndarray, "207 VC"] | None = None
    """Pose blend shapes for (R - I) of joints 1..23, columns vertex by vertex; or None."""
    parents: tuple[int, ...] = SMPL_PARENTS

    @property
    def vertex_count(self) -> int:
        return len(self.v_template)


def make_body_data(name: str, arrays: Mapping[str, np.ndarray], vertex_ids: Mapping[str, int],
                   posedirs: np.ndarray | None = None) -> BodyData:  # fmt: skip
    """Bring SMPL's arrays (v_template, shapedirs, weights, J_regressor, f) into `BodyData`.

    Joints are regressed here once, in float64. Expects 24 joints and finite numbers.
    """
    template = np.asarray(arrays["v_template"], np.float64)
    shapedirs = np.asarray(arrays["shapedirs"], np.float64)[..., :SHAPE_COUNT]
    regressor = np.asarray(arrays["J_regressor"], np.float64)
    skinning = np.asarray(arrays["weights"], np.float64)
    ids = {key: int(value) for key, value in vertex_ids.items()}
    ids.setdefault("crown", int(np.argmax(template[:, 1])))
    data = BodyData(
        name=name,
        v_template=template,
        shapedirs=shapedirs,
        weights=skinning / skinning.sum(1, keepdims=True),
        J_regressor=regressor,
        J_template=regressor @ template,
        J_shapedirs=np.einsum("jv,vcb->jcb", regressor, shapedirs),
        faces=np.asarray(arrays["f"], np.int64),
        vertex_ids=ids,
        posedirs=posedirs,
    )
    for array in (data.v_template, data.shapedirs, data.weights, data.faces):
        array.setflags(write=False)
    return data


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npz file, never unpickled. Raises `InputError` if it is not one."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path.name} is not a readable .npz file of plain arrays", received=str(error)
        ) from error


@lru_cache(maxsize=8)
def load_body_data(name: str = OPEN_BODY, density: str = "7k") -> BodyData:
    """Read a body by name: the open body, or a user's file, at a density.

    Raises `WeightError` when there is no such body, or its file is not what it should be.
    """
    if density not in DENSITIES:
        raise WeightError(
            "No body has such a density",
            expected="one of " + ", ".join(DENSITIES),
            received=repr(density),
        )
    if name != OPEN_BODY:
        from engine.body.user_body import load_user_body  # it builds on this module

        return load_user_body(name, density)
    arrays = read_npz(weights.find(f"{OPEN_BODY}-{density}").path)
    ids = {str(key): int(value) for key, value in arrays["vertex_ids"]}
    return make_body_data(OPEN_BODY, arrays, ids)
