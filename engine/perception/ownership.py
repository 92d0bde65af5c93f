"""Whose limb is it: where two people's joints fall onto the same pixels, clothes tell.

In an embrace a model sees one forearm and gives it to both people. Its colour, compared with what
each person's forearm looked like while they were apart, speaks for one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from engine.perception.detection import PARTS, lab_distance
from engine.perception.looks import Witnesses

_LIMBS = tuple(part for part in range(len(PARTS)) if len(PARTS[part]) == 2)
_OTHER_SIDE = {2: 3, 3: 2, 4: 5, 5: 4, 6: 7, 7: 6, 8: 9, 9: 8}
_SHARPNESS = 3.0
_NEAR = 0.06
"""A witness speaks of the same limb within this share of the body's size."""


def belonging(
    heard: Sequence[Witnesses | None],
    xy: Float[np.ndarray, "F 17 2"],
    own: Float[np.ndarray, "10 4"],
    others: Sequence[Float[np.ndarray, "10 4"]],
) -> Float[np.ndarray, "F 17"]:
    """How much each limb looks like the person's own, 0..1; 0.5 where nothing tells.

    `xy` are the joints as decided, `own` and `others` the typical colours of people's body parts,
    as `detection.part_colors` gives them. A limb is told by its far joint.
    """
    share = np.full(xy.shape[:2], 0.5)
    for frame, witnesses in enumerate(heard):
        if witnesses is None:
            continue
        for part in _LIMBS:
            joint = PARTS[part][1]
            apart = np.linalg.norm(witnesses.points[:, joint, :2] - xy[frame, joint], axis=-1)
            near = (apart < _NEAR * witnesses.size) & (witnesses.colors[:, part, 3] > 0)
            if near.any():
                seen = np.median(witnesses.colors[near, part], axis=0)
                share[frame, joint] = _share(seen, part, own, others)
    return share


def _share(
    seen: Float[np.ndarray, "4"],
    part: int,
    own: Float[np.ndarray, "10 4"],
    others: Sequence[Float[np.ndarray, "10 4"]],
) -> float:
    mine = _typical(own, part)
    rivals = [typical for colors in others if (typical := _typical(colors, part)) is not None]
    if mine is None or not rivals:
        return 0.5
    to_mine = float(lab_distance(seen, mine))
    to_theirs = min(float(lab_distance(seen, rival)) for rival in rivals)
    return float(1.0 / (1.0 + np.exp(_SHARPNESS * (to_mine - to_theirs))))


def _typical(colors: Float[np.ndarray, "10 4"], part: int) -> Float[np.ndarray, "4"] | None:
    """The part's colour, or that of the same part of the other side."""
    for candidate in (part, _OTHER_SIDE[part]):
        if colors[candidate, 3] > 0.2:
            return np.asarray(colors[candidate])
    return None
