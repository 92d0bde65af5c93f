"""Joints in space over time: what all views say of every frame, solved together.

Each joint's path is the one of least cost of sight lines it passes beside (robust: a view that sees
something else counts for nothing), acceleration, and bones that change their length. Nothing is
filtered forward or backward, so the path is not shifted in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import scipy.sparse.linalg as sparse_linalg
from jaxtyping import Float

from engine.multiview.cameras import normalized, sight_equations
from engine.structures import Camera

OUTLIER_M = 0.03
"""A sight line further beside the joint than this loses its weight."""
MEASURE_M, ACCELERATION, BONE_M = 0.015, 18.0, 0.015
"""Standard deviations: of a sure sight line in metres, of acceleration in m/s^2, of a bone's
length in metres."""
AGREES_M = 0.05
"""A witness supports a joint it passes within this many metres."""
_SCHEDULE = (0.12, 0.08, 0.06, 0.045, *(OUTLIER_M,) * 5)
BONES = ((5, 7), (7, 9), (6, 8), (8, 10), (5, 6), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16))
"""Pairs of COCO-17 joints whose distance hardly changes."""


@dataclass(frozen=True)
class Evidence:
    """What the witnesses of all views say of one person: V views, F frames, W witnesses."""

    pixels: Float[np.ndarray, "V F W K 2"]
    weight: Float[np.ndarray, "V F W K"]
    """0 where a witness says nothing."""


@dataclass(frozen=True)
class Trajectories:
    """One person in space."""

    points: Float[np.ndarray, "F K 3"]
    """Metres in the world; NaN for joints that nobody spoke of in any frame."""
    support: Float[np.ndarray, "F K V"]
    """Weight of each view's witnesses that agree."""


def solve(
    cameras: Sequence[Camera],
    evidence: Evidence,
    start: Float[np.ndarray, "F K 3"],
    seconds: float,
    lengths: Float[np.ndarray, "B"] | None = None,
) -> Trajectories:
    """Paths of all joints from a first guess of them (NaN where there is none).

    `seconds` is the time between two frames; `lengths` are of BONES in metres, NaN where unknown;
    without them bones are free.
    """
    sights = [_Sights.of(cameras, evidence, k) for k in range(start.shape[1])]
    points = np.stack([_bridged(start[:, k]) for k in range(start.shape[1])], axis=1)
    stiff = _stiffness(len(points), seconds)
    for outlier in _SCHEDULE:
        pulls = _bone_pulls(points, lengths)
        points = np.stack(
            [
                s.path(points[:, k], stiff, outlier, pulls[k])
                if s.spoken
                else points[:, k] * np.nan
                for k, s in enumerate(sights)
            ],
            axis=1,
        )
    support = np.stack([s.support(points[:, k]) for k, s in enumerate(sights)], axis=1)
    return Trajectories(points, support)


def bone_lengths(points: Float[np.ndarray, "F K 3"]) -> Float[np.ndarray, "B"]:
    """Median length of each of BONES in metres; NaN where an end is never known."""
    ends = np.asarray(BONES)
    length = np.linalg.norm(points[:, ends[:, 0]] - points[:, ends[:, 1]], axis=-1)
    known = np.isfinite(length).any(axis=0)
    result = np.full(len(BONES), np.nan)
    result[known] = np.nanmedian(length[:, known], axis=0)
    return result


@dataclass(frozen=True)
class _Pull:
    """Where a bone would have a joint."""

    target: Float[np.ndarray, "F 3"]
    weight: Float[np.ndarray, "F"]
    """1 / m^2."""


