"""How far a prior is, in a few seconds: bodies from 2D and hidden frames, on motion never seen.

The benchmark (`bench prior`) is the real examination; this is the table that training shows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from engine.body.data import OPEN_BODY
from engine.body.smpl import BodyModel
from engine.metrics.joints import aligned_errors, pair_aligned_errors, root_aligned_errors
from engine.prior.dataset import Sampler, load_library
from engine.prior.observing import ObservationNoise, observe
from engine.prior.prior import Prior
from engine.prior.windows import PairWindows

FRAMES, STRIDE, HIDDEN = 64, 48, 16
KINDS = "captured", "grappling", "generated"
WINDOW_LIMIT = 96
"""Windows of each kind, evenly chosen."""


def validate(prior: Prior, motion: Path, seed: int = 7) -> list[dict[str, str | float]]:
    """A row for each kind of held-out motion of pairs in the folder, errors in mm: `mpjpe`, `pa`
    and `pair_pa` from 2D as a detector sees it, `depth` between the pelvises along the ray, `fill`
    for 16 hidden frames of 64, and what interpolation is off by there (`line`).

    The same windows, cameras and noise at every call. Raises InputError where there is no motion.
    """
    body = BodyModel.load(OPEN_BODY, density="1k2")
    library = load_library(motion, "validation", KINDS)
    windows = Sampler(library).every(FRAMES, STRIDE, people=2)
    rows: list[dict[str, str | float]] = []
    for kind in KINDS:
        mine = [i for i, clip in enumerate(windows.clips.tolist())
                if library.clips[clip].kind == kind]  # fmt: skip
        if not mine:
            continue
        chosen = torch.tensor(mine)[np.linspace(0, len(mine) - 1, WINDOW_LIMIT).round().astype(int)
                                    if len(mine) > WINDOW_LIMIT else slice(None)]  # fmt: skip
        generator = torch.Generator().manual_seed(seed)
        part = windows.select(lambda v, chosen=chosen: v[chosen])
        truth, seen = observe(part, body, generator, ObservationNoise())
        unknown = torch.full(truth.betas.shape[:2], torch.nan)
        guess = prior.estimate_windows(seen, unknown).windows
        rows.append({"kind": kind, "windows": len(chosen), **_errors(prior, guess, truth),
                     **_filling(prior, truth)})  # fmt: skip
    return rows


def _joints(prior: Prior, windows: PairWindows) -> Float[np.ndarray, "B P F 24 3"]:
    joints = prior.skeleton.joints(windows.rotations, windows.betas)
    return (joints + windows.pelvis[..., None, :]).numpy()


def _errors(prior: Prior, guess: PairWindows, truth: PairWindows) -> dict[str, float]:
    mine, true = _joints(prior, guess), _joints(prior, truth)
    together = [v.transpose(1, 0, 2, 3, 4).reshape(2, -1, 24, 3) for v in (mine, true)]
    roots = together[0][:, :, 0], together[1][:, :, 0]
    behind = (mine[:, 0, :, 0, 2] - mine[:, 1, :, 0, 2]) - (
        true[:, 0, :, 0, 2] - true[:, 1, :, 0, 2]
    )
    return {
        "mpjpe": 1000 * float(root_aligned_errors(*together, roots).mean()),
        "pa": 1000 * float(aligned_errors(*together).mean()),
        "pair_pa": 1000 * float(pair_aligned_errors(*together).mean()),
        "depth": 1000 * float(np.abs(behind).mean()),
    }


def _filling(prior: Prior, truth: PairWindows) -> dict[str, float]:
    known = torch.ones(truth.pelvis.shape[:3], dtype=torch.bool)
    first = (FRAMES - HIDDEN) // 2
    hidden = slice(first, first + HIDDEN)
    known[:, :, hidden] = False
    filled = _joints(prior, prior.infill(truth, known))
    true = _joints(prior, truth)
    part = (np.arange(HIDDEN) + 1)[:, None, None] / (HIDDEN + 1)
    line = true[:, :, [first - 1]] * (1 - part) + true[:, :, [first + HIDDEN]] * part

    def off(joints: np.ndarray) -> float:
        return 1000 * float(np.linalg.norm(joints - true[:, :, hidden], axis=-1).mean())

    return {"fill": off(filled[:, :, hidden]), "line": off(line)}
