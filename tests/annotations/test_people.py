"""Who is who: chosen among the others, dismissed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from annotations import drawn, edits, fitted, observed, people, review, swapping
from annotations.corrections import effective_observations
from annotations.errors import EditError
from annotations.records import ClipState, ReviewMark
from engine.structures import (
    BoxEdit,
    ContactLabel,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    RunLengthMask,
    VideoInfo,
)
from tests.annotations.builders import (
    make_crowd,
    make_disc,
    make_fit,
    make_observations,
    same,
)

WINDOW = FrameRange(40, 60)
WHOLE = FrameRange(0, 150)


@pytest.fixture
def state(video: VideoInfo) -> ClipState:
    """Two people and two others (the second only in the first third); person 1 is lost at 75-77."""
    state = ClipState(edits.default_identities(2))
    state = observed.set_observations(state, make_crowd(video), video)
    return fitted.apply_fit(state, make_fit(video), WHOLE, video.times)


def contact(start: int, stop: int) -> ContactLabel:
    return ContactLabel(0, "left hand", 1, "upper back", FrameRange(start, stop))


def pins(state: ClipState, person: int) -> list[int]:
    """Frames in which the person is pinned, at the very place where it is seen."""
    found = [e for e in state.constraints.box_edits if (e.kind, e.person) == ("identity", person)]
    assert all(e.box == tuple(state.observations.boxes[person, e.frame].tolist()) for e in found)
    return [e.frame for e in found]


def marks(state: ClipState) -> list[tuple[int, str]]:
    return [(e.frame, e.kind) for e in state.constraints.box_edits if e.person is None]


class TestAssign:
    def test_exchanges_the_rows_in_the_range_only(self, state):
        after = people.assign(state, 0, 0, WINDOW)
        inside, outside = WINDOW.as_slice(), np.r_[0:40, 60:150]
        before, now = state.observations, after.observations
        for name in ("keypoints2d", "confidence", "boxes"):
            mine, theirs = getattr(before, name)[0], getattr(before.others, name)[0]
            assert same(getattr(now, name)[0, inside], theirs[inside])
            assert same(getattr(now.others, name)[0, inside], mine[inside])
            assert same(getattr(now, name)[0, outside], mine[outside])
            assert same(getattr(now, name)[1], getattr(before, name)[1])
        assert now.masks[0][50] is None and now.masks[0][39] is before.masks[0][39]
        assert now.masks[1] == before.masks[1]
        assert (now.cuts, now.notes) == (before.cuts, before.notes)
        assert after.edited == (WINDOW,) and after.motion is state.motion

    def test_pins_everybody_where_they_are(self, state):
        after = people.assign(state, 1, 0, WINDOW)
        assert pins(after, 1) == pins(after, 0) == [39, 40, 55, 59, 60]

    def test_what_was_said_of_the_wrong_one_goes_along(self, state, video):
        joint = KeypointEdit(0, 41, 9, 1.5, 2.5)
        state = edits.edit_keypoint(state, joint)
        state = edits.edit_keypoint(state, replace(joint, keypoint=10, visible=False))
        state = edits.edit_keypoint(state, replace(joint, frame=70))
        painted = MaskEdit(0, 42, RunLengthMask.encode(make_disc(video, 30)))
        state = drawn.edit_mask(state, painted, video)
        box = BoxEdit(43, (2.0, 2.0, 12.0, 12.0), "person", 0)
        state = drawn.edit_box(state, box, video)
        after = people.assign(state, 0, 0, WINDOW)
        assert after.constraints.keypoint_edits == (replace(joint, frame=70),)
        assert after.constraints.mask_edits == ()
        assert all(edit.kind == "identity" for edit in after.constraints.box_edits)
        others = after.observations.others
        assert others.keypoints2d[0, 41, 9].tolist() == [1.5, 2.5]
        assert others.confidence[0, 41, [9, 10]].tolist() == [1.0, 0.0]
        assert others.boxes[0, 43].tolist() == list(box.box)

    def test_a_box_drawn_around_the_one_who_is_chosen_stays_with_what_was_said_there(
        self, state, video
    ):
        x0, y0, x1, y1 = state.observations.others.boxes[0, 43].tolist()
        box = BoxEdit(43, (x0 + 1, max(y0, 0), x1, min(y1, 54)), "person", 0)
        joint = KeypointEdit(0, 43, 9, 1.5, 2.5)
        state = edits.edit_keypoint(drawn.edit_box(state, box, video), joint)
        after = people.assign(state, 0, 0, WINDOW)
        assert after.constraints.keypoint_edits == (joint,)
        assert box in after.constraints.box_edits
        assert same(effective_observations(after).boxes[0, 43], np.asarray(box.box))

    def test_takes_back_that_it_is_nobody(self, state, video):
        dismissed = people.dismiss(state, ("other", 0), WHOLE, "someone_else")
        assert marks(dismissed)
        chosen = people.assign(dismissed, 0, 0, WHOLE)
        assert marks(chosen) == []

    def test_an_other_row_that_is_used_up_goes(self, state):
        gone = people.dismiss(state, ("person", 0), WHOLE, "not_a_person")
        after = people.assign(gone, 0, 0, WHOLE)
        assert after.observations.others.person_count == 1
        assert same(after.observations.boxes[0], state.observations.others.boxes[0])

    def test_ends_the_acceptance(self, state):
        accepted = review.review(state, WHOLE, "accepted")
        assert people.assign(accepted, 0, 0, WINDOW).reviews == (
            ReviewMark(FrameRange(0, 40), "accepted"),
            ReviewMark(FrameRange(60, 150), "accepted"),
        )

    @pytest.mark.parametrize(
        ("person", "other", "frames", "sentence"),
        [
            (2, 0, WINDOW, "no such person"),
            (0, 2, WINDOW, "no such other person"),
            (0, -1, WINDOW, "no such other person"),
            (0, 1, FrameRange(60, 150), "Nobody else was seen there"),
        ],
    )
    def test_nonsense_is_refused(self, state, person, other, frames, sentence):
        with pytest.raises(EditError, match=sentence):
            people.assign(state, person, other, frames)

    def test_needs_somebody_else(self, state, video):
        alone = observed.set_observations(state, make_observations(video), video)
        for bare in (alone, ClipState(edits.default_identities(2))):
            with pytest.raises(EditError, match="somebody else was seen"):
                people.assign(bare, 0, 0, WINDOW)


class TestDismiss:
    def test_someone_else_becomes_a_row_of_the_others(self, state):
        after = people.dismiss(state, ("person", 0), WINDOW, "someone_else")
        inside, now = WINDOW.as_slice(), after.observations
        assert now.others.person_count == 3
        for name in ("keypoints2d", "confidence", "boxes"):
            row = getattr(now.others, name)[2]
            assert same(row[inside], getattr(state.observations, name)[0, inside])
        assert np.isnan(now.others.boxes[2, np.r_[0:40, 60:150]]).all()
        assert np.isnan(now.keypoints2d[0, inside]).all() and not now.confidence[0, inside].any()
        assert now.masks[0][50] is None and now.masks[0][60] is state.observations.masks[0][60]
        assert marks(after) == [(40, "someone_else"), (55, "someone_else"), (59, "someone_else")]
        assert after.edited == (WINDOW,)

    def test_nobody_leaves_nothing(self, state):
        after = people.dismiss(state, ("person", 0), WINDOW, "not_a_person")
        assert np.isnan(after.observations.boxes[0, 40:60]).all()
        assert after.observations.others is state.observations.others
        assert {kind for _, kind in marks(after)} == {"not_a_person"}

    def test_the_first_other_person_of_a_clip(self, state, video):
        alone = observed.set_observations(state, make_observations(video), video)
        after = people.dismiss(alone, ("person", 1), WINDOW, "someone_else")
        assert after.observations.others.person_count == 1
        assert after.observations.others.others is None
        assert people.assign(after, 1, 0, WINDOW).observations.others is None

    def test_ends_what_was_said_of_it(self, state, video):
        state = edits.edit_keypoint(state, KeypointEdit(0, 41, 9, 1.5, 2.5))
        state = drawn.edit_box(state, BoxEdit(43, (2.0, 2.0, 12.0, 12.0), "person", 0), video)
        after = people.dismiss(state, ("person", 0), WINDOW, "not_a_person")
        assert after.constraints.keypoint_edits == ()
        assert all(edit.person != 0 for edit in after.constraints.box_edits)
        assert pins(after, 1) == [39, 40, 55, 59, 60], "the other one is who it was"

    def test_an_other_row_is_marked_or_emptied(self, state):
        marked = people.dismiss(state, ("other", 0), WINDOW, "someone_else")
        assert marked.observations is state.observations and len(marks(marked)) == 3
        emptied = people.dismiss(state, ("other", 0), WINDOW, "not_a_person")
        assert np.isnan(emptied.observations.others.boxes[0, 40:60]).all()
        assert same(emptied.observations.boxes, state.observations.boxes)
        gone = people.dismiss(state, ("other", 1), WHOLE, "not_a_person")
        assert gone.observations.others.person_count == 1
        assert gone.edited == emptied.edited == ()

    def test_a_mark_replaces_one_of_the_same_place(self, state):
        once = people.dismiss(state, ("other", 0), WINDOW, "someone_else")
        again = people.dismiss(once, ("other", 0), WINDOW, "not_a_person")
        assert {kind for _, kind in marks(again)} == {"not_a_person"}

    def test_leaves_other_people_pinned(self, state):
        pinned = swapping.swap(state, WINDOW)
        after = people.dismiss(pinned, ("person", 0), WINDOW, "someone_else")
        assert pins(after, 0) == [39, 60] and pins(after, 1) == pins(pinned, 1)

    @pytest.mark.parametrize(
        ("source", "frames", "kind", "sentence"),
        [
            (("person", 2), WINDOW, "someone_else", "no such person"),
            (("other", 2), WINDOW, "someone_else", "no such other person"),
            (("other", 1), FrameRange(60, 70), "someone_else", "Nobody else was seen"),
            (("person", 1), FrameRange(75, 78), "someone_else", "not seen in these frames"),
        ],
    )
    def test_nonsense_is_refused(self, state, source, frames, kind, sentence):
        with pytest.raises(EditError, match=sentence):
            people.dismiss(state, source, frames, kind)

    def test_needs_detections(self):
        with pytest.raises(EditError, match="Nobody was detected"):
            people.dismiss(
                ClipState(edits.default_identities(2)), ("person", 0), WINDOW, "someone_else"
            )
