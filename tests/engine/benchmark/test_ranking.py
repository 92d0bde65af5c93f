"""How well frames are ranked by the error that is expected of them."""

from __future__ import annotations

import numpy as np
import pytest

from engine.benchmark.configurations import Configuration
from engine.benchmark.error_calibration import Sample, calibrate, report, sample
from engine.benchmark.ranking import rank_correlation, rows_of, top_share, true_errors
from engine.benchmark.running import fit_suite
from engine.config import FitConfig
from engine.fit.expected_error import INTERCEPT, WEIGHTS


def test_fits_of_a_suite_are_ranked_and_calibrated_on(tiny):
    hasty = FitConfig(
        placement_steps=5, hypothesis_steps=5, joint_steps=10, parting_rounds=1, contact_rounds=1
    )
    way = {"hasty": Configuration("few steps", hasty)}
    work = fit_suite(tiny, way, ("detector",), processes=0)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            cases, fitted = stop.value
            break
    (row,) = rows_of("tiny", cases, fitted)
    assert (row["level"], row["clips"], row["frames"]) == ("detector", 2, 18)
    assert -1 <= row["rank_pair"] <= 1 and 0 <= row["top_decile"] <= 1
    assert 5 < row["true_mm"] < 500 and 5 < row["expected_mm"] < 500
    names, one = sample(cases[0], "detector", fitted[0].fits[0])
    assert set(WEIGHTS) <= set(names)
    assert one.signs.shape == (18, len(names)) and np.isfinite(one.signs).all()
    error = INTERCEPT + one.signs @ [WEIGHTS.get(name, 0.0) for name in names]
    expected = fitted[0].fits[0].diagnostics.expected_error
    np.testing.assert_allclose(np.exp(error), expected.ravel(), rtol=1e-3)


def joints(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal([0.0, 0.0, 4.0], 0.5, (2, 30, 24, 3))


def test_the_distance_of_both_from_the_camera_is_no_error():
    true = joints()
    found = true_errors(true + np.array([0.0, 0.1, 0.8]), true)
    assert all(values == pytest.approx(0.0, abs=1e-9) for values in found.values())


def test_who_stands_too_far_from_the_partner_is_off_by_half_of_it_each():
    true = joints()
    off = true.copy()
    off[1, :, :, 2] += 0.4
    found = true_errors(off, true)
    assert found["pose"] == pytest.approx(0.0, abs=1e-9)
    assert found["place"] == pytest.approx(0.2) and found["pair"] == pytest.approx(0.2)


def test_a_wrong_pose_is_an_error_of_pose_and_of_the_pair():
    true = joints()
    off = true.copy()
    off[0, 3:9, 20] += [0.24, 0.0, 0.0]
    found = true_errors(off, true)
    assert found["pose"][0, 3:9] == pytest.approx(0.01)
    assert found["pair"][0, 3:9] == pytest.approx(0.01) and not found["pair"][1].any()


def test_ranks_agree_whatever_the_scale_and_ignore_what_is_unknown():
    rng = np.random.default_rng(3)
    true = rng.uniform(0, 1, (2, 50))
    expected = true**3
    expected[0, 5] = np.nan
    assert rank_correlation(expected, true) == pytest.approx(1.0)
    assert rank_correlation(-expected, true) == pytest.approx(-1.0)
    assert abs(rank_correlation(rng.uniform(0, 1, (2, 50)), true)) < 0.3
    assert np.isnan(rank_correlation(np.ones((2, 50)), true))


def test_the_worst_tenth_is_hit_by_chance_in_a_tenth():
    rng = np.random.default_rng(5)
    true = rng.uniform(0, 1, (2, 500))
    assert top_share(true, true) == 1.0
    by_chance = [top_share(rng.uniform(0, 1, true.shape), true) for _ in range(40)]
    assert np.mean(by_chance) == pytest.approx(0.1, abs=0.02)


def test_calibration_finds_what_made_the_errors_and_never_turns_a_sign_round():
    rng = np.random.default_rng(7)
    samples = []
    for clip in range(8):
        values = rng.normal(0, 1, (400, 3))
        noise = rng.normal(0, 0.1, 400)
        error = -3 + 0.5 * values[:, 0] - 0.3 * values[:, 1] + noise
        samples.append(Sample(f"clip {clip}", values, error))
    found = calibrate(("told", "against", "nothing"), samples)
    assert found.weights[0] == pytest.approx(0.5, abs=0.05)
    assert found.weights[1] == 0 and found.weights[2] < 0.03
    assert found.intercept == pytest.approx(-3, abs=0.1)
    lines = report(("told", "against", "nothing"), samples)
    assert lines[-1].startswith("INTERCEPT") and '"told"' in "".join(lines)
    assert '"against"' not in "".join(lines)
