from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.perception.runtime import CROP, Region

sides = st.floats(20, 400)
angles = st.floats(-np.pi, np.pi)


@given(sides, angles)
def test_the_middle_of_a_region_is_the_middle_of_its_crop(side, angle):
    region = Region(70.0, 90.0, side, angle)
    middle = region.to_image(np.full((1, 2), CROP / 2))[0]
    np.testing.assert_allclose(middle, (70.0, 90.0), atol=1e-9)


@given(sides, angles)
def test_a_region_has_its_side_and_its_tilt(side, angle):
    region = Region(70.0, 90.0, side, angle)
    bottom, top = region.to_image(np.array([[CROP / 2, CROP], [CROP / 2, 0.0]]))
    assert np.hypot(*(top - bottom)) == pytest.approx(side)
    up = (top - bottom) / side
    np.testing.assert_allclose(up, (np.sin(angle), -np.cos(angle)), atol=1e-9)


def test_a_crop_shows_what_the_region_covers():
    image = np.zeros((200, 200, 3), np.uint8)
    cv2.circle(image, (130, 60), 6, (255, 255, 255), -1)
    region = Region(100.0, 100.0, 160.0, 0.4)
    spot = np.argwhere(region.crop(image)[..., 0] > 128).mean(axis=0)[::-1]
    np.testing.assert_allclose(region.to_image(spot[None])[0], (130, 60), atol=1.0)


def test_multipose_finds_the_same_people_at_two_scales(models, sample_frames):
    image = sample_frames[0]
    people = [models.multipose(image, scale) for scale in (0.14, 0.19)]
    noses = [p[p[:, 55] > 0.4][:, :2] for p in people]
    assert all(len(n) >= 2 for n in noses)
    for nose in noses[0][:2]:
        assert np.linalg.norm(noses[1] - nose, axis=1).min() < 40
    for found in people:
        assert (found[:, 53] > found[:, 51]).all()
        assert (found[:, 54] > found[:, 52]).all()


def test_blazepose_follows_its_own_next_region(models, sample_frames):
    first = models.blazepose(sample_frames[0], [Region(360.0, 740.0, 950.0)])[0]
    second = models.blazepose(sample_frames[10], [first.next_region])[0]
    assert first.presence > 0.9
    assert second.presence > 0.9
    shoulders = second.landmarks[[11, 12], :2].mean(axis=0)
    np.testing.assert_allclose(shoulders, (415, 500), atol=80)
    assert 0.03 < second.image_mask((1088, 1920)).mean() < 0.2
