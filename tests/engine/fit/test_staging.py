"""Labels of touch in their order: regions are brought together first, then bodies kept apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.config import FitConfig
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.structures import (
    Constraints,
    ContactLabel,
    FitProgress,
    FitResult,
    FrameRange,
    Outcome,
)
from tests.engine.fit.conftest import run, two_people
from tests.engine.fit.test_solver import region_gap

FAST = FitConfig(
    placement_steps=10, hypothesis_steps=5, joint_steps=20, parting_rounds=2, contact_rounds=4
)
TOUCH = ContactLabel(0, "left_upper_arm_outer", 1, "right_upper_arm_outer", FrameRange(1, 5))
ELSEWHERE = ContactLabel(
    0, "left_lower_arm_inner", 1, "right_lower_arm_inner", FrameRange(1, 5), "no_contact"
)


@pytest.fixture(scope="module")
def problem() -> FitProblem:
    """A re-fit of people who stand side by side, of whom it was said that their arms touch."""
    scene = two_people(frames=6, apart=0.55, facing=(0.9, -0.9))
    base = run(solve(FitProblem(scene.observations, camera=scene.camera), FAST))
    return FitProblem(
        scene.observations,
        camera=base.camera,
        warm_start=base.motion,
        frames=FrameRange(1, 5),
        constraints=Constraints(contacts=(TOUCH, ELSEWHERE)),
    )


@pytest.fixture(scope="module")
def watched(problem: FitProblem) -> tuple[list[FitProgress], FitResult]:
    work, seen = solve(problem, replace(FAST, contact_rounds=30)), []
    while True:
        try:
            seen.append(next(work))
        except StopIteration as stop:
            return seen, stop.value


def test_regions_are_brought_together_before_anything_keeps_bodies_apart(watched):
    names = list(dict.fromkeys(each.stage for each in watched[0] if each.stage != "Starting"))
    assert names == ["Fitting", "Resolving contact"]
    for progress in watched[0]:
        if progress.stage == names[0]:
            assert "contact" in progress.costs
            assert not {"no_contact", "penetration"} & set(progress.costs)
    last = [each.costs for each in watched[0] if each.stage == names[1]][-1]
    assert {"contact", "no_contact"} <= set(last)


def test_in_a_whole_fit_people_move_before_limbs_bend(problem: FitProblem):
    whole = replace(problem, warm_start=None, frames=None)
    brought = [
        progress.motion
        for progress in solve(whole, replace(FAST, joint_steps=0, contact_rounds=0))
        if progress.stage == "Bringing together" and progress.motion
    ]
    assert len(brought) > 1
    for motion in brought[1:]:
        np.testing.assert_allclose(motion.body_pose, brought[0].body_pose, atol=1e-5)
    assert np.abs(brought[-1].transl - brought[0].transl).max() > 0.01


def test_what_touches_is_not_pushed_apart_again(problem: FitProblem, watched):
    attracted = [each.motion for each in watched[0] if each.stage == "Fitting"][-1]
    motions = (problem.warm_start, attracted, watched[1].motion)
    before, together, after = (region_gap(motion, TOUCH)[1:5].max() for motion in motions)
    assert watched[1].outcome == Outcome.CONVERGED
    assert together < 0.5 * before
    assert after < together + 0.005
    assert watched[1].diagnostics.penetration_m[1:5].max() < FAST.contact_slack + 0.01
