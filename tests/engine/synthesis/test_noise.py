"""Errors of one person's keypoints have the sizes, shares and rhythm that are asked of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.body.joints import HALPE26
from engine.synthesis.noise import (
    NONE,
    SITTING,
    Person,
    PersonNoise,
    confidences,
    reported,
    seen_points,
    wander,
)
from engine.synthesis.visibility import Visibility

INDEX = {name: i for i, name in enumerate(HALPE26)}
SIDE = 200.0


def person(
    seconds: float = 20.0, fps: float = 30.0, level: Visibility = Visibility.VISIBLE
) -> Person:
    """Somebody upright who faces the camera."""
    times = np.arange(0, seconds, 1 / fps)
    pixels = np.zeros((26, 2))
    pixels[INDEX["neck"]], pixels[INDEX["hip"]] = (100, 60), (100, 120)
    pixels[INDEX["left_shoulder"]], pixels[INDEX["right_shoulder"]] = (130, 60), (70, 60)
    pixels[INDEX["left_wrist"]], pixels[INDEX["right_wrist"]] = (140, 120), (60, 120)
    return Person(
        times,
        np.tile(pixels, (len(times), 1, 1)),
        np.full((len(times), 26), level, np.uint8),
        np.full(len(times), SIDE),
    )


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("fps", [15.0, 60.0])
def test_a_process_forgets_in_seconds_whatever_the_frame_rate(fps: float) -> None:
    times = np.arange(0, 400, 1 / fps)
    process = wander(times, 0.5, (8,), rng())
    later = round(0.5 * fps)
    assert process.std() == pytest.approx(1, abs=0.1)
    kept = (process[:, later:] * process[:, :-later]).mean()
    assert kept == pytest.approx(np.exp(-1), abs=0.08)


def test_what_is_hidden_is_off_by_as_much_as_it_is_said_to_be() -> None:
    for index, level in enumerate(
        (Visibility.VISIBLE, Visibility.SELF_OCCLUDED, Visibility.OCCLUDED)
    ):
        noise = replace(NONE, fine=PersonNoise().fine, unlike=0.0)
        someone = person(60, level=level)
        offset = (seen_points(someone, noise, rng()) - someone.pixels) / SIDE
        assert offset.std() == pytest.approx(PersonNoise().fine[index], rel=0.1)


def test_keypoints_sit_where_perception_sees_them() -> None:
    someone = person(1)
    offset = seen_points(someone, replace(NONE, sitting=1.0), rng()) - someone.pixels
    up, out = SITTING["shoulder"]
    width = 60.0
    expected = {
        "left_shoulder": (out * width, -up * SIDE),
        "right_shoulder": (-out * width, -up * SIDE),
    }
    for name, move in expected.items():
        np.testing.assert_allclose(offset[:, INDEX[name]], np.tile(move, (30, 1)), atol=1e-6)


def test_keypoints_are_elsewhere_for_the_share_of_time_that_is_said() -> None:
    someone = person(300)
    noise = replace(NONE, gross=(0.2, 0.2, 0.2))
    wrong = np.abs(seen_points(someone, noise, rng()) - someone.pixels).max(axis=-1) > 1e-6
    assert wrong[:, INDEX["left_elbow"]].mean() == pytest.approx(0.26, abs=0.05)
    assert wrong[:, INDEX["nose"]].mean() == pytest.approx(0.14, abs=0.05)


def test_a_limb_is_taken_for_the_other_sides_as_a_whole() -> None:
    someone = person(2)
    seen = seen_points(someone, replace(NONE, sides=1.0), rng())
    wrist, other = INDEX["left_wrist"], INDEX["right_wrist"]
    np.testing.assert_allclose(seen[:, wrist], someone.pixels[:, other], atol=1e-6)
    np.testing.assert_allclose(seen[:, INDEX["neck"]], someone.pixels[:, INDEX["neck"]], atol=1e-6)


def test_whoever_is_hidden_by_others_is_lost_more_often() -> None:
    noise = replace(NONE, lost=PersonNoise().lost)
    found = {
        level: reported(person(600, level=level), noise, rng()).any(axis=1).mean()
        for level in (Visibility.VISIBLE, Visibility.OCCLUDED)
    }
    assert found[Visibility.VISIBLE] > 0.97
    assert found[Visibility.OCCLUDED] == pytest.approx(1 - PersonNoise().lost[-1], abs=0.1)


def test_what_is_outside_the_picture_is_not_reported() -> None:
    assert not reported(person(1, level=Visibility.OUTSIDE), NONE, rng()).any()


def test_confidence_falls_with_the_error_and_with_being_hidden() -> None:
    def mean(pixels: float, level: Visibility) -> float:
        someone = person(60, level=level)
        away = someone.pixels + np.array([pixels, 0.0])
        return float(confidences(someone, away, PersonNoise(), rng()).mean())

    near, far = (mean(pixels, Visibility.VISIBLE) for pixels in (1.0, 40.0))
    hidden = mean(1.0, Visibility.OCCLUDED)
    assert near > 0.9 > hidden > 0.5 > far
