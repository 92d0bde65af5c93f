"""Two people exchanged, and what is said of proposals to do so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from annotations import (
    drawn,
    edits,
    fitted,
    observed,
    people,
    proxemics,
    review,
    swapping,
    trust,
)  # fmt: skip
from annotations.errors import EditError
from annotations.records import ClipState, KeptApart, ReviewMark
from engine.structures import (
    BoxEdit,
    Constraints,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    ProxemicsStatement,
    RunLengthMask,
    Trust,
    VideoInfo,
)
from tests.annotations.builders import (
    make_crowd,
    make_disc,
    make_findings,
    make_fit,
    make_observations,
    make_proxemics,
    same,
    unpinned,
)

WINDOW = FrameRange(40, 60)
WHOLE = FrameRange(0, 150)


@pytest.fixture
def state(video: VideoInfo) -> ClipState:
    """Two people and two others (the second only in the first third); person 1 is lost at 75-77."""
    state = ClipState(edits.default_identities(2))
    state = observed.set_observations(state, make_crowd(video), video)
    return fitted.apply_fit(state, make_fit(video), WHOLE, video.times)


@pytest.fixture
def found(state: ClipState, video: VideoInfo) -> ClipState:
    """The same after a fit that says all that fits may say: a swap at frames 75-82 too."""
    return fitted.apply_fit(state, make_findings(video), WHOLE, video.times)


def contact(start: int, stop: int) -> ContactLabel:
    return ContactLabel(0, "left hand", 1, "upper back", FrameRange(start, stop))


def pins(state: ClipState, person: int) -> list[int]:
    """Frames in which the person is pinned, at the very place where it is seen."""
    found = [e for e in state.constraints.box_edits if (e.kind, e.person) == ("identity", person)]
    assert all(e.box == tuple(state.observations.boxes[person, e.frame].tolist()) for e in found)
    return [e.frame for e in found]


class TestSwap:
    def test_exchanges_evidence_and_bodies_in_the_range_only(self, state):
        after = swapping.swap(state, WINDOW)
        inside, outside = WINDOW.as_slice(), np.r_[0:40, 60:150]
        for part, names in (
            ("observations", ("keypoints2d", "confidence", "boxes")),
            ("motion", ("global_orient", "body_pose", "transl", "valid", "provenance")),
            ("diagnostics", ("reprojection_px",)),
        ):
            for name in names:
                old = getattr(getattr(state, part), name)
                new = getattr(getattr(after, part), name)
                assert same(new[0, inside], old[1, inside])
                assert same(new[1, inside], old[0, inside])
                assert same(new[:, outside], old[:, outside])
        assert after.observations.masks[0][50] is state.observations.masks[1][50]
        assert after.observations.masks[0][39] is state.observations.masks[0][39]

    def test_leaves_betas_heights_and_names_with_the_identity(self, state):
        said = replace(state, constraints=Constraints(heights=(1.8, None)))
        after = swapping.swap(said, WINDOW)
        assert same(after.motion.betas, said.motion.betas)
        assert after.constraints.heights == (1.8, None)
        assert after.identities == said.identities

    def test_twice_is_the_identity(self, state):
        said = Constraints(
            keypoint_edits=(KeypointEdit(0, 41, 9, 1.0, 2.0), KeypointEdit(1, 90, 9, 3.0, 4.0)),
            contacts=(contact(10, 55),),
            depth_orders=(DepthOrder(0, 1, FrameRange(50, 100)),),
        )
        before = replace(state, constraints=said)
        twice = swapping.swap(swapping.swap(before, WINDOW), WINDOW)
        assert same(unpinned(replace(twice, edited=())), before)

    def test_ends_the_acceptance_of_what_it_changes(self, state):
        accepted = review.review(state, WHOLE, "accepted")
        assert swapping.swap(accepted, WINDOW).reviews == (
            ReviewMark(FrameRange(0, 40), "accepted"),
            ReviewMark(FrameRange(60, 150), "accepted"),
        )

    def test_needs_two_people_of_the_clip(self, state):
        with pytest.raises(EditError, match="two people"):
            swapping.swap(state, WINDOW, (1, 1))
        with pytest.raises(EditError, match="no such person"):
            swapping.swap(state, WINDOW, (0, 2))

    def test_works_before_anything_is_fitted(self, video):
        bare = observed.set_observations(
            ClipState(edits.default_identities(2)), make_observations(video, masks=False), video
        )
        after = swapping.swap(bare, WINDOW)
        assert after.motion is None and after.edited == ()

    def test_hands_over_drawn_boxes_and_painted_masks(self, state, video):
        box = (10.0, 10.0, 40.0, 50.0)
        mask = RunLengthMask.encode(make_disc(video, 30))
        for frame in (39, 40):
            state = drawn.edit_box(state, BoxEdit(frame, box, "person", 0), video)
            state = drawn.edit_mask(state, MaskEdit(1, frame, mask), video)
        said = swapping.swap(state, WINDOW).constraints
        assert [(e.frame, e.person) for e in said.box_edits if e.kind == "person"] == [
            (39, 0), (40, 1),
        ]  # fmt: skip
        assert [(e.frame, e.person) for e in said.mask_edits] == [(39, 1), (40, 0)]

    def test_pins_both_people_in_the_range_and_where_it_ends(self, state):
        after = swapping.swap(state, WINDOW)
        # At 30 Hz every half second from 40, the last frame, and the frames on either side.
        assert pins(after, 0) == pins(after, 1) == [39, 40, 55, 59, 60]

    def test_pins_only_where_somebody_is_seen(self, state):
        after = swapping.swap(state, FrameRange(76, 90))
        assert pins(after, 0) == [75, 78, 89, 90]  # what was person 1, lost until 78
        assert pins(after, 1) == [74, 76, 89, 90]

    def test_a_newer_swap_pins_what_it_says(self, state):
        twice = swapping.swap(swapping.swap(state, WINDOW), FrameRange(50, 70))
        assert pins(twice, 0) == [39, 40, 49, 50, 55, 59, 60, 65, 69, 70]

    def test_a_drawn_box_needs_no_pin(self, state, video):
        box = BoxEdit(40, (10.0, 10.0, 40.0, 50.0), "person", 0)
        after = swapping.swap(drawn.edit_box(state, box, video), WINDOW)
        assert 40 in pins(after, 0) and 40 not in pins(after, 1)

    def test_exchanges_what_was_found_of_each(self, found):
        after = swapping.swap(found, WINDOW)
        inside = WINDOW.as_slice()
        for old, new in (
            (found.diagnostics.reasons["identity"], after.diagnostics.reasons["identity"]),
            (found.diagnostics.expected_error, after.diagnostics.expected_error),
            (found.proxemics[0].facing, after.proxemics[0].facing),
            (found.proxemics[0].facing_deviation, after.proxemics[0].facing_deviation),
        ):
            assert same(new[:, inside], np.ascontiguousarray(old[::-1, inside]))
            assert same(new[:, 60:], old[:, 60:])
        assert same(after.proxemics[0].head_distance, found.proxemics[0].head_distance)

    def test_exchanges_trust_and_what_was_said_of_facing(self, state):
        said = trust.set_trust(state, Trust(0, FrameRange(30, 50), 0.0))
        stands = ProxemicsStatement(0, 1, FrameRange(55, 70), facing=(1.0, -1.0))
        after = swapping.swap(proxemics.set_proxemics(said, stands), WINDOW).constraints
        assert after.trust == (Trust(0, FrameRange(30, 40), 0.0), Trust(1, FrameRange(40, 50), 0.0))
        assert [(s.frames.start, s.facing) for s in after.proxemics] == [
            (55, (-1.0, 1.0)), (60, (1.0, -1.0)),
        ]  # fmt: skip

    def test_an_avatar_goes_along_only_where_most_frames_do(self, found):
        assert swapping.swap(found, WINDOW).avatars == found.avatars
        assert swapping.swap(found, FrameRange(0, 75)).avatars == found.avatars
        after = swapping.swap(found, FrameRange(0, 76))
        assert after.avatars == {0: found.avatars[1], 1: found.avatars[0]}

    def test_of_three_people_the_pairs_are_exchanged(self, video):
        state = ClipState(
            edits.default_identities(3),
            proxemics=tuple(
                make_proxemics(150, seed=n, pair=pair)
                for n, pair in enumerate([(0, 1), (0, 2), (1, 2)])
            ),
        )
        after = swapping.swap(state, WINDOW, (0, 1))
        inside = WINDOW.as_slice()
        first, second, third = state.proxemics
        assert same(after.proxemics[1].head_distance[inside], third.head_distance[inside])
        assert same(after.proxemics[2].facing[:, inside], second.facing[:, inside])
        assert same(after.proxemics[0].facing[0, inside], first.facing[1, inside])
        assert same(swapping.swap(after, WINDOW, (0, 1)).proxemics, state.proxemics)


class TestProposals:
    def test_are_settled_by_the_swap_of_any_of_their_frames(self, found):
        (proposal,) = found.open_swaps
        assert swapping.swap(found, FrameRange(0, proposal.frames.start)).swaps == (proposal,)
        assert swapping.swap(found, FrameRange(0, proposal.frames.start + 1)).swaps == ()

    def test_are_settled_where_another_track_is_chosen(self, found):
        assert people.assign(found, 0, 0, FrameRange(74, 76)).swaps == ()
        assert people.dismiss(found, ("person", 1), FrameRange(78, 90), "someone_else").swaps == ()

    def test_are_of_the_detections_that_they_were_made_from(self, found, video):
        assert observed.set_observations(found, make_observations(video), video).swaps == ()

    def test_that_were_turned_down_are_not_shown_again(self, found, video):
        (proposal,) = found.open_swaps
        after = swapping.keep_apart(found, proposal.frames, (1, 0))
        assert after.kept_apart == (KeptApart((0, 1), proposal.frames),)
        assert after.open_swaps == () and after.edited == found.edited
        wider = replace(proposal, frames=FrameRange(73, 84))
        again = fitted.apply_fit(after, make_findings(video, swaps=(wider,)), WHOLE, video.times)
        assert again.open_swaps == ()
        elsewhere = replace(proposal, frames=FrameRange(81, 99))
        other = fitted.apply_fit(
            after, make_findings(video, swaps=(elsewhere,)), WHOLE, video.times
        )
        assert other.open_swaps == (elsewhere,)

    def test_turning_down_twice_changes_nothing(self, found):
        once = swapping.keep_apart(found, WINDOW, (0, 1))
        assert swapping.keep_apart(once, FrameRange(45, 50), (0, 1)) is once
        joined = swapping.keep_apart(once, FrameRange(60, 62), (0, 1))
        assert joined.kept_apart == (KeptApart((0, 1), FrameRange(40, 62)),)

    def test_need_two_people_of_the_clip(self, found):
        with pytest.raises(EditError, match="Two people"):
            swapping.keep_apart(found, WINDOW, (0, 0))
        with pytest.raises(EditError, match="no such person"):
            swapping.keep_apart(found, WINDOW, (0, 2))
