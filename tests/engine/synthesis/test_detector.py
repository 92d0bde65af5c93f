"""Errors of a made-up detector grow where people hide each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.perception.detector_noise import DetectorNoise
from engine.synthesis.detector import PairNoise, detector_observations
from engine.synthesis.truth import Truth
from engine.synthesis.visibility import Visibility

Clip = tuple[Path, Truth]
QUIET = DetectorNoise(
    jitter=(0.0, 0.0), bias=0.0, missing=0.0, limb_lost=0.0, limb_misplaced=0.0, occluded=0.0,
    swapped=0.0, optional_missing=0.0,
)  # fmt: skip
APART = PairNoise(stolen_limb=0.0, merged=0.0, exchanged=0.0)


def test_without_noise_the_truth_remains(side_by_side: Clip) -> None:
    _, truth = side_by_side
    seen = detector_observations(truth, 0, QUIET, APART)
    known = (truth.visibility == Visibility.VISIBLE) & (seen.confidence > 0)
    np.testing.assert_allclose(seen.keypoints2d[known], truth.keypoints2d[known], atol=0.05)


def test_hidden_joints_are_worse_or_missing(one_behind_the_other: Clip) -> None:
    _, truth = one_behind_the_other
    shown, hidden = [], []
    for seed in range(30):
        seen = detector_observations(truth, seed)
        error = np.linalg.norm(seen.keypoints2d - truth.keypoints2d, axis=-1)
        error = np.where(np.isfinite(error), np.minimum(error, 40), 40)
        shown.append(error[truth.visibility == Visibility.VISIBLE].mean())
        hidden.append(error[truth.visibility == Visibility.OCCLUDED].mean())
    assert np.mean(hidden) > 1.5 * np.mean(shown)


def test_nothing_is_confident_where_there_is_nothing(one_behind_the_other: Clip) -> None:
    _, truth = one_behind_the_other
    seen = detector_observations(truth, 1)
    missing = np.isnan(seen.keypoints2d).any(axis=-1)
    assert (seen.confidence[missing] == 0).all()
    assert (seen.confidence[~missing] > 0).all()
    assert (seen.confidence <= 1).all()


def test_people_who_meet_may_be_taken_for_each_other(one_behind_the_other: Clip) -> None:
    _, truth = one_behind_the_other
    noise = replace(APART, exchanged=1.0, merging_overlap=0.2)
    seen = detector_observations(truth, 0, QUIET, noise)
    np.testing.assert_allclose(seen.keypoints2d[0, -1, 0], truth.keypoints2d[1, -1, 0], atol=5)
    np.testing.assert_allclose(seen.keypoints2d[0, 0, 13], truth.keypoints2d[0, 0, 13], atol=5)


def test_whoever_is_behind_may_not_be_found(one_behind_the_other: Clip) -> None:
    _, truth = one_behind_the_other
    noise = replace(APART, merged=1.0, merging_overlap=0.2)
    seen = detector_observations(truth, 0, QUIET, noise)
    assert (seen.confidence[1] == 0).all()
    assert (seen.confidence[0] > 0).any()


def test_a_hidden_limb_may_be_the_partners(one_behind_the_other: Clip) -> None:
    _, truth = one_behind_the_other
    behind = np.full_like(truth.visibility, Visibility.VISIBLE)
    behind[1, :, [7, 9]] = Visibility.OCCLUDED
    hidden = replace(truth, visibility=behind)
    seen = detector_observations(hidden, 0, QUIET, replace(APART, stolen_limb=1.0))
    stolen = seen.keypoints2d[1, :, 9]
    np.testing.assert_allclose(stolen, truth.keypoints2d[0, :, 9], atol=3)
