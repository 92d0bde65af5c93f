"""What plugins say, as perception works with it."""

from __future__ import annotations

import numpy as np

from engine.perception.plugins import FoundPeople
from engine.perception.plugins.adapters import detections_of, found_people, people_of_tracks

LEFT, RIGHT, SMALL = (0.0, 0, 40, 100), (60.0, 0, 100, 100), (150.0, 40, 160, 60)


def seen(*boxes) -> FoundPeople:
    return FoundPeople(np.array(boxes).reshape(-1, 4), np.full(len(boxes), 0.9))


class TestDetections:
    def test_the_best_come_first_with_the_colours_of_their_clothes(self):
        image = np.zeros((120, 200, 3), np.uint8)
        image[:, 100:] = (255, 0, 0)
        points = np.full((2, 17, 3), np.nan)
        points[0], points[1] = (50, 60, 0.9), (150, 60, 0.9)
        found = FoundPeople(np.array([LEFT, (110.0, 0, 190, 110)]), np.array([0.4, 0.8]), points)
        people = detections_of(image, found)
        assert people.scores.tolist() == [0.8, 0.4] and people.boxes[0, 0] == 110
        assert people.colors[0, 2, 1] > 190 and people.colors[1, 2, 1] == 128, "red, and grey"
        assert [len(v) for v in people.variants] == [1, 1]

    def test_people_without_keypoints_have_none(self):
        people = detections_of(np.zeros((120, 200, 3), np.uint8), seen(LEFT, RIGHT))
        assert np.isnan(people.keypoints[..., :2]).all() and (people.keypoints[..., 2] == 0).all()
        assert (people.colors == 0).all() and [len(v) for v in people.variants] == [0, 0]

    def test_nobody(self):
        assert len(detections_of(np.zeros((12, 20, 3), np.uint8), seen())) == 0

    def test_a_tracker_is_given_what_was_found(self):
        people = detections_of(np.zeros((120, 200, 3), np.uint8), seen(LEFT, RIGHT))
        np.testing.assert_array_equal(found_people(people).boxes, [LEFT, RIGHT])


class TestTracks:
    def test_the_prominent_are_the_people_from_left_to_right(self):
        found = [seen(RIGHT, SMALL, LEFT)] * 3
        tracks = [np.array([7, 3, 5])] * 3
        assert people_of_tracks(tracks, found, 2).tolist() == [[2, 2, 2], [0, 0, 0]]

    def test_a_person_with_a_new_number_is_the_one_who_was_lost_there(self):
        found = [seen(LEFT, RIGHT), seen(LEFT, RIGHT), seen(LEFT), seen(RIGHT, LEFT)]
        tracks = [np.array(ids) for ids in ([1, 2], [1, 2], [1], [9, 1])]
        assert people_of_tracks(tracks, found, 2).tolist() == [[0, 0, 0, 1], [1, 1, -1, 0]]

    def test_who_appears_far_away_is_somebody_else(self):
        found = [seen(LEFT, RIGHT), seen(LEFT), seen(LEFT, (400.0, 0, 440, 100))]
        tracks = [np.array(ids) for ids in ([1, 2], [1], [1, 9])]
        assert people_of_tracks(tracks, found, 2).tolist() == [[0, 0, 0], [1, -1, -1]]

    def test_detections_of_nobody_and_too_few_tracks(self):
        tracks = [np.array([-1, 4]), np.zeros(0, np.int64)]
        assert people_of_tracks(tracks, [seen(LEFT, RIGHT), seen()], 2).tolist() == [[1, -1]]
        assert people_of_tracks([np.array([-1])], [seen(LEFT)], 2).shape == (0, 1)
