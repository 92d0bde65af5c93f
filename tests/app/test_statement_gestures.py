"""Trust, proxemics, swaps and appearance in the real window: one gesture, one step, undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from annotations.store import Store
from app import frame_evidence as evidence
from app import worker
from engine.config import AppearanceConfig
from engine.structures import FrameRange, ProxemicsStatement, SwapProposal, Trust
from tests.annotations.builders import make_findings, same
from tests.app import steps

KEY, WAIT = Qt.Key, 20_000
PROPOSAL = SwapProposal(0, 1, FrameRange(10, 16), 60.5, 21.25)


@pytest.fixture(autouse=True)
def quick_worker(monkeypatch):
    monkeypatch.setattr(worker, "fit", steps.slow_fit)


@pytest.fixture
def fitted_project(fitted_project: Path, video) -> Path:
    """Its newest fit found all that fits can find."""
    with Store.open(fitted_project) as store:
        result = make_findings(video, swaps=(PROPOSAL,))
        store.apply_fit(1, result, FrameRange(0, video.frame_count), store.head(1).id)
    return fitted_project


def press(window, key, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(window.frame_view, key, modifier)


def said(window):
    return window.view_state.state.constraints


def button(window, words: str) -> QPushButton:
    return next(b for b in window.findChildren(QPushButton) if b.text().strip() == words)


def test_t_ignores_the_selected_person_s_detections_there(qtbot, fitted_window):
    window, view_state = fitted_window, fitted_window.view_state
    press(window, KEY.Key_T)
    assert "Select a person" in window.status.passing.text() and said(window).trust == ()
    view_state.selected_person, view_state.selection = 1, FrameRange(5, 9)
    view_state.frame = 6
    press(window, KEY.Key_T)
    qtbot.waitUntil(lambda: said(window).trust == (Trust(1, FrameRange(5, 9), 0.0),), timeout=WAIT)
    assert evidence.trust(view_state.state, 1, 6) == 0.0
    assert evidence.trust(view_state.state, 1, 9) == evidence.trust(view_state.state, 0, 6) == 1.0
    assert "Detections of Person 2: not believed" in window.timeline.tip_at(at(window, 6))
    press(window, KEY.Key_T, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: said(window).trust == (), timeout=WAIT)
    press(window, KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(said(window).trust) == 1, timeout=WAIT)


def test_without_a_selection_it_is_of_this_frame(qtbot, fitted_window):
    fitted_window.view_state.selected_person = 0
    fitted_window.view_state.frame = 7
    press(fitted_window, KEY.Key_T)
    one = Trust(0, FrameRange(7, 8), 0.0)
    qtbot.waitUntil(lambda: said(fitted_window).trust == (one,), timeout=WAIT)


def test_a_zone_is_one_click_and_one_step(qtbot, fitted_window):
    window, view_state = fitted_window, fitted_window.view_state
    window.arrangement.show_panel(window.proxemics)
    height = window.timeline.lane_layout.height
    view_state.selection = FrameRange(5, 9)
    window.proxemics._zones["personal"].click()
    stated = ProxemicsStatement(0, 1, FrameRange(5, 9), "personal")
    qtbot.waitUntil(lambda: said(window).proxemics == (stated,), timeout=WAIT)
    assert window.timeline.lane_layout.height > height  # a lane of its own
    assert "Said: personal" in window.timeline.tip_at(at(window, 6))
    view_state.selection = None
    view_state.frame = 6
    window.proxemics._remove.click()
    qtbot.waitUntil(lambda: said(window).proxemics == (), timeout=WAIT)
    window.editing.undo()
    qtbot.waitUntil(lambda: said(window).proxemics == (stated,), timeout=WAIT)


def test_an_accepted_proposal_swaps_and_offers_to_fit_again(qtbot, fitted_window):
    window, view_state = fitted_window, fitted_window.view_state
    before = view_state.state
    window.review.swaps._accept.click()
    qtbot.waitUntil(lambda: view_state.state.open_swaps == (), timeout=WAIT)
    points = view_state.state.observations.keypoints2d
    assert same(points[0, 10:16], before.observations.keypoints2d[1, 10:16])
    assert view_state.frame == 10
    qtbot.waitUntil(lambda: "Swapped, frames 10-15" in " ".join(window.notifications.texts))
    button(window, "Fit again").click()
    qtbot.waitUntil(lambda: window.fitting.is_running("fit"), timeout=WAIT)
    asked = window.jobs.running or window.jobs.waiting[0]
    assert asked.context.frames.start <= 10 and asked.context.frames.stop >= 16
    window.fitting.cancel()


def test_a_proposal_that_is_turned_down_stays_away_and_stops_no_fit(qtbot, fitted_window):
    window, view_state = fitted_window, fitted_window.view_state
    window.fitting.fit_clip()
    job = window.jobs.running or window.jobs.waiting[0]
    window.review.swaps._refuse.click()
    qtbot.waitUntil(lambda: view_state.state.open_swaps == (), timeout=WAIT)
    assert window.review.swaps.isHidden()
    assert (window.jobs.running or window.jobs.waiting[0]) is job
    window.fitting.cancel()


def test_a_fit_that_compares_pictures_is_given_what_is_known_of_them(qtbot, fitted_window, video):
    window = fitted_window
    window.fitting.fit_clip()
    first = window.jobs.running or window.jobs.waiting[0]
    assert first.arguments["config"]["appearance"] is None
    assert first.arguments["problem"]["avatars"] == {}
    window.fitting.cancel()
    qtbot.waitUntil(lambda: not window.fitting.is_running("fit"), timeout=WAIT)
    window.fit._appearance.click()
    assert window.preferences.appearance
    window.view_state.selection = FrameRange(5, 15)
    window.fitting.refit()
    qtbot.waitUntil(lambda: window.fitting.is_running("fit"), timeout=WAIT)
    job = window.jobs.running or window.jobs.waiting[0]
    assert job.arguments["config"]["appearance"] == AppearanceConfig()
    assert job.arguments["problem"]["avatars"] == make_findings(video).appearance
    window.fitting.refit()
    qtbot.wait(200)
    assert (window.jobs.running or window.jobs.waiting[0]) is job  # it is running already
    window.fitting.cancel()


def test_the_fit_panel_says_what_the_last_fit_was(fitted_window):
    assert fitted_window.fit._last_fit.text() == "Converged\nFrames 0-39"


def test_a_contact_click_that_hits_nobody_says_so(fitted_window):
    window = fitted_window
    window.set_tool("contact")
    window.frame_view.region_missed.emit()
    assert window.status.passing.text() == "No body was under that click."
    window.editing.pick_region(0, "left_palm")
    window.mesh_view.region_missed.emit()
    assert "Person 1's left palm is still picked" in window.status.passing.text()
    window.editing.pick_region(0, "right_palm")
    assert "Now from Person 1's right palm" in window.status.passing.text()


def test_the_views_of_the_bodies_have_their_keys_from_anywhere(fitted_window):
    window = fitted_window
    window.frame_view.setFocus()
    before = window.mesh_view.camera
    press(window, KEY.Key_7)
    assert window.mesh_view.camera != before


def test_the_window_opens_where_it_was_left(qtbot, make_window, fitted_project, video):
    with Store.open(fitted_project) as store:
        store.add_clip(video, "second")
    first = make_window()
    first.projects.open(fitted_project)
    qtbot.waitUntil(lambda: first.view_state.state is not None, timeout=WAIT)
    assert (first.view_state.clip_id, first.view_state.frame) == (1, 0)
    first.view_state.clip_id = 2
    first.view_state.frame = 23
    first.close()
    again = make_window()
    again.projects.open(fitted_project)
    qtbot.waitUntil(lambda: again.view_state.state is not None, timeout=WAIT)
    assert (again.view_state.clip_id, again.view_state.frame) == (2, 23)


def at(window, frame: int):
    """A place in the timeline over a frame, below the contacts."""
    return QPointF(window.timeline.scale.x(frame + 0.5), 40)
