"""How far detections are believed."""

from __future__ import annotations

import numpy as np
import pytest

from engine.fit import trust
from engine.fit.objective import keypoints_as_tensors
from engine.structures import (
    Constraints,
    FrameRange,
    KeypointEdit,
    Observations,
    Trust,
)


def two_apart(frames: int = 4) -> Observations:
    """Two people 40 pixels wide, side by side, all joints in the middles of their boxes."""
    boxes = np.array([[20.0, 20, 60, 100], [100.0, 20, 140, 100]])[:, None].repeat(frames, axis=1)
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2
    return Observations(
        keypoints2d=middles[:, :, None].repeat(26, axis=2),
        confidence=np.ones((2, frames, 26)),
        layout="halpe26",
        boxes=boxes,
        times=np.arange(frames) / 30,
        image_size=(160, 120),
    )


def weights(observations: Observations, constraints: Constraints) -> np.ndarray:
    return keypoints_as_tensors(observations, constraints)[1].numpy()


def test_of_what_people_said_of_a_frame_the_last_counts():
    said = Constraints(
        trust=(
            Trust(0, FrameRange(0, 3), 0.5),
            Trust(0, FrameRange(1, 2), 0.0),
            Trust(7, FrameRange(0, 4), 0.0),
        )
    )
    found = trust.by_hand(two_apart(), said)
    assert found.tolist() == [[0.5, 0.0, 0.5, 1.0], [1.0] * 4]


def test_distrust_lowers_every_weight_but_that_of_joints_that_somebody_placed():
    edit = KeypointEdit(person=0, frame=1, keypoint=9, x=30.0, y=40.0)
    distrusted = Constraints(trust=(Trust(0, FrameRange(0, 2), 0.0),), keypoint_edits=(edit,))
    found, before = weights(two_apart(), distrusted), weights(two_apart(), Constraints())
    assert found[0, 1, 9] == 1.0
    found[0, 1, 9] = 0.0
    assert (found[0, :2] == 0).all()
    np.testing.assert_array_equal(found[0, 2:], before[0, 2:])
    np.testing.assert_array_equal(found[1], before[1])


def test_somebody_of_whom_little_is_seen_is_believed_less():
    observations = two_apart()
    observations.confidence[0, 0, 4:] = 0
    observations.confidence[0, 1, 12:] = 0
    found = trust.from_visibility(observations)
    assert found[0].tolist() == pytest.approx([4 / 17 / trust.ENOUGH_SEEN, 1, 1, 1])


def test_somebody_whose_box_another_covers_is_believed_less():
    observations = two_apart()
    observations.boxes[1, 0] = observations.boxes[0, 0] + [20.0, 0, 20, 0]
    observations.boxes[1, 1] = observations.boxes[0, 1]
    observations.boxes[1, 2] = np.nan
    share = trust.covered(observations.boxes)
    assert share[0].tolist() == pytest.approx([0.5, 1, 0, 0])
    found = trust.from_visibility(observations)[0]
    assert found.tolist() == pytest.approx([1 - trust.COVERED / 2, 1 - trust.COVERED, 1, 1])


def test_the_prior_is_told_of_distrust_too():
    said = Constraints(trust=(Trust(1, FrameRange(0, 1), 0.25),))
    shown = trust.believed(two_apart(), said).confidence
    assert shown[1, 0].tolist() == [0.5] * 26
    assert (shown[0] == 1).all() and (shown[1, 1:] == 1).all()
