"""Bodies that were captured inside each other are taken apart, and others are left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.body.data import load_body_data
from engine.geometry.touching import Touch, find_touch
from engine.motion.readers.joint_npz import read_captured
from engine.motion.separation import separate
from engine.motion.solving import retarget
from engine.structures import BodyMotion
from engine.synthesis.figures import bare_body
from tests.engine.synthesis.conftest import write_motion


def _standing(path: Path, places: list[list[float]]) -> BodyMotion:
    captured = read_captured(write_motion(path, np.array(places)))
    return retarget(captured, shape_spread=0.0).motion


def _touch(motion: BodyMotion) -> Touch:
    data = load_body_data()
    skins = [
        bare_body(_offsets()[p]).vertices(
            motion.betas[p], motion.global_orient[p], motion.body_pose[p], motion.transl[p]
        )
        for p in range(2)
    ]
    return find_touch(skins[0], skins[1], data)


def _offsets() -> list[np.ndarray]:
    return [np.zeros((load_body_data().vertex_count, 3))] * 2


def test_two_who_stand_in_each_other_are_taken_apart(tmp_path: Path) -> None:
    motion = _standing(tmp_path / "m.npz", [[0, 0, 0], [0.02, 0, 0.18]])
    assert _touch(motion).penetration_m.min() > 0.03
    separated = separate(motion, _offsets())
    touch = _touch(separated.motion)
    assert touch.penetration_m.max() < 0.01
    assert touch.vertices.any(axis=2).all()
    assert 0.01 < separated.displacement_m.mean() < 0.08
    steps = np.diff(separated.motion.transl, axis=1) - np.diff(motion.transl, axis=1)
    assert np.abs(steps).max() < 0.005


def test_those_who_do_not_touch_stay_where_they_are(tmp_path: Path) -> None:
    motion = _standing(tmp_path / "m.npz", [[-0.6, 0, 0], [0.6, 0, 0]])
    separated = separate(motion, _offsets())
    assert separated.displacement_m.max() == 0
    np.testing.assert_allclose(separated.motion.transl, motion.transl, atol=1e-6)
