"""The smplx model of a body: the reference in tests and benchmark, never a default path."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import smplx
from smplx.utils import Struct

from engine.body.data import BodyData

_NOT_IN_SMPLX = {"crown"}


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
    ids = {name: index for name, index in data.vertex_ids.items() if name not in _NOT_IN_SMPLX}
    with contextlib.redirect_stdout(io.StringIO()):  # smplx prints advice on its own defaults
        model = smplx.SMPL(
            "", data_struct=Struct(**arrays), vertex_ids=ids, batch_size=batch_size,
            num_betas=data.shapedirs.shape[-1],
        )  # fmt: skip
    model.requires_grad_(False)
    return model
