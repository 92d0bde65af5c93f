"""ViewState validates and announces, once per real change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from annotations.records import ClipRecord, ClipState, Identity
from app.view_state import BRUSH_LIMITS, Candidate, ViewState
from engine.structures import (
    BodyMotion,
    Camera,
    Constraints,
    ContactLabel,
    Diagnostics,
    FitResult,
    FrameRange,
    Observations,
    Outcome,
    VideoInfo,
)


def clip_record(clip_id: int, frame_count: int = 10) -> ClipRecord:
    video = VideoInfo("/clips/a.mp4", 64, 48, np.arange(frame_count) / 30, "0" * 64)
    return ClipRecord(clip_id, f"clip {clip_id}", video, 1, datetime(2026, 1, 1, tzinfo=UTC), "new")


def motion(frame_count: int = 10) -> BodyMotion:
    shape = (2, frame_count)
    return BodyMotion(
        "open-body",
        np.zeros((2, 10)),
        np.zeros((*shape, 3)),
        np.zeros((*shape, 23, 3)),
        np.zeros((*shape, 3)),
        np.ones(shape, bool),
        np.zeros(shape, np.uint8),
        np.arange(frame_count) / 30,
    )


def camera(frame_count: int = 10) -> Camera:
    return Camera(np.eye(3), (64, 48), np.tile(np.eye(4), (frame_count, 1, 1)), "assumed")


def state(**changed: object) -> ClipState:
    people = (Identity(0, "A", "#e07020"), Identity(1, "B", "#2070e0"))
    return ClipState(people, motion=motion(), camera=camera(), **changed)  # type: ignore[arg-type]


@pytest.fixture
def view_state(qapp) -> ViewState:
    made = ViewState()
    made.clips = (clip_record(1), clip_record(2, 20))
    made.clip_id = 1
    made.set_state(state())
    return made


def heard(signal) -> list:
    values: list = []
    signal.connect(values.append)
    return values


def test_a_change_is_announced_once_and_no_change_is_silent(view_state):
    frames = heard(view_state.frame_changed)
    view_state.frame = 3
    view_state.frame = 3
    assert frames == [3]


@pytest.mark.parametrize(("asked", "shown"), [(-5, 0), (4, 4), (99, 9)])
def test_the_frame_stays_inside_the_clip(view_state, asked, shown):
    view_state.frame = asked
    assert view_state.frame == shown


def test_the_selection_is_clipped_and_an_empty_one_is_none(view_state):
    view_state.selection = FrameRange(-2, 50)
    assert view_state.selection == FrameRange(0, 10)
    view_state.selection = FrameRange(4, 4)
    assert view_state.selection is None


def test_an_unknown_tool_is_refused(view_state):
    with pytest.raises(ValueError, match="unknown tool"):
        view_state.tool = "hammer"


def test_speed_zero_is_refused(view_state):
    with pytest.raises(ValueError, match="playing"):
        view_state.speed = 0


def test_a_clip_that_is_not_in_the_project_is_refused(view_state):
    with pytest.raises(ValueError, match="no such clip"):
        view_state.clip_id = 7
    assert view_state.clip_id == 1


def test_another_clip_starts_afresh(view_state):
    view_state.frame = 5
    view_state.selection = FrameRange(2, 4)
    view_state.candidate = Candidate(motion(), camera(), FrameRange(2, 4), 1)
    view_state.picked_region = (0, "left hand")
    view_state.playing = True
    view_state.clip_id = 2
    assert (view_state.frame, view_state.selection, view_state.playing) == (0, None, False)
    assert view_state.candidate is None
    assert view_state.picked_region is None
    assert view_state.state is None
    assert view_state.frame_count == 20


def test_a_clip_that_leaves_the_project_is_no_longer_shown(view_state):
    view_state.clips = (clip_record(2),)
    assert view_state.clip_id is None
    assert view_state.frame_count == 1


def complete_candidate():
    moved = motion()
    diagnostics = Diagnostics(np.full((2, moved.frame_count), 4.0), np.zeros(moved.frame_count))
    result = FitResult(moved, camera(), diagnostics, Outcome.CONVERGED)
    return Candidate(moved, camera(), FrameRange(0, 10), 1, result)


def test_the_candidate_is_shown_until_before_is_asked_for(view_state):
    candidate = complete_candidate()
    view_state.candidate = candidate
    assert view_state.motion_shown() is candidate.motion
    assert view_state.motion_compared() is view_state.state.motion
    view_state.show_before = True
    assert view_state.motion_shown() is view_state.state.motion
    assert view_state.camera_shown() is view_state.state.camera
    assert view_state.motion_compared() is candidate.motion


def test_a_preview_is_compared_with_nothing_while_the_fit_runs(view_state):
    view_state.candidate = Candidate(motion(), camera(), FrameRange(0, 10), 1)
    assert view_state.motion_compared() is None


def test_nothing_is_compared_in_motion(view_state):
    view_state.candidate = complete_candidate()
    view_state.playing = True
    assert view_state.motion_compared() is None
    view_state.playing = False
    assert view_state.motion_compared() is view_state.state.motion


def test_without_a_candidate_the_head_is_shown_and_nothing_is_compared(view_state):
    view_state.show_before = True
    assert view_state.motion_shown() is view_state.state.motion
    assert view_state.motion_compared() is None


def test_a_selected_contact_that_vanishes_is_deselected(view_state):
    label = ContactLabel(0, "left hand", 1, "back", FrameRange(0, 4))
    view_state.set_state(state(constraints=Constraints(contacts=(label,))))
    view_state.selected_contact = 0
    view_state.set_state(state())
    assert view_state.selected_contact is None


def test_a_new_state_is_announced_with_its_changes(view_state):
    changes = heard(view_state.state_changed)
    view_state.set_state(state(), None)
    assert changes == [None]


def observations(others: int) -> Observations:
    """Two people and some others, nobody of them seen."""

    def nobody(count: int) -> Observations:
        nothing = np.full((count, 10, 26), np.nan)
        points, boxes = np.stack([nothing] * 2, -1), nothing[..., :4]
        times = np.arange(10) / 30
        return Observations(points, np.zeros((count, 10, 26)), "halpe26", boxes, times, (64, 48))

    found = nobody(2)
    return replace(found, others=nobody(others) if others else None)


def test_one_of_the_two_or_somebody_else_is_selected_never_both(view_state):
    view_state.selected_person = 1
    view_state.selected_other = 3
    assert (view_state.selected_person, view_state.selected_other) == (None, 3)
    view_state.selected_person = 0
    assert (view_state.selected_person, view_state.selected_other) == (0, None)


def test_somebody_else_who_is_gone_is_not_selected_any_more(view_state):
    view_state.set_state(state(observations=observations(2)))
    view_state.selected_other = 1
    view_state.set_state(state(observations=observations(2)))
    assert view_state.selected_other == 1
    view_state.set_state(state(observations=observations(1)))
    assert view_state.selected_other is None


def test_the_brush_keeps_within_its_limits(view_state):
    for radius in (0.0, 1e9):
        view_state.brush_radius = radius
        assert BRUSH_LIMITS[0] <= view_state.brush_radius <= BRUSH_LIMITS[1]
