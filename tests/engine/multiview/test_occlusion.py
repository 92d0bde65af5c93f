"""Who hides whose joints, for two people before one camera."""

from __future__ import annotations

import numpy as np

from engine.multiview.occlusion import body_box, visibility
from engine.perception.truth import Visibility
from tests.engine.multiview.scene import SIZE, camera_at, person

FRONT = camera_at(0.0)
"""Sees people at turn 0 from the front, from z = +4 m."""
TRUNK = [5, 6, 11, 12]


def look(*people: np.ndarray, in_front: tuple[int, ...] = ()) -> np.ndarray:
    return visibility(FRONT, np.stack([p[0] for p in people]), in_front)


def test_somebody_who_faces_the_camera_alone_is_all_in_view():
    assert (look(person()) == Visibility.VISIBLE).all()


def test_a_face_turned_away_is_hidden_by_the_own_head():
    levels = look(person(turn=np.pi))[0]
    assert (levels[[0, 1, 2]] == Visibility.SELF_OCCLUDED).all()
    assert (levels[TRUNK] == Visibility.VISIBLE).all()


def test_the_far_arm_is_hidden_by_the_own_trunk():
    levels = look(person(turn=np.pi / 2))[0]
    near, far = ([7, 9], [8, 10]) if person(turn=np.pi / 2)[0, 7, 2] > 0 else ([8, 10], [7, 9])
    assert (levels[near] == Visibility.VISIBLE).all()
    assert (levels[far] == Visibility.SELF_OCCLUDED).all()


def test_the_one_behind_is_hidden_and_the_one_in_front_is_not():
    levels = look(person(z=0.6), person(z=-0.6))
    assert (levels[0] == Visibility.VISIBLE).all()
    assert (levels[1, TRUNK] == Visibility.OCCLUDED).all()


def test_people_side_by_side_hide_nothing():
    assert (look(person(x=-0.6), person(x=0.6)) == Visibility.VISIBLE).all()


def test_who_was_laid_over_the_picture_hides_others_wherever_they_stand():
    levels = look(person(z=0.6), person(z=-0.6), in_front=(1,))
    assert (levels[1] == Visibility.VISIBLE).all()
    assert (levels[0, TRUNK] == Visibility.OCCLUDED).all()


def test_joints_outside_the_picture_and_unknown_ones_are_called_so():
    points = person(x=-2.4)
    points[:, 9] = np.nan
    levels = look(points)[0]
    assert levels[9] == Visibility.UNKNOWN
    assert Visibility.OUTSIDE in levels[[5, 6]]


def test_the_box_holds_the_body_and_ends_at_the_picture():
    box = body_box(FRONT, person()[0])
    height = (box[3] - box[1]) * 4 / 900
    assert 1.65 < height < 1.95
    assert abs((box[0] + box[2]) / 2 - SIZE[0] / 2) < 12
    cut = body_box(FRONT, person(x=-2.2)[0])
    assert cut[0] == 0
    assert np.isnan(body_box(FRONT, person(x=-9.0)[0])).all()
