"""Capsules are held against drawn bodies, and both detectors' words can be compared."""

from __future__ import annotations

import numpy as np
import pytest

from engine.prior.noise_check import capsule_levels, drawn_levels, observations
from engine.structures import FrameRange
from engine.synthesis.cameras import CameraOrder
from engine.synthesis.cases import undrawn_truth
from engine.synthesis.noise_check import errors_of, statistics
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.truth import Truth
from engine.weights import WEIGHTS_DIR


@pytest.fixture(scope="module")
def hug() -> Truth:
    order = SynthesisOrder(
        WEIGHTS_DIR / "motion" / "hug-60000.npz",
        frames=FrameRange(30, 36),
        camera=CameraOrder(azimuth=60.0, elevation=8.0),
    )
    work = undrawn_truth(order)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            truth: Truth = stop.value
            return truth


def test_capsules_and_drawn_bodies_agree_on_most_of_what_hides_a_keypoint(hug: Truth) -> None:
    by_capsules, by_drawing = capsule_levels(hug), drawn_levels(hug)
    inside = by_drawing >= 0
    assert len(np.unique(by_drawing[inside])) == 3
    assert (by_capsules == by_drawing)[inside].mean() > 0.85


def test_what_is_detected_lies_in_the_clips_pixels(hug: Truth) -> None:
    numbers = statistics([errors_of(hug, observations(hug, seed)) for seed in range(6)])
    assert numbers["in sight: error, median"] == pytest.approx(0.019, abs=0.006)
    assert numbers["in sight: error, median"] < numbers["behind partner: error, median"]
    assert numbers["in sight: reported"] > 0.75
