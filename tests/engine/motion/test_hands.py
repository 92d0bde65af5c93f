"""Hands close around what they hold, and only then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.body.data import OPEN_BODY, load_body_data
from engine.body.joints import SMPL_JOINTS
from engine.motion.hands import AROUND, close_hands
from engine.structures import BodyMotion, Provenance

FRAMES = 30
LEFT_FINGERS = SMPL_JOINTS.index("left_hand") - 1


def _pair(apart: float) -> BodyMotion:
    """Both with arms out to the sides; the second stands so far to the first one's left that its
    right forearm lies under the first one's left palm, `apart` lower."""
    shape = (2, FRAMES)
    rest = load_body_data(OPEN_BODY).J_template
    palm = rest[SMPL_JOINTS.index("left_hand")]
    forearm = (rest[SMPL_JOINTS.index("right_elbow")] + rest[SMPL_JOINTS.index("right_wrist")]) / 2
    transl = np.zeros((*shape, 3))
    transl[1] = palm - forearm - [0, apart, 0]
    return BodyMotion(
        body=OPEN_BODY,
        betas=np.zeros((2, 10)),
        global_orient=np.zeros((*shape, 3)),
        body_pose=np.zeros((*shape, 23, 3)),
        transl=transl,
        valid=np.ones(shape, bool),
        provenance=np.full(shape, Provenance.EDITED, np.uint8),
        time=np.arange(FRAMES) / 30,
        gravity="known",
    )


def test_a_palm_on_a_forearm_closes_around_it() -> None:
    closed = close_hands(_pair(0.05), 30.0)
    assert closed.held[0, 0].all()
    assert not closed.held[1, 0].any()
    fingers = closed.motion.body_pose[0, :, LEFT_FINGERS]
    np.testing.assert_allclose(fingers[15], [0, 0, -AROUND], atol=1e-6)


def test_a_hand_in_the_air_is_flat() -> None:
    closed = close_hands(_pair(0.25), 30.0)
    assert not closed.held.any()
    assert not closed.motion.body_pose[:, :, LEFT_FINGERS].any()


def test_fingers_close_and_open_smoothly() -> None:
    motion = _pair(0.05)
    transl = motion.transl.copy()
    transl[1, :10, 1] -= 0.3
    transl[1, 20:, 1] -= 0.3
    bend = -close_hands(replace(motion, transl=transl), 30.0).motion.body_pose[
        0, :, LEFT_FINGERS, 2
    ]
    assert bend[0] < 0.02 < 0.9 < bend[15]
    assert abs(np.diff(bend)).max() < 0.25


def test_a_moment_is_no_hold() -> None:
    motion = _pair(0.05)
    transl = motion.transl.copy()
    transl[1, :, 1] -= 0.3
    transl[1, 14:16, 1] += 0.3
    assert not close_hands(replace(motion, transl=transl), 30.0).held.any()
