"""The fit as its users meet it: evidence in, bodies in a world out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.errors import CannotFitError, InputError
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.fit.window import cut
from engine.geometry.rotations import axis_angle_to_matrix
from engine.structures import (
    BodyMotion,
    Camera,
    Constraints,
    ContactLabel,
    DepthOrder,
    FitProgress,
    FitResult,
    FrameRange,
    KeypointEdit,
    Outcome,
    Provenance,
)
from tests.engine.fit.conftest import Scene, project_world, run, two_people

QUICK = FitConfig(
    placement_steps=15, hypothesis_steps=10, joint_steps=40, contact_rounds=12,
    prior="start",
)  # fmt: skip
"""Enough for what a test looks at, where that is not accuracy."""


def joints_in_camera(motion: BodyMotion, camera: Camera) -> np.ndarray:
    body = BodyModel.load("open-body", "1k2")
    world = body.pose_of(motion).joints.numpy()
    T = camera.T_camera_world
    return np.einsum("fij,pfnj->pfni", T[:, :3, :3], world) + T[:, None, :3, 3]


def true_in_camera(scene: Scene) -> np.ndarray:
    T = scene.camera.T_camera_world
    return np.einsum("fij,pfnj->pfni", T[:, :3, :3], scene.joints) + T[:, None, :3, 3]


def posture_error(found: np.ndarray, true: np.ndarray) -> float:
    """MPJPE in metres: joints relative to the pelvis."""
    difference = (found - found[:, :, :1]) - (true - true[:, :, :1])
    return float(np.linalg.norm(difference, axis=-1).mean())


@pytest.fixture(scope="module")
def scene() -> Scene:
    return two_people(frames=16, noise=2.0)


@pytest.fixture(scope="module")
def fitted(scene: Scene) -> FitResult:
    return run(solve(FitProblem(scene.observations, K=scene.camera.K)))


def test_two_people_are_found_from_2d_alone(scene: Scene, fitted: FitResult):
    found, true = joints_in_camera(fitted.motion, fitted.camera), true_in_camera(scene)
    assert fitted.outcome in (Outcome.CONVERGED, Outcome.STEP_LIMIT)
    assert posture_error(found, true) < 0.12
    assert np.nanmean(fitted.diagnostics.reprojection_px) < 6
    assert np.abs(found[:, :, 0, 2] - true[:, :, 0, 2]).max() < 0.45, "depth within 10 %"


def test_the_world_is_upright_and_everyone_stands_on_its_floor(scene: Scene, fitted: FitResult):
    up_true = scene.camera.T_camera_world[0, :3, 1]
    up_found = fitted.camera.T_camera_world[0, :3, 1]
    assert np.degrees(np.arccos(up_true @ up_found)) < 7
    body = BodyModel.load("open-body", "1k2")
    motion = fitted.motion
    vertices = body.pose_of(motion).vertices().numpy()
    lowest = vertices[..., 1].min(axis=-1)
    assert np.abs(np.median(lowest, axis=1)).max() < 0.05
    assert motion.gravity == "estimated"


@pytest.fixture(scope="module")
def watched(scene: Scene) -> tuple[list[FitProgress], FitResult]:
    """A quick fit with an assumed focal length, as somebody sees it who iterates it."""
    work, seen = solve(FitProblem(scene.observations), QUICK), []
    while True:
        try:
            seen.append(next(work))
        except StopIteration as stop:
            return seen, stop.value


def test_the_same_evidence_gives_the_same_bodies_to_the_last_bit(scene: Scene, watched):
    again, before = run(solve(FitProblem(scene.observations), QUICK)), watched[1]
    for name in ("betas", "global_orient", "body_pose", "transl", "provenance"):
        np.testing.assert_array_equal(getattr(again.motion, name), getattr(before.motion, name))
    np.testing.assert_array_equal(again.camera.T_camera_world, before.camera.T_camera_world)
    np.testing.assert_array_equal(again.camera.K, before.camera.K)


def test_progress_goes_forward_and_shows_bodies(watched):
    fractions = [progress.fraction for progress in watched[0]]
    assert fractions == sorted(fractions)
    assert fractions[-1] <= 1
    shown = [each.motion is not None for each in watched[0] if each.stage != "Starting"]
    assert len(shown) > 20 and all(shown)


def test_closing_the_generator_cancels(scene: Scene):
    work = solve(FitProblem(scene.observations), QUICK)
    next(work)
    work.close()
    with pytest.raises(StopIteration):
        next(work)


@pytest.fixture(scope="module")
def placed(scene: Scene) -> FitResult:
    """A quick fit with the camera given."""
    return run(solve(FitProblem(scene.observations, camera=scene.camera), QUICK))


def test_a_known_camera_gives_its_own_world(scene: Scene, placed: FitResult):
    result = placed
    np.testing.assert_array_equal(result.camera.T_camera_world, scene.camera.T_camera_world)
    assert result.motion.gravity == "known"


def test_a_camera_that_moves_sees_people_who_stand_still(scene: Scene, placed: FitResult):
    moving = scene.camera.T_camera_world.copy()
    moving[:, 0, 3] += np.linspace(0, 0.5, 16)
    camera = replace(scene.camera, T_camera_world=moving)
    body = BodyModel.load("open-body", "1k2")
    points = body.pose_of(placed.motion).keypoints("halpe26").numpy()
    seen = replace(scene.observations, keypoints2d=project_world(points, camera))
    result = run(solve(FitProblem(seen, camera=camera), QUICK))
    travelled = np.linalg.norm(np.ptp(result.motion.transl, axis=1), axis=-1)
    assert travelled.max() < 0.2, "the camera moved half a metre, the people did not"


def test_refitting_a_range_leaves_everything_else_exactly_as_it_was(
    scene: Scene, fitted: FitResult
):
    edit = KeypointEdit(person=0, frame=8, keypoint=10, x=400.0, y=300.0)
    part = FrameRange(6, 11)
    result = run(
        solve(
            FitProblem(
                scene.observations,
                camera=fitted.camera,
                warm_start=fitted.motion,
                frames=part,
                constraints=Constraints(keypoint_edits=(edit,), frozen=(FrameRange(10, 11),)),
            ),
            QUICK,
        )
    )
    outside = [f for f in range(16) if f not in part or f == 10]
    for name in ("global_orient", "body_pose", "transl"):
        before, after = getattr(fitted.motion, name), getattr(result.motion, name)
        np.testing.assert_array_equal(after[:, outside], before[:, outside])
    np.testing.assert_array_equal(result.motion.betas, fitted.motion.betas)
    moved = np.abs(result.motion.body_pose - fitted.motion.body_pose)[0, 8].max()
    assert moved > 0.05, "the dragged wrist pulls the arm along"


def test_a_dragged_joint_is_followed(scene: Scene, fitted: FitResult):
    target = scene.observations.keypoints2d[1, 5, 9] + [25.0, -30.0]
    edit = KeypointEdit(1, 5, 9, *target)
    problem = FitProblem(
        scene.observations,
        camera=fitted.camera,
        warm_start=fitted.motion,
        frames=FrameRange(2, 9),
        constraints=Constraints(keypoint_edits=(edit,)),
    )
    result = run(solve(problem, QUICK))
    from engine.fit.diagnostics import project_keypoints

    body = BodyModel.load("open-body", "1k2")
    before = project_keypoints(fitted.motion, fitted.camera, body)[1, 5, 9]
    after = project_keypoints(result.motion, result.camera, body)[1, 5, 9]
    assert np.linalg.norm(after - target) < 0.5 * np.linalg.norm(before - target)


def test_a_labelled_contact_closes_the_gap_and_its_opposite_opens_one():
    scene = two_people(frames=8, apart=0.55, facing=(0.9, -0.9))
    base = run(solve(FitProblem(scene.observations, camera=scene.camera), QUICK))
    label = ContactLabel(0, "left_upper_arm_outer", 1, "right_upper_arm_outer", FrameRange(2, 6))
    gaps = {}
    for kind in ("contact", "no_contact"):
        constraints = Constraints(contacts=(replace(label, kind=kind),))
        problem = FitProblem(
            scene.observations,
            camera=base.camera,
            warm_start=base.motion,
            frames=FrameRange(1, 7),
            constraints=constraints,
        )
        gaps[kind] = region_gap(run(solve(problem, QUICK)).motion, label)[2:6].max()
    before = region_gap(base.motion, label)[2:6].max()
    assert gaps["contact"] < max(0.03, 0.5 * before)
    assert gaps["no_contact"] > 0.02


def region_gap(motion: BodyMotion, label: ContactLabel) -> np.ndarray:
    """Smallest distance between the label's regions per frame, metres."""
    from engine.body.regions import region_vertices

    body = BodyModel.load("open-body", "1k2")
    vertices = body.pose_of(motion).vertices()
    a = vertices[label.person_a][:, torch.as_tensor(region_vertices(body, label.region_a))]
    b = vertices[label.person_b][:, torch.as_tensor(region_vertices(body, label.region_b))]
    return torch.cdist(a, b).flatten(1).min(1).values.numpy()


