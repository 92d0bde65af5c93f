"""Joints as weighted sums of skin vertices, supported by the coarsest mesh alone.

So the same regressor serves every density. The weights sum to one, meet the joint of the mean
body exactly, follow it closely along the shape directions, and stay near a smooth positive prior:
following it exactly would take weights of both signs that amplify noise tenfold.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from engine.body.joints import SMPL_JOINTS, SMPL_PARENTS

_NEAREST = 60
_REACH = 0.3
_FEWEST = 12
_PRIOR_RADIUS = 0.06
_DIRECTIONS = 10.0
"""Weight of following the shape directions, against the distance to the prior."""
_RIDGE = 0.3


def joint_regressor(
    support: Int[np.ndarray, "S"],
    mirror: Int[np.ndarray, "V"],
    areas: Float[np.ndarray, "V"],
    weights: Float[np.ndarray, "V 24"],
    fields: Float[np.ndarray, "k V 3"],
    joint_fields: Float[np.ndarray, "k 24 3"],
) -> Float[np.ndarray, "24 V"]:
    """Regressor with rows that sum to one.

    `support`: the vertices it may use. `fields`: the mean body and the shape directions;
    `joint_fields`: the joints of the same.
    """
    regressor = np.zeros((len(SMPL_JOINTS), len(mirror)))
    for joint, name in enumerate(SMPL_JOINTS):
        if name.startswith("right_"):
            continue
        mean, position = fields[0], joint_fields[0, joint]
        chosen = _choose(support, joint, weights, mean, position)
        if not name.startswith("left_"):
            chosen = np.unique(np.concatenate([chosen, mirror[chosen]]))
        distance = np.linalg.norm(mean[chosen] - position, axis=1)
        prior = np.exp(-distance / _PRIOR_RADIUS) * areas[chosen]
        row = np.zeros(len(mirror))
        row[chosen] = weights_near(prior / prior.sum(), fields[:, chosen], joint_fields[:, joint])
        if name.startswith("left_"):
            regressor[joint], regressor[joint + 1] = row, row[mirror]
        else:
            regressor[joint] = (row + row[mirror]) / 2
    return regressor


def _choose(
    support: np.ndarray,
    joint: int,
    weights: np.ndarray,
    mean: np.ndarray,
    position: np.ndarray,
) -> np.ndarray:
    """The nearest vertices, and those that move with the joint and with its parent."""
    distance = np.linalg.norm(mean[support] - position, axis=1)
    chosen = np.zeros(len(support), bool)
    chosen[np.argsort(distance, kind="stable")[:_NEAREST]] = True
    own = weights[support, joint] > 0.02
    parent = SMPL_PARENTS[joint]
    both = own & (weights[support, parent] > 0.02) if parent >= 0 else own
    if both.sum() >= _FEWEST or parent < 0:
        chosen |= both & (distance < _REACH)
    return support[chosen]


def weights_near(
    prior: np.ndarray, fields: np.ndarray, targets: np.ndarray
) -> Float[np.ndarray, "S"]:
    """Weights of vertices that give a joint in every field (the mean, then the directions).

    Least squares over the shape directions and the distance to the prior, in the null space of
    the equations that hold exactly: the sum is one and the mean joint is met.
    """
    scale = np.sqrt(prior / prior.mean() + 1e-2)
    by_coordinate = np.moveaxis(fields, 1, 2) * scale
    exact = np.concatenate([by_coordinate[0], scale[None]])
    right = np.concatenate([targets[0] - fields[0].T @ prior, [0.0]])
    directions = _DIRECTIONS * by_coordinate[1:].reshape(-1, len(prior))
    missing = _DIRECTIONS * (targets[1:] - np.einsum("ksc,s->kc", fields[1:], prior)).ravel()

    _, _, rows = np.linalg.svd(exact)
    free = rows[len(exact) :].T
    start = np.linalg.lstsq(exact, right, rcond=None)[0]
    ridge = _RIDGE / np.sqrt(len(prior))
    system = np.concatenate([directions, ridge * np.eye(len(prior))])
    residual = np.concatenate([missing, np.zeros(len(prior))]) - system @ start
    change = start + free @ np.linalg.lstsq(system @ free, residual, rcond=None)[0]
    return np.asarray(prior + scale * change)
