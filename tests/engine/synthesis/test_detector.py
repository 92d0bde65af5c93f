"""What a made-up detector says of two people: worse where they hide each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.body.joints import HALPE26
from engine.synthesis.detector import PairNoise, detector_observations
from engine.synthesis.noise import NONE
from engine.synthesis.truth import Truth
from engine.synthesis.visibility import Visibility

Clip = tuple[Path, Truth]
APART = PairNoise(stolen_limb=0.0, merged=0.0, mistaken=0.0, exchanged=0.0)
SMALL_TOES = [i for i, name in enumerate(HALPE26) if "small_toe" in name]


def test_without_noise_the_truth_remains_but_for_small_toes(side_by_side: Clip) -> None:
    _, truth = side_by_side
    seen = detector_observations(truth, 0, NONE, APART)
    shown = truth.visibility != Visibility.OUTSIDE
    shown[:, :, SMALL_TOES] = False
    np.testing.assert_allclose(seen.keypoints2d[shown], truth.keypoints2d[shown], atol=1e-6)
    assert np.isnan(seen.keypoints2d[~shown]).all()


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
    seen = detector_observations(truth, 0, NONE, noise)
    np.testing.assert_allclose(seen.keypoints2d[0, -1, 0], truth.keypoints2d[1, -1, 0], atol=5)
    np.testing.assert_allclose(seen.keypoints2d[0, 0, 13], truth.keypoints2d[0, 0, 13], atol=5)


def test_while_they_overlap_they_may_be_mistaken_for_moments(one_behind_the_other: Clip) -> None:
    _, truth = one_behind_the_other
    always = detector_observations(truth, 0, NONE, replace(APART, mistaken=1.0))
    np.testing.assert_allclose(always.keypoints2d[0, :, 0], truth.keypoints2d[1, :, 0], atol=1e-6)


def test_people_who_are_apart_are_not_mistaken(side_by_side: Clip) -> None:
    _, truth = side_by_side
    seen = detector_observations(truth, 0, NONE, replace(APART, mistaken=1.0, exchanged=1.0))
    np.testing.assert_allclose(seen.keypoints2d[0, :, 0], truth.keypoints2d[0, :, 0], atol=1e-6)


def test_whoever_is_behind_may_not_be_found(one_behind_the_other: Clip) -> None:
    _, truth = one_behind_the_other
    noise = replace(APART, merged=1.0, merging_overlap=0.2)
    seen = detector_observations(truth, 0, NONE, noise)
    assert (seen.confidence[1] == 0).all()
    assert (seen.confidence[0] > 0).any()


def test_a_hidden_limb_may_be_the_partners(one_behind_the_other: Clip) -> None:
    _, truth = one_behind_the_other
    behind = np.full_like(truth.visibility, Visibility.VISIBLE)
    behind[1, :, [7, 9]] = Visibility.OCCLUDED
    hidden = replace(truth, visibility=behind)
    seen = detector_observations(hidden, 0, NONE, replace(APART, stolen_limb=1.0))
    stolen = seen.keypoints2d[1, :, 9]
    np.testing.assert_allclose(stolen, truth.keypoints2d[0, :, 9], atol=3)
