from __future__ import annotations

import numpy as np

from engine.perception.detection import NOBODY
from engine.perception.gaps import sightings
from engine.perception.tracking import Tracks
from tests.engine.perception.made_up import RED, person, seen

FPS = 10.0
"""So that a person is looked for during ten frames."""
UNKNOWN = np.zeros((1, 10, 4))


def sought(frames: int, *at: int, cuts=frozenset(), speed: float = 10.0) -> list:
    """Where one person is looked for who was detected in the frames `at`, moving right."""
    row = np.full((1, frames), -1)
    row[0, list(at)] = 0
    found = [seen(person(speed * f, RED, seed=1)) if f in at else NOBODY for f in range(frames)]
    return [people[0] for people in sightings(Tracks(row, UNKNOWN), found, FPS, cuts)]


def middle(sighting) -> float:
    return float(sighting.box[0] + sighting.box[2]) / 2


def test_where_the_detector_saw_a_person_that_is_the_place():
    (only,) = sought(1, 0)
    found = seen(person(0.0, RED, seed=1))
    np.testing.assert_array_equal(only.box, found.boxes[0])
    np.testing.assert_array_equal(only.variants, found.variants[0])
    assert only.detected


def test_between_two_detections_the_person_is_on_the_way():
    row = sought(9, 0, 8)
    for frame, sighting in enumerate(row):
        assert abs(middle(sighting) - middle(row[0]) - 10 * frame) < 1e-6
        assert sighting.detected == (frame in (0, 8))
        assert abs(sighting.pose[0, 0] - row[0].pose[0, 0] - 10 * frame) < 1e-6


def test_before_the_first_and_after_the_last_the_person_is_looked_for_a_second():
    row = sought(40, 15, 20)
    there = [frame for frame, sighting in enumerate(row) if sighting is not None]
    assert there == list(range(5, 31))
    assert middle(row[5]) == middle(row[15]) and middle(row[30]) == middle(row[20])


def test_a_gap_of_two_seconds_is_crossed_and_a_longer_one_is_not():
    row = sought(21, 0, 20)
    assert abs(middle(row[7]) - middle(row[0]) - 70) < 1e-6
    row = sought(26, 0, 25)
    assert [frame for frame, sighting in enumerate(row) if sighting is None] == [11, 12, 13, 14]


def test_nobody_is_looked_for_across_a_cut():
    row = sought(12, 2, 9, cuts=frozenset({6}))
    assert [middle(s) for s in row[3:6]] == [middle(row[2])] * 3
    assert [middle(s) for s in row[6:9]] == [middle(row[9])] * 3
    row = sought(12, 2, cuts=frozenset({6}))
    assert row[5] is not None and row[6:] == [None] * 6


def test_everybody_has_a_row_of_their_own():
    tracks = Tracks(np.array([[0, 1], [-1, 0]]), np.zeros((2, 10, 4)))
    left, right = person(100), person(600)
    frames = sightings(tracks, [seen(left), seen(right, left)], FPS, frozenset())
    assert middle(frames[0][0]) < 300 and middle(frames[1][0]) < 300
    assert middle(frames[0][1]) > 300 and not frames[0][1].detected and frames[1][1].detected


def test_without_keypoints_only_the_box_is_carried_over():
    bare = seen(person(0.0))
    bare = type(bare)(
        np.full((1, 17, 3), np.nan), bare.boxes, bare.scores, bare.colors, (np.zeros((0, 17, 3)),)
    )
    tracks = Tracks(np.array([[0, -1, 0]]), UNKNOWN)
    row = [people[0] for people in sightings(tracks, [bare, NOBODY, bare], FPS, frozenset())]
    assert all(s.pose is None for s in row)
    assert [s.detected for s in row] == [True, False, True]
