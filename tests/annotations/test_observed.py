"""Detections as a whole: taken in, and joined where a part was detected again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from annotations import edits, fitted, observed
from annotations.errors import EditError
from annotations.records import ClipState
from engine.structures import FrameRange, KeypointEdit, VideoInfo
from tests.annotations.builders import make_crowd, make_fit, make_observations, make_video, same

WHOLE = FrameRange(0, 150)
PART = FrameRange(60, 90)


@pytest.fixture
def state(video: VideoInfo) -> ClipState:
    state = ClipState(edits.default_identities(2))
    state = observed.set_observations(state, make_observations(video), video)
    return fitted.apply_fit(state, make_fit(video), WHOLE, video.times)


class TestObservations:
    def test_new_detections_leave_what_people_said(self, state, video):
        edit = KeypointEdit(1, 30, 9, 5.0, 6.0)
        edited = edits.edit_keypoint(state, edit)
        other = make_observations(video, seed=5)
        after = observed.set_observations(edited, other, video)
        assert after.observations is other
        assert after.constraints.keypoint_edits == (edit,)
        assert after.edited == (WHOLE,)

    def test_frames_that_are_detected_as_before_are_not_due_for_a_fit(self, state, video):
        before = state.observations
        points, boxes = before.keypoints2d.copy(), before.boxes.copy()
        points[1, 30:33], boxes[0, 40] = np.nan, 1.0
        other = replace(before, keypoints2d=points, boxes=boxes)
        after = observed.set_observations(state, other, video)
        assert after.edited == (FrameRange(30, 33), FrameRange(40, 41))
        assert observed.set_observations(state, before, video).edited == ()
        cut = replace(before, cuts=(70,))
        assert observed.set_observations(state, cut, video).edited == (WHOLE,)

    def test_must_belong_to_the_video(self, state, video):
        shorter = make_observations(make_video(149))
        with pytest.raises(EditError, match="do not belong to this video"):
            observed.set_observations(state, shorter, video)
        other_size = replace(make_observations(video), image_size=(10, 10))
        with pytest.raises(EditError, match="image size"):
            observed.set_observations(state, other_size, video)

    def test_the_number_of_people_is_free_until_something_depends_on_it(self, state, video):
        found = make_observations(video, masks=False)
        alone = replace(
            found,
            keypoints2d=found.keypoints2d[:1],
            confidence=found.confidence[:1],
            boxes=found.boxes[:1],
        )
        fresh = observed.set_observations(ClipState(edits.default_identities(2)), alone, video)
        assert [i.name for i in fresh.identities] == ["Person 1"]
        with pytest.raises(EditError, match="number of people"):
            observed.set_observations(state, alone, video)

    def test_a_joint_placed_by_hand_needs_its_layout(self, state, video):
        placed = edits.edit_keypoint(state, KeypointEdit(0, 1, 25, 1.0, 1.0))
        found = make_observations(video)
        coco = replace(
            found,
            layout="coco17",
            keypoints2d=found.keypoints2d[:, :, :17],
            confidence=found.confidence[:, :, :17],
        )
        with pytest.raises(EditError, match="halpe26"):
            observed.set_observations(placed, coco, video)

    def test_other_people_are_kept_without_empty_rows(self, state, video):
        crowd = make_crowd(video)
        nobody = replace(crowd.others, **{
            name: np.concatenate([getattr(crowd.others, name), np.full_like(rows[:1], nothing)])
            for name, nothing in observed.ROW_ARRAYS.items()
            for rows in [getattr(crowd.others, name)]
        })  # fmt: skip
        after = observed.set_observations(state, replace(crowd, others=nobody), video)
        assert same(after.observations.others, crowd.others)
        one = replace(crowd, others=observed.blank_rows(crowd, 3))
        assert observed.set_observations(state, one, video).observations.others is None

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            (lambda o: {"cuts": (0,)}, "A cut lies outside"),
            (lambda o: {"cuts": (150,)}, "A cut lies outside"),
            (lambda o: {"notes": ("x",) * 1000}, "too much to say"),
            (lambda o: {"others": make_observations(make_video(9))}, "do not belong"),
            (lambda o: {"others": replace(o.others, image_size=(5, 5))}, "image size"),
            (
                lambda o: {
                    "others": replace(
                        o.others,
                        layout="coco17",
                        keypoints2d=o.others.keypoints2d[:, :, :17],
                        confidence=o.others.confidence[:, :, :17],
                    )
                },
                "laid out differently",
            ),
        ],
    )
    def test_what_does_not_belong_is_refused(self, state, video, changes, sentence):
        crowd = make_crowd(video)
        with pytest.raises(EditError, match=sentence):
            observed.set_observations(state, replace(crowd, **changes(crowd)), video)

    def test_cuts_are_sorted_and_said_once(self, state, video):
        found = replace(make_observations(video), cuts=(70, 30, 70))
        assert observed.set_observations(state, found, video).observations.cuts == (30, 70)


def shifted(found, pixels: float):
    return replace(found, keypoints2d=found.keypoints2d + pixels, boxes=found.boxes + pixels)


def only(found, frames: FrameRange):
    """As perception answers for a part: nothing outside of it."""
    for row in range(found.person_count):
        for outside in (FrameRange(0, frames.start), FrameRange(frames.stop, found.frame_count)):
            found = observed.emptied(found, row, outside)
    return found


class TestAgain:
    @pytest.fixture
    def before(self, video):
        return make_crowd(video)

    def test_the_others_continue_their_rows(self, before):
        near = only(shifted(before.others, 1.0), PART)
        found = replace(before, others=near)
        joined = observed.detected_again(before, found, PART).others
        assert joined.person_count == 2
        inside, outside = PART.as_slice(), np.r_[0:60, 90:150]
        assert same(joined.boxes[0, inside], near.boxes[0, inside])
        assert same(joined.boxes[0, outside], before.others.boxes[0, outside])

    def test_whoever_is_elsewhere_gets_a_row(self, before):
        far = only(shifted(before.others, 500.0), PART)
        joined = observed.detected_again(before, replace(before, others=far), PART).others
        assert joined.person_count == 3
        assert np.isnan(joined.boxes[0, PART.as_slice()]).all()
        assert np.isnan(joined.boxes[2, :60]).all() and np.isfinite(joined.boxes[2, 60:90]).all()

    def test_nobody_else_there_any_more(self, before):
        joined = observed.detected_again(before, replace(before, others=None), PART).others
        assert np.isnan(joined.boxes[:, PART.as_slice()]).all()
        none = replace(before, others=None)
        assert observed.detected_again(none, none, PART).others is None
        first = observed.detected_again(none, replace(none, others=only(before.others, PART)), PART)
        assert first.others.person_count == 1  # the second one left before the part

    def test_cuts_of_the_part_are_found_anew_but_for_one_at_its_start(self, before):
        old = replace(before, cuts=(20, 60, 70, 90))
        found = replace(before, cuts=(75,))
        assert observed.detected_again(old, found, PART).cuts == (20, 60, 75, 90)

    def test_what_is_to_be_said_is_said_once(self, before):
        old = replace(before, notes=("a", "b"))
        found = replace(before, notes=("b", "c"))
        assert observed.detected_again(old, found, PART).notes == ("a", "b", "c")
