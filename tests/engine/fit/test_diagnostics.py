"""A fit says of itself what is wrong with it, where, and how far off it believes to be."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.body.joints import SMPL_JOINTS
from engine.body.regions import region_vertices
from engine.body.smpl import BodyModel
from engine.fit.diagnostics import diagnose, kept_outside
from engine.fit.findings import project_keypoints
from engine.structures import (
    BodyMotion,
    Constraints,
    ContactLabel,
    Diagnostics,
    FrameRange,
    MaskEdit,
    Observations,
    Provenance,
    RunLengthMask,
    SwapProposal,
)
from tests.engine.fit.conftest import Scene, level_camera, project_world, two_people

FRAMES = 24


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("open-body", "1k2")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return two_people(frames=FRAMES)


@pytest.fixture(scope="module")
def motion(scene: Scene, body: BodyModel) -> BodyMotion:
    """Two who stand, arms a little down, seen exactly where they are."""
    pose = np.zeros((2, FRAMES, 23, 3))
    pose[:, :, 15, 2], pose[:, :, 16, 2] = -1.1, 1.1
    orient = np.zeros((2, FRAMES, 3))
    orient[:, :, 1] = np.array([0.6, -0.5])[:, None]
    transl = np.zeros((2, FRAMES, 3))
    transl[0, :, 0], transl[1, :, 0] = -0.45, 0.45
    transl[:, :, 1] = 1.15
    return BodyMotion(
        body="open-body",
        betas=np.zeros((2, 10)),
        global_orient=orient,
        body_pose=pose,
        transl=transl,
        valid=np.ones((2, FRAMES), bool),
        provenance=np.full((2, FRAMES), Provenance.FITTED, np.uint8),
        time=scene.observations.times,
    )


@pytest.fixture(scope="module")
def camera():
    return level_camera(FRAMES, pitch=0.15)


@pytest.fixture(scope="module")
def seen(motion, camera, body) -> Observations:
    points = project_keypoints(motion, camera, body).astype(np.float64)
    return Observations(
        keypoints2d=points,
        confidence=np.full(points.shape[:3], 0.9),
        layout="halpe26",
        boxes=np.concatenate([points.min(2) - 15, points.max(2) + 15], axis=-1),
        times=motion.time,
        image_size=camera.image_size,
    )


def masks_of(motion, camera, body) -> tuple[tuple[RunLengthMask, ...], ...]:
    skin = body.pose_of(motion).vertices().numpy()
    pixels = project_world(skin, camera)
    rows = []
    for person in pixels:
        row = []
        for frame in person:
            canvas = np.zeros(camera.image_size[::-1], np.uint8)
            for face in frame[np.asarray(body.faces)].round().astype(np.int32):
                cv2.fillConvexPoly(canvas, face, 1)
            row.append(RunLengthMask.encode(canvas > 0))
        rows.append(tuple(row))
    return tuple(rows)


def moved(motion: BodyMotion, frames: slice, by: tuple[float, float, float]) -> BodyMotion:
    transl = motion.transl.copy()
    transl[0, frames] += by
    return replace(motion, transl=transl)


def of(motion, camera, seen, body, constraints=None, **more) -> Diagnostics:
    return diagnose(motion, camera, seen, constraints or Constraints(), body, **more)


def test_the_truth_is_not_off_its_joints_does_not_jerk_and_is_in_nobody(motion, camera, seen, body):
    found = of(motion, camera, seen, body)
    assert np.nanmax(found.reprojection_px) < 0.5
    for reason in ("reprojection", "jerk", "penetration"):
        assert np.nanmax(found.reasons[reason]) < 0.5, reason
    assert "silhouette" not in found.reasons and "identity" not in found.reasons
    assert "contact" not in found.reasons
    assert (found.reasons["touch"] < 1).all()
    assert found.expected_error.shape == (2, FRAMES) and np.isfinite(found.expected_error).all()


def test_a_body_beside_its_joints_is_found_where_it_is(motion, camera, seen, body):
    found = of(moved(motion, slice(10, 13), (0.15, 0.0, 0.0)), camera, seen, body)
    off = found.reasons["reprojection"]
    assert (
        (off[0, 10:13] > 1).all()
        and (off[1] < 1).all()
        and (np.delete(off[0], [10, 11, 12]) < 1).all()
    )
    assert (found.reasons["jerk"][0, [10, 12]] > 1).all()
    calm = of(motion, camera, seen, body).expected_error
    assert (found.expected_error[0, 10:13] > 1.2 * calm[0, 10:13]).all()


def test_a_hand_near_the_other_is_asked_about_until_somebody_says(motion, camera, seen, body):
    joints = body.pose_of(motion).joints.numpy()[:, 6]
    to_chest = joints[1, SMPL_JOINTS.index("spine3")] - joints[0, SMPL_JOINTS.index("left_wrist")]
    near = moved(motion, slice(5, 8), tuple(to_chest.tolist()))
    found = of(near, camera, seen, body).reasons["touch"]
    assert (found[:, 5:8] > 1).all() and (found[:, 9:] < 1).all()


def test_penetration_is_said_of_both(motion, camera, seen, body):
    found = of(moved(motion, slice(5, 8), (0.75, 0.0, 0.0)), camera, seen, body)
    assert (found.penetration_m[5:8] > 0.03).all()
    assert (found.reasons["penetration"][:, 5:8] > 1).all()
    assert found.reasons["penetration"][:, 9:].max() < 1


def test_outlines_count_where_masks_are_to_be_trusted(motion, camera, seen, body):
    masked = replace(seen, masks=masks_of(motion, camera, body))
    right = of(motion, camera, masked, body).reasons["silhouette"]
    assert np.nanmax(right) < 0.3
    wrong = of(moved(motion, slice(0, 24), (-0.4, 0.0, 0.0)), camera, masked, body)
    assert np.nanmin(wrong.reasons["silhouette"][0]) > 1 > np.nanmax(wrong.reasons["silhouette"][1])
    boxes = seen.boxes.copy()
    boxes[1] = boxes[0]  # somebody else is all over the place
    covered = replace(masked, boxes=boxes)
    assert np.isnan(of(motion, camera, covered, body).reasons["silhouette"][0]).all()
    drawn = MaskEdit(0, 6, masked.masks[0][6])
    said = of(motion, camera, covered, body, Constraints(mask_edits=(drawn,)))
    assert np.isfinite(said.reasons["silhouette"][0, 6])


def test_labels_that_are_not_kept_are_found_in_their_frames(motion, camera, seen, body):
    apart = np.linalg.norm(
        body.pose_of(motion).vertices()[0][:, region_vertices(body, "left_hip")].mean(1)
        - body.pose_of(motion).vertices()[1][:, region_vertices(body, "right_hip")].mean(1),
        axis=-1,
    ).min()
    assert apart > 0.3
    labels = (
        ContactLabel(0, "left_hip", 1, "right_hip", FrameRange(3, 9)),
        ContactLabel(0, "left_hip", 1, "right_hip", FrameRange(12, 40), "no_contact"),
    )
    found = of(motion, camera, seen, body, Constraints(contacts=labels)).reasons["contact"]
    assert (found[:, 3:9] > 3).all() and (found[:, 12:] == 0).all()
    assert np.isnan(found[:, :3]).all() and np.isnan(found[:, 9:12]).all()


def test_an_exchange_that_was_looked_for_is_a_reason(motion, camera, seen, body):
    swap = SwapProposal(0, 1, FrameRange(2, 6), 40.0, 10.0)
    found = of(motion, camera, seen, body, swaps=(swap,)).reasons["identity"]
    assert (found[:, 2:6] >= 1).all() and not found[:, 6:].any()
    assert not of(motion, camera, seen, body, swaps=()).reasons["identity"].any()


def test_only_a_part_is_looked_at_and_the_rest_is_kept(motion, camera, seen, body):
    before = of(motion, camera, seen, body)
    part = FrameRange(8, 16)
    now = moved(motion, part.as_slice(), (0.15, 0.0, 0.0))
    found = of(now, camera, seen, body, part=part)
    assert np.isnan(found.reasons["penetration"][:, :8]).all()
    whole = kept_outside(found, before, part)
    fresh = of(now, camera, seen, body)
    for reason, values in whole.reasons.items():
        np.testing.assert_array_equal(values[:, :8], before.reasons[reason][:, :8])
    for reason in ("penetration", "jerk"):
        np.testing.assert_allclose(
            whole.reasons[reason][:, 9:15], fresh.reasons[reason][:, 9:15], atol=1e-3
        )
    np.testing.assert_array_equal(whole.expected_error[:, 16:], before.expected_error[:, 16:])


def test_who_is_not_there_is_not_judged(motion, camera, seen, body):
    valid = motion.valid.copy()
    valid[1, 4:9] = False
    found = of(replace(motion, valid=valid), camera, seen, body)
    for reason, values in found.reasons.items():
        assert np.isnan(values[1, 4:9]).all(), reason
    assert np.isnan(found.expected_error[1, 4:9]).all()


def test_more_is_expected_to_be_wrong_where_less_was_seen(motion, camera, seen, body):
    confidence = seen.confidence.copy()
    confidence[0, 8:16] = 0.15
    doubtful = of(motion, camera, replace(seen, confidence=confidence), body).expected_error
    sure = of(motion, camera, seen, body).expected_error
    assert (doubtful[0, 9:15] > 1.1 * sure[0, 9:15]).all()


def test_somebody_alone_has_no_partner_to_be_in_front_of(motion, camera, seen, body):
    rows = slice(0, 1)
    arrays = ("betas", "global_orient", "body_pose", "transl", "valid", "provenance")
    alone = replace(motion, **{n: getattr(motion, n)[rows] for n in arrays})
    watched = replace(
        seen, **{n: getattr(seen, n)[rows] for n in ("keypoints2d", "confidence", "boxes")}
    )
    found = of(alone, camera, watched, body)
    assert "penetration" not in found.reasons and not found.penetration_m.any()
    assert np.isfinite(found.reasons["prior"]).all()


def test_a_part_of_a_clip_is_believed_to_be_as_far_off_as_in_the_whole(
    scene: Scene, motion: BodyMotion, body: BodyModel
) -> None:
    """What lies around a part was not looked at, which is not to say that it is faultless."""
    said = scene.observations, Constraints(), body
    whole = diagnose(motion, scene.camera, *said)
    part = diagnose(motion, scene.camera, *said, part=FrameRange(9, 15))
    assert whole.expected_error is not None
    assert part.expected_error is not None
    ratio = part.expected_error[:, 9:15] / whole.expected_error[:, 9:15]
    np.testing.assert_allclose(ratio, 1.0, atol=0.25)