def test_bodies_that_stand_in_each_other_are_pushed_apart():
    scene = two_people(frames=6, apart=0.22)
    problem = FitProblem(scene.observations, camera=scene.camera)
    config = QUICK
    off = replace(config, weights=replace(config.weights, penetration=0.0))
    with_term = run(solve(problem, config)).diagnostics.penetration_m.max()
    without = run(solve(problem, off)).diagnostics.penetration_m.max()
    assert without > 0.03
    assert with_term < 0.6 * without


def test_people_are_moved_out_of_each_other_whole_before_anything_is_bent():
    scene = two_people(frames=6, apart=0.22)
    problem = FitProblem(scene.observations, camera=scene.camera)
    before = run(solve(problem, replace(QUICK, contact_rounds=0, parting_rounds=0)))
    after = run(solve(problem, replace(QUICK, contact_rounds=0, parting_rounds=12)))
    np.testing.assert_allclose(after.motion.body_pose, before.motion.body_pose, atol=2e-6)
    depth = [result.diagnostics.penetration_m.max() for result in (before, after)]
    assert depth[1] < 0.8 * depth[0]


def test_a_stated_height_sets_the_distance(scene: Scene):
    depths = []
    for height in (1.55, 1.85):
        constraints = Constraints(heights=(height, height))
        result = run(
            solve(FitProblem(scene.observations, K=scene.camera.K, constraints=constraints))
        )
        depths.append(joints_in_camera(result.motion, result.camera)[:, :, 0, 2].mean())
    assert depths[1] / depths[0] == pytest.approx(1.85 / 1.55, rel=0.05)