@dataclass(frozen=True)
class _Sights:
    """The sight lines of one joint as linear equations: |A X - b| metres beside the line."""

    A: Float[np.ndarray, "F S 2 3"]
    b: Float[np.ndarray, "F S 2"]
    weight: Float[np.ndarray, "F S"]
    views: int

    @classmethod
    def of(cls, cameras: Sequence[Camera], evidence: Evidence, joint: int) -> _Sights:
        pixels = evidence.pixels[..., joint, :]
        views, frames, slots = pixels.shape[:3]
        plane = np.stack([normalized(c, pixels[v]) for v, c in enumerate(cameras)], axis=1)
        weight = evidence.weight[..., joint].transpose(1, 0, 2)
        weight = np.where(np.isfinite(plane).all(axis=-1), weight, 0.0)
        order = np.repeat(np.arange(views), slots)
        flat = plane.reshape(frames, views * slots, 2)
        A, b = sight_equations(cameras, flat, order)
        return cls(A, b, weight.reshape(frames, views * slots), views)

    @property
    def spoken(self) -> bool:
        return bool((self.weight > 0).any())

    def miss(self, path: Float[np.ndarray, "F 3"]) -> Float[np.ndarray, "F S"]:
        offset = np.einsum("fsij,fj->fsi", self.A, path) - self.b
        return np.asarray(np.linalg.norm(offset, axis=-1))

    def path(
        self,
        before: Float[np.ndarray, "F 3"],
        stiff: sparse.csc_array,
        outlier: float,
        pulls: Sequence[_Pull],
    ) -> Float[np.ndarray, "F 3"]:
        """One step of iteratively reweighted least squares (Geman-McClure weights)."""
        trust = self.weight / (1 + (self.miss(before) / outlier) ** 2) ** 2 / MEASURE_M**2
        left = np.einsum("fs,fsij,fsik->fjk", trust, self.A, self.A) + 1e-3 * np.eye(3)
        right = np.einsum("fs,fsij,fsi->fj", trust, self.A, self.b) + 1e-3 * before
        for pull in pulls:
            left = left + pull.weight[:, None, None] * np.eye(3)
            right = right + pull.weight[:, None] * pull.target
        whole = sparse.csc_array(sparse.block_diag(list(left), format="csc") + stiff)
        return np.asarray(sparse_linalg.spsolve(whole, right.ravel())).reshape(-1, 3)

    def support(self, path: Float[np.ndarray, "F 3"]) -> Float[np.ndarray, "F V"]:
        agreed = np.where(self.miss(path) < AGREES_M, self.weight, 0.0)
        return np.asarray(agreed.reshape(len(path), self.views, -1).sum(axis=-1))


def _stiffness(frames: int, seconds: float) -> sparse.csc_array:
    """Cost of acceleration as a matrix over (frame, axis)."""
    if frames < 3:
        return sparse.csc_array((3 * frames, 3 * frames))
    rows = [np.ones(frames), -2 * np.ones(frames), np.ones(frames)]
    second = sparse.diags_array(
        rows, offsets=[0, 1, 2], shape=(frames - 2, frames), dtype=np.float64
    )
    weight = 1.0 / (ACCELERATION * seconds**2) ** 2
    return sparse.csc_array(sparse.kron(second.T @ second, sparse.eye_array(3)) * weight)


def _bone_pulls(
    points: Float[np.ndarray, "F K 3"], lengths: Float[np.ndarray, "B"] | None
) -> list[list[_Pull]]:
    """For each joint, where each of its bones would have it.

    Robust like the sight lines: a bone that is far too long has a wrong joint at its other end.
    """
    pulls: list[list[_Pull]] = [[] for _ in range(points.shape[1])]
    for bone, (a, b) in enumerate(BONES):
        if lengths is None or not np.isfinite(lengths[bone]):
            continue
        along = points[:, b] - points[:, a]
        length = np.maximum(np.linalg.norm(along, axis=-1), 1e-6)
        if not np.isfinite(length).all():
            continue
        excess = length - lengths[bone]
        weight = 1 / (1 + (excess / OUTLIER_M) ** 2) ** 2 / BONE_M**2
        half = along * (excess / length / 2)[:, None]
        pulls[a].append(_Pull(points[:, a] + half, weight))
        pulls[b].append(_Pull(points[:, b] - half, weight))
    return pulls


def _bridged(path: Float[np.ndarray, "F 3"], reach: int = 4) -> Float[np.ndarray, "F 3"]:
    """A first guess without gaps: the median of neighbouring frames, drawn straight between."""
    known = np.flatnonzero(np.isfinite(path).all(axis=1))
    if not len(known):
        return np.zeros_like(path)
    frames = np.arange(len(path))
    smooth = np.stack(
        [np.median(path[known[abs(known - f) <= reach]], axis=0) for f in known.tolist()]
    )
    return np.stack([np.interp(frames, known, smooth[:, axis]) for axis in range(3)], axis=1)
