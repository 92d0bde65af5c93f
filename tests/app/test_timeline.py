"""The timeline: which frame is where, what its lanes say, and what the mouse does to it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QApplication

from annotations.records import ReviewMark
from app.theme import theme
from app.timeline import Timeline
from app.timeline_content import (
    Curve,
    PersonStatus,
    contact_words,
    packed_rows,
    person_status,
    runs,
)
from app.timeline_lanes import GUTTER, RULER
from app.timeline_scale import TimelineScale, second_marks
from engine.structures import (
    Constraints,
    ContactLabel,
    DepthOrder,
    Diagnostics,
    FrameRange,
    KeypointEdit,
    Provenance,
    ProxemicsStatement,
    Trust,
)
from tests.annotations.builders import make_proxemics
from tests.app.scenes import (
    FRAMES,
    click,
    drag,
    heard,
    make_clip,
    make_state,
    make_view_state,
    mouse,
    shown,
    wheel,
)

HANDS = ContactLabel(0, "left_palm", 1, "right_palm", FrameRange(2, 7))
SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier

scales = st.builds(
    lambda count, width, factor, at: TimelineScale.fitted(count, 100, width).zoomed(
        factor, 100 + at * width
    ),
    st.integers(1, 5000),
    st.floats(200, 2000),
    st.floats(1, 300),
    st.floats(0, 1),
)
ranges = st.tuples(st.integers(0, 200), st.integers(1, 60)).map(
    lambda pair: FrameRange(pair[0], pair[0] + pair[1])
)


@pytest.fixture
def view_state(qapp):
    return make_view_state(make_state(constraints=Constraints(contacts=(HANDS,))))


@pytest.fixture
def timeline(qtbot, view_state):
    made = Timeline(view_state)
    return shown(qtbot, lambda: made, 704, made.sizeHint().height())


def at_frame(timeline: Timeline, frame: float, y: float = RULER / 2) -> QPointF:
    return QPointF(timeline.scale.x(frame + 0.5), y)


def end_of_contact(timeline: Timeline, frame: int, row: int = 0) -> QPointF:
    top, height = timeline.lane_layout.contact(row)
    return QPointF(timeline.scale.x(frame), top + height / 2)


# -- which frame is where -----------------------------------------------------------------------


@given(scale=scales, share=st.floats(0, 1))
def test_the_middle_of_a_frame_belongs_to_that_frame(scale, share):
    start, stop = scale.visible
    frame = start + int(share * (stop - 1 - start))
    assert scale.frame_at(scale.x(frame + 0.5)) == frame
    assert scale.edge_at(scale.x(frame)) == frame


@given(scale=scales, x=st.floats(-500, 5000))
def test_every_pixel_belongs_to_a_frame_of_the_clip(scale, x):
    assert 0 <= scale.frame_at(x) < scale.frame_count
    assert 0 <= scale.edge_at(x) <= scale.frame_count


@given(scale=scales, factor=st.floats(0.2, 5), share=st.floats(0, 1))
def test_zooming_keeps_the_frame_under_the_cursor(scale, factor, share):
    x = scale.left + share * scale.width
    zoomed = scale.zoomed(factor, x)
    at_an_end = zoomed.first == 0 or zoomed.visible[1] == zoomed.frame_count
    assume(not at_an_end)
    before = scale.first + (x - scale.left) / scale.pixels_per_frame
    after = zoomed.first + (x - zoomed.left) / zoomed.pixels_per_frame
    assert after == pytest.approx(before, abs=1e-6)


@given(scale=scales, frame=st.integers(0, 4999))
def test_the_playhead_is_brought_into_sight(scale, frame):
    assume(frame < scale.frame_count)
    start, stop = scale.showing(frame).visible
    assert start <= frame < stop


@given(scale=scales, pixels=st.floats(-1e5, 1e5))
def test_scrolling_stops_at_the_ends(scale, pixels):
    moved = scale.scrolled(pixels)
    assert moved.first >= 0
    last = moved.first + moved.width / moved.pixels_per_frame
    assert last <= max(moved.frame_count, moved.width / moved.pixels_per_frame) + 1e-6


def test_seconds_follow_presentation_times_also_where_the_rate_varies():
    times = np.concatenate([np.arange(30) / 30, 1 + np.arange(61) / 60])
    marks = dict(second_marks(times, TimelineScale.fitted(len(times), 0, 900)))
    assert marks[0.0] == 0
    assert marks[1.0] == 30
    assert marks[2.0] == 90


def test_seconds_never_crowd_where_frames_are_far_apart_in_time():
    times = np.concatenate([np.arange(60) / 30, 60 + np.arange(60) / 30])
    marks = second_marks(times, TimelineScale.fitted(len(times), 0, 900), room=64)
    gaps = [(b - a) * 900 / len(times) for (_, a), (_, b) in pairwise(marks)]
    assert gaps
    assert min(gaps) > 35


# -- what the lanes say -------------------------------------------------------------------------


@given(values=st.lists(st.integers(0, 3), max_size=60))
def test_runs_are_the_values_again(values):
    found = runs(np.array(values, int))
    spelled = [value for frames, value in found for _ in range(len(frames))]
    assert spelled == values
    assert all(a[1] != b[1] for a, b in pairwise(found))


@given(intervals=st.lists(ranges, max_size=25))
def test_contacts_of_a_row_never_overlap_and_no_row_is_wasted(intervals):
    rows = packed_rows(intervals)
    for row in set(rows):
        mine = sorted(
            (interval for interval, r in zip(intervals, rows, strict=True) if r == row),
            key=lambda interval: interval.start,
        )
        assert all(a.stop <= b.start for a, b in pairwise(mine))
    deepest = max((sum(f in i for i in intervals) for f in range(261)), default=0)
    assert len(set(rows)) == deepest


@given(
    values=st.lists(st.floats(0, 100) | st.just(float("nan")), min_size=1, max_size=300),
    count=st.integers(1, 50),
)
def test_a_curve_squeezed_into_few_columns_keeps_its_peak(values, count):
    curve = Curve.of(np.array(values), 10.0)
    _, columns = curve.columns(0, len(values), count)
    assert len(columns) <= max(count, 1) or len(values) <= count
    assert np.isnan(values).all() or np.nanmax(columns) == np.nanmax(values)


def test_a_person_s_lane_tells_gap_detection_fit_and_infill_apart():
    state = make_state()
    seen, motion = state.observations, state.motion
    keypoints, boxes = seen.keypoints2d.copy(), seen.boxes.copy()
    keypoints[0, 3:5], boxes[0, 3:5] = np.nan, np.nan
    provenance, valid = motion.provenance.copy(), motion.valid.copy()
    valid[0, [0, 3]] = False
    provenance[0, 8] = Provenance.INFILLED
    state = replace(
        state,
        observations=replace(seen, keypoints2d=keypoints, boxes=boxes),
        motion=replace(motion, provenance=provenance, valid=valid),
    )
    status = person_status(state, 0, FRAMES)
    assert status[0] == PersonStatus.DETECTED
    assert status[1] == PersonStatus.FITTED
    assert status[3] == PersonStatus.GAP
    assert status[4] == PersonStatus.INFILLED
    assert status[8] == PersonStatus.INFILLED


def test_a_clip_without_anything_is_a_gap():
    state = replace(make_state(), observations=None, motion=None)
    assert (person_status(state, 0, FRAMES) == PersonStatus.GAP).all()


def test_lanes_are_painted_in_their_people_s_and_verdicts_colours(timeline, view_state):
    marks = (ReviewMark(FrameRange(0, 6), "accepted"),)
    view_state.set_state(replace(view_state.state, reviews=marks))
    image = timeline.grab().toImage()
    for person, someone in enumerate(view_state.state.identities):
        top, height = timeline.lane_layout.person(person)
        found = image.pixelColor(round(timeline.scale.x(9.5)), round(top + height / 2))
        assert abs(found.hsvHue() - QColor(someone.color).hsvHue()) < 8
    top, height = timeline.lane_layout.review
    accepted = image.pixelColor(round(timeline.scale.x(5.5)), round(top + height / 2))
    assert abs(accepted.hsvHue() - QColor(theme().tokens.success).hsvHue()) < 8
    beyond = image.pixelColor(round(timeline.scale.x(8.5)), round(top + height / 2))
    assert beyond == QColor(theme().tokens.lane)


def test_more_contacts_at_once_need_a_higher_timeline(timeline, view_state):
    before = timeline.sizeHint().height()
    contacts = (HANDS, replace(HANDS, region_a="chin"), replace(HANDS, region_a="groin"))
    view_state.set_state(replace(view_state.state, constraints=Constraints(contacts=contacts)))
    assert timeline.sizeHint().height() > before


def test_the_tooltip_says_what_is_known_of_the_frame(timeline, view_state):
    constraints = replace(
        view_state.state.constraints,
        keypoint_edits=(KeypointEdit(0, 3, 9, 1.0, 1.0),),
        frozen=(FrameRange(3, 4),),
    )
    state = replace(
        view_state.state,
        constraints=constraints,
        reviews=(ReviewMark(FrameRange(0, 5), "sent back", "legs swapped"),),
        edited=(FrameRange(3, 4),),
    )
    view_state.set_state(state)
    words = timeline.tip_at(at_frame(timeline, 3))
    for part in (
        "Frame 3 · 0.100 s", "Ann: fitted, reprojection 5.0 px", "left palm · right palm",
        "Frozen", "Edited since the fit", "sent back: legs swapped",
    ):  # fmt: skip
        assert part in words
    assert timeline.tip_at(QPointF(GUTTER / 2, 40)) == ""


def test_only_the_lane_of_the_person_who_was_corrected_is_marked(timeline, view_state):
    corrected = FrameRange(3, 6)
    state = replace(view_state.state, edited=(corrected,), edited_people=((), (corrected,)))
    view_state.set_state(state)
    picture, warning = timeline.grab().toImage(), QColor(theme().tokens.warning)
    x = round(timeline.scale.x(4.5))
    foot = [round(sum(timeline.lane_layout.person(p))) - 2 for p in range(2)]
    assert [picture.pixelColor(x, y) == warning for y in foot] == [False, True]
    name = view_state.state.identities[1].name
    assert f"Edited since the fit ({name})" in timeline.tip_at(at_frame(timeline, 4))
    view_state.set_state(replace(state, edited_people=()))
    picture = timeline.grab().toImage()
    assert all(picture.pixelColor(x, y) == warning for y in foot)
    assert "Edited since the fit;" in timeline.tip_at(at_frame(timeline, 4))


def test_who_is_in_front_is_written_in_their_lane(timeline, view_state):
    plain = timeline.grab().toImage()
    front = DepthOrder(1, 0, FrameRange(2, 9))
    said = replace(view_state.state.constraints, depth_orders=(front,))
    view_state.set_state(replace(view_state.state, constraints=said))
    marked = timeline.grab().toImage()
    tops = [round(timeline.lane_layout.person(p)[0]) for p in range(2)]
    x = round(timeline.scale.x(5))
    changed = [plain.pixelColor(x, y) != marked.pixelColor(x, y) for y in tops]
    assert changed == [False, True]
    assert "Ben is in front" in timeline.tip_at(at_frame(timeline, 5))
    assert "in front" not in timeline.tip_at(at_frame(timeline, 10))


def test_what_is_not_believed_is_struck_out_in_its_lane(timeline, view_state):
    before = timeline.grab().toImage()
    said = Constraints(contacts=(HANDS,), trust=(Trust(1, FrameRange(4, 9), 0.0),))
    view_state.set_state(make_state(constraints=said))
    after, layout = timeline.grab().toImage(), timeline.lane_layout
    x = round(timeline.scale.x(8.9))
    first, second = (round(layout.person(person)[0]) + 3 for person in range(2))
    assert after.pixelColor(x, second) != before.pixelColor(x, second)
    assert after.pixelColor(x, first) == before.pixelColor(x, first)
    words = timeline.tip_at(QPointF(timeline.scale.x(5.5), layout.person(1)[0]))
    assert "Detections of Ben: not believed" in words


def test_zones_have_a_lane_where_they_are_known(timeline, view_state):
    without = timeline.lane_layout.height
    pair = make_proxemics(FRAMES)
    view_state.set_state(make_state(proxemics=(pair,)))
    layout, picture = timeline.lane_layout, timeline.grab().toImage()
    assert layout.height > without
    y = round(layout.zones(0)[0]) + 2
    for frame in (1, FRAMES - 1):  # the playhead is at 0
        color = picture.pixelColor(round(timeline.scale.x(frame + 0.9)) - 1, y)
        assert color.name() == theme().tokens.zones[pair.zone[frame]]
    said = ProxemicsStatement(0, 1, FrameRange(3, 6), "public")
    view_state.set_state(make_state(proxemics=(pair,), constraints=Constraints(proxemics=(said,))))
    assert timeline.lane_layout.height > layout.height
    y = round(timeline.lane_layout.zones(1)[0]) + 2
    color = timeline.grab().toImage().pixelColor(round(timeline.scale.x(5.8)), y)
    assert color.name() == theme().tokens.zones[3]


def test_a_peak_beyond_the_lane_has_a_tip(timeline, view_state):
    pixels = np.full((2, FRAMES), 5.0)
    view_state.set_state(make_state(diagnostics=Diagnostics(pixels, np.zeros(FRAMES))))
    top = round(timeline.lane_layout.curves[0]) + 3
    place = round(timeline.scale.x(6.5))
    plain = timeline.grab().toImage().pixelColor(place, top)
    pixels = pixels.copy()
    pixels[0, 6] = 13.0
    deep = Diagnostics(pixels, np.zeros(FRAMES))
    view_state.set_state(make_state(diagnostics=deep))
    content = timeline._content
    assert content is not None and content.errors[0].values[6] > content.errors[0].top
    assert timeline.grab().toImage().pixelColor(place, top) != plain


def test_a_cut_is_marked_through_all_lanes_and_named(timeline, view_state):
    cut = 8
    plain = timeline.grab().toImage()
    state = view_state.state
    seen = replace(state.observations, cuts=(cut,))
    view_state.set_state(replace(state, observations=seen))
    marked, x = timeline.grab().toImage(), round(timeline.scale.x(cut))
    differs = {
        (column, line)
        for line in range(RULER, timeline.height())
        for column in range(GUTTER, timeline.width())
        if plain.pixel(column, line) != marked.pixel(column, line)
    }
    assert {column for column, _ in differs} <= set(range(x - 5, x + 6))
    assert len({line for _, line in differs}) > (timeline.height() - RULER) / 2
    assert "another shot" in timeline.tip_at(QPointF(timeline.scale.x(cut + 0.5), 60))
    assert "another shot" not in timeline.tip_at(QPointF(timeline.scale.x(cut + 1.5), 60))


def test_a_contact_s_words_say_its_kind():
    assert contact_words(HANDS) == "left palm · right palm"
    assert contact_words(replace(HANDS, kind="no_contact")).startswith("no contact")


# -- looking around -----------------------------------------------------------------------------


def test_a_click_moves_the_playhead_and_a_drag_scrubs(timeline, view_state):
    scrubbed = heard(timeline.scrubbed)
    click(timeline, at_frame(timeline, 4))
    assert view_state.frame == 4
    drag(timeline, at_frame(timeline, 5), at_frame(timeline, 7), at_frame(timeline, 50))
    assert view_state.frame == FRAMES - 1
    assert [frame for (frame,) in scrubbed] == [4, 5, 7, FRAMES - 1]


def test_scrubbing_stops_playing(timeline, view_state):
    view_state.playing = True
    click(timeline, at_frame(timeline, 6))
    assert not view_state.playing


def test_shift_drag_selects_in_both_directions(timeline, view_state):
    made = heard(timeline.selection_made)
    start, stop = at_frame(timeline, 3), at_frame(timeline, 8)
    drag(timeline, start, stop, modifiers=SHIFT)
    drag(timeline, stop, at_frame(timeline, 6), start, modifiers=SHIFT)
    assert made == [(FrameRange(3, 9),), (FrameRange(3, 9),)]
    assert view_state.selection == FrameRange(3, 9)
    assert view_state.frame == 0


def test_control_wheel_zooms_and_the_wheel_scrolls(qtbot, view_state):
    view_state.clips = (make_clip(1, frame_count=2000), make_clip(2))
    timeline = shown(qtbot, lambda: Timeline(view_state), 704, 200)
    timeline.fit()
    before = timeline.scale
    wheel(timeline, (400, 60), 480, CONTROL)
    assert timeline.scale.pixels_per_frame > 2 * before.pixels_per_frame
    assert timeline.scale.frame_at(400) == before.frame_at(400)
    first = timeline.scale.first
    wheel(timeline, (400, 60), -120)
    assert timeline.scale.first > first
    timeline.fit()
    assert timeline.scale == before


def test_playing_out_of_sight_turns_the_page(qtbot, view_state):
    view_state.clips = (make_clip(1, frame_count=2000), make_clip(2))
    timeline = shown(qtbot, lambda: Timeline(view_state), 704, 200)
    timeline.fit()
    wheel(timeline, (GUTTER + 5, 60), 1200, CONTROL)
    view_state.frame = 1500
    start, stop = timeline.scale.visible
    assert start <= 1500 < stop


# -- contacts -----------------------------------------------------------------------------------


def test_dragging_an_end_changes_the_interval_once(timeline):
    changed = heard(timeline.contact_interval_changed)
    drag(
        timeline, end_of_contact(timeline, 7), end_of_contact(timeline, 8),
        end_of_contact(timeline, 10),
    )  # fmt: skip
    assert changed == [(0, FrameRange(2, 10))]


def test_dragging_the_start_past_the_end_leaves_one_frame(timeline):
    changed = heard(timeline.contact_interval_changed)
    drag(timeline, end_of_contact(timeline, 2), end_of_contact(timeline, 11))
    assert changed == [(0, FrameRange(6, 7))]


def test_the_interval_follows_the_mouse_and_stays_until_the_project_answers(timeline, view_state):
    drag(timeline, end_of_contact(timeline, 7), end_of_contact(timeline, 9), let_go=False)
    assert timeline.contacts_shown()[0].frames == FrameRange(2, 9)
    mouse(timeline, "release", end_of_contact(timeline, 9))
    assert timeline.contacts_shown()[0].frames == FrameRange(2, 9)
    view_state.set_state(view_state.state)
    assert timeline.contacts_shown() == (HANDS,)


def test_escape_cancels_a_drag(timeline):
    changed = heard(timeline.contact_interval_changed)
    drag(timeline, end_of_contact(timeline, 7), end_of_contact(timeline, 9), let_go=False)
    asked = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Escape, Qt.KeyboardModifier(0))
    asked.ignore()
    QApplication.sendEvent(timeline, asked)
    assert asked.isAccepted()
    press = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Escape, Qt.KeyboardModifier(0))
    QApplication.sendEvent(timeline, press)
    mouse(timeline, "release", end_of_contact(timeline, 9))
    assert changed == []
    assert timeline.contacts_shown() == (HANDS,)


def test_a_click_on_a_contact_selects_it_and_a_double_click_its_frames(timeline, view_state):
    changed = heard(timeline.contact_interval_changed)
    inside = end_of_contact(timeline, 5)
    click(timeline, inside)
    assert view_state.selected_contact == 0
    mouse(timeline, "double", inside)
    assert view_state.selection == HANDS.frames
    assert (changed, view_state.frame) == ([], 0)


def test_without_a_clip_the_timeline_is_empty_and_deaf(timeline, view_state):
    view_state.clip_id = None
    click(timeline, (300.0, 60.0))
    wheel(timeline, (300, 60), 120)
    timeline.grab()
    assert timeline.tip_at(QPointF(300, 60)) == ""
