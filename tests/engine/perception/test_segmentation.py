from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.perception.segmentation import cover, crop_to_person, divide, encode_window
from engine.structures import RunLengthMask


@settings(deadline=None)
@given(
    arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
def test_encoding_a_window_equals_encoding_the_frame(mask, origin, room):
    height, width = mask.shape[0] + origin[1] + room[1], mask.shape[1] + origin[0] + room[0]
    frame = np.zeros((height, width), bool)
    frame[origin[1] : origin[1] + mask.shape[0], origin[0] : origin[0] + mask.shape[1]] = mask
    encoded = encode_window(mask, origin, (width, height))
    assert encoded == RunLengthMask.encode(frame)
    np.testing.assert_array_equal(encoded.decode(), frame)


def figure(x: float) -> np.ndarray:
    """Halpe-26 joints of an upright trunk at x; everything else unseen."""
    points = np.full((26, 3), np.nan)
    points[:, 2] = 0
    for joint, at in {5: (x, 40), 6: (x, 41), 11: (x, 160), 12: (x, 161)}.items():
        points[joint] = (*at, 0.9)
    return points


def soft(left: int, right: int) -> np.ndarray:
    mask = np.zeros((200, 300), np.float32)
    cv2.rectangle(mask, (left, 20), (right, 180), 1.0, -1)
    return mask


def test_masks_that_overlap_are_divided_half_way():
    first, second = divide([soft(60, 180), soft(120, 240)], [figure(110.0), figure(190.0)])
    assert not (first & second).any()
    assert (first | second)[20:181, 60:241].all()
    edge = int(np.flatnonzero(first[100]).max())
    assert abs(edge - 150) <= 2


def test_a_mask_that_runs_over_onto_the_other_is_cut_back():
    first, second = divide([soft(60, 240), soft(150, 240)], [figure(100.0), figure(200.0)])
    assert not first[100, 170:].any()
    assert second[100, 170:240].all()


def test_masks_that_do_not_meet_are_left_alone():
    masks = [soft(10, 60), soft(200, 260)]
    for divided, mask in zip(divide(masks, [figure(30.0), figure(230.0)]), masks, strict=True):
        np.testing.assert_array_equal(divided, mask > 0.5)


def test_a_covered_person_is_grey_and_the_rest_untouched():
    image = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    hidden = cover(image, soft(60, 180))
    assert (hidden[20:181, 60:181] == 128).all()
    np.testing.assert_array_equal(hidden[:, 190:], image[:, 190:])


def test_nothing_outside_the_person_s_box_is_the_person():
    mask = np.ones((50, 60), bool)
    kept = crop_to_person(mask, np.array([10.0, 5, 20, 30]))
    assert kept.sum() == 11 * 26
    assert not crop_to_person(mask, np.array([-40.0, -40, -5, -5])).any()
