from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from engine.body.joints import COCO17
from engine.perception import PerceptionRequest, perceive
from engine.perception.confidence import NAMES, calibrated, evidence, fit_weights
from engine.perception.evaluation import compare, score
from engine.perception.fusion import Fused
from engine.perception.truth import read_truth
from engine.structures import FrameRange, Observations
from engine.video import probe
from engine.weights import WEIGHTS_DIR
from tests.engine.perception.conftest import SAMPLE

TRUTH = WEIGHTS_DIR / "perception-bench" / "cam01-truth.npz"
FRAMES = 7
CLEAR = {"support": 0.8, "rival": 0.0, "contested": 0.0, "opposite": 0.0, "leap": 0.0}


def fused(**facts) -> Fused:
    """The same facts of every joint in every frame."""
    values = {name: np.full((FRAMES, 17), value) for name, value in (CLEAR | facts).items()}
    hidden = np.full((FRAMES, 17), bool(facts.get("hidden", False)))
    return Fused(np.zeros((FRAMES, 17, 2)), **{**values, "hidden": hidden})


def sure(detected: bool = True, own: float = 0.5, **facts) -> np.ndarray:
    seen = np.full(FRAMES, detected)
    return calibrated(evidence(fused(**facts), seen, np.full((FRAMES, 17), own)))


def test_every_fact_has_a_name():
    facts = evidence(fused(), np.ones(FRAMES, bool), np.full((FRAMES, 17), 0.5))
    assert facts.shape == (FRAMES, 17, len(NAMES))
    kinds = facts[0, :, NAMES.index("head") :]
    assert (kinds.sum(axis=1) == 1).all()
    for joint, kind in (("nose", "head"), ("left_wrist", "wrist"), ("right_ankle", "ankle")):
        assert kinds[COCO17.index(joint), NAMES.index(kind) - NAMES.index("head")] == 1


def test_more_support_is_more_confidence():
    steps = np.stack([sure(support=s) for s in np.linspace(0.05, 1.0, 12)])
    assert (np.diff(steps, axis=0) > 0).all()
    assert steps[0].max() < 0.7 and steps[-1].min() > 0.9


@pytest.mark.parametrize(
    "against",
    [
        {"contested": 0.5},
        {"hidden": True},
        {"leap": 0.08},
        {"opposite": 0.5},
        {"detected": False},
        {"own": 0.1},
    ],
    ids=lambda facts: next(iter(facts)),
)
def test_what_speaks_against_a_joint_lowers_its_confidence(against):
    assert (sure(support=0.4, **against) < sure(support=0.4)).all()


def test_a_joint_that_was_lost_a_moment_ago_is_doubted():
    whole = fused()
    support = whole.support.copy()
    support[3, 9] = 0.05
    facts = evidence(replace(whole, support=support), np.ones(FRAMES, bool), np.full((7, 17), 0.5))
    chance = calibrated(facts)
    assert (chance[1:6, 9] < chance[0, 9]).all() and chance[6, 9] == chance[0, 9]
    assert (np.delete(chance, 9, axis=1) == np.delete(sure(), 9, axis=1)).all()


def test_a_hidden_joint_that_few_support_comes_out_low():
    assert sure(support=0.1, hidden=True, detected=False).max() < 0.35


class TestFitting:
    def test_known_weights_are_found_again(self):
        rng = np.random.default_rng(0)
        truth = np.array([2.0, -1.0, 0.5, -0.3])
        facts = np.column_stack([rng.normal(size=(40_000, 3)), np.ones(40_000)])
        right = rng.random(40_000) < 1 / (1 + np.exp(-facts @ truth))
        found = fit_weights(facts, right, np.ones(40_000))
        np.testing.assert_allclose(found, truth, atol=0.08)

    def test_a_joint_of_double_weight_counts_as_two(self):
        rng = np.random.default_rng(1)
        facts = np.column_stack([rng.normal(size=60), np.ones(60)])
        right = rng.random(60) < 0.6
        weight = np.where(np.arange(60) < 20, 2.0, 1.0)
        twice = np.concatenate([np.arange(60), np.arange(20)])
        np.testing.assert_allclose(
            fit_weights(facts, right, weight),
            fit_weights(facts[twice], right[twice], np.ones(80)),
            atol=1e-9,
        )

    def test_what_separates_perfectly_stays_finite(self):
        facts = np.column_stack([np.linspace(-1, 1, 50), np.ones(50)])
        assert np.isfinite(fit_weights(facts, facts[:, 0] > 0, np.ones(50))).all()


@pytest.mark.skipif(not TRUTH.exists(), reason="weights/perception-bench is not there")
def test_nine_in_ten_of_the_joints_reported_above_0_7_are_right():
    """On frames of the bundled sample, against joints triangulated from its four cameras."""
    frames = FrameRange(40, 46)
    steps = perceive(probe(SAMPLE), PerceptionRequest(frames=frames))
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            observations = stop.value
            break
    result = score([compare(read_truth(TRUTH).part(frames.as_slice()), part(observations, frames))])
    assert result.all_levels.joints > 150
    assert result.all_levels.sure_right >= 0.9
    assert result.all_levels.sure > 0.5
    assert result.swapped == result.missed == 0


def part(observations: Observations, frames: FrameRange) -> Observations:
    """Some frames of observations."""
    cut = {
        f.name: getattr(observations, f.name)[:, frames.as_slice()]
        for f in fields(observations)
        if f.name in ("keypoints2d", "confidence", "boxes")
    }
    times = observations.times[frames.as_slice()]
    return replace(observations, **cut, times=times, masks=None, others=None)
