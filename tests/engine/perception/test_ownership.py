from __future__ import annotations

import numpy as np

from engine.perception.ownership import settle_limbs

SKIN, NAVY = (224, 172, 140), (25, 30, 70)


def lab(color: tuple[int, int, int]) -> np.ndarray:
    import cv2

    return cv2.cvtColor(np.array([[color]], np.uint8), cv2.COLOR_RGB2LAB)[0, 0].astype(float)


def typical(color: tuple[int, int, int]) -> np.ndarray:
    return np.column_stack([np.tile(lab(color), (10, 1)), np.full(10, 0.8)])


def arm(elbow: tuple[float, float], wrist: tuple[float, float]) -> np.ndarray:
    points = np.full((17, 3), np.nan)
    points[:, 2] = 0
    points[7], points[9] = (*elbow, 0.6), (*wrist, 0.6)
    return points


def sleeve() -> np.ndarray:
    """A navy forearm across a pale picture."""
    image = np.full((200, 300, 3), 230, np.uint8)
    image[90:110, 80:220] = NAVY
    return image


def test_a_forearm_goes_to_the_one_who_wears_its_colour():
    poses = [arm((100, 100), (200, 100)), arm((105, 101), (203, 101))]
    bare, dressed = settle_limbs(sleeve(), poses, [typical(SKIN), typical(NAVY)], [400.0, 400.0])
    assert bare[9, 2] < 0.15
    assert dressed[9, 2] == 0.6


def test_people_dressed_alike_keep_what_was_seen():
    poses = [arm((100, 100), (200, 100)), arm((105, 101), (203, 101))]
    settled = settle_limbs(sleeve(), poses, [typical(NAVY), typical(NAVY)], [400.0, 400.0])
    assert all(pose[9, 2] == 0.6 for pose in settled)


def test_arms_apart_are_not_questioned():
    poses = [arm((100, 100), (200, 100)), arm((100, 20), (200, 20))]
    settled = settle_limbs(sleeve(), poses, [typical(SKIN), typical(SKIN)], [400.0, 400.0])
    assert all(pose[9, 2] == 0.6 for pose in settled)
