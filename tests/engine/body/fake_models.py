"""Files like those of SMPL, SMPL-H and SMPL-X, made of the open body: no licence needed."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from engine.body.data import BodyData, load_body_data
from engine.body.joints import SMPL_PARENTS

FINGERS = {"smplh": (22, 37), "smplx": (25, 40)}
JOINT_COUNTS = {"smpl": 24, "smplh": 52, "smplx": 55}


SMPLX_VERTICES = 10475
"""smplx picks its landmarks among this many vertices, whatever the file holds."""


def fake_arrays(kind: str, density: str = "1k2") -> dict[str, np.ndarray]:
    """The open body with random pose blend shapes, its hands spread over finger joints."""
    data = load_body_data(density=density)
    arrays = _with_joints_of(kind, data, np.random.default_rng(1))
    if kind == "smplx":
        for key in ("v_template", "shapedirs", "posedirs", "weights"):
            missing = SMPLX_VERTICES - len(arrays[key])
            arrays[key] = np.concatenate([arrays[key], arrays[key][-1:].repeat(missing, 0)])
        arrays["J_regressor"] = np.pad(
            arrays["J_regressor"], ((0, 0), (0, SMPLX_VERTICES - data.vertex_count))
        )
    return arrays


def _with_joints_of(
    kind: str, data: BodyData, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    count, joints = data.vertex_count, JOINT_COUNTS[kind]
    parents = [-1, *SMPL_PARENTS[1:22]]
    weights, regressor = np.zeros((count, joints)), np.zeros((joints, count))
    weights[:, :22], regressor[:22] = data.weights[:, :22], data.J_regressor[:22]
    if kind == "smpl":
        parents += SMPL_PARENTS[22:]
        weights[:, 22:], regressor[22:] = data.weights[:, 22:], data.J_regressor[22:]
    else:
        if kind == "smplx":
            parents += [15, 15, 15]
            regressor[22:25] = data.J_regressor[15]
            weights[:, 22] = 0.25 * weights[:, 15]
            weights[:, 15] *= 0.75
        for side, start in enumerate(FINGERS[kind]):
            regressor[start : start + 15] = data.J_regressor[22 + side]
            weights[:, start : start + 15] = data.weights[:, [22 + side]] / 15
            for finger in range(5):
                first = start + 3 * finger
                parents += [20 + side, first, first + 1]
    tree = np.stack([np.array(parents) % 2**32, np.arange(joints)]).astype(np.int64)
    shapedirs = generator.normal(scale=1e-3, size=(count, 3, 16))
    shapedirs[..., :10] = data.shapedirs
    return {
        "v_template": data.v_template,
        "shapedirs": shapedirs,
        "posedirs": generator.normal(scale=0.01, size=(count, 3, 9 * (joints - 1))),
        "J_regressor": regressor,
        "weights": weights,
        "f": data.faces.astype(np.uint32),
        "kintree_table": tree,
    }


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """As official files are: with pickled extras beside the arrays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, part2num=np.array({"head": 15}, dtype=object), **arrays)
    return path


def write_chumpy_pickle(
    path: Path, arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """As the first SMPL files are: protocol 2, chumpy arrays, a sparse regressor."""

    class Ch:
        def __init__(self, value: np.ndarray) -> None:
            self.x = value

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    module = types.ModuleType("chumpy.ch")
    module.Ch = Ch  # type: ignore[attr-defined]
    content = {
        **arrays,
        "shapedirs": Ch(arrays["shapedirs"]),
        "weights": Ch(arrays["weights"]),
        "v_template": Ch(np.asfortranarray(arrays["v_template"])),
        "J_regressor": sp.csc_matrix(arrays["J_regressor"]),
        "kintree_table": arrays["kintree_table"].astype(np.uint32),
        "bs_type": "lrotmin",
    }
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
        patch.setitem(sys.modules, "chumpy.ch", module)
        path.write_bytes(pickle.dumps(content, protocol=2))
    return path
