"""What an edit makes of a clip's state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from annotations import edits, fitted, observed, review
from annotations.errors import EditError
from annotations.records import ClipState, ReviewMark
from engine.structures import (
    Constraints,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    VideoInfo,
)
from tests.annotations.builders import make_camera, make_fit, make_observations, make_video, same

WINDOW = FrameRange(40, 60)
WHOLE = FrameRange(0, 150)
REGIONS = ("left hand", "upper back")


@pytest.fixture
def state(video: VideoInfo) -> ClipState:
    state = ClipState(edits.default_identities(2))
    state = observed.set_observations(state, make_observations(video), video)
    return fitted.apply_fit(state, make_fit(video), WHOLE, video.times)


def contact(start: int, stop: int) -> ContactLabel:
    return ContactLabel(0, REGIONS[0], 1, REGIONS[1], FrameRange(start, stop))


class TestKeypoints:
    def test_a_joint_is_placed_once(self, state):
        once = edits.edit_keypoint(state, KeypointEdit(0, 7, 3, 1.0, 1.0))
        again = edits.edit_keypoint(once, KeypointEdit(0, 7, 3, 2.0, 2.0, visible=False))
        assert again.constraints.keypoint_edits == (KeypointEdit(0, 7, 3, 2.0, 2.0, False),)
        assert again.edited == (FrameRange(7, 8),)
        assert edits.clear_keypoint(again, 0, 7, 3).constraints == Constraints()

    def test_moving_a_joint_reopens_its_frame(self, state):
        accepted = review.review(state, WHOLE, "accepted")
        after = edits.edit_keypoint(accepted, KeypointEdit(0, 149, 3, 1.0, 1.0))
        assert after.reviews == (ReviewMark(FrameRange(0, 149), "accepted"),)

    @pytest.mark.parametrize(
        "edit",
        [
            KeypointEdit(2, 7, 3, 1.0, 1.0),
            KeypointEdit(0, 7, 26, 1.0, 1.0),
            KeypointEdit(0, 7, -1, 1.0, 1.0),
            KeypointEdit(0, 7, 3, float("nan"), 1.0),
        ],
    )
    def test_nonsense_is_refused(self, state, edit):
        with pytest.raises(EditError):
            edits.edit_keypoint(state, edit)


class TestWhoseFramesAreEdited:
    """What is due for a fit, person by person."""

    def test_a_joint_is_its_persons(self, state):
        after = edits.edit_keypoint(state, KeypointEdit(1, 7, 3, 1.0, 1.0))
        assert (after.edited_of(0), after.edited_of(1)) == ((), (FrameRange(7, 8),))
        both = edits.edit_keypoint(after, KeypointEdit(0, 20, 3, 1.0, 1.0))
        assert both.edited == (FrameRange(7, 8), FrameRange(20, 21))
        assert (both.edited_of(0), both.edited_of(1)) == (
            (FrameRange(20, 21),),
            (FrameRange(7, 8),),
        )

    def test_a_joint_that_is_taken_back_is_its_persons_too(self, state):
        placed = edits.edit_keypoint(state, KeypointEdit(1, 7, 3, 1.0, 1.0))
        cleared = edits.clear_keypoint(replace(placed, edited=(), edited_people=()), 1, 7, 3)
        assert (cleared.edited_of(0), cleared.edited_of(1)) == ((), (FrameRange(7, 8),))

    def test_a_height_is_its_persons_and_a_contact_is_both_peoples(self, state):
        after = edits.set_height(state, 0, 1.8, 150)
        assert (after.edited_of(0), after.edited_of(1)) == ((WHOLE,), ())
        after = edits.add_contact(after, contact(5, 9), 150)
        assert (after.edited_of(0), after.edited_of(1)) == ((WHOLE,), (FrameRange(5, 9),))

    def test_what_concerns_everybody_keeps_no_rows(self, state):
        after = edits.set_focal(state, 900.0, 150)
        assert after.edited == after.edited_of(0) == after.edited_of(1) == (WHOLE,)
        assert after.edited_people == ()

    def test_a_fit_answers_for_all_people(self, state, video):
        placed = edits.edit_keypoint(state, KeypointEdit(1, 7, 3, 1.0, 1.0))
        placed = edits.edit_keypoint(placed, KeypointEdit(0, 90, 3, 1.0, 1.0))
        after = fitted.apply_fit(placed, make_fit(video), FrameRange(0, 50), video.times)
        assert (after.edited_of(0), after.edited_of(1)) == ((FrameRange(90, 91),), ())
        after = fitted.apply_fit(after, make_fit(video), WHOLE, video.times)
        assert (after.edited, after.edited_people) == ((), ())


class TestContacts:
    def test_equal_labels_that_touch_become_one(self, state):
        after = edits.add_contact(state, contact(0, 10), 150)
        after = edits.add_contact(after, contact(10, 20), 150)
        assert after.constraints.contacts == (contact(0, 20),)
        assert after.edited == (FrameRange(0, 20),)

    def test_changing_one_touches_its_old_and_new_frames(self, state):
        after = edits.add_contact(state, contact(0, 10), 150)
        cleared = replace(after, edited=())
        moved = edits.change_contact(cleared, 0, contact(50, 60), 150)
        assert moved.constraints.contacts == (contact(50, 60),)
        assert moved.edited == (FrameRange(0, 10), FrameRange(50, 60))
        gone = edits.remove_contact(moved, 0)
        assert gone.constraints.contacts == ()

    @pytest.mark.parametrize(
        "label",
        [
            contact(10, 10),
            contact(140, 151),
            ContactLabel(0, "a", 0, "b", WINDOW),
            ContactLabel(0, "", 1, "b", WINDOW),
            ContactLabel(0, "a", 5, "b", WINDOW),
        ],
    )
    def test_nonsense_is_refused(self, state, label):
        with pytest.raises(EditError):
            edits.add_contact(state, label, 150)

    def test_there_must_be_one_to_change(self, state):
        with pytest.raises(EditError, match="no such contact"):
            edits.remove_contact(state, 0)


class TestStatements:
    def test_a_height_concerns_the_whole_clip(self, state):
        after = edits.set_height(state, 1, 1.72, 150)
        assert after.constraints.heights == (None, 1.72)
        assert after.edited == (WHOLE,)
        assert edits.set_height(after, 1, None, 150).constraints.heights == ()
        with pytest.raises(EditError, match="metres"):
            edits.set_height(state, 0, 172.0, 150)

    def test_a_focal_length_is_positive(self, state):
        assert edits.set_focal(state, 1200.0, 150).constraints.focal_px == 1200.0
        for bad in (0.0, -5.0, float("nan")):
            with pytest.raises(EditError, match="positive"):
                edits.set_focal(state, bad, 150)

    def test_a_measured_camera_concerns_the_whole_clip(self, state, video):
        camera = make_camera(video)
        after = edits.set_camera(state, camera, video)
        assert same(after.constraints.camera, camera) and after.edited == (WHOLE,)
        assert edits.set_camera(after, make_camera(video), video) is after
        assert edits.set_camera(after, None, video).constraints.camera is None
        assert edits.set_camera(state, None, video) is state
        moved = replace(camera, distortion=np.full(5, 0.1))
        assert edits.set_camera(after, moved, video).constraints.camera.distortion[0] == 0.1

    def test_a_camera_is_kept_in_double_precision_and_apart(self, state, video):
        camera = make_camera(video)
        single = replace(camera, T_camera_world=camera.T_camera_world.astype(np.float32))
        kept = edits.set_camera(state, single, video).constraints.camera
        assert kept.T_camera_world.dtype == np.float64
        camera.K[0, 0] = 1.0
        assert edits.set_camera(state, make_camera(video), video).constraints.camera.K[0, 0] == 80

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"image_size": (10, 10)}, "image size"),
            ({"K": np.zeros((3, 3))}, "K"),
            ({"K": np.diag([80.0, -80.0, 1.0])}, "K"),
            ({"K": np.full((3, 3), np.nan)}, "K; expected numbers"),
            ({"T_camera_world": np.tile(np.eye(4), (149, 1, 1))}, r"T_camera_world.*\(150, 4, 4\)"),
            ({"T_camera_world": np.tile(2 * np.eye(4), (150, 1, 1))}, "rotations"),
            ({"T_camera_world": np.tile(np.diag([-1.0, 1, 1, 1]), (150, 1, 1))}, "rotations"),
            ({"distortion": np.full(5, np.inf)}, "distortion; expected numbers"),
        ],
    )
    def test_a_camera_that_cannot_be_is_refused(self, state, video, changes, sentence):
        with pytest.raises(EditError, match=sentence):
            edits.set_camera(state, replace(make_camera(video), **changes), video)

    def test_a_gender_is_for_exports(self, state):
        after = edits.set_gender(state, 1, "female")
        assert [i.gender for i in after.identities] == ["neutral", "female"]
        assert after.edited == () and edits.set_gender(after, 1, "female") is after
        with pytest.raises(EditError, match="no such person"):
            edits.set_gender(state, 2, "male")

    def test_the_floor_may_be_anywhere_that_is_a_number(self, state):
        after = edits.set_floor(state, -0.25, 150)
        assert after.constraints.floor_height == -0.25 and after.edited == (WHOLE,)
        with pytest.raises(EditError, match="number of metres"):
            edits.set_floor(state, float("nan"), 150)

    def test_the_newest_depth_order_of_two_people_counts(self, state):
        after = edits.set_depth_order(state, DepthOrder(0, 1, FrameRange(0, 50)))
        after = edits.set_depth_order(after, DepthOrder(1, 0, FrameRange(20, 30)))
        assert after.constraints.depth_orders == (
            DepthOrder(0, 1, FrameRange(0, 20)),
            DepthOrder(1, 0, FrameRange(20, 30)),
            DepthOrder(0, 1, FrameRange(30, 50)),
        )
        cleared = edits.clear_depth_order(after, (1, 0), FrameRange(10, 150))
        assert cleared.constraints.depth_orders == (DepthOrder(0, 1, FrameRange(0, 10)),)

    def test_freezing_asks_for_no_fit(self, state):
        after = edits.set_frozen(state, FrameRange(10, 20), True)
        after = edits.set_frozen(after, FrameRange(20, 30), True)
        assert after.constraints.frozen == (FrameRange(10, 30),)
        assert after.edited == ()
        thawed = edits.set_frozen(after, FrameRange(15, 18), False)
        assert thawed.constraints.frozen == (FrameRange(10, 15), FrameRange(18, 30))

    def test_names_tell_people_apart(self, state):
        named = edits.rename_identity(state, 0, "  Ann   B. ")
        assert named.identities[0].name == "Ann B."
        with pytest.raises(EditError, match="already called"):
            edits.rename_identity(named, 1, "Ann B.")
        for bad in ("", "   ", "a\x00b", "x" * 200):
            with pytest.raises(EditError, match="1 to 120"):
                edits.rename_identity(state, 0, bad)

    def test_saying_the_same_again_is_no_edit(self, state):
        said = edits.set_height(state, 0, 1.8, 150)
        assert edits.set_height(said, 0, 1.8, 150) is said
        assert edits.rename_identity(state, 0, "Person 1") is state
        assert edits.set_frozen(state, WINDOW, False) is state


class TestReview:
    def test_a_new_verdict_replaces_older_ones_in_its_frames(self, state):
        after = review.review(state, WHOLE, "accepted")
        after = review.review(after, FrameRange(50, 60), "sent back", "left and right mixed up")
        assert after.reviews == (
            ReviewMark(FrameRange(0, 50), "accepted"),
            ReviewMark(FrameRange(50, 60), "sent back", "left and right mixed up"),
            ReviewMark(FrameRange(60, 150), "accepted"),
        )
        assert review.review(after, FrameRange(50, 60), "accepted").reviews == (
            ReviewMark(WHOLE, "accepted"),
        )

    def test_there_must_be_bodies_to_accept(self):
        with pytest.raises(EditError, match="no bodies"):
            review.review(ClipState(edits.default_identities(2)), WINDOW, "accepted")

    @pytest.mark.parametrize(
        ("marks", "status"),
        [
            ((), "fitted"),
            ((ReviewMark(FrameRange(0, 75), "accepted"),), "fitted"),
            ((ReviewMark(WHOLE, "accepted"),), "accepted"),
            ((ReviewMark(WHOLE, "unusable"),), "unusable"),
            (
                (
                    ReviewMark(FrameRange(0, 75), "accepted"),
                    ReviewMark(FrameRange(75, 150), "unusable"),
                ),
                "accepted",
            ),
            (
                (
                    ReviewMark(FrameRange(0, 149), "accepted"),
                    ReviewMark(FrameRange(149, 150), "sent back"),
                ),
                "sent back",
            ),
        ],
    )
    def test_status_follows_from_the_marks(self, marks, status):
        found = review.status_of(detected=True, fitted=True, reviews=marks, frame_count=150)
        assert found == status


class TestFit:
    def test_a_fit_of_everything_replaces_everything(self, state, video):
        result = make_fit(video, seed=9)
        after = fitted.apply_fit(replace(state, edited=(WINDOW,)), result, WHOLE, video.times)
        assert same(after.motion, result.motion)
        assert after.camera is result.camera and after.edited == ()

    @pytest.mark.parametrize("windowed", [False, True], ids=["whole result", "window alone"])
    def test_a_fit_of_a_range_leaves_the_rest(self, state, video, windowed):
        whole = make_fit(video, seed=9)
        result = window_of(whole, WINDOW) if windowed else whole
        pending = replace(state, edited=(FrameRange(30, 50), FrameRange(100, 101)))
        after = fitted.apply_fit(pending, result, WINDOW, video.times)
        outside = np.r_[0:40, 60:150]
        for name in fitted.PER_FRAME:
            old, new = getattr(state.motion, name), getattr(after.motion, name)
            assert same(new[:, outside], old[:, outside])
            assert same(new[:, 40:60], getattr(whole.motion, name)[:, 40:60])
        assert same(after.motion.betas, state.motion.betas)
        assert same(after.camera.K, state.camera.K)
        assert same(
            after.diagnostics.reprojection_px[:, 40:60], whole.diagnostics.reprojection_px[:, 40:60]
        )
        assert after.edited == (FrameRange(30, 40), FrameRange(100, 101))

    def test_accepted_and_frozen_frames_stay_exactly(self, state, video):
        held = review.review(state, FrameRange(0, 20), "accepted")
        held = edits.set_frozen(held, FrameRange(100, 110), True)
        after = fitted.apply_fit(held, make_fit(video, seed=9), WHOLE, video.times)
        kept, taken = np.r_[0:20, 100:110], np.r_[20:100, 110:150]
        for name in fitted.PER_FRAME:
            old, new = getattr(state.motion, name), getattr(after.motion, name)
            assert same(new[:, kept], old[:, kept])
        assert same(after.motion.betas, state.motion.betas)
        assert not np.isclose(
            after.motion.body_pose[:, taken], state.motion.body_pose[:, taken]
        ).all()

    def test_a_first_fit_of_a_range_leaves_the_rest_missing(self, video):
        bare = ClipState(edits.default_identities(2))
        after = fitted.apply_fit(bare, make_fit(video), WINDOW, video.times)
        assert after.motion.valid[:, 40:60].all()
        assert not after.motion.valid[:, :40].any() and not after.motion.valid[:, 60:].any()
        assert same(after.motion.time, video.times)
        assert np.isnan(after.diagnostics.penetration_m[:40]).all()

    def test_what_changes_nothing_or_makes_no_sense_is_refused(self, state, video):
        result = make_fit(video, seed=9)
        held = review.review(state, WHOLE, "accepted")
        with pytest.raises(EditError, match="accepted or frozen"):
            fitted.apply_fit(held, result, WHOLE, video.times)
        broken = result.motion.transl.copy()
        broken[0, 3] = np.nan
        with pytest.raises(EditError, match="not numbers"):
            bad = replace(result, motion=replace(result.motion, transl=broken))
            fitted.apply_fit(state, bad, WHOLE, video.times)
        with pytest.raises(EditError, match="not of these frames"):
            fitted.apply_fit(state, make_fit(make_video(33)), WHOLE, video.times)
        with pytest.raises(EditError, match="another body"):
            other = replace(result, motion=replace(result.motion, body="smpl"))
            fitted.apply_fit(state, other, WHOLE, video.times)


def window_of(result, frames: FrameRange):
    """The result as a solver of the range alone would return it."""
    part = frames.as_slice()
    motion = result.motion
    arrays = {name: getattr(motion, name)[:, part] for name in fitted.PER_FRAME}
    return replace(
        result,
        motion=replace(motion, time=motion.time[part], **arrays),
        camera=replace(result.camera, T_camera_world=result.camera.T_camera_world[part]),
        diagnostics=replace(
            result.diagnostics,
            reprojection_px=result.diagnostics.reprojection_px[:, part],
            penetration_m=result.diagnostics.penetration_m[part],
        ),
    )