def test_where_nothing_may_change_there_is_nothing_to_fit(scene: Scene, fitted: FitResult):
    frames = scene.observations.frame_count
    frozen = Constraints(frozen=(FrameRange(0, frames),))
    problem = FitProblem(
        scene.observations, camera=fitted.camera, constraints=frozen, warm_start=fitted.motion
    )
    with pytest.raises(InputError, match="Every frame to fit is accepted or frozen"):
        run(solve(problem, QUICK))


def test_a_stretch_of_a_long_clip_that_is_frozen_is_passed_over(scene: Scene, fitted: FitResult):
    frozen = Constraints(frozen=(FrameRange(0, 8),))
    problem = FitProblem(
        scene.observations, camera=fitted.camera, constraints=frozen, warm_start=fitted.motion
    )
    result = run(solve(problem, replace(QUICK, window=8)))
    np.testing.assert_array_equal(result.motion.transl[:, :8], fitted.motion.transl[:, :8])
    assert (result.motion.transl[:, 8:] != fitted.motion.transl[:, 8:]).any()


def test_a_stated_height_is_kept_against_the_evidence(scene: Scene):
    constraints = Constraints(heights=(1.55, 1.9))
    result = run(solve(FitProblem(scene.observations, K=scene.camera.K, constraints=constraints)))
    body = BodyModel.load("open-body", "1k2")
    rest, _ = body.rest(torch.tensor(result.motion.betas, dtype=torch.float32))
    extent = rest[..., 1].amax(-1) - rest[..., 1].amin(-1)
    np.testing.assert_allclose(extent.numpy(), (1.55, 1.9), atol=0.01)


