"""Boxes, marks and masks drawn over a frame, and what they do to the detections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from annotations import drawn, edits, fitted, observed, review
from annotations.corrections import effective_observations
from annotations.errors import EditError
from annotations.records import ClipState
from engine.structures import BoxEdit, FrameRange, KeypointEdit, MaskEdit, RunLengthMask, VideoInfo
from tests.annotations.builders import (
    HEIGHT,
    WIDTH,
    make_disc,
    make_fit,
    make_observations,
    same,
)

WHOLE = FrameRange(0, 150)
BOX = (10.0, 5.0, 40.0, 50.0)


@pytest.fixture
def state(video: VideoInfo) -> ClipState:
    state = ClipState(edits.default_identities(2))
    state = observed.set_observations(state, make_observations(video), video)
    state = fitted.apply_fit(state, make_fit(video), WHOLE, video.times)
    return review.review(state, WHOLE, "accepted")


@pytest.fixture
def disc(video: VideoInfo) -> RunLengthMask:
    return RunLengthMask.encode(make_disc(video, 40))


class TestBoxes:
    def test_concern_perception_alone(self, state, video):
        after = drawn.edit_box(state, BoxEdit(7, BOX, "person", 0), video)
        assert after.constraints.box_edits == (BoxEdit(7, BOX, "person", 0),)
        assert (after.edited, after.reviews) == ((), state.reviews)
        assert after.observations is state.observations

    def test_are_cut_to_the_picture(self, state, video):
        after = drawn.edit_box(state, BoxEdit(7, (-30.0, -3.0, 500.0, 20.0), "person", 1), video)
        assert after.constraints.box_edits[0].box == (0.0, 0.0, WIDTH, 20.0)

    def test_are_plain_numbers_whatever_came(self, state, video):
        box = tuple(np.asarray(BOX, np.float64))
        after = drawn.edit_box(state, BoxEdit(7, box, "person", 0), video)
        assert all(type(value) is float for value in after.constraints.box_edits[0].box)

    def test_saying_the_same_again_is_no_edit(self, state, video):
        edit = BoxEdit(7, BOX, "someone_else")
        after = drawn.edit_box(state, edit, video)
        assert drawn.edit_box(after, edit, video) is after

    def test_many_at_once_are_as_if_drawn_one_after_the_other(self, state, video):
        random = np.random.default_rng(0)
        kinds = ("person", "identity", "someone_else", "not_a_person")
        found = []
        for number, (x, y) in enumerate(random.uniform(0, 20, (40, 2)).tolist()):
            kind = kinds[number % 4]
            person = number % 3 % 2 if kind in kinds[:2] else None
            found.append(BoxEdit(number % 5, (x, y, x + 30, y + 30), kind, person))
        one_by_one = drawn.edit_box(state, BoxEdit(2, BOX, "person", 0), video)
        at_once = drawn.edit_boxes(one_by_one, found, video)
        for edit in found:
            one_by_one = drawn.edit_box(one_by_one, edit, video)
        assert at_once.constraints.box_edits == one_by_one.constraints.box_edits
        with pytest.raises(EditError, match="no such person"):
            drawn.edit_boxes(state, [*found, BoxEdit(7, BOX, "person", 5)], video)

    def test_are_taken_back_as_they_were_drawn(self, state, video):
        outside = BoxEdit(7, (-30.0, 5.0, 40.0, 50.0), "not_a_person")
        after = drawn.edit_box(state, outside, video)
        assert drawn.remove_box_edit(after, outside, video).constraints.box_edits == ()
        (kept,) = after.constraints.box_edits
        assert drawn.remove_box_edit(after, kept, video).constraints.box_edits == ()
        with pytest.raises(EditError, match="Nothing like this was said"):
            drawn.remove_box_edit(state, kept, video)

    @pytest.mark.parametrize(
        ("edit", "sentence"),
        [
            (BoxEdit(150, BOX, "person", 0), "not a part of the clip"),
            (BoxEdit(-1, BOX, "person", 0), "not a part of the clip"),
            (BoxEdit(7, BOX, "person", 2), "no such person"),
            (BoxEdit(7, BOX, "person"), "says whose it is"),
            (BoxEdit(7, BOX, "identity"), "says whose it is"),
            (BoxEdit(7, BOX, "someone_else", 0), "names nobody"),
            (BoxEdit(7, (40.0, 5.0, 10.0, 50.0), "person", 0), "needs an extent"),
            (BoxEdit(7, (10.0, 5.0, 11.0, 50.0), "person", 0), "needs an extent"),
            (BoxEdit(7, (100.0, 5.0, 140.0, 50.0), "person", 0), "needs an extent"),
            (BoxEdit(7, (float("nan"), 5.0, 40.0, 50.0), "person", 0), "four numbers"),
            (BoxEdit(7, (float("-inf"), 5.0, 40.0, 50.0), "person", 0), "four numbers"),
        ],
    )
    def test_nonsense_is_refused(self, state, video, edit, sentence):
        with pytest.raises(EditError, match=sentence):
            drawn.edit_box(state, edit, video)


class TestMasks:
    def test_make_their_frame_due_for_a_fit(self, state, video, disc):
        after = drawn.edit_mask(state, MaskEdit(0, 7, disc), video)
        assert after.constraints.mask_edits == (MaskEdit(0, 7, disc),)
        assert after.edited == (FrameRange(7, 8),)
        assert after.observations is state.observations
        assert drawn.edit_mask(after, MaskEdit(0, 7, disc), video) is after
        assert drawn.clear_mask(after, 0, 7).constraints.mask_edits == ()
        assert drawn.clear_mask(state, 0, 7) is state

    def test_are_written_in_one_way(self, state, video, disc):
        first, second, *rest = disc.counts
        split = RunLengthMask(disc.size, (first, second - 1, 0, 1, *rest, 0))
        after = drawn.edit_mask(state, MaskEdit(0, 7, split), video)
        assert after.constraints.mask_edits[0].mask == disc

    def test_may_say_that_nothing_of_the_person_is_seen(self, state, video):
        nothing = RunLengthMask.encode(np.zeros((HEIGHT, WIDTH), bool))
        after = drawn.edit_mask(state, MaskEdit(0, 7, nothing), video)
        assert not effective_observations(after).masks[0][7].decode().any()

    @pytest.mark.parametrize(
        ("mask", "sentence"),
        [
            (RunLengthMask((WIDTH, HEIGHT), (WIDTH * HEIGHT,)), "not of this video"),
            (RunLengthMask((HEIGHT, WIDTH), (WIDTH * HEIGHT + 1,)), "not whole"),
            (RunLengthMask((HEIGHT, WIDTH), ()), "not whole"),
            (RunLengthMask((HEIGHT, WIDTH), (WIDTH * HEIGHT + 5, -5)), "not whole"),
            (RunLengthMask((HEIGHT, WIDTH), (2**70, WIDTH * HEIGHT - 2**70)), "not whole"),
            (RunLengthMask((HEIGHT, WIDTH), (WIDTH * HEIGHT, *(0,) * 10_000)), "not whole"),
        ],
    )
    def test_nonsense_is_refused(self, state, video, mask, sentence):
        with pytest.raises(EditError, match=sentence):
            drawn.edit_mask(state, MaskEdit(0, 7, mask), video)

    def test_needs_a_person_and_a_frame(self, state, video, disc):
        for person, frame in ((2, 7), (0, 150)):
            with pytest.raises(EditError):
                drawn.edit_mask(state, MaskEdit(person, frame, disc), video)


class TestEffectiveObservations:
    def test_are_the_detections_where_nothing_was_said(self, state):
        assert effective_observations(state) is state.observations
        assert effective_observations(ClipState(edits.default_identities(2))) is None

    def test_have_joints_boxes_and_masks_as_they_were_drawn(self, state, video, disc):
        said = edits.edit_keypoint(state, KeypointEdit(0, 7, 3, 11.5, 12.5))
        said = edits.edit_keypoint(said, KeypointEdit(1, 8, 4, 1.5, 2.5, visible=False))
        said = drawn.edit_box(said, BoxEdit(9, BOX, "person", 1), video)
        said = drawn.edit_mask(said, MaskEdit(0, 10, disc), video)
        now, before = effective_observations(said), state.observations
        assert now.keypoints2d[0, 7, 3].tolist() == [11.5, 12.5]
        assert now.confidence[0, 7, 3] == 1.0 and now.confidence[1, 8, 4] == 0.0
        assert now.keypoints2d[1, 8, 4].tolist() == [1.5, 2.5]
        assert now.boxes[1, 9].tolist() == list(BOX)
        assert now.masks[0][10] == disc and now.masks[0][11] is before.masks[0][11]
        changed = (now.keypoints2d != before.keypoints2d) & np.isfinite(now.keypoints2d)
        assert changed.any(-1).sum() == 2 and same(state.observations, before)

    def test_a_pin_or_a_mark_moves_no_box(self, state, video):
        said = drawn.edit_box(state, BoxEdit(9, BOX, "identity", 1), video)
        said = drawn.edit_box(said, BoxEdit(9, BOX, "someone_else"), video)
        assert effective_observations(said) is state.observations

    def test_a_mask_may_be_the_only_one(self, state, video, disc):
        bare = replace(state, observations=replace(state.observations, masks=None))
        said = drawn.edit_mask(bare, MaskEdit(1, 10, disc), video)
        masks = effective_observations(said).masks
        assert masks[1][10] == disc and sum(m is not None for row in masks for m in row) == 1


class TestMasksOfAFit:
    def test_replace_the_detected_ones_but_not_where_one_is_painted(self, state, video, disc):
        state = replace(state, reviews=())
        state = drawn.edit_mask(state, MaskEdit(0, 20, disc), video)
        window = FrameRange(10, 30)
        other = make_observations(video, seed=5).masks
        result = replace(make_fit(video), masks=other)
        after = fitted.apply_fit(state, result, window, video.times)
        old, new = state.observations.masks, after.observations.masks
        assert new[0][15] is other[0][15] and new[1][20] is other[1][20]
        assert new[0][20] is old[0][20] and new[0][30] is old[0][30]
        assert effective_observations(after).masks[0][20] == disc
        assert after.observations.keypoints2d is state.observations.keypoints2d

    def test_may_be_of_the_window_alone_and_leave_accepted_frames(self, state, video):
        state = replace(state, reviews=state.reviews[:0])
        state = review.review(state, FrameRange(12, 14), "accepted")
        window = FrameRange(10, 30)
        other = make_observations(video, seed=5).masks
        result = make_fit(video)
        part = window.as_slice()
        motion = replace(
            result.motion,
            **{name: getattr(result.motion, name)[:, part] for name in fitted.PER_FRAME},
            time=video.times[part],
        )
        result = replace(
            result,
            motion=motion,
            camera=replace(result.camera, T_camera_world=result.camera.T_camera_world[part]),
            diagnostics=replace(
                result.diagnostics,
                reprojection_px=result.diagnostics.reprojection_px[:, part],
                penetration_m=result.diagnostics.penetration_m[part],
            ),
            masks=tuple(row[part] for row in other),
        )
        after = fitted.apply_fit(state, result, window, video.times).observations.masks
        old = state.observations.masks
        assert after[0][10] is other[0][10] and after[0][12] is old[0][12]

    def test_leave_the_observations_alone_where_there_are_none_or_the_same(self, state, video):
        state = replace(state, reviews=())
        plain = fitted.apply_fit(state, make_fit(video), WHOLE, video.times)
        assert plain.observations is state.observations
        equal = replace(make_fit(video), masks=state.observations.masks)
        assert fitted.apply_fit(state, equal, WHOLE, video.times).observations is state.observations

    def test_must_be_of_everybody_and_every_frame(self, state, video):
        masks = state.observations.masks
        for wrong in (masks[:1], tuple(row[:-1] for row in masks)):
            result = replace(make_fit(video), masks=wrong)
            with pytest.raises(EditError, match="not whole: the masks"):
                fitted.apply_fit(replace(state, reviews=()), result, WHOLE, video.times)
