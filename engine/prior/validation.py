"""How far a prior is, in a few seconds: bodies from 2D and hidden frames, on motion never seen.

The benchmark (`bench prior`) is the real examination; this is the table that training shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from engine.body.data import OPEN_BODY
from engine.body.smpl import BodyModel
from engine.metrics.joints import aligned_errors, pair_aligned_errors, root_aligned_errors
from engine.motion.prepared import MotionKind
from engine.prior.dataset import KINDS, Sampler, WorldWindows, load_library
from engine.prior.observing import ObservationNoise, observe
from engine.prior.prior import Prior
from engine.prior.windows import PairWindows

FRAMES, STRIDE, HIDDEN = 64, 48, 16
VALIDATION_KINDS: tuple[MotionKind, ...] = ("captured", "grappling", "generated")
WINDOW_LIMIT = 96
"""Windows of each kind, evenly chosen."""


@dataclass(frozen=True)
class ValidationRow:
    """Of one kind of motion; mean errors in mm."""

    kind: MotionKind
    windows: int
    mpjpe: float
    """From 2D as a detector sees it, each person's pelvis aligned."""
    pa: float
    """The same, each person aligned by a similarity."""
    pair_pa: float
    """The same, both people aligned by one similarity."""
    depth: float
    """Of how far apart the pelvises are along the camera's axis."""
    fill: float
    """Joints of both in 16 hidden frames of 64, from the frames around."""
    line: float
    """The same of joints on straight lines from the last known frame to the next."""


def validate(prior: Prior, motion: Path, seed: int = 7) -> list[ValidationRow]:
    """A row for each kind of held-out motion of pairs in the folder.

    The same windows, cameras and noise at every call. Raises InputError as `held_out_windows`.
    """
    windows = held_out_windows(motion)
    return [_row(prior, kind, mine, seed) for kind, mine in windows.items()]


def held_out_windows(motion: Path) -> dict[MotionKind, WorldWindows]:
    """What is looked at, by kind. Raises InputError where there is no held-out motion of pairs."""
    library = load_library(motion, "validation", VALIDATION_KINDS)
    windows = Sampler(library).every(FRAMES, STRIDE, people=2)
    found: dict[MotionKind, WorldWindows] = {}
    for kind in VALIDATION_KINDS:
        mine = torch.nonzero(windows.kinds == KINDS.index(kind))[:, 0]
        if len(mine):
            evenly = np.linspace(0, len(mine) - 1, min(len(mine), WINDOW_LIMIT)).round()
            chosen = mine[torch.from_numpy(evenly).long()]
            found[kind] = _taken(windows, chosen)
    return found


def _taken(windows: WorldWindows, chosen: torch.Tensor) -> WorldWindows:
    return windows.select(lambda values: values[chosen])


def _row(prior: Prior, kind: MotionKind, windows: WorldWindows, seed: int) -> ValidationRow:
    body = BodyModel.load(OPEN_BODY, density="1k2")
    generator = torch.Generator().manual_seed(seed)
    truth, seen = observe(windows, body, generator, ObservationNoise())
    unknown = torch.full(truth.betas.shape[:2], torch.nan)
    guess = prior.estimate_windows(seen, unknown).windows
    return ValidationRow(
        kind, len(windows.pelvis), *_errors(prior, guess, truth), *_filling(prior, truth)
    )


def _joints(prior: Prior, windows: PairWindows) -> Float[np.ndarray, "B P F 24 3"]:
    joints = prior.skeleton.joints(windows.rotations, windows.betas)
    return (joints + windows.pelvis[..., None, :]).numpy()


def _errors(
    prior: Prior, guess: PairWindows, truth: PairWindows
) -> tuple[float, float, float, float]:
    """MPJPE, PA-MPJPE, Pair-PA-MPJPE, and of the relative depth; mm."""
    mine, true = (
        _joints(prior, windows).swapaxes(0, 1).reshape(2, -1, 24, 3) for windows in (guess, truth)
    )
    depth = mine[..., 0, 2] - true[..., 0, 2]
    errors = (
        root_aligned_errors(mine, true, (mine[:, :, 0], true[:, :, 0])),
        aligned_errors(mine, true),
        pair_aligned_errors(mine, true),
        np.abs(depth[0] - depth[1]),
    )
    mpjpe, pa, pair_pa, apart = (1000 * float(error.mean()) for error in errors)
    return mpjpe, pa, pair_pa, apart


def _filling(prior: Prior, truth: PairWindows) -> tuple[float, float]:
    """Of the prior and of straight lines, mm."""
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

    return off(filled[:, :, hidden]), off(line)
