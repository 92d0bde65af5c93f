"""What looks wrong is found, and said in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from annotations.edits import default_identities
from annotations.records import ClipState, ReviewMark
from app.suspicion import ranking, suspicions, unreviewed, worst_first
from engine.structures import BoxEdit, Constraints, Diagnostics, FrameRange, KeypointEdit
from tests.annotations.builders import make_observations, make_video

FRAMES = 60


@pytest.fixture
def state() -> ClipState:
    """Nothing is wrong with it."""
    observations = make_observations(make_video(FRAMES), masks=False)
    boxes = np.empty((2, FRAMES, 4))
    boxes[0], boxes[1] = (10, 5, 30, 50), (60, 5, 80, 50)
    observations = replace(observations, boxes=boxes, confidence=np.full((2, FRAMES, 26), 0.9))
    diagnostics = Diagnostics(np.full((2, FRAMES), 0.5), np.zeros(FRAMES))
    return ClipState(default_identities(2), observations, diagnostics=diagnostics)


def found(state: ClipState) -> list[tuple[str, int | None, FrameRange]]:
    return [(s.issue, s.person, s.frames) for s in suspicions(state)]


def test_a_good_clip_raises_no_suspicion(state):
    assert found(state) == []


def test_a_body_off_its_joints_is_found_with_its_worst_frame(state):
    error = state.diagnostics.reprojection_px.copy()
    error[1, 20:24] = (5, 9, 7, 5)
    state = replace(state, diagnostics=replace(state.diagnostics, reprojection_px=error))
    (one,) = suspicions(state)
    assert (one.issue, one.person, one.frames, one.worst) == (
        "Off the joints", 1, FrameRange(20, 24), 21,
    )  # fmt: skip
    assert one.reason == "The body of Person 2 misses the joints by 9 px."
    assert one.score > 1


def test_penetration_is_said_in_centimetres(state):
    depth = np.zeros(FRAMES)
    depth[40] = 0.06
    state = replace(state, diagnostics=replace(state.diagnostics, penetration_m=depth))
    assert suspicions(state)[0].reason == "The bodies are 6 cm inside each other."


def test_a_gap_is_found_and_neighbouring_gaps_are_one(state):
    boxes = state.observations.boxes.copy()
    boxes[0, 10:12] = boxes[0, 14:16] = np.nan
    state = replace(state, observations=replace(state.observations, boxes=boxes))
    assert found(state) == [("Not seen", 0, FrameRange(10, 16))]


def test_a_gap_that_a_box_was_drawn_in_is_none(state):
    boxes = state.observations.boxes.copy()
    boxes[0, 10] = np.nan
    gap = replace(state, observations=replace(state.observations, boxes=boxes))
    assert found(gap) == [("Not seen", 0, FrameRange(10, 11))]
    drawn = BoxEdit(10, (10.0, 5.0, 30.0, 50.0), "person", 0)
    assert found(replace(gap, constraints=Constraints(box_edits=(drawn,)))) == []


def test_an_exchange_of_the_two_shows_as_a_jump_of_both(state):
    boxes = state.observations.boxes.copy()
    boxes[:, 30:] = boxes[::-1, 30:]
    state = replace(state, observations=replace(state.observations, boxes=boxes))
    assert found(state) == [("Jump", p, FrameRange(30, 31)) for p in (0, 1)]


def test_uncertain_joints_are_found(state):
    confidence = state.observations.confidence.copy()
    confidence[0, 5:9] = 0.1
    state = replace(state, observations=replace(state.observations, confidence=confidence))
    assert found(state) == [("Uncertain joints", 0, FrameRange(5, 9))]


def test_what_has_a_verdict_needs_no_second_look(state):
    boxes = state.observations.boxes.copy()
    boxes[0, 10:12] = boxes[0, 30:32] = np.nan
    state = replace(
        state,
        observations=replace(state.observations, boxes=boxes),
        reviews=(ReviewMark(FrameRange(0, 20), "accepted"),),
    )
    assert [s.frames for s in unreviewed(state, suspicions(state))] == [FrameRange(30, 32)]


def test_missing_evidence_is_no_evidence(state):
    nothing = Diagnostics(np.full((2, FRAMES), np.nan), np.full(FRAMES, np.nan))
    assert found(replace(state, diagnostics=nothing)) == []
    assert suspicions(ClipState(default_identities(2))) == ()


def test_people_who_change_places_between_two_frames_are_found_there(state):
    """Boxes that all but coincide do not jump; the joints in them tell."""
    lots = np.random.default_rng(0)
    points = np.empty_like(state.observations.keypoints2d)
    points[:] = lots.uniform(10, 50, (2, 1, 26, 2))
    points += lots.normal(0, 1, points.shape)
    boxes = state.observations.boxes.copy()
    boxes[1] = boxes[0]
    calm = replace(state, observations=replace(state.observations, keypoints2d=points, boxes=boxes))
    assert found(calm) == []
    points = points.copy()
    points[:, 33:] = points[::-1, 33:]
    mixed = replace(calm, observations=replace(calm.observations, keypoints2d=points))
    assert found(mixed) == [("Mixed up", None, FrameRange(33, 34))]
    assert suspicions(mixed)[0].reason == (
        "Person 1 and Person 2 seem to change places between two frames."
    )


def test_frames_of_a_fit_that_gave_no_reasons_are_judged_as_they_were(state):
    """A part of an older project's clip was fitted again: the rest is as suspicious as before."""
    error = state.diagnostics.reprojection_px.copy()
    error[1, 20:24], error[1, 40:44] = (5, 9, 7, 5), (5, 9, 7, 5)
    told = np.full((2, FRAMES), np.nan)
    told[:, 35:50] = 0.2  # of these the newer fit says: nothing wrong
    told[0, 46] = 1.5
    newer = replace(state.diagnostics, reprojection_px=error, reasons={"jerk": told})
    assert found(replace(state, diagnostics=newer)) == [
        ("Off the joints", 1, FrameRange(20, 24)), ("Jerk", 0, FrameRange(46, 47)),
    ]  # fmt: skip


