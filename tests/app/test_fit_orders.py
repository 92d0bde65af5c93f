"""What a fit is given follows from what a clip's state says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from annotations.edits import default_identities
from annotations.records import ClipState, ReviewMark
from app.fit_orders import detected_again, fit_arguments, protected_ranges
from engine.structures import Constraints, FrameRange, RunLengthMask, VideoInfo
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


class TestFitArguments:
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

    def test_the_first_detection_stands_alone(self, detected):
        found = detected.observations
        assert detected_again(None, found, WHOLE) is found
