"""What a fit is given follows from what a clip's state says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from annotations.edits import default_identities
from annotations.records import ClipState, ReviewMark
from app.fit_orders import (
    detect_arguments,
    detected_again,
    edited_frames,
    fit_arguments,
    fit_config,
    protected_ranges,
)
from engine.config import AppearanceConfig, FitConfig
from engine.fit.edits import REACH_S
from engine.perception.request import PerceptionRequest
from engine.structures import (
    BoxEdit,
    Constraints,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    ProxemicsStatement,
    RunLengthMask,
    Trust,
    VideoInfo,
)
from tests.app.people import SIZE, camera, seen, standing_pair

FRAMES = 6
WHOLE = FrameRange(0, FRAMES)


@pytest.fixture
def video():
    return VideoInfo("v.mp4", *SIZE, np.arange(FRAMES) / 30, "0" * 64)


@pytest.fixture
def detected():
    observations = seen(standing_pair(FRAMES), camera(FRAMES))
    return ClipState(identities=default_identities(2), observations=observations)


@pytest.fixture
def fitted(detected):
    return replace(detected, motion=standing_pair(FRAMES), camera=camera(FRAMES))


def test_a_fit_compares_pictures_where_it_is_asked_to():
    assert FitConfig(**fit_config("dyad", appearance=False)) == FitConfig()
    assert FitConfig(**fit_config("x", appearance=True, device="cuda")) == FitConfig(
        initializer="x", appearance=AppearanceConfig(), device="cuda"
    )


class TestEditedFrames:
    """Of a video of ten seconds."""

    LONG = VideoInfo("v.mp4", *SIZE, np.arange(300) / 30, "0" * 64)

    def test_what_was_edited_is_fitted_again_with_a_margin(self, fitted):
        edited = replace(fitted, edited=(FrameRange(100, 110), FrameRange(200, 201)))
        assert edited_frames(edited, self.LONG, 90) == FrameRange(91, 119)
        assert edited_frames(edited, self.LONG, 299) == FrameRange(191, 210)
        assert edited_frames(fitted, self.LONG, 90) is None

    def test_around_a_placed_joint_so_is_what_its_detections_speak_of(self, fitted):
        said = Constraints(keypoint_edits=(KeypointEdit(0, 100, 9, 1.0, 2.0),))
        edited = replace(fitted, constraints=said, edited=(FrameRange(100, 101),))
        reach = round(REACH_S * 30)
        assert edited_frames(edited, self.LONG, 0) == FrameRange(100 - reach, 101 + reach)


class TestFitArguments:
    def test_joints_are_given_as_they_were_found_and_boxes_as_they_were_drawn(self, fitted, video):
        """A fit learns from how far a joint was placed from where it was found."""
        joint, box = KeypointEdit(0, 2, 9, 1.0, 2.0), (1.0, 2.0, 30.0, 40.0)
        said = Constraints(keypoint_edits=(joint,), box_edits=(BoxEdit(3, box, "person", 0),))
        given = fit_arguments(replace(fitted, constraints=said), video, None, "")
        assert given["constraints"].keypoint_edits == (joint,)
        np.testing.assert_array_equal(
            given["observations"].keypoints2d, fitted.observations.keypoints2d
        )
        assert given["observations"].boxes[0, 3].tolist() == list(box)

    def test_the_first_fit_is_of_the_whole_clip_on_the_projects_body(self, detected, video):
        given = fit_arguments(detected, video, FrameRange(2, 4), "smpl")
        assert given["frames"] is None and given["body"] == "smpl"
        assert given["camera"] is None and given["warm_start"] is None

    def test_a_part_starts_from_the_bodies_and_the_camera_that_are_there(self, fitted, video):
        given = fit_arguments(fitted, video, FrameRange(2, 4), "smpl")
        assert given["frames"] == FrameRange(2, 4) and given["body"] == "open-body"
        assert given["warm_start"] is fitted.motion and given["camera"] is fitted.camera

    def test_a_whole_clip_is_fitted_anew_unless_a_part_of_it_is_settled(self, fitted, video):
        assert fit_arguments(fitted, video, None, "")["warm_start"] is None
        settled = replace(fitted, reviews=(ReviewMark(FrameRange(0, 2), "accepted"),))
        given = fit_arguments(settled, video, None, "")
        assert given["warm_start"] is fitted.motion
        assert given["constraints"].frozen == (FrameRange(0, 2),)

    def test_a_focal_length_that_the_file_states_is_used(self, detected, video):
        given = fit_arguments(detected, replace(video, focal_px=410.0), None, "")
        np.testing.assert_array_equal(given["K"], [[410, 0, 160], [0, 410, 120], [0, 0, 1]])
        assert given["focal_source"] == "file"
        assert fit_arguments(detected, video, None, "")["K"] is None

    def test_what_a_person_drew_is_what_is_seen(self, detected, video):
        mask = RunLengthMask.encode(np.ones(SIZE[::-1], bool))
        said = Constraints(
            box_edits=(BoxEdit(2, (1.0, 2.0, 30.0, 40.0), "person", 1),),
            mask_edits=(MaskEdit(0, 3, mask),),
        )
        given = fit_arguments(replace(detected, constraints=said), video, None, "")
        assert given["observations"].masks[0][3] == mask
        assert given["observations"].boxes[1, 2].tolist() == [1, 2, 30, 40]
        assert fit_arguments(detected, video, None, "")["observations"] is detected.observations

    def test_a_measured_camera_is_given_to_a_fit_of_the_whole_clip(self, detected, fitted, video):
        measured = replace(camera(FRAMES, distance=5.0), focal_source="user")
        said = Constraints(camera=measured)
        given = fit_arguments(replace(detected, constraints=said), video, None, "")
        assert given["camera"].focal_source == "file"
        np.testing.assert_array_equal(given["camera"].T_camera_world, measured.T_camera_world)
        state = replace(fitted, constraints=said)
        part = fit_arguments(state, video, FrameRange(2, 4), "")
        assert part["camera"] is fitted.camera and part["frames"] == FrameRange(2, 4)
        settled = replace(state, reviews=(ReviewMark(FrameRange(0, 2), "accepted"),))
        assert fit_arguments(settled, video, None, "")["camera"] is fitted.camera

    def test_every_frame_is_fitted_anew_until_the_bodies_are_of_the_measured_camera(
        self, fitted, video
    ):
        turned = camera(FRAMES)
        other_world = np.eye(4)
        other_world[:3, :3] = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
        used = replace(turned, T_camera_world=turned.T_camera_world @ other_world)
        state = replace(fitted, constraints=Constraints(camera=used))
        assert fit_arguments(state, video, WHOLE, "")["frames"] == WHOLE  # only the world differs
        moving = used.T_camera_world.copy()
        moving[3:, 0, 3] += 0.1
        for changes in (
            {"T_camera_world": moving},
            {"K": used.K * [[1.1], [1.1], [1]]},
            {"distortion": np.array([0.1, 0, 0, 0, 0])},
        ):
            said = Constraints(camera=replace(used, **changes))
            given = fit_arguments(replace(fitted, constraints=said), video, WHOLE, "")
            assert given["frames"] is None and given["warm_start"] is None
            np.testing.assert_array_equal(given["camera"].K, said.camera.K)

    def test_a_part_knows_how_its_people_look_and_a_whole_clip_learns_its_own_anew(
        self, fitted, video
    ):
        known = {0: b"learnt in this clip", 1: b"of another clip"}
        fitted = replace(fitted, avatars={0: "digest"})
        part = fit_arguments(fitted, video, FrameRange(2, 4), "", avatars=known)
        assert part["avatars"] == known
        whole = fit_arguments(fitted, video, None, "", avatars=known)
        assert whole["avatars"] == {1: b"of another clip"}
        assert fit_arguments(fitted, video, None, "")["avatars"] == {}

    def test_what_was_said_of_trust_and_of_standing_goes_along(self, fitted, video):
        said = Constraints(
            trust=(Trust(1, FrameRange(2, 4), 0.0),),
            proxemics=(ProxemicsStatement(0, 1, FrameRange(1, 3), "intimate"),),
        )
        given = fit_arguments(replace(fitted, constraints=said), video, None, "")["constraints"]
        assert (given.trust, given.proxemics) == (said.trust, said.proxemics)

    def test_frozen_and_accepted_frames_are_protected_and_sent_back_ones_are_not(self, fitted):
        state = replace(
            fitted,
            constraints=Constraints(frozen=(FrameRange(0, 2),)),
            reviews=(
                ReviewMark(FrameRange(1, 3), "accepted"),
                ReviewMark(FrameRange(4, 5), "sent back"),
            ),
        )
        assert protected_ranges(state) == (FrameRange(0, 3),)


def test_a_detection_is_told_all_that_was_ever_said(fitted):
    box, pin = (1.0, 2.0, 30.0, 40.0), (50.0, 2.0, 80.0, 40.0)
    said = Constraints(
        keypoint_edits=(KeypointEdit(0, 1, 9, 3.0, 4.0),),
        box_edits=(BoxEdit(2, box, "person", 1), BoxEdit(3, pin, "identity", 0)),
        mask_edits=(MaskEdit(0, 3, RunLengthMask((1, 1), (1,))),),
    )
    now = BoxEdit(4, box, "person", 0)
    given = PerceptionRequest(**detect_arguments(replace(fitted, constraints=said), WHOLE, (now,)))
    assert given.box_edits == (*said.box_edits, now) and given.frames == WHOLE
    assert (given.keypoint_edits, given.mask_edits) == (said.keypoint_edits, said.mask_edits)
    assert given.motion is fitted.motion and given.camera is fitted.camera
    assert given.person_count == 2
    assert PerceptionRequest(**detect_arguments(None)).box_edits == ()


class TestDetectedAgain:
    def test_a_part_replaces_that_part_only(self, detected):
        before = detected.observations
        found = replace(
            before,
            keypoints2d=before.keypoints2d + 5,
            confidence=np.full_like(before.confidence, 0.5),
            boxes=before.boxes + 5,
        )
        merged = detected_again(before, found, FrameRange(2, 4))
        inside = np.isin(np.arange(FRAMES), [2, 3])
        for name in ("keypoints2d", "confidence", "boxes"):
            got, old, new = (getattr(o, name) for o in (merged, before, found))
            np.testing.assert_array_equal(got[:, inside], new[:, inside])
            np.testing.assert_array_equal(got[:, ~inside], old[:, ~inside])

    def test_masks_follow(self, detected):
        mask = RunLengthMask.encode(np.ones(SIZE[::-1], bool))
        found = replace(detected.observations, masks=((mask,) * FRAMES,) * 2)
        merged = detected_again(detected.observations, found, FrameRange(2, 4))
        assert merged.masks[1] == (None, None, mask, mask, None, None)

    def test_other_people_and_cuts_follow(self, detected):
        before = replace(detected.observations, cuts=(1, 3), notes=("a",))
        found = replace(before, others=detected.observations, cuts=(), notes=("b",))
        merged = detected_again(before, found, FrameRange(2, 4))
        assert merged.cuts == (1,) and merged.notes == ("a", "b")
        assert np.isfinite(merged.others.boxes[:, 2:4]).all()
        assert np.isnan(merged.others.boxes[:, [0, 1, 4, 5]]).all()

    def test_the_first_detection_stands_alone(self, detected):
        found = detected.observations
        assert detected_again(None, found, WHOLE) is found
