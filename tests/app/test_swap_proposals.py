"""Proposals to swap two people: what they cost, a look, an answer."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from annotations.records import KeptApart
from app.swap_proposals import SwapProposals
from engine.structures import FrameRange, SwapProposal
from tests.app import scenes
from tests.app.scenes import heard

FIRST = SwapProposal(0, 1, FrameRange(2, 5), 60.5, 21.25)
SECOND = SwapProposal(0, 1, FrameRange(8, 9), 30.0, 12.0)


@pytest.fixture
def view_state(qapp):
    return scenes.make_view_state(scenes.make_state(swaps=(FIRST, SECOND)))


@pytest.fixture
def card(qtbot, view_state):
    made = SwapProposals(view_state)
    qtbot.addWidget(made)
    return made


def test_each_says_where_who_and_what_it_costs(card):
    rows = [card._list.topLevelItem(i) for i in range(card._list.topLevelItemCount())]
    assert [row.text(0) for row in rows] == ["2–4", "8"]
    assert rows[0].text(1) == "Ann ↔ Ben\ncost 60 → 21 if swapped"
    assert card._title.text() == "POSSIBLY SWAPPED · 2"


def test_a_click_leads_there_and_a_double_click_selects_the_frames(card, view_state):
    view_state.playing = True
    row = card._list.topLevelItem(1)
    card._list.setCurrentItem(row)
    card._list.itemClicked.emit(row, 0)
    assert view_state.frame == 8 and not view_state.playing
    card._list.itemDoubleClicked.emit(row, 0)
    assert view_state.selection == FrameRange(8, 9)


def test_the_answer_is_of_the_chosen_one(qtbot, card):
    accepted, refused = heard(card.accepted), heard(card.turned_down)
    card._accept.click()
    assert accepted == [(FIRST,)] and refused == []
    card._list.setCurrentItem(card._list.topLevelItem(1))
    qtbot.mouseClick(card._refuse, Qt.MouseButton.LeftButton)
    assert refused == [(SECOND,)]


def test_it_is_not_there_without_proposals(card, view_state):
    assert not card.isHidden()
    answered = scenes.make_state(swaps=(FIRST,), kept_apart=(KeptApart((0, 1), FrameRange(2, 5)),))
    view_state.set_state(answered)
    assert card.isHidden()
