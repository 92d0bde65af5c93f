"""Boxes under the mouse: handles, drags, whose a new box is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPointF, QRectF

from app.box_handles import HANDLE_GRIP, dragged, handle_points, handle_under, spanned
from app.box_owner import owner_of_new_box
from engine.structures import BoxEdit, Constraints
from tests.app.scenes import FRAMES, make_state

SIZE = (640, 480)
BOX = (100.0, 120.0, 220.0, 300.0)
numbers = st.floats(-1000, 1000)
handles = st.sampled_from(["nw", "n", "ne", "e", "se", "s", "sw", "w", "inside"])


def test_each_handle_is_found_where_it_is_painted():
    box = QRectF(100, 120, 120, 180)
    for name, at in handle_points(box).items():
        assert handle_under(box, at) == name
    assert handle_under(box, box.center()) == "inside"
    assert handle_under(box, QPointF(100 - HANDLE_GRIP - 1, 200)) is None


def test_of_a_box_narrower_than_its_handles_each_side_can_still_be_taken():
    thin = QRectF(100, 100, 6, 200)
    assert handle_under(thin, QPointF(99, 200)) == "w"
    assert handle_under(thin, QPointF(107, 200)) == "e"
    assert handle_under(thin, QPointF(103, 200)) == "inside"


@given(handle=handles, by=st.tuples(numbers, numbers))
def test_a_dragged_box_stays_in_the_picture_the_right_way_up(handle, by):
    x0, y0, x1, y1 = dragged(BOX, handle, by, SIZE)
    assert 0 <= x0 <= x1 <= SIZE[0]
    assert 0 <= y0 <= y1 <= SIZE[1]


@given(by=st.tuples(numbers, numbers))
def test_moving_keeps_the_size(by):
    x0, y0, x1, y1 = dragged(BOX, "inside", by, SIZE)
    assert (x1 - x0, y1 - y0) == pytest.approx((120, 180))


@pytest.mark.parametrize(
    ("handle", "moved"),
    [
        ("nw", (110, 125, 220, 300)), ("se", (100, 120, 230, 305)), ("n", (100, 125, 220, 300)),
        ("e", (100, 120, 230, 300)), ("inside", (110, 125, 230, 305)),
    ],
)  # fmt: skip
def test_a_handle_moves_what_it_holds(handle, moved):
    assert dragged(BOX, handle, (10, 5), SIZE) == moved


@given(a=st.tuples(numbers, numbers), b=st.tuples(numbers, numbers))
def test_the_corners_of_a_new_box_may_come_in_any_order(a, b):
    assert spanned(a, b, SIZE) == spanned(b, a, SIZE)


def without_boxes(state, *places):
    """The state with no box of (person, frame) at those places."""
    boxes = state.observations.boxes.copy()
    for person, frame in places:
        boxes[person, frame] = np.nan
    return replace(state, observations=replace(state.observations, boxes=boxes))


class TestWhoseANewBoxIs:
    @pytest.mark.parametrize("selected", [None, 0, 1])
    def test_that_of_whoever_alone_has_none(self, selected):
        state = without_boxes(make_state(), (1, 3))
        assert owner_of_new_box(state, 3, selected) == 1

    def test_else_of_whoever_is_selected(self):
        both, neither = make_state(), without_boxes(make_state(), (0, 3), (1, 3))
        for state in (both, neither):
            assert [owner_of_new_box(state, 3, person) for person in (0, 1)] == [0, 1]

    def test_else_of_whoever_was_nearest_when_last_seen(self):
        every = [(person, frame) for person in (0, 1) for frame in range(2, FRAMES)]
        state = without_boxes(make_state(), *every)
        seen = state.observations.boxes[:, 1]
        assert owner_of_new_box(state, 9, None) is None
        for person in (0, 1):
            assert owner_of_new_box(state, 9, None, tuple(seen[person])) == person

    def test_a_drawn_box_counts_as_one(self):
        state = without_boxes(make_state(), (0, 3), (1, 3))
        said = Constraints(box_edits=(BoxEdit(3, (1.0, 2.0, 30.0, 40.0), "person", 0),))
        assert owner_of_new_box(replace(state, constraints=said), 3, 0) == 1
