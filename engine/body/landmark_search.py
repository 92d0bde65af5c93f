"""Landmarks of a body whose landmark vertices are not known: found by their place on the body.

Rules by extremes and proportions, in the rest pose of SMPL (arms out, palms down, facing +z). On
the open body they are within 2 cm of the known ones.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engine.body.joints import SMPL_JOINTS, mirrored

_FINGERTIPS = {"index": 0.3, "middle": -0.1, "ring": -0.75, "pinky": -5.0}
"""How far forwards each finger points, against sideways, in a hand that is spread a little."""
_EYES_BESIDE_NOSE = 0.19
"""Distance of an eye from the middle, as a share of the height from nose to crown."""
_EYES_ABOVE_NOSE = 0.25


def find_landmarks(
    v_template: Float[np.ndarray, "V 3"],
    weights: Float[np.ndarray, "V 24"],
    joints: Float[np.ndarray, "24 3"],
) -> dict[str, int]:
    """smplx's 21 names and "crown", each to a vertex."""
    flip = np.array([-1.0, 1.0, 1.0])
    other_side = list(mirrored(SMPL_JOINTS))
    head = _on_head(v_template, weights)
    left = _on_left_side(v_template, weights, joints)
    right = _on_left_side(v_template * flip, weights[:, other_side], joints[other_side] * flip)
    found = dict(head)
    for name, vertex in left.items():
        found[name] = vertex
        found[("r" if name[0] == "l" else "R") + name[1:]] = right[name]
    return found


def _on_head(points: np.ndarray, weights: np.ndarray) -> dict[str, int]:
    head = np.flatnonzero(weights[:, SMPL_JOINTS.index("head")] > 0.5)
    middle = head[np.abs(points[head, 0]) < 0.02]
    crown = int(middle[np.argmax(points[middle, 1])])
    return {"nose": int(middle[np.argmax(points[middle, 2])]), "crown": crown}


def _on_left_side(points: np.ndarray, weights: np.ndarray, joints: np.ndarray) -> dict[str, int]:
    x, y, z = points.T
    mid = _on_head(points, weights)
    nose, crown = points[mid["nose"]], points[mid["crown"]]
    unit = crown[1] - nose[1]

    def extreme(where: np.ndarray, score: np.ndarray) -> int:
        candidates = np.flatnonzero(where)
        return int(candidates[np.argmax(score[candidates])])

    def moved_by(*names: str) -> np.ndarray:
        return np.asarray(weights[:, [SMPL_JOINTS.index(name) for name in names]].sum(1) > 0.5)

    head, foot = moved_by("head"), moved_by("left_ankle", "left_foot")
    hand = moved_by("left_wrist", "left_hand")
    eye = np.array([_EYES_BESIDE_NOSE * unit, nose[1] + _EYES_ABOVE_NOSE * unit])
    off_eye = np.hypot(x - eye[0], y - eye[1])
    face = head & (z > (nose[2] + joints[SMPL_JOINTS.index("head"), 2]) / 2)
    ball = joints[SMPL_JOINTS.index("left_foot")]
    outwards = x[foot].max() - ball[0]
    found = {
        "leye": extreme(face, -off_eye),
        "lear": extreme(head & (np.abs(y - eye[1]) < 0.35 * unit), x),
        "LBigToe": extreme(foot & (x < ball[0]), z),
        "LSmallToe": extreme(foot & (x > ball[0] + 0.75 * outwards), z),
        "LHeel": extreme(foot, -z - 0.3 * y),
        "lthumb": extreme(hand & (x < np.quantile(x[hand], 0.75)), z),
    }
    tips = {f"l{name}": extreme(hand, x + slope * z) for name, slope in _FINGERTIPS.items()}
    return found | tips
