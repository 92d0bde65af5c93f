"""From a video to observations with parts that are installed as plugins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.body.joints import HALPE26
from engine.perception import PeopleNotFoundError, PerceptionParts
from engine.structures import BoxEdit, VideoInfo
from engine.video import probe
from tests.engine.perception.conftest import run, write_folder

PARTS = """
import numpy as np
from engine.perception.plugins import FoundPeople

class Detector:
    "Two people without keypoints, the right one first."
    def detect(self, images):
        assert all(image.shape == (96, 128, 3) for image in images)
        boxes = np.array([[80.0, 10, 120, 90], [10, 10, 50, 90]])
        return [FoundPeople(boxes, np.array([0.9, 0.8])) for _ in images]

class PoseEstimator:
    "Joints on the diagonal of the box."
    layout = "halpe26"
    def estimate(self, image, boxes):
        along = np.linspace(0, 1, 26)[None, :, None]
        places = boxes[:, None, :2] * (1 - along) + boxes[:, None, 2:] * along
        return np.concatenate([places, np.full((len(boxes), 26, 1), 0.6)], axis=-1)

class Coco(PoseEstimator):
    layout = "coco17"
    def estimate(self, image, boxes):
        return super().estimate(image, boxes)[:, :17]

class Tracker:
    "Who is first in a frame is 7, the other one 3."
    def track(self, found, times):
        assert len(found) == len(times)
        return [np.array([7, 3])[: len(people.boxes)] for people in found]

class Segmenter:
    "The left half of the box."
    def segment(self, image, boxes, keypoints):
        masks = np.zeros((len(boxes), *image.shape[:2]), bool)
        for mask, (x0, y0, x1, y1), points in zip(masks, boxes, keypoints):
            assert np.isfinite(points[0]).all()
            mask[round(y0) : round(y1), round(x0) : round((x0 + x1) / 2)] = True
        return masks
"""
GROUPS = {
    "dyad.detectors": {"two": "two_parts:Detector"},
    "dyad.pose_estimators": {"two": "two_parts:PoseEstimator", "coco": "two_parts:Coco"},
    "dyad.trackers": {"two": "two_parts:Tracker"},
    "dyad.segmenters": {"two": "two_parts:Segmenter"},
}


class TestPlugins:
    @pytest.fixture
    def grey(self, tmp_path: Path, install) -> VideoInfo:
        """A video that shows nothing, and plugins that see two people there."""
        install("two_parts", PARTS, GROUPS)
        image = np.full((96, 128, 3), 120, np.uint8)
        return probe(write_folder(tmp_path / "grey", [image] * 5))

    def test_every_part_is_asked(self, grey):
        observations, _ = run(grey, parts=PerceptionParts("two", "two", "two", "two"))
        diagonal = np.linspace((10, 10), (50, 90), 26)
        for frame in range(5):
            np.testing.assert_allclose(observations.keypoints2d[0, frame], diagonal)
            np.testing.assert_allclose(
                observations.keypoints2d[1, frame], diagonal + np.array([70, 0])
            )
            assert (observations.confidence[:, frame] == 0.6).all()
            left, right = (observations.masks[p][frame].decode() for p in range(2))
            assert left.shape == (96, 128)
            assert left[50, 12:29].all() and not left[:, 31:].any()
            assert right[50, 82:99].all() and not right[:, 101:].any()
        assert observations.others is None

    def test_a_pose_estimator_of_coco_gets_neck_and_hip(self, grey):
        parts = PerceptionParts("two", "coco", "two", "dyad")
        observations, _ = run(grey, parts=parts)
        neck, toe = HALPE26.index("neck"), HALPE26.index("left_big_toe")
        points = observations.keypoints2d[0, 2]
        np.testing.assert_allclose(points[neck], (points[5] + points[6]) / 2)
        assert observations.confidence[0, 2, toe] == 0

    def test_a_tracker_that_loses_somebody_is_named(self, grey, install):
        source = (
            "class Tracker:\n    def track(self, found, times):\n        return [[-1, 2]] * 5\n"
        )
        install("one_track", source, {"dyad.trackers": {"one": "one_track:Tracker"}})
        with pytest.raises(PeopleNotFoundError, match=r"tracker 'one'.*expected 2.*received 1"):
            run(grey, parts=PerceptionParts(detector="two", tracker="one"))

    def test_a_drawn_box_is_one_of_the_detections_of_a_plugin(self, grey):
        box = (50.0, 20.0, 78.0, 92.0)
        parts = PerceptionParts(detector="two", pose_estimator="two")
        observations, _ = run(grey, parts=parts, box_edits=(BoxEdit(2, box, "person", 1),))
        np.testing.assert_array_equal(observations.boxes[1, 2], box)
