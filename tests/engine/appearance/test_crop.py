"""Crops: K follows, whatever the lens."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.appearance.crop import Crops, Lens, crops_around, cut_out, inside

K = np.array([[900.0, 0, 640], [0, 900.0, 360], [0, 0, 1]])


def around(low: list[list[float]], high: list[list[float]], side: int = 96) -> Crops:
    return crops_around(np.array(low, float), np.array(high, float), (1280, 720), side)


def test_a_point_is_where_its_pixel_went() -> None:
    """Projected by the crop's K it is at the place that the crop cut out there."""
    crops = around([[300, 100], [350, 120]], [[700, 600], [800, 640]])
    point = np.array([0.1, 0.2, 2.5])
    for frame in range(2):
        projected = crops.intrinsics(K)[frame] @ point
        column, row = projected[:2] / projected[2]
        there = crops.pixels(frame)[int(row), int(column)]
        whole = K @ point
        assert there == pytest.approx(whole[:2] / whole[2], abs=0.5 / crops.scale[frame] + 1e-9)


def test_all_crops_have_one_size_and_hold_their_boxes() -> None:
    low, high = np.array([[300, 100], [20, 40]]), np.array([[700, 600], [900, 700]])
    crops = around(low.tolist(), high.tolist())
    assert max(crops.width, crops.height) == 96 and crops.width % 8 == crops.height % 8 == 0
    for frame in range(2):
        corners = (np.stack([low[frame], high[frame]]) - crops.origin[frame]) * crops.scale[frame]
        assert corners.min() > 0 and (corners[1] < (crops.width, crops.height)).all()


def test_a_frame_without_anybody_shows_the_whole_picture() -> None:
    crops = around([[300, 100], [np.nan, np.nan]], [[700, 600], [np.nan, np.nan]])
    assert crops.scale[1] < crops.scale[0]
    assert np.isfinite(crops.origin).all()


def test_a_body_far_outside_the_picture_does_not_shrink_it() -> None:
    crops = around([[-9000, -9000]], [[9000, 9000]])
    assert crops.scale[0] > 96 / 1280 / 1.5


@pytest.mark.parametrize("distortion", [np.zeros(5), np.array([-0.2, 0.05, 0.001, 0, 0])])
def test_what_is_cut_out_is_what_was_there(distortion: np.ndarray) -> None:
    """A disc that a lens bent is found where the pinhole has it, also in a reduced frame."""
    point = np.array([0.25, -0.15, 1.0])
    bent, _ = cv2.projectPoints(point[None], np.zeros(3), np.zeros(3), K, distortion)
    picture = np.zeros((720, 1280, 3), np.uint8)
    cv2.circle(picture, np.rint(bent.ravel() - 0.5).astype(int).tolist(), 12, (255, 255, 255), -1)
    crops = around([[600, 100]], [[1100, 400]], 240)
    for reduction in (1, 2):
        reduced = cv2.resize(picture, None, fx=1 / reduction, fy=1 / reduction,
                             interpolation=cv2.INTER_AREA)  # fmt: skip
        places = Lens(K, distortion, reduction).places(crops.pixels(0))
        cut = cut_out(reduced, places, 1 / crops.scale[0] / reduction)
        rows, columns = np.nonzero(cut[..., 0] > 127)
        found = np.array([columns.mean(), rows.mean()]) + 0.5
        expected = crops.intrinsics(K)[0] @ point
        assert found == pytest.approx(expected[:2] / expected[2], abs=0.4)


def test_what_lies_outside_the_picture_is_said_to() -> None:
    crops = around([[0, 0]], [[200, 600]])
    places = Lens(K, np.zeros(5)).places(crops.pixels(0))
    within = inside(places, (1280, 720))
    assert not within[:, 0].any() and within[:, -1].any()
