"""The comparison of two detectors measures what was put in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.body.joints import HALPE26
from engine.structures import Observations
from engine.synthesis.detector import PairNoise, detector_observations, true_people
from engine.synthesis.noise import NONE
from engine.synthesis.noise_check import errors_of, sitting, statistics
from engine.synthesis.truth import Truth

Clip = tuple[Path, Truth]
APART = PairNoise(stolen_limb=0.0, merged=0.0, mistaken=0.0, exchanged=0.0)


def exact(truth: Truth) -> Observations:
    return detector_observations(truth, 0, NONE, APART)


def test_who_does_not_err_has_no_error(side_by_side: Clip) -> None:
    _, truth = side_by_side
    found = statistics([errors_of(truth, exact(truth))])
    assert found["in sight: error, 90 %"] < 1e-6
    assert found["in sight: reported"] == 1
    assert found["in sight: within 5 %"] == 1
    assert found["person missed"] == found["identities exchanged"] == 0


def test_an_offset_is_measured_in_boxes_and_stays_alike_in_time(side_by_side: Clip) -> None:
    _, truth = side_by_side
    side = np.stack([person.side for person in true_people(truth)])[..., None]
    seen = exact(truth)
    moved = seen.keypoints2d + 0.03 * side[..., None] * np.array([0.0, -1.0])
    clip = errors_of(truth, replace(seen, keypoints2d=moved))
    found = statistics([clip])
    assert found["in sight: error, median"] == pytest.approx(0.03, rel=1e-3)
    assert found["error alike after 1 frames"] == pytest.approx(1, abs=1e-3)
    up, out = sitting([clip])["knee"]
    assert up == pytest.approx(0.03, abs=0.003)
    assert out == pytest.approx(0, abs=0.02)


def test_whoever_follows_somebody_else_is_counted_apart(side_by_side: Clip) -> None:
    _, truth = side_by_side
    seen = exact(truth)
    far = seen.keypoints2d.copy()
    far[1] += [60.0, -60.0]
    found = statistics([errors_of(truth, replace(seen, keypoints2d=far))])
    assert found["somebody else followed"] == 0.5
    assert found["in sight: error, 90 %"] < 1e-6


def test_a_joint_on_the_partners_is_told(side_by_side: Clip) -> None:
    _, truth = side_by_side
    seen = exact(truth)
    stolen = seen.keypoints2d.copy()
    wrist = HALPE26.index("left_wrist")
    stolen[0, :, wrist] = truth.keypoints2d[1, :, wrist]
    found = statistics([errors_of(truth, replace(seen, keypoints2d=stolen))])
    joints = found["in sight: joints"]
    assert found["in sight: on the partner's joint"] == pytest.approx(3 / joints, rel=0.01)
