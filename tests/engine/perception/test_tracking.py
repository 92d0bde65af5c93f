"""Tracks over detections that are made up, so that who is who is known."""

from __future__ import annotations

import numpy as np
import pytest

from engine.perception.bystanders import link
from engine.perception.detection import NOBODY, Detections
from engine.perception.request import PeopleNotFoundError
from engine.perception.tracking import Known, assign, find_anchor, held_between
from tests.engine.perception.made_up import BLUE, GREEN, RED, person, seen


def crossing(frames: int = 60) -> tuple[list[Detections], np.ndarray]:
    """Red walks from left to right, blue from right to left; the order of detections is random."""
    rng = np.random.default_rng(7)
    detections, truth = [], np.zeros((2, frames), int)
    for f in range(frames):
        pair = [person(100 + 15 * f, RED, seed=f), person(1000 - 15 * f, BLUE, seed=f + 99)]
        order = rng.permutation(2)
        detections.append(seen(*[pair[i] for i in order]))
        truth[:, f] = np.argsort(order)
    return detections, truth


def test_people_who_cross_keep_their_identity():
    detections, truth = crossing()
    np.testing.assert_array_equal(assign(detections, 30.0, 2).detections, truth)


def test_people_dressed_alike_are_told_apart_by_how_they_move():
    rng = np.random.default_rng(5)
    detections, truth = [], np.zeros((2, 40), int)
    for f in range(40):
        order = rng.permutation(2)
        pair = [person(100 + 4 * f, RED, seed=f), person(700 - 4 * f, RED, seed=f + 50)]
        detections.append(seen(*[pair[i] for i in order]))
        truth[:, f] = np.argsort(order)
    np.testing.assert_array_equal(assign(detections, 30.0, 2).detections, truth)


def test_people_are_numbered_from_left_to_right_where_they_are_seen_best():
    detections, _ = crossing(10)
    tracks = assign(detections, 30.0, 2)
    boxes = [detections[0].boxes[d] for d in tracks.detections[:, 0]]
    assert boxes[0][0] < boxes[1][0]


def test_a_gap_is_a_gap_and_the_person_is_found_again():
    detections, truth = crossing()
    for f in range(30, 50):  # blue is lost beside red, long after the memory of the place
        red = truth[0, f]
        detections[f] = seen((detections[f].keypoints[red], detections[f].colors[red]))
        truth[:, f] = 0, -1
    np.testing.assert_array_equal(assign(detections, 30.0, 2).detections, truth)


def test_both_may_leave_and_come_back_on_other_sides():
    detections, truth = crossing(40)
    for f in range(15, 25):
        detections[f] = NOBODY
        truth[:, f] = -1
    for f in range(25, 40):
        swapped = [person(900, RED, seed=f), person(200, BLUE, seed=f)]
        detections[f] = seen(*swapped)
        truth[:, f] = 0, 1
    np.testing.assert_array_equal(assign(detections, 30.0, 2).detections, truth)


def test_a_small_bystander_is_nobody_of_the_pair():
    detections, truth = crossing(30)
    crowd = [
        seen(person(560, GREEN, 180.0, seed=f), *zip(d.keypoints, d.colors, strict=True))
        for f, d in enumerate(detections)
    ]
    np.testing.assert_array_equal(assign(crowd, 30.0, 2).detections, truth + 1)


def test_a_bystander_does_not_replace_somebody_who_left():
    frames = [seen(person(200, RED, seed=f), person(420, BLUE, seed=f)) for f in range(20)]
    frames += [seen(person(200, RED, seed=f), person(800, GREEN, seed=f)) for f in range(20)]
    tracks = assign(frames, 30.0, 2)
    assert (tracks.detections[0] == 0).all()
    assert (tracks.detections[1, :20] == 1).all()
    assert (tracks.detections[1, 20:] == -1).all()


def test_the_anchor_shows_people_apart():
    apart = seen(person(200, RED), person(500, BLUE))
    close = seen(person(200, RED), person(240, BLUE))
    anchor = find_anchor([close, close, apart, close], 2)
    assert anchor.frame == 2


def test_a_drawn_box_decides_who_is_who():
    detections, truth = crossing()
    blue = detections[5].boxes[truth[1, 5]]
    tracks = assign(detections, 30.0, 2, Known({(0, 5): tuple(blue.tolist())}))
    np.testing.assert_array_equal(tracks.detections, truth[::-1])


def test_people_said_to_be_exchanged_are_so_between_the_frames_that_say_it():
    detections, truth = crossing()
    pins = {
        (person, frame): box_of(detections[frame], truth[person ^ (8 <= frame < 23), frame])
        for frame in (7, 8, 22, 23)
        for person in (0, 1)
    }
    tracklets = link(detections, 30.0, frozenset())
    tracks = assign(detections, 30.0, 2, Known(pins, tracklets=tracklets))
    said = truth.copy()
    said[:, 8:23] = truth[::-1, 8:23]
    np.testing.assert_array_equal(tracks.detections, said)


