"""A number field: unknown in words, one edit for one gesture, no change by scrolling past it."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from app.number_field import NumberField
from tests.app.scenes import heard, wheel

KEY = Qt.Key


@pytest.fixture
def field(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    made = NumberField("height?", (0.5, 2.3), 1.70)
    made.setDecimals(2)
    made.setSingleStep(0.01)
    column = QVBoxLayout(window)
    column.addWidget(QLineEdit())
    column.addWidget(made)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    yield made


def test_unknown_is_a_word_and_no_number(field):
    assert field.text() == "height?"
    assert field.number() is None
    field.show_number(1.82)
    assert field.number() == 1.82


def test_a_typed_number_leaves_once_with_enter(field):
    said = heard(field.number_set)
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "1.85")
    assert said == []
    QTest.keyClick(field, KEY.Key_Return)
    assert said == [(1.85,)]
    field.clearFocus()
    assert said == [(1.85,)]


def test_steps_start_at_what_is_usual_and_leave_together(qtbot, field):
    said = heard(field.number_set)
    field.setFocus()
    for _ in range(4):
        QTest.keyClick(field, KEY.Key_Up)
    assert said == []
    qtbot.waitUntil(lambda: said == [(1.73,)], timeout=3000)


def test_what_the_project_says_does_not_take_a_number_out_of_the_hand(field):
    field.setFocus()
    QTest.keyClick(field, KEY.Key_Up)
    field.show_number(None)
    assert field.number() == 1.70


def test_the_wheel_changes_nothing_in_passing(field):
    field.show_number(1.80)
    field.clearFocus()
    wheel(field, (5, 5), 120)
    assert field.number() == 1.80


def test_forgetting_leaves_as_unknown(field):
    field.show_number(1.80)
    said = heard(field.number_set)
    field.forget()
    assert said == [(None,)]
