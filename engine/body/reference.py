"""smplx's own models: the reference in tests and benchmark, and the check of a user's file.

The default path never imports this module.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import smplx
import torch
from smplx.utils import Struct
from torch import Tensor

from engine.body.data import SHAPE_COUNT, BodyData
from engine.body.smpl import BodyModel
from engine.body.user_body import BodyChoice, Kind, model_kind, read_body, read_model
from engine.geometry.rotations import axis_angle_to_matrix

_FLAT_HANDS = {
    "hands_componentsl": np.eye(45), "hands_componentsr": np.eye(45),
    "hands_meanl": np.zeros(45), "hands_meanr": np.zeros(45),
}  # fmt: skip
_NO_FACE_MARKS = {"lmk_faces_idx": np.zeros(51, np.int64), "lmk_bary_coords": np.zeros((51, 3))}
_EXPRESSIONS = 10


def smplx_model(data: BodyData, batch_size: int = 1) -> smplx.SMPL:
    """An `smplx.SMPL` with the arrays of `data` (24 joints), parameters without gradients."""
    vertices = data.vertex_count
    posedirs = data.posedirs if data.posedirs is not None else np.zeros((207, vertices * 3))
    parents = np.array(data.parents, np.int64)
    arrays = {
        "v_template": data.v_template,
        "shapedirs": data.shapedirs,
        "posedirs": posedirs.T.reshape(vertices, 3, 207),
        "weights": data.weights,
        "J_regressor": data.J_regressor,
        "kintree_table": np.stack([parents, np.arange(len(parents))]),
        "f": data.faces,
    }
    return _create("smpl", arrays, data.vertex_ids, batch_size)


def smplx_model_of_file(path: Path, batch_size: int = 1) -> smplx.SMPL:
    """smplx's SMPL, SMPLH or SMPLX of a user's file, hands flat. Errors as `read_body`.

    smplx unpickles the files it is given, so it is given the checked arrays instead.
    """
    arrays = read_model(path)
    return _create(
        model_kind(path, arrays), arrays, read_body(path, path.stem).vertex_ids, batch_size
    )


def largest_difference(choice: BodyChoice) -> float:
    """Largest distance in metres between a user's body in smplx and as Dyad moves it.

    Over a shape and a pose of all 22 body joints, hands flat.
    """
    generator = torch.Generator().manual_seed(0)
    betas = torch.randn(1, SHAPE_COUNT, generator=generator)
    pose = 0.4 * torch.randn(1, 24, 3, generator=generator)
    pose[:, 22:] = 0
    transl = torch.randn(1, 3, generator=generator)
    data = read_body(choice.path, choice.name)
    ours = BodyModel.from_data(data).vertices(betas, axis_angle_to_matrix(pose)[None], transl[None])
    theirs = run_smplx(smplx_model_of_file(choice.path), betas, pose, transl)[0]
    return float((ours[0] - theirs).abs().max())


def run_smplx(
    model: smplx.SMPL, betas: Tensor, pose: Tensor, transl: Tensor
) -> tuple[Tensor, Tensor]:
    """Vertices (F, V, 3) and joints of F frames; pose (F, 24, 3) axis-angle, betas (1 or F, B)."""
    joints = model.NUM_BODY_JOINTS + 1
    output = model(
        betas=betas.expand(len(pose), -1),
        global_orient=pose[:, 0],
        body_pose=pose[:, 1:joints].flatten(1),
        transl=transl,
    )
    return output.vertices, output.joints


def _create(
    kind: Kind, arrays: Mapping[str, np.ndarray], ids: Mapping[str, int], batch_size: int
) -> smplx.SMPL:
    options: dict[str, Any] = {
        "vertex_ids": {name: index for name, index in ids.items() if name != "crown"},
        "batch_size": batch_size,
        "num_betas": SHAPE_COUNT,
    }
    # smplx prints advice on its own defaults.
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as folder:
        if kind == "smpl":
            model = smplx.SMPL("", data_struct=Struct(**arrays), **options)
        else:
            shapes = arrays["shapedirs"][..., :SHAPE_COUNT]
            padded = np.concatenate([shapes, np.zeros((*shapes.shape[:2], _EXPRESSIONS))], -1)
            file = Path(folder) / f"{kind.upper()}_NEUTRAL.npz"
            plain = {**arrays, **_FLAT_HANDS, **_NO_FACE_MARKS, "shapedirs": padded}
            np.savez(file, allow_pickle=False, **plain)
            if kind == "smplx":
                del options["vertex_ids"]  # SMPLX insists on its own
            model = smplx.create(
                str(file), kind, ext="npz", use_pca=False, flat_hand_mean=True, **options
            )
    model.requires_grad_(False)
    return model
