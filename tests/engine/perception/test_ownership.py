from __future__ import annotations

import cv2
import numpy as np

from engine.perception.ownership import belonging
from tests.engine.perception.made_up import standing, witnesses

SKIN, NAVY = (224, 172, 140), (25, 30, 70)
FOREARM, WRIST = 4, 9
"""The left forearm among `detection.PARTS`, and the joint that tells it."""


def lab(color: tuple[int, int, int]) -> np.ndarray:
    return cv2.cvtColor(np.array([[color]], np.uint8), cv2.COLOR_RGB2LAB)[0, 0].astype(float)


def typical(color: tuple[int, int, int]) -> np.ndarray:
    return np.column_stack([np.tile(lab(color), (10, 1)), np.full(10, 0.8)])


def share(sleeve, own, *others, xy=None) -> float:
    """What speaks for a forearm in the colour `sleeve` being the person's own."""
    heard = [witnesses(standing(), color=lab(sleeve))]
    at = standing()[None, :, :2] if xy is None else xy[None]
    return float(belonging(heard, at, typical(own), [typical(c) for c in others])[0, WRIST])


def test_a_forearm_belongs_to_the_one_who_wears_its_colour():
    assert share(NAVY, SKIN, NAVY) < 0.1
    assert share(NAVY, NAVY, SKIN) > 0.9


def test_between_people_dressed_alike_nothing_tells():
    assert share(NAVY, NAVY, NAVY) == 0.5


def test_alone_nothing_tells():
    assert share(NAVY, SKIN) == 0.5


def test_of_several_others_the_most_alike_counts():
    assert share(NAVY, SKIN, SKIN, NAVY) < 0.1


def test_witnesses_of_another_place_are_not_asked():
    elsewhere = standing()[:, :2]
    elsewhere[WRIST] += (150, 0)
    assert share(NAVY, SKIN, NAVY, xy=elsewhere) == 0.5


def test_what_was_never_seen_of_a_person_is_told_by_the_other_side():
    mine, theirs = typical(NAVY), typical(SKIN)
    mine[FOREARM, 3] = theirs[FOREARM, 3] = 0.0
    heard = [witnesses(standing(), color=lab(NAVY))]
    at = standing()[None, :, :2]
    assert belonging(heard, at, mine, [theirs])[0, WRIST] > 0.9
    mine[FOREARM + 1, 3] = 0.0
    assert belonging(heard, at, mine, [theirs])[0, WRIST] == 0.5


def test_a_frame_that_nobody_was_looked_for_in_says_nothing():
    at = np.full((2, 17, 2), np.nan)
    assert (belonging([None, None], at, typical(NAVY), [typical(SKIN)]) == 0.5).all()
