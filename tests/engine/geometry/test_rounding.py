"""Normals of meshes that turn smoothly from face to face."""

from __future__ import annotations

import numpy as np
import torch

from engine.body.smpl import BodyModel
from engine.geometry.rounding import Normals

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
     [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
)  # fmt: skip
"""Of a cube, seen from outside against the clock."""


def test_a_corner_looks_away_from_the_middle() -> None:
    found = Normals.of(FACES, 8).at(
        torch.from_numpy(CORNERS)[None], torch.zeros(8, dtype=torch.long), torch.arange(8)
    )
    away = torch.nn.functional.normalize(torch.from_numpy(CORNERS), dim=-1)
    assert float((found * away).sum(-1).min()) > 0.9
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(8))


def test_each_mesh_has_its_own() -> None:
    meshes = torch.from_numpy(np.stack([CORNERS, CORNERS * [1, 1, 0.01]]).astype(np.float32))
    frame, vertex = torch.tensor([0, 1]), torch.tensor([7, 7])
    round_, flat = Normals.of(FACES, 8).at(meshes, frame, vertex)
    assert float(round_[2]) < 0.9 < float(flat[2]), "larger faces count for more"


def test_normals_of_a_body_point_outwards() -> None:
    body = BodyModel.load("open-body", "1k2")
    mesh = body.v_template.cpu()
    every = torch.arange(body.vertex_count)
    found = Normals.of(body.data.faces, body.vertex_count).at(mesh[None], 0 * every, every)
    a, b, c = mesh[body.faces.cpu()].unbind(1)
    sides = torch.linalg.cross(b - a, c - a, dim=-1)
    agree = (found[body.faces.cpu()].mean(1) * sides).sum(-1) > 0
    assert float(agree.float().mean()) > 0.98
