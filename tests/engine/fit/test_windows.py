"""Clips that are awkward: cut, dark, half empty, longer than memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.errors import CannotFitError
from engine.fit import solver, start
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.fit.window import windows
from engine.perception.camera_motion import CameraMotion, Kind
from engine.perception.shots import camera_notes
from engine.structures import (
    FitResult,
    FrameRange,
    Observations,
    Provenance,
    RunLengthMask,
)
from tests.engine.fit.conftest import Scene, run, two_people

FAST = FitConfig(
    placement_steps=10, hypothesis_steps=5, joint_steps=20, contact_rounds=1, parting_rounds=1
)
FRAMES = 16


@pytest.fixture(scope="module")
def scene() -> Scene:
    return two_people(frames=FRAMES, noise=2.0)


def ranges(problem: FitProblem, window: int) -> list[tuple[int, int]]:
    found = windows(problem, replace(FAST, window=window))
    return [(part.start, part.stop) for part in found]


def hidden(observations: Observations, people: slice, frames: slice) -> Observations:
    confidence, keypoints = observations.confidence.copy(), observations.keypoints2d.copy()
    boxes = observations.boxes.copy()
    confidence[people, frames] = 0
    keypoints[people, frames] = np.nan
    boxes[people, frames] = np.nan
    return replace(observations, confidence=confidence, keypoints2d=keypoints, boxes=boxes)


def test_windows_overlap_within_a_shot_and_never_cross_a_cut(scene: Scene):
    seen = scene.observations
    assert ranges(FitProblem(seen), 400) == [(0, 16)]
    assert ranges(FitProblem(seen), 6) == [(0, 5), (3, 10), (7, 16)]
    cut = replace(seen, cuts=(0, 3, 9))
    assert ranges(FitProblem(cut), 400) == [(0, 3), (3, 9), (9, 16)]
    assert ranges(FitProblem(cut), 4) == [(0, 3), (3, 6), (5, 9), (9, 12), (10, 16)]
    part = FitProblem(cut, frames=FrameRange(5, 12))
    assert ranges(part, 400) == [(5, 9), (9, 12)]
    long = FitProblem(two_people(frames=80).observations)
    assert ranges(long, 40) == [(0, 40), (40 - FAST.overlap, 80)]


@pytest.fixture(scope="module")
def two_shots(scene: Scene) -> tuple[FitProblem, FitResult]:
    """The second shot shows the same people from a camera that is rolled and looks elsewhere."""
    turn = np.radians(25)
    roll = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.array([640.0, 360.0])
    pixels = scene.observations.keypoints2d.copy()
    pixels[:, 8:] = (pixels[:, 8:] - middle) @ roll.T + middle
    seen = replace(scene.observations, keypoints2d=pixels, cuts=(8,))
    problem = FitProblem(seen, K=scene.camera.K)
    return problem, run(solve(problem, replace(FAST, joint_steps=40)))


def test_each_shot_has_a_camera_of_its_own_and_people_keep_their_shape(two_shots):
    problem, result = two_shots
    T = result.camera.T_camera_world
    assert np.ptp(T[:8], axis=0).max() == 0 and np.ptp(T[8:], axis=0).max() == 0
    between = np.degrees(np.arccos(T[0, :3, 1] @ T[8, :3, 1]))
    assert 12 < between < 40, "gravity is looked for again in the second shot"
    first = run(solve(replace(problem, frames=FrameRange(0, 8)), replace(FAST, joint_steps=40)))
    np.testing.assert_array_equal(result.motion.betas, first.motion.betas)
    assert result.camera.K[0, 0] == pytest.approx(problem.K[0, 0])


def test_both_shots_fit_what_was_seen(two_shots):
    error = two_shots[1].diagnostics.reprojection_px
    assert np.nanmean(error[:, :8]) < 8 and np.nanmean(error[:, 8:]) < 8


@pytest.mark.parametrize("failure", [MemoryError, torch.OutOfMemoryError])
def test_a_window_that_does_not_fit_into_memory_is_halved(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
):
    tried = []
    solve_window = solver._solve_window

    def short_of_memory(problem, *given):
        tried.append((problem.frames.start, problem.frames.stop))
        if len(tried) == 1:
            raise failure
        return (yield from solve_window(problem, *given))

    monkeypatch.setattr(solver, "_solve_window", short_of_memory)
    result = run(solve(FitProblem(scene.observations, K=scene.camera.K), FAST))
    assert tried == [(0, 16), (0, 8), (8, 16)]
    assert result.motion.valid.all()
    assert any("Not enough memory for 16 frames" in note for note in result.diagnostics.notes)


def test_where_even_a_few_frames_are_too_many_that_is_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    def never(*_):
        raise MemoryError
        yield

    monkeypatch.setattr(solver, "_solve_window", never)
    with pytest.raises(CannotFitError, match="not enough memory"):
        run(solve(FitProblem(scene.observations, K=scene.camera.K), FAST))


@pytest.fixture(scope="module")
def dark(scene: Scene) -> FitResult:
    """Black frames 6 to 8; besides, the second person is out of view until frame 11."""
    seen = hidden(scene.observations, slice(0, 2), slice(6, 9))
    seen = hidden(seen, slice(1, 2), slice(6, 11))
    empty = tuple(
        tuple(None if frame in range(6, 9) else full for frame in range(FRAMES))
        for full in (RunLengthMask.encode(np.ones((4, 4), bool)),) * 2
    )
    return run(solve(FitProblem(replace(seen, masks=empty), K=scene.camera.K), FAST))


def test_frames_without_a_picture_are_filled_and_said_to_be(dark: FitResult):
    provenance = dark.motion.provenance
    assert (provenance[0, 6:9] == Provenance.INFILLED).all()
    assert (provenance[1, 6:11] == Provenance.INFILLED).all()
    assert (provenance[:, :6] == Provenance.FITTED).all()
    assert np.isnan(dark.diagnostics.reprojection_px[0, 6:9]).all()


def test_bodies_move_smoothly_through_frames_in_which_nobody_is_seen(dark: FitResult):
    step = np.linalg.norm(np.diff(dark.motion.transl, axis=1), axis=-1)
    assert np.isfinite(step).all()
    assert step.max() < 0.08


def test_a_shot_in_which_nobody_is_seen_does_not_stop_the_fit(scene: Scene):
    seen = replace(hidden(scene.observations, slice(0, 2), slice(10, 16)), cuts=(10,))
    result = run(solve(FitProblem(seen, K=scene.camera.K), FAST))
    assert np.isfinite(result.motion.transl).all()
    assert (result.motion.provenance[:, 10:] == Provenance.INFILLED).all()


def camera(kind: Kind, drift: float) -> CameraMotion:
    return CameraMotion(kind, np.tile(np.eye(3), (FRAMES, 1, 1)), np.full(FRAMES, drift))


def test_a_camera_that_moves_is_warned_about_unless_its_path_is_given(scene: Scene):
    said = camera_notes(camera("moving", 80.0))
    seen = replace(scene.observations, notes=said)
    body = BodyModel.load("open-body", "1k2")
    unknown = start.prepare(FitProblem(seen, K=scene.camera.K), body, FAST).notes
    given = start.prepare(FitProblem(seen, camera=scene.camera), body, FAST).notes
    assert any("taken to stand still" in note for note in unknown)
    assert not any("taken to stand still" in note for note in given)


@pytest.mark.parametrize("kind", ["moving", "shaky", "unknown"])
def test_the_fit_knows_every_sentence_of_a_camera_that_does_not_stand(kind: Kind):
    (note,) = camera_notes(camera(kind, 500.0))
    assert note.startswith(start.CAMERA_MOVES)
