"""What `bench refit` measures, on traces made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.benchmark.refit import Situation, Trace, exchanged, row_of, stage_rows, traced
from engine.config import AppearanceConfig, FitConfig, TermWeights, longer
from engine.fit.problem import FitProblem
from engine.structures import (
    BodyMotion,
    Camera,
    Diagnostics,
    FitResult,
    FrameRange,
    Observations,
    Outcome,
    RunLengthMask,
)
from tests.engine.fit.conftest import two_people

FRAMES = 8
PART = FrameRange(2, 6)


def standing(x: float) -> BodyMotion:
    """Two people in the rest pose, `x` metres along the world's x."""
    transl = np.zeros((2, FRAMES, 3))
    transl[..., 0] = x
    return BodyMotion(
        body="open-body",
        betas=np.zeros((2, 10)),
        global_orient=np.zeros((2, FRAMES, 3)),
        body_pose=np.zeros((2, FRAMES, 23, 3)),
        transl=transl,
        valid=np.ones((2, FRAMES), bool),
        provenance=np.full((2, FRAMES), 2, np.uint8),
        time=np.arange(FRAMES) / 30,
    )


def trace(*places: float, outcome: Outcome = Outcome.CONVERGED) -> Trace:
    """A preview each second, the last place being that of the result."""
    count = len(places) - 1
    camera = Camera(np.eye(3), (10, 10), np.tile(np.eye(4), (FRAMES, 1, 1)), "user")
    found = Diagnostics(np.zeros((2, FRAMES)), np.full(FRAMES, 0.004))
    seconds = np.arange(1.0, count + 1)
    return Trace(
        FitResult(standing(places[-1]), camera, found, outcome),
        tuple(standing(x) for x in places[:-1]),
        seconds,
        2 * seconds,
        count + 1.0,
        2 * (count + 1.0),
        ("Fitting",) * count + ("Result",),
        (1.0,) * (count + 1),
    )


def situation() -> Situation:
    blank = Observations(
        np.zeros((2, FRAMES, 26, 2)), np.zeros((2, FRAMES, 26)), "halpe26",
        np.zeros((2, FRAMES, 4)), np.arange(FRAMES) / 30, (10, 10),
    )  # fmt: skip
    return Situation("case", "contact", FitProblem(blank, warm_start=standing(0.0), frames=PART))


def test_half_is_when_a_preview_is_half_way_to_where_the_re_fit_ends():
    row = row_of(situation(), trace(0.0, 0.04, 0.06, 0.1, 0.1), trace(0.1, 0.1))
    assert row["first_seconds"] == 2 and row["half_seconds"] == 3
    assert row["half_wall_seconds"] == 6
    assert row["moved_mm"] == pytest.approx(100, abs=0.01)
    assert row["penetration_mm"] == pytest.approx(4)


def test_settled_is_from_when_on_it_stays_within_two_millimetres_of_a_longer_run():
    wanders = trace(0.1, 0.05, 0.0985, 0.0995, 0.1)
    row = row_of(situation(), wanders, trace(0.1, 0.1))
    assert row["settled_seconds"] == 3, "it was there at first, and left again"
    assert row["off_mm"] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_what_ends_elsewhere_is_not_settled_whatever_it_says(outcome: Outcome):
    row = row_of(situation(), trace(0.05, 0.09, outcome=outcome), trace(0.1, 0.1))
    assert row["settled_seconds"] is None and row["settled_wall_seconds"] is None
    assert row["off_mm"] == pytest.approx(10, abs=0.01)
    assert row["outcome"] == outcome.value


def test_running_out_of_steps_is_not_settling():
    row = row_of(situation(), trace(0.1, 0.1, outcome=Outcome.STEP_LIMIT), trace(0.1, 0.1))
    assert row["settled_seconds"] is None


def test_the_profile_has_a_row_for_each_stage():
    rows = stage_rows(situation(), trace(0.0, 0.05, 0.1))
    assert [(row["stage"], row["seconds"], row["yields"]) for row in rows] == [
        ("Fitting", 2.0, 2), ("Result", 1.0, 1),
    ]  # fmt: skip
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1)


def test_people_are_exchanged_in_the_frames_alone():
    seen = two_people(frames=FRAMES).observations
    mixed = exchanged(seen, PART)
    for name in ("keypoints2d", "confidence", "boxes"):
        before, after = getattr(seen, name), getattr(mixed, name)
        np.testing.assert_array_equal(after[:, 2:6], before[::-1, 2:6])
        np.testing.assert_array_equal(after[:, :2], before[:, :2])
        np.testing.assert_array_equal(after[:, 6:], before[:, 6:])


def test_their_masks_are_exchanged_with_them():
    seen = two_people(frames=FRAMES).observations
    rows = [
        tuple(RunLengthMask.encode(np.full((4, 4), person == 0)) for _ in range(FRAMES))
        for person in range(2)
    ]
    mixed = exchanged(replace(seen, masks=tuple(rows)), PART)
    assert mixed.masks is not None
    filled = [
        [mask is not None and bool(mask.decode().any()) for mask in row] for row in mixed.masks
    ]
    inside = [PART.start <= frame < PART.stop for frame in range(FRAMES)]
    assert filled == [[not now for now in inside], inside]


def test_a_longer_run_may_take_more_steps_and_is_harder_to_satisfy():
    config = FitConfig()
    ten = longer(config, 10)
    assert ten.contact_rounds == 10 * config.contact_rounds
    assert ten.settled == pytest.approx(config.settled / 10)
    assert replace(ten, contact_rounds=0).contact_steps == config.contact_steps
    assert ten.appearance is None
    look = AppearanceConfig()
    pictures = longer(replace(config, appearance=look), 10).appearance
    assert pictures == replace(look, rounds=10 * look.rounds, settled=look.settled / 10)


def test_a_trace_has_the_time_of_every_preview():
    seen = two_people(frames=4)
    brief = FitConfig(
        placement_steps=5,
        hypothesis_steps=5,
        joint_steps=5,
        contact_rounds=1,
        weights=TermWeights(penetration=0.0),
    )
    found = traced(FitProblem(seen.observations, K=seen.camera.K), brief)
    assert len(found.previews) == len(found.cpu) == len(found.wall) > 2
    assert (np.diff(found.cpu) >= 0).all() and found.cpu_seconds >= found.cpu[-1]
    assert found.stages[-1] == "Result" and len(found.stages) == len(found.gaps)
    assert sum(found.gaps) == pytest.approx(found.cpu_seconds, rel=1e-3)