def test_a_refit_says_that_a_stated_height_has_to_wait(scene: Scene, fitted: FitResult):
    problem = FitProblem(
        scene.observations,
        camera=fitted.camera,
        warm_start=fitted.motion,
        frames=FrameRange(4, 8),
        constraints=Constraints(heights=(1.99, None)),
    )
    notes = run(solve(problem, QUICK)).diagnostics.notes
    assert [note for note in notes if "Fit the whole clip" in note and "1.99 m" in note]


def test_a_person_who_leaves_stands_still_and_does_not_disturb_the_frames_before():
    scene = two_people(frames=75)
    confidence = scene.observations.confidence.copy()
    confidence[1, 15:] = 0
    left = replace(scene.observations, confidence=confidence)
    result = run(solve(FitProblem(left, K=scene.camera.K), QUICK))
    assert np.nanmedian(result.diagnostics.reprojection_px[1, :15]) < 8
    depth = joints_in_camera(result.motion, result.camera)[1, :, 0, 2]
    np.testing.assert_allclose(depth[15:], depth[14], atol=0.4)


def test_a_stated_depth_order_is_kept(scene: Scene, fitted: FitResult):
    whole = FrameRange(0, 16)
    for front, back in ((0, 1), (1, 0)):
        constraints = Constraints(depth_orders=(DepthOrder(front, back, whole),))
        result = run(
            solve(FitProblem(scene.observations, K=scene.camera.K, constraints=constraints))
        )
        depth = joints_in_camera(result.motion, result.camera)[:, :, 0, 2].mean(axis=1)
        assert depth[front] < depth[back]


def test_frames_where_a_person_was_not_seen_are_filled_and_said_to_be(scene: Scene):
    confidence = scene.observations.confidence.copy()
    confidence[0, 6:9] = 0
    result = run(solve(FitProblem(replace(scene.observations, confidence=confidence))))
    assert (result.motion.provenance[0, 6:9] == Provenance.INFILLED).all()
    assert (result.motion.provenance[1] == Provenance.FITTED).all()
    step = np.linalg.norm(np.diff(result.motion.transl[0], axis=0), axis=-1)
    assert step.max() < 0.1, "no jump in the gap"


def test_a_long_clip_is_solved_in_turn_without_a_seam():
    scene = two_people(frames=24)
    result = run(solve(FitProblem(scene.observations, K=scene.camera.K), replace(QUICK, window=12)))
    assert result.motion.valid.all()
    joints = joints_in_camera(result.motion, result.camera)
    step = np.linalg.norm(np.diff(joints, axis=1), axis=-1).max(axis=(0, 2))
    assert step[11] < 3 * np.median(step) + 0.01


def test_the_assumed_focal_length_is_said(watched):
    result = watched[1]
    assert result.camera.focal_source == "assumed"
    assert any("assumed" in note for note in result.diagnostics.notes)


def test_one_frame_is_enough():
    scene = two_people(frames=1)
    result = run(solve(FitProblem(scene.observations, K=scene.camera.K), QUICK))
    assert (
        posture_error(joints_in_camera(result.motion, result.camera), true_in_camera(scene)) < 0.15
    )


def test_a_person_nobody_saw_cannot_be_fitted(scene: Scene):
    confidence = scene.observations.confidence.copy()
    confidence[1] = 0
    with pytest.raises(CannotFitError, match="Person 2"):
        run(solve(FitProblem(replace(scene.observations, confidence=confidence))))


def test_observations_that_contradict_their_layout_are_refused(scene: Scene):
    with pytest.raises(InputError, match="expected 17 keypoints, received 26"):
        run(solve(FitProblem(replace(scene.observations, layout="coco17"))))


def test_a_range_outside_the_clip_is_refused(scene: Scene):
    with pytest.raises(InputError, match="outside the clip"):
        run(solve(FitProblem(scene.observations, frames=FrameRange(10, 99))))


