"""What the fit panel says of a fit that runs, in words and shares."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from annotations.records import FitRecord
from app.fit_panel import compared, costs_text, fit_text, progress_text, spoken_time
from engine.structures import Diagnostics, FitProgress, FrameRange


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


@pytest.mark.parametrize(
    ("provenance", "words"),
    [
        ({}, "Converged\nFrames 10-19"),
        ({"solver": "both branches", "seconds": "43.2"},
         "Both branches, converged, 43 s\nFrames 10-19"),
        ({"solver": "motion branch", "seconds": "?"}, "Motion branch, converged\nFrames 10-19"),
    ],
)  # fmt: skip
def test_the_last_fit_is_told_in_two_lines(provenance, words):
    made = datetime(2026, 1, 1, tzinfo=UTC)
    frames = FrameRange(10, 20)
    fit = FitRecord(1, 1, 1, frames, "open-body", "converged", "", (), (), provenance, made)
    assert fit_text(fit) == words and fit_text(None) == "None yet."


def diagnostics(pixels: float, depth: float, expected: float | None = None) -> Diagnostics:
    """Of ten frames; outside 2-4 everything is ten times as bad."""
    share = np.full(10, 10.0)
    share[2:5] = 1.0
    error = None if expected is None else np.tile(expected * share, (2, 1))
    return Diagnostics(np.tile(pixels * share, (2, 1)), depth * share, expected_error=error)


class TestCompared:
    FRAMES = FrameRange(2, 5)

    def test_speaks_of_the_fitted_frames(self):
        before, after = diagnostics(8.0, 0.03, 0.14), diagnostics(4.0, 0.01, 0.06)
        assert compared(before, after, self.FRAMES) == [
            "Joints off: 8.0 → 4.0 px", "Believed to be off: 14 → 6 cm",
            "Penetration: 3.0 → 1.0 cm",
        ]  # fmt: skip

    def test_leaves_out_what_one_fit_does_not_know(self):
        before, after = diagnostics(8.0, 0.03), diagnostics(np.nan, 0.01, 0.06)
        assert compared(before, after, self.FRAMES) == ["Penetration: 3.0 → 1.0 cm"]