def test_a_chain_that_goes_over_to_somebody_else_holds_nobody_between_two_boxes():
    spoken = {(0, 0): 0, (0, 9): 1}
    crossed = [[(frame, 0) for frame in range(10)], [(frame, 1) for frame in range(10)]]
    assert held_between(spoken, crossed, 20.0) == spoken
    parted = [[(frame, 0) for frame in range(4)], [(frame, 1) for frame in range(6, 10)]]
    held = held_between(spoken, parted, 20.0)
    assert sorted((frame, d) for (_, frame), d in held.items()) == [*parted[0], *parted[1]]
    assert held_between(spoken, parted, 5.0) == spoken, "they are too far apart"


def test_one_person_is_a_clip_of_one():
    frames = [seen(person(200 + f, RED, seed=f)) for f in range(10)]
    assert (assign(frames, 30.0, 1).detections == 0).all()


def test_nobody_in_view_is_said():
    with pytest.raises(PeopleNotFoundError, match="Nobody was found in the 5 frames"):
        assign([NOBODY] * 5, 30.0, 2)


def test_one_person_in_view_is_said():
    frames = [NOBODY, NOBODY, seen(person(200)), seen(person(210))]
    with pytest.raises(PeopleNotFoundError, match=r"Only 1 of 2 .* frame 2.*person 2.*Draw a box"):
        assign(frames, 30.0, 2)


class TestWhatIsKnown:
    def three(self, frames: int = 20) -> list[Detections]:
        """Red, and beside him blue and a green one who is seen just as well."""
        return [
            seen(
                person(200, RED, seed=f), person(420, GREEN, seed=f + 40), person(640, BLUE, seed=f)
            )
            for f in range(frames)
        ]

    def test_a_stranger_is_nobody_of_the_pair(self):
        frames = self.three()
        assert (assign(frames, 30.0, 2).detections == [[0], [1]]).all(), "they are closest"
        known = Known(strangers={(f, 1) for f in range(20)})
        assert (assign(frames, 30.0, 2, known).detections == [[0], [2]]).all()

    def test_nor_is_he_beside_a_drawn_box(self):
        frames = self.three()
        known = Known({(0, 7): box_of(frames[7], 0)}, {(f, 1) for f in range(20)})
        assert (assign(frames, 30.0, 2, known).detections == [[0], [2]]).all()

    def test_a_stranger_does_not_take_the_place_of_somebody_who_left(self):
        pair = [seen(person(200, RED, seed=f), person(420, BLUE, seed=f)) for f in range(10)]
        after = [seen(person(200, RED, seed=f), person(430, BLUE, seed=f)) for f in range(10)]
        assert (assign([*pair, *after], 30.0, 2).detections[1] == 1).all(), "they look alike"
        known = Known(strangers={(f, 1) for f in range(10, 20)})
        rows = assign([*pair, *after], 30.0, 2, known).detections
        assert (rows[0] == 0).all()
        assert (rows[1, :10] == 1).all() and (rows[1, 10:] == -1).all()

    def test_nobody_is_continuous_into_a_cut(self):
        before = [seen(person(200, RED, seed=f), person(500, BLUE, seed=f)) for f in range(10)]
        after = [seen(person(190, BLUE, seed=f), person(520, RED, seed=f)) for f in range(10)]
        cut = Known(cuts=frozenset({10}))
        rows = assign([*before, *after], 30.0, 2, cut).detections
        np.testing.assert_array_equal(rows, [[0] * 10 + [1] * 10, [1] * 10 + [0] * 10])

    def test_whoever_is_lost_at_a_cut_is_not_remembered_behind_it(self):
        alike = [seen(person(200, RED, seed=f), person(500, RED, seed=f)) for f in range(10)]
        after = [seen(person(900, RED, seed=f), person(1200, RED, seed=f)) for f in range(10)]
        rows = assign([*alike, *after], 30.0, 2, Known(cuts=frozenset({10}))).detections
        assert (rows[:, 10:] >= 0).all()
        assert (rows[:, 10:] == rows[:, 10:11]).all()

    def test_the_drawn_one_of_a_crowd_is_followed(self):
        crowd = [person(200 + 180 * k, GREEN, 380.0, seed=k) for k in range(9)]
        frames = [seen(*crowd, person(2000, RED, seed=f)) for f in range(6)]
        known = Known({(1, f): box_of(found, 9) for f, found in enumerate(frames)})
        rows = assign(frames, 30.0, 2, known).detections
        assert (rows[1] == 9).all()
        assert (rows[0] == rows[0, 0]).all() and 0 <= rows[0, 0] < 9


def box_of(found: Detections, index: int) -> tuple:
    return tuple(found.boxes[index].tolist())