def test_without_the_prior_s_weights_four_facings_are_tried(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    from engine.errors import WeightError
    from engine.perception import initialization

    def missing() -> None:
        raise WeightError("prior.safetensors is missing")

    monkeypatch.setattr(initialization, "_prior", missing)
    result = run(solve(FitProblem(scene.observations, K=scene.camera.K)))
    found, true = joints_in_camera(result.motion, result.camera), true_in_camera(scene)
    assert posture_error(found, true) < 0.2
    assert any("prior.safetensors is missing" in note for note in result.diagnostics.notes)


def test_people_who_were_taken_for_facing_away_are_turned_round(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    from engine.fit import start

    def backwards(*given, **said):
        first = initialize(*given, **said)
        half = axis_angle_to_matrix(first.up * np.pi)
        rotmats = first.rotmats.clone()
        rotmats[:, :, 0] = half @ rotmats[:, :, 0]
        return replace(first, rotmats=rotmats, facings=(0.0, np.pi))

    initialize = start.initialize
    monkeypatch.setattr(start, "initialize", backwards)
    result = run(solve(FitProblem(scene.observations, K=scene.camera.K)))
    found, true = joints_in_camera(result.motion, result.camera), true_in_camera(scene)
    assert posture_error(found, true) < 0.13


def test_nothing_is_smoothed_across_a_cut(scene):
    """In the second shot the same people are 150 pixels further to the right."""
    observations = scene.observations
    moved = observations.keypoints2d.copy()
    moved[:, 8:, :, 0] += 150.0
    seen = replace(observations, keypoints2d=moved)
    beside = slice(6, 10)

    def misfit(cuts: tuple[int, ...]) -> float:
        problem = FitProblem(replace(seen, cuts=cuts), K=scene.camera.K)
        result = run(solve(problem, QUICK))
        return float(np.nanmean(result.diagnostics.reprojection_px[:, beside]))

    across, apart = misfit(()), misfit((8,))
    assert apart < 0.5 * across, (apart, across)


def test_progress_of_a_clip_solved_in_turn_is_that_of_the_whole(scene: Scene):
    problem = FitProblem(scene.observations, K=scene.camera.K)
    fractions = [progress.fraction for progress in solve(problem, replace(QUICK, window=8))]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert 0.5 < fractions[-1] <= 1


def test_a_clip_solved_in_turn_says_how_its_worst_window_ended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    from engine.fit import stages

    def first_diverges(setting, state, surfaces, report):
        ended.append(Outcome.CONVERGED if ended else Outcome.DIVERGED)
        return state, ended[-1]
        yield

    ended: list[Outcome] = []
    monkeypatch.setattr(stages, "resolve", first_diverges)
    short = replace(QUICK, window=8, placement_steps=2, hypothesis_steps=2, joint_steps=2)
    result = run(solve(FitProblem(scene.observations, K=scene.camera.K), short))
    assert ended == [Outcome.DIVERGED, Outcome.CONVERGED]
    assert result.outcome == Outcome.DIVERGED


@pytest.mark.parametrize("people", [1, 3])
def test_any_number_of_people_is_fitted(scene: Scene, people: int):
    rows = [0, 1, 0][:people]
    seen = scene.observations
    chosen = replace(
        seen,
        keypoints2d=seen.keypoints2d[rows]
        + np.array([40.0, 0.0]) * np.arange(people)[:, None, None, None],
        confidence=seen.confidence[rows],
        boxes=seen.boxes[rows],
    )
    chosen = cut(chosen, FrameRange(0, 8))
    chosen.confidence[:, 3:6] = 0
    chosen.keypoints2d[:, 3:6] = np.nan
    result = run(solve(FitProblem(chosen, K=scene.camera.K), QUICK))
    assert result.motion.valid.shape == (people, 8)
    assert np.isfinite(result.motion.transl).all()


def test_a_contact_is_met_from_far_away_and_from_the_wrong_side():
    """A hand half a metre from the back of somebody whose face is towards its owner."""
    scene = two_people(frames=8, apart=0.7, facing=(1.2, -1.2))
    base = run(solve(FitProblem(scene.observations, camera=scene.camera), QUICK))
    label = ContactLabel(0, "left_palm", 1, "right_upper_back", FrameRange(2, 6))
    before = region_gap(base.motion, label)[2:6].min()
    problem = FitProblem(
        scene.observations,
        camera=base.camera,
        warm_start=base.motion,
        frames=FrameRange(1, 7),
        constraints=Constraints(contacts=(label,)),
    )
    result = run(solve(problem))
    assert before > 0.3
    assert region_gap(result.motion, label)[2:6].max() < 0.05, "vertices; surfaces are nearer"
