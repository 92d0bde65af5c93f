"""Proxemics in the window: what a frame says, the gestures that state it, the list of it all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest

from app.proxemics_panel import ProxemicsPanel
from app.proxemics_words import frame_lines, standing, with_deviation, zone_span
from app.view_state import Candidate
from engine.structures import ZONES, Constraints, FrameRange, ProxemicsStatement
from tests.annotations.builders import make_findings, make_proxemics
from tests.app import scenes
from tests.app.scenes import heard

SAID = ProxemicsStatement(0, 1, FrameRange(2, 5), "intimate", 0.4, None, (1.0, None))
NOWHERE = FrameRange(0, 0)


@pytest.fixture
def view_state(qapp):
    state = scenes.make_state(
        proxemics=(make_proxemics(scenes.FRAMES),), constraints=Constraints(proxemics=(SAID,))
    )
    return scenes.make_view_state(state)


@pytest.fixture
def panel(qtbot, view_state):
    actions = {f"zone_{zone}": QAction(zone) for zone in ZONES}
    made = ProxemicsPanel(view_state, actions)
    qtbot.addWidget(made)
    made.resize(300, 500)
    made.show()
    qtbot.waitExposed(made)
    return made


class TestWords:
    def test_a_frame_is_told_with_deviations(self, view_state):
        (pair,) = view_state.state.proxemics
        found = standing((pair,), 0)
        assert found.zone == "social"
        assert found.heads == f"2.40 ± {pair.head_deviation[0]:.2f} m"
        assert found.facing[1][1] == with_deviation(pair.facing[1, 0], pair.facing_deviation[1, 0])

    @pytest.mark.parametrize(
        ("cosine", "words"),
        [(0.9, "towards"), (0.1, "sideways"), (-0.9, "away")],
    )
    def test_facing_is_told_in_words(self, cosine, words):
        pair = replace(make_proxemics(3), facing=np.full((2, 3), cosine))
        assert standing((pair,), 0).facing[0][0] == words

    def test_what_no_fit_has_said_is_not_told(self):
        pair = replace(make_proxemics(3), zone=np.array([-1, 0, 0], np.int8))
        assert standing((pair,), 0) is None and standing((), 0) is None
        assert standing((pair,), 1) is not None and standing((pair,), 3) is None

    def test_unknown_numbers_and_deviations_are_left_out(self):
        assert with_deviation(np.nan, 0.1) == "–"
        assert with_deviation(0.5, np.nan, " m") == "0.50 m"

    def test_zones_are_told_in_metres(self):
        assert [zone_span(zone) for zone in ZONES] == [
            "below 0.45 m", "0.45 to 1.2 m", "1.2 to 3.6 m", "beyond 3.6 m",
        ]  # fmt: skip

    def test_a_tooltip_says_what_was_found_and_what_was_said(self, view_state):
        lines = frame_lines(view_state.state, 3)
        assert lines[0].startswith("Social: heads 1.8")
        assert lines[1] == "Said: intimate, heads 0.40 m, Ann faces Ben"
        assert len(frame_lines(view_state.state, 6)) == 1


class TestSeveralPairs:
    @pytest.fixture
    def three(self, view_state):
        """A third person, near Ann; something is said of the two."""
        state = view_state.state
        nearer = make_proxemics(scenes.FRAMES, pair=(0, 2))
        found = (*state.proxemics, replace(nearer, zone=np.zeros(scenes.FRAMES, np.int8)))
        said = ProxemicsStatement(0, 2, FrameRange(6, 8), "personal")
        return replace(
            state,
            identities=(*state.identities, replace(state.identities[0], name="Cem")),
            proxemics=found,
            constraints=Constraints(proxemics=(SAID, said)),
        )

    def test_two_people_need_no_choice(self, panel):
        assert not panel._pairs.isVisible()

    def test_one_pair_is_chosen_shown_and_spoken_of(self, panel, view_state, three):
        view_state.set_state(three)
        words = [panel._pairs.itemText(index) for index in range(panel._pairs.count())]
        assert panel._pairs.isVisible() and words == ["Ann and Ben", "Ann and Cem", "Ben and Cem"]
        panel._pairs.activated.emit(1)
        assert view_state.pair == (0, 2) and panel._zone.text() == "Intimate"
        assert panel._rows[3][0].text().startswith("Cem: ")
        said = heard(panel.said)
        panel._facing[1]._buttons[1.0].click()
        assert said == [(ProxemicsStatement(0, 2, NOWHERE, facing=(None, 1.0)),)]

    def test_of_a_pair_that_no_fit_looked_at_nothing_is_shown(self, panel, view_state, three):
        view_state.set_state(three)
        panel._pairs.activated.emit(2)
        assert not panel._card.isVisible() and panel._nothing.isVisible()

    def test_what_was_said_leads_to_its_pair(self, panel, view_state, three):
        view_state.set_state(three)
        panel._list.itemClicked.emit(panel._list.topLevelItem(1), 0)
        assert view_state.pair == (0, 2) and panel._pairs.currentText() == "Ann and Cem"
        assert panel._zones["personal"].property("on")

    def test_a_tooltip_tells_the_pairs_apart(self, three):
        assert [line.split(":")[0] for line in frame_lines(three, 6)] == [
            "Ann and Ben, social", "Ann and Cem, intimate", "Said",
        ]  # fmt: skip


class TestReadout:
    def test_follows_the_frame(self, panel, view_state):
        assert panel._zone.text() == "Social" and "1.2 to 3.6" in panel._span.text()
        view_state.frame = scenes.FRAMES - 1
        assert panel._zone.text() == "Intimate"
        assert panel._rows[0][1].text().startswith("0.30 ±")
        assert panel._rows[2][0].text().startswith("Ann: ")

    def test_shows_the_bodies_on_show(self, panel, view_state):
        (pair,) = view_state.state.proxemics
        result = replace(
            make_findings(view_state.clip.video),
            proxemics=(replace(pair, head_distance=pair.head_distance + 1),),
        )
        state = view_state.state
        view_state.candidate = Candidate(
            state.motion, state.camera, FrameRange(0, scenes.FRAMES), 1, result
        )
        assert panel._rows[0][1].text().startswith("3.40")
        view_state.show_before = True
        assert panel._rows[0][1].text().startswith("2.40")

    def test_says_what_is_missing_before_a_fit(self, qtbot, panel, view_state):
        view_state.set_state(scenes.make_state())
        assert not panel._card.isVisible() and panel._nothing.isVisible()

    def test_all_of_it_has_room(self, panel):
        assert panel.widget().width() <= panel.viewport().width()


class TestGestures:
    def test_a_click_states_how_a_person_faces(self, panel):
        said = heard(panel.said)
        panel._facing[1]._buttons[-1.0].click()
        assert said == [(ProxemicsStatement(0, 1, NOWHERE, facing=(None, -1.0)),)]

    def test_a_typed_distance_is_stated(self, panel, view_state):
        said = heard(panel.said)
        panel._pelvises.setFocus()
        panel._pelvises.selectAll()
        QTest.keyClicks(panel._pelvises, "0.6")
        QTest.keyClick(panel._pelvises, Qt.Key.Key_Return)
        assert said == [(ProxemicsStatement(0, 1, NOWHERE, pelvis_distance=0.6),)]

    def test_what_was_said_here_is_marked(self, panel, view_state):
        assert not panel._zones["intimate"].property("on")
        view_state.frame = 3
        assert panel._zones["intimate"].property("on") and not panel._zones["social"].property("on")
        assert panel._heads.number() == 0.4 and panel._pelvises.number() is None
        assert panel._facing[0]._buttons[1.0].property("on")
        assert not panel._facing[1]._buttons[1.0].property("on")

    def test_the_list_leads_there_and_takes_back(self, panel, view_state):
        item = panel._list.topLevelItem(0)
        assert item.text(0) == "2–4" and item.text(1) == "intimate, heads 0.40 m, Ann faces Ben"
        panel._list.itemClicked.emit(item, 0)
        assert view_state.frame == 2
        panel._list.itemDoubleClicked.emit(item, 0)
        assert view_state.selection == FrameRange(2, 5)
        taken = heard(panel.taken_back)
        panel._remove.click()
        assert taken == [(SAID,)]

    def test_where_it_will_be_said_is_written(self, panel, view_state):
        assert "around this frame" in panel._where.text()
        view_state.selection = FrameRange(3, 8)
        assert panel._where.text() == "In frames 3-7, the selection."
