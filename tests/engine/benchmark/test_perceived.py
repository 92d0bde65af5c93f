"""Who is who in what perception found: nothing in a video says who the first person is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.benchmark.perceived import named_as, nothing_seen
from engine.benchmark.running import _made
from engine.benchmark.suites import Suite
from engine.metrics import bodies_of


def test_people_are_put_into_the_truths_order(tiny: Suite) -> None:
    case = _made(tiny.orders[0], ("clean",), None)
    truth, seen = bodies_of(case.truth), case.observations["clean"]
    np.testing.assert_array_equal(named_as(seen, truth).keypoints2d, seen.keypoints2d)
    swapped = replace(
        seen,
        keypoints2d=seen.keypoints2d[::-1],
        confidence=seen.confidence[::-1],
        boxes=seen.boxes[::-1],
    )
    named = named_as(swapped, truth)
    for name in ("keypoints2d", "confidence", "boxes"):
        np.testing.assert_array_equal(getattr(named, name), getattr(seen, name))


def test_who_is_exchanged_for_half_of_a_clip_stays_exchanged(tiny: Suite) -> None:
    case = _made(tiny.orders[0], ("clean",), None)
    truth, seen = bodies_of(case.truth), case.observations["clean"]
    points = seen.keypoints2d.copy()
    points[:, :4] = points[::-1, :4]
    exchanged = replace(seen, keypoints2d=points)
    np.testing.assert_array_equal(named_as(exchanged, truth).keypoints2d, points)


def test_where_nobody_is_found_nothing_is_observed(tiny: Suite) -> None:
    case = _made(tiny.orders[0], ("clean",), None)
    nothing = nothing_seen(bodies_of(case.truth), (320, 240))
    assert nothing.keypoints2d.shape == case.observations["clean"].keypoints2d.shape
    assert np.isnan(nothing.keypoints2d).all()
    assert (nothing.confidence == 0).all()