def with_reasons(state: ClipState, **more) -> ClipState:
    return replace(state, diagnostics=replace(state.diagnostics, **more))


def test_what_the_fit_found_of_itself_is_told_in_its_words(state):
    jerk, broken = np.zeros((2, FRAMES)), np.full((2, FRAMES), np.nan)
    jerk[1, 30:33] = 1.2, 2.5, 1.2
    broken[:, 40:44] = 3.0
    said = with_reasons(state, reasons={"jerk": jerk, "contact": broken})
    assert found(said) == [
        ("Jerk", 1, FrameRange(30, 33)),
        ("Contact broken", None, FrameRange(40, 44)),
    ]
    one, two = suspicions(said)
    assert one.reason == "Person 2 moves strongly more abruptly than people do."
    assert one.worst == 31 and one.score == 2.5
    assert two.reason == "What was said of touch between Person 1 and Person 2 is not kept."


def test_the_fits_own_threshold_counts_where_it_has_one(state):
    """Not both: the fit's reasons stand in for what is told of older fits."""
    error = state.diagnostics.reprojection_px.copy()
    error[1, 20] = 50.0
    calm = with_reasons(
        state, reprojection_px=error, reasons={"reprojection": np.full((2, FRAMES), 0.4)}
    )
    assert found(calm) == []
    off = np.full((2, FRAMES), 0.4)
    off[1, 20] = 4.0
    told = with_reasons(state, reprojection_px=error, reasons={"reprojection": off})
    assert [s.reason for s in suspicions(told)] == [
        "The body of Person 2 misses the joints by 50 px."
    ]


def test_the_worst_is_where_joints_are_believed_to_be_furthest_off(state):
    jerk = np.zeros((2, FRAMES))
    jerk[0, 10], jerk[1, 30] = 5.0, 1.5
    expected = np.full((2, FRAMES), 0.05)
    expected[1, 30] = 0.2
    both = with_reasons(state, reasons={"jerk": jerk}, expected_error=expected)
    first, second = sorted(suspicions(both), key=lambda s: ranking(both, s), reverse=True)
    assert (first.person, second.person) == (1, 0)
    assert ranking(both, first) == (0.2, 1.5)
    unranked = with_reasons(state, reasons={"jerk": jerk})
    first, _ = sorted(suspicions(unranked), key=lambda s: ranking(unranked, s), reverse=True)
    assert first.person == 0


class TestWorstFirst:
    """Somebody jerks in three frames; the observations are 30 frames a second."""

    @pytest.fixture
    def jerky(self, state):
        jerk = np.zeros((2, FRAMES))
        jerk[0, 10], jerk[0, 20], jerk[1, 50] = 5.0, 4.0, 3.0
        times = np.arange(FRAMES) / 30
        calm = replace(state, observations=replace(state.observations, times=times))
        return with_reasons(calm, reasons={"jerk": jerk})

    def order(self, state):
        return [s.worst for s in worst_first(state, suspicions(state))]

    def test_what_is_near_something_worse_of_the_same_person_comes_later(self, jerky):
        assert self.order(jerky) == [10, 50, 20]
        slow = replace(jerky.observations, times=np.arange(FRAMES) / 10)
        assert self.order(replace(jerky, observations=slow)) == [10, 20, 50]

    def test_of_another_person_it_is_another_matter(self, jerky):
        jerk = jerky.diagnostics.reasons["jerk"].copy()
        jerk[:, 20] = jerk[::-1, 20]
        assert self.order(with_reasons(jerky, reasons={"jerk": jerk})) == [10, 20, 50]

    def test_where_joints_were_corrected_comes_last(self, jerky):
        for person, order in ((0, [20, 50, 10]), (1, [10, 50, 20])):
            said = Constraints(keypoint_edits=(KeypointEdit(person, 12, 9, 1.0, 2.0),))
            assert self.order(replace(jerky, constraints=said)) == order


def test_of_a_gap_the_middle_is_shown(state):
    boxes = state.observations.boxes.copy()
    boxes[0, 10:21] = np.nan
    (gap,) = suspicions(replace(state, observations=replace(state.observations, boxes=boxes)))
    assert gap.worst == 15


def test_hands_near_somebody_are_asked_about(state):
    near = np.zeros((2, FRAMES))
    near[:, 20:30] = 1.5
    (one,) = suspicions(with_reasons(state, reasons={"touch": near}))
    assert (one.issue, one.person, one.frames) == ("Touch unsaid", None, FrameRange(20, 30))
    assert one.reason == (
        "A hand is near the other body: say whether Person 1 and Person 2 touch here, and where."
    )
