"""What the fit panel says of a fit that runs, in words and shares."""

from __future__ import annotations

import math

import pytest

from app.fit_panel import costs_text, progress_text, spoken_time
from engine.structures import FitProgress


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        ({}, ""),
        ({"reprojection": 0.0, "prior": math.nan}, ""),
        ({"reprojection": 4e5}, "Mostly reprojection 100 %"),
        (
            {"prior": 1.0, "reprojection": 6.0, "smoothness": 2.0, "floor": 1.0},
            "Mostly reprojection 60 %, smoothness 20 %, prior 10 %",
        ),
    ],
)
def test_costs_are_told_in_shares(costs, words):
    assert costs_text(costs) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (89.0, "89 s"), (300.0, "5 min")])
def test_the_time_that_is_left_is_told_as_people_do(seconds, words):
    assert spoken_time(seconds) == words
    assert progress_text(FitProgress("joint", 0.5, seconds)) == f"Joint · {words} left"
