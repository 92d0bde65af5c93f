"""Paths in space of points whose place is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.multiview.trajectories import BONES, bone_lengths, solve
from tests.engine.multiview.scene import FPS, cameras, person, seen_by


def start(points: np.ndarray, seed: int = 1) -> np.ndarray:
    return points + np.random.default_rng(seed).normal(0, 0.03, points.shape)


def error(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.linalg.norm(found - true, axis=-1)


def test_noise_is_averaged_and_motion_is_not_shifted():
    true = person(frames=40)
    evidence = seen_by(cameras(), true, noise=3.0)
    found = solve(cameras(), evidence, start(true), 1 / FPS).points
    assert error(found, true).mean() < 0.008
    moving = found[:, 0, 0] - found[:, 0, 0].mean()
    shifts = [np.corrcoef(moving[2:-2], true[2 + s : 38 + s, 0, 0])[0, 1] for s in (-1, 0, 1)]
    assert np.argmax(shifts) == 1


def test_a_view_that_sees_something_else_for_a_while_does_not_count():
    true = person(frames=30)
    evidence = seen_by(cameras(), true, noise=2.0)
    evidence.pixels[0, 10:20, :, 9] += (70, 50)
    found = solve(cameras(), evidence, start(true), 1 / FPS)
    assert error(found.points, true)[:, 9].max() < 0.03
    assert (found.support[10:20, 9, 0] == 0).all()
    assert (found.support[:9, 9, 0] > 0.9).all()


def test_frames_in_which_nobody_saw_a_joint_are_bridged():
    true = person(frames=30)
    evidence = seen_by(cameras(), true)
    weight = evidence.weight.copy()
    weight[:, 12:16, :, 9] = 0.0
    first = start(true)
    first[12:16, 9] = np.nan
    found = solve(cameras(), replace(evidence, weight=weight), first, 1 / FPS)
    assert error(found.points, true)[12:16, 9].max() < 0.02
    assert (found.support[12:16, 9] == 0).all()


def test_a_joint_nobody_ever_saw_is_not_invented():
    true = person(frames=8)
    evidence = seen_by(cameras(), true)
    weight = evidence.weight.copy()
    weight[..., 9] = 0.0
    first = true.copy()
    first[:, 9] = np.nan
    found = solve(cameras(), replace(evidence, weight=weight), first, 1 / FPS).points
    assert np.isnan(found[:, 9]).all()
    assert np.isfinite(np.delete(found, 9, axis=1)).all()


def test_a_known_bone_says_how_far_a_badly_seen_joint_is():
    true = person(frames=20)
    views = cameras()[:2]
    evidence = seen_by(views, true)
    # Only one view sees the wrist: its distance is free, but for the length of the forearm.
    weight = evidence.weight.copy()
    weight[1, ..., 9] = 0.0
    first = true.copy()
    first[:, 9] += 0.06 * (true[:, 9] - np.array([1.2, 1.4, 3.8])) / 4
    free = solve(views, replace(evidence, weight=weight), first, 1 / FPS).points
    held = solve(views, replace(evidence, weight=weight), first, 1 / FPS, bone_lengths(true))
    forearm = bone_lengths(true)[BONES.index((7, 9))]
    off = [
        abs(np.linalg.norm(found[:, 9] - found[:, 7], axis=-1) - forearm).max()
        for found in (free, held.points)
    ]
    assert off[0] > 0.01
    assert off[1] < 0.002


def test_lengths_of_bones_with_an_unknown_end_are_unknown():
    points = person(frames=5)
    points[:, 9] = np.nan
    lengths = bone_lengths(points)
    assert np.isnan(lengths[BONES.index((7, 9))])
    np.testing.assert_allclose(lengths[BONES.index((5, 6))], 0.36)
