"""The queue of frames that look wrong shows the row of the frame that it went to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QRect
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication

from annotations.records import ReviewMark
from app.review_panel import ReviewPanel
from engine.structures import Diagnostics, FrameRange
from tests.app import scenes

WORST = (0, 1, 2, 5, 6, 7, 10, 11)
"""Where each finding of the scene is clearest."""


@pytest.fixture
def panel(qtbot):
    """As high as the window leaves it beside a panel of its own size, which is not high."""
    pixels = np.full((2, scenes.FRAMES), 5.0)
    pixels[0, [0, 5, 10]], pixels[1, [2, 7]] = 120.0, 120.0
    depth = np.zeros(scenes.FRAMES)
    depth[[1, 6, 11]] = 0.09
    state = replace(scenes.make_state(), diagnostics=Diagnostics(pixels, depth))
    names = "accept", "send_back", "unusable"
    made = ReviewPanel(
        scenes.make_view_state(state), {name: QAction(name.replace("_", " ")) for name in names}
    )
    qtbot.addWidget(made)
    made.resize(300, 290)
    made.show()
    qtbot.waitExposed(made)
    return made


def row_in_sight(panel: ReviewPanel) -> QRect:
    """The part of the current row that is seen."""
    row = panel._list.visualItemRect(panel._list.currentItem()) & panel._list.viewport().rect()
    row.moveTopLeft(panel._list.viewport().mapTo(panel.viewport(), row.topLeft()))
    return row & panel.viewport().rect()


def test_every_finding_that_is_gone_to_is_in_sight(panel):
    for frame in (*WORST[1:], WORST[0]):
        panel.step(1)
        QApplication.processEvents()
        assert panel._view_state.frame == frame
        assert panel._shown[panel._list.indexOfTopLevelItem(panel._list.currentItem())].worst == (
            frame
        )
        whole = panel._list.visualItemRect(panel._list.currentItem()).size()
        assert row_in_sight(panel).size() == whole


def test_only_the_list_scrolls_where_there_is_room_for_its_least(panel):
    assert panel.verticalScrollBar().maximum() == 0
    assert panel._list.verticalScrollBar().maximum() > 0


def test_a_finding_that_the_filter_hides_leaves_no_other_row_marked(panel):
    panel._issue.setCurrentText("Penetration")
    panel.step(1)
    assert panel._view_state.frame == 1 and panel._list.currentItem() is not None
    panel.step(1)
    assert panel._view_state.frame == 2 and panel._list.currentItem() is None
    assert not panel._list.selectedItems()


class TestWorstFirst:
    """Joints are believed to be off most at frame 7, then 1, then 10; elsewhere hardly. The frames
    are a second apart: of those within half a second only the worst would come first."""

    @pytest.fixture
    def ranked(self, panel):
        state = panel._view_state.state
        expected = np.full((2, scenes.FRAMES), 0.01)
        expected[1, 7], expected[0, 1], expected[0, 10] = 0.3, 0.2, 0.1
        diagnostics = replace(state.diagnostics, expected_error=expected)
        slow = replace(state.observations, times=np.arange(float(scenes.FRAMES)))
        panel._view_state.set_state(replace(state, diagnostics=diagnostics, observations=slow))
        panel._worst_first.click()
        return panel

    def test_the_list_begins_where_bodies_are_believed_to_be_furthest_off(self, ranked):
        assert [s.worst for s in ranked._shown][:3] == [7, 1, 10]
        assert len(ranked._shown) == len(WORST)
        ranked._worst_first.click()
        assert [s.worst for s in ranked._shown] == sorted(WORST)

    def test_each_row_says_how_far_off_that_is(self, ranked):
        row = ranked._list.topLevelItem(0)
        assert row.text(1).endswith(" · about 30 cm off")
        assert "Joints of Ben are believed to be 30 cm off." in row.toolTip(1)

    def test_n_follows_the_list_and_goes_round(self, ranked):
        seen = []
        for _ in range(len(WORST) + 1):
            ranked.step(1)
            seen.append(ranked._view_state.frame)
        assert seen[:3] == [7, 1, 10] and set(seen) == set(WORST) and seen[-1] == 7
        ranked.step(-1)
        assert ranked._view_state.frame == seen[-2]

    def test_without_an_estimate_the_score_decides(self, panel):
        panel._worst_first.click()
        scores = [s.score for s in panel._shown]
        assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1

    def test_what_is_reviewed_meanwhile_is_passed_over(self, ranked):
        state = ranked._view_state.state
        reviewed = (ReviewMark(FrameRange(7, 8), "accepted"),)
        ranked._view_state.set_state(replace(state, reviews=reviewed))
        ranked.step(1)
        assert ranked._view_state.frame == 1
