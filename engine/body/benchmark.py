"""Our skinning beside smplx, in one run: `python3 main.py bench body`.

Forward and backward of 200 frames of one person, gradients to betas, pose and translation,
minimum over repetitions, the two taking turns so that both meet the same machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine.body.data import DENSITIES, BodyData, load_body_data
from engine.body.reference import smplx_model
from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix

FRAMES = 200


def bench_body(quick: bool = False) -> list[dict[str, int | float]]:
    """A row per density: milliseconds of each, their ratio, the largest difference in metres.

    `ratio_posedirs` is the ratio for the same body with random non-zero pose blend shapes.
    `quick` takes only the 7k body and few repetitions.
    """
    repetitions = 5 if quick else 15
    densities = ("7k",) if quick else DENSITIES
    return [_bench_density(load_body_data(density=d), repetitions) for d in densities]


def with_random_posedirs(data: BodyData, scale: float = 0.01) -> BodyData:
    """The same body with pose blend shapes of normal noise (metres), always the same ones."""
    noise = np.random.default_rng(0).normal(size=(207, data.vertex_count * 3))
    return replace(data, posedirs=scale * noise)


def _bench_density(data: BodyData, repetitions: int) -> dict[str, int | float]:
    smplx_ms, dyad_ms, difference = _compare(data, repetitions)
    smplx_corrected, dyad_corrected, difference_corrected = _compare(
        with_random_posedirs(data), repetitions
    )
    return {
        "vertices": data.vertex_count,
        "smplx_ms": smplx_ms,
        "dyad_ms": dyad_ms,
        "ratio": smplx_ms / dyad_ms,
        "ratio_posedirs": smplx_corrected / dyad_corrected,
        "max_diff_m": max(difference, difference_corrected),
    }


def _compare(data: BodyData, repetitions: int) -> tuple[float, float, float]:
    """Milliseconds of smplx and of ours, and the largest difference of vertices and joints."""
    generator = torch.Generator().manual_seed(0)
    betas = torch.randn(1, data.shapedirs.shape[-1], generator=generator).requires_grad_()
    pose = (0.3 * torch.randn(FRAMES, 24, 3, generator=generator)).requires_grad_()
    transl = torch.randn(FRAMES, 3, generator=generator).requires_grad_()
    target = 0.1 * torch.randn(FRAMES, data.vertex_count, 3, generator=generator)
    reference, ours = smplx_model(data, FRAMES), BodyModel.from_data(data)

    def run_smplx() -> tuple[Tensor, Tensor]:
        output = reference(
            betas=betas, body_pose=pose[:, 1:].flatten(1), global_orient=pose[:, 0], transl=transl
        )
        return output.vertices, output.joints[:, :24]

    def run_dyad() -> tuple[Tensor, Tensor]:
        posed = ours.pose(betas, axis_angle_to_matrix(pose)[None], transl[None])
        return posed.vertices()[0], posed.joints[0]

    with torch.no_grad():
        pairs = zip(run_smplx(), run_dyad(), strict=True)
        difference = max(float((a - b).abs().max()) for a, b in pairs)

    def step(run: Callable[[], tuple[Tensor, Tensor]]) -> float:
        for leaf in (betas, pose, transl):
            leaf.grad = None
        start = time.perf_counter()
        vertices, joints = run()
        ((vertices - target).square().mean() + joints.square().mean()).backward()
        return 1e3 * (time.perf_counter() - start)

    times = [(step(run_smplx), step(run_dyad)) for _ in range(repetitions + 1)][1:]
    smplx_ms, dyad_ms = (min(column) for column in zip(*times, strict=True))
    return smplx_ms, dyad_ms, difference
