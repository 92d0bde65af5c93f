"""One table of actions: no key means two things, and keys reach the window from everywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence

from app import actions, icons
from app.actions import ACTIONS


def by_id(name: str) -> actions.ActionSpec:
    return next(spec for spec in ACTIONS if spec.id == name)


def test_no_key_means_two_things_in_one_scope():
    assert actions.clashes() == []


def test_a_clash_would_be_found_and_named():
    taken = replace(by_id("swap"), id="other", text="Something else", keys=("S",))
    assert actions.clashes([*ACTIONS, taken]) == [
        f"S in {scope}: Swap the two people and Something else"
        for scope in ("3D view", "everywhere", "frame view")
    ]


def test_a_key_of_one_view_may_mean_something_else_in_another():
    assert by_id("fit_frame_view").keys == by_id("frame_bodies").keys == ("F",)


def test_every_key_is_one_that_qt_knows():
    for spec in ACTIONS:
        for key in spec.keys:
            sequence = QKeySequence(key)
            assert sequence.count() == 1, key
            assert sequence[0].key() != Qt.Key.Key_unknown, key


def test_every_row_has_a_name_of_its_own_and_says_what_it_does():
    names = [spec.id for spec in ACTIONS]
    assert len(set(names)) == len(names)
    for spec in ACTIONS:
        assert spec.tip, spec.id
        assert not spec.tip.endswith("."), spec.id


def test_icons_exist(qapp):
    for spec in ACTIONS:
        if spec.icon:
            assert not icons.icon(spec.icon).isNull(), spec.id


@pytest.mark.parametrize(
    ("keys", "action"),
    [
        ("Space", "play"), ("Left", "step_back"), ("Right", "step_forward"),
        (",", "step_back"), (".", "step_forward"), ("Shift+Left", "second_back"),
        ("Ctrl+Right", "ten_forward"), ("Ctrl+Alt+Left", "hundred_back"),
        ("Home", "first_frame"), ("End", "last_frame"), ("J", "shuttle_back"),
        ("K", "shuttle_stop"), ("L", "shuttle_forward"), ("I", "mark_in"), ("O", "mark_out"),
        ("Esc", "escape"), ("Ctrl+G", "go_to_frame"), ("N", "next_suspicious"),
        ("Shift+N", "previous_suspicious"), ("Ctrl+N", "next_clip"), ("S", "swap"),
        ("Shift+S", "swap_frame"), ("Ctrl+T", "swap_frame"), ("1", "select_first"),
        ("Ctrl+2", "assign_second"), ("Ctrl+Shift+2", "assign_second_frame"),
        ("3", "select_other"), ("Delete", "person_menu"), ("Q", "tool_box"), ("M", "tool_mask"),
        ("[", "brush_smaller"), ("]", "brush_larger"), ("Shift+Q", "take_back_box"),
        ("Shift+M", "take_back_mask"), ("Ctrl+D", "detect_again"),
        ("C", "tool_contact"), ("D", "tool_depth"),
        ("V", "tool_select"), ("X", "freeze"), ("E", "refit"), ("Shift+E", "refit_clip"),
        ("B", "show_before"), ("Return", "keep"), ("Backspace", "discard"), ("A", "accept"),
        ("Shift+A", "accept_next"), ("R", "send_back"), ("U", "unusable"),
        ("H", "hide_overlays"), ("Ctrl+Z", "undo"), ("Ctrl+Shift+Z", "redo"), ("Ctrl+Y", "redo"),
        ("Ctrl+K", "palette"), ("F1", "help"), ("?", "help"),
    ],
)  # fmt: skip
def test_the_keys_of_the_interaction_table(keys, action):
    assert keys in by_id(action).keys


def test_a_tooltip_ends_with_the_key(qapp):
    assert actions.tooltip(by_id("refit")).endswith("(E)")
    assert actions.tooltip(by_id("show_before")).endswith("(hold B)")
