"""How far bodies are inside each other: true depth, from vertices to the other's surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from engine.geometry.touching import Touch

DEEP = 0.020
"""Metres above which a frame counts as penetrating: soft flesh gives way by about half of that, and
so much do captured people who touch."""


@dataclass(frozen=True)
class Penetration:
    """Of all pairs of people over the frames that count. Metres; 0 where nothing penetrates."""

    mean_m: float
    """Over the vertices that lie inside the other body (winding number), of their
    distance to its surface. Denser parts of the mesh, hands and faces, weigh more."""
    deepest_m: float
    deep_frames: float
    """Share of the frames in which a vertex is deeper than `DEEP`. NaN without frames."""


def penetration_of(touches: Sequence[Touch], counted: Bool[np.ndarray, "F"]) -> Penetration:
    """Source: true mesh depth in place of A-PD (CloseInt), which divides by a box's size."""
    if not counted.any() or not touches:
        return Penetration(float("nan"), float("nan"), float("nan"))
    vertices = sum(int(t.penetrating[counted].sum()) for t in touches)
    total = sum(float(t.penetration_sum_m[counted].sum()) for t in touches)
    deepest = np.max([t.penetration_m[counted] for t in touches], axis=0)
    return Penetration(
        mean_m=total / vertices if vertices else 0.0,
        deepest_m=float(deepest.max()),
        deep_frames=float((deepest > DEEP).mean()),
    )
