"""The brush and the picture of a mask: exact, and as cheap as the brush is small."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mask_canvas import MaskCanvas, MaskPicture
from app.picture_transform import PictureTransform
from engine.structures import RunLengthMask

SIZE = (60, 80)
"""Height, width."""
points = st.tuples(st.floats(-20, 100), st.floats(-20, 80))


def argb(picture: MaskPicture) -> np.ndarray:
    image = picture.image
    return np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1).copy()


@settings(deadline=None, max_examples=40)
@given(a=points, b=points, radius=st.floats(1, 40))
def test_a_dab_sets_the_pixels_whose_centres_are_within_the_radius_of_its_line(a, b, radius):
    canvas = MaskCanvas(SIZE, None)
    area = canvas.dab(a, b, radius, True)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    on_line = np.linspace(0, 1, 300)[:, None] * np.subtract(b, a) + a
    near = np.min([np.hypot(columns - x, rows - y) for x, y in on_line], axis=0)
    assert not canvas.pixels[near > radius + 0.1].any()
    assert canvas.pixels[near < radius - 0.1].all()
    if area is None:
        assert not canvas.pixels.any()
    else:
        x0, y0, x1, y1 = area
        assert canvas.pixels.sum() == canvas.pixels[y0:y1, x0:x1].sum()


def test_erasing_undoes_painting_and_escape_undoes_a_stroke():
    start = np.zeros(SIZE, bool)
    start[10:30, 10:30] = True
    canvas = MaskCanvas(SIZE, RunLengthMask.encode(start))
    canvas.begin()
    canvas.dab((50, 40), (60, 40), 5, True)
    assert canvas.has_changed
    canvas.dab((50, 40), (60, 40), 6, False)
    assert not canvas.has_changed
    canvas.dab((20, 20), (20, 20), 5, False)
    canvas.revert()
    np.testing.assert_array_equal(canvas.encoded().decode(), start)


def test_a_mask_of_another_size_is_not_painted_over():
    wrong = RunLengthMask.encode(np.ones((5, 7), bool))
    assert not MaskCanvas(SIZE, wrong).pixels.any()


@settings(deadline=None)
@given(
    scale=st.floats(0.2, 12),
    offset=st.tuples(st.floats(-300, 60), st.floats(-300, 60)),
    strokes=st.lists(st.tuples(points, points, st.floats(1, 15), st.booleans()), max_size=4),
)
def test_drawing_a_part_again_gives_what_drawing_all_would(qapp, scale, offset, strokes):
    transform, view = PictureTransform(scale, offset), (120, 90)
    canvas = MaskCanvas(SIZE, None)
    canvas.dab((30, 30), (50, 40), 8, True)
    picture = MaskPicture(canvas.pixels, transform, view, 1.0, "#2b78e4")
    for a, b, radius, value in strokes:
        area = canvas.dab(a, b, radius, value)
        if area is not None:
            picture.refresh(canvas.pixels, area)
    whole = MaskPicture(canvas.pixels, transform, view, 1.0, "#2b78e4")
    np.testing.assert_array_equal(argb(picture), argb(whole))


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_the_picture_lies_where_the_mask_does_with_an_outline_inside_it(qapp, ratio):
    canvas = MaskCanvas(SIZE, None)
    canvas.pixels[20:30, 30:50] = 1
    transform = PictureTransform(2.0, (10.0, 4.0))
    shown = argb(MaskPicture(canvas.pixels, transform, (200, 150), ratio, "#2b78e4")) >> 24
    x0, y0, x1, y1 = (int(v * ratio) for v in (70, 44, 110, 64))
    assert (shown[y0:y1, x0:x1] > 0).all()
    assert shown.astype(bool).sum() == (x1 - x0) * (y1 - y0)
    edge, inside = shown[y0, x0], shown[(y0 + y1) // 2, (x0 + x1) // 2]
    assert edge > inside > 0
    assert (shown[y0, x0:x1] == edge).all()


def test_a_dab_on_a_large_video_costs_what_the_brush_costs(qapp):
    """5 ms of CPU at most for a brush of 40 px across 1080p, a third of a frame at 60 Hz."""
    canvas = MaskCanvas((1080, 1920), None)
    picture = MaskPicture(canvas.pixels, PictureTransform(0.6, (0, 0)), (1152, 648), 1.0, "#d96709")
    count = 40
    before = time.process_time()
    for step in range(count):
        at = (300.0 + 8 * step, 400.0 + 3 * step)
        area = canvas.dab(at, (at[0] + 8, at[1] + 3), 40, True)
        picture.refresh(canvas.pixels, area)
    assert (time.process_time() - before) / count < 5e-3
