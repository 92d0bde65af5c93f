"""People: who is who, how tall they are, how well they were seen, and who else is in view."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLineEdit

from annotations import ranges
from annotations.records import Changes, ClipState, Identity
from app.number_field import NumberField
from app.other_people import OtherPeople
from app.panel import ActionButton, ColorChip, Panel, card, label, row, section
from app.redetection import Corrections
from app.theme import PERSON_COLORS
from app.view_state import ViewState
from engine.structures import Constraints

SHORTEST, TALLEST, USUAL = 0.5, 2.3, 1.70
"""Metres that the height field takes, and those from which it steps where none are known."""


class IdentityPanel(Panel):
    """One card per person, the swap, everybody else, and what another detection would know."""

    title = "People"
    renamed = Signal(int, str)
    height_set = Signal(int, object)
    """Person, and metres or None."""

    def __init__(self, view_state: ViewState, actions: dict[str, QAction]) -> None:
        super().__init__()
        self._view_state = view_state
        self._people: list[_PersonCard] = []
        self._place = self.column.count()
        self._hint = label("The two people appear here as soon as they are detected.", "muted")
        self.column.addWidget(self._hint)
        self._detect = ActionButton(actions["detect"], "primary")
        self.column.addWidget(self._detect)
        self.column.addLayout(
            row(
                ActionButton(actions["swap"], text="Swap"),
                ActionButton(actions["swap_frame"], text="This frame"),
                None,
            )
        )
        self._make_corrections(actions)
        self.others = OtherPeople(view_state)
        self.column.addWidget(self.others)
        self._notes_title = section("About the clip")
        self._notes = label("", "muted")
        self.column.addWidget(self._notes_title)
        self.column.addWidget(self._notes)
        self.column.addStretch(1)
        view_state.state_changed.connect(self._on_state_changed)
        view_state.selected_person_changed.connect(self._on_selected_person_changed)
        self._on_state_changed(None)

    def _make_corrections(self, actions: dict[str, QAction]) -> None:
        self._corrections, column = card()
        self._corrected = label("", "muted")
        column.addWidget(self._corrected)
        again = ActionButton(actions["detect_again"], text="Detect again")
        column.addWidget(again)
        self.column.addWidget(self._corrections)
        self._corrections.hide()

    def show_corrections(self, corrections: Corrections) -> None:
        """What was corrected since the people were detected."""
        state = self._view_state.state
        has_people = state is not None and state.observations is not None
        self._corrections.setVisible(corrections.count > 0 and has_people)
        self._corrected.setText(_corrected_words(corrections))

    def _on_state_changed(self, changes: Changes | None) -> None:
        state = self._view_state.state
        identities = state.identities if state is not None else ()
        if len(identities) != len(self._people):
            self._make_cards(identities)
        self._hint.setVisible(not identities)
        self._detect.setVisible(state is not None and state.observations is None)
        if state is not None:
            for person in self._people:
                person.show_state(state)
        self._show_notes(state)

    def _show_notes(self, state: ClipState | None) -> None:
        clip = self._view_state.clip
        notes = [clip.video.note] if clip is not None and clip.video.note else []
        if state is not None and state.observations is not None:
            notes += state.observations.notes
        self._notes.setText("\n".join(notes))
        for widget in (self._notes_title, self._notes):
            widget.setVisible(bool(notes))

    def _make_cards(self, identities: tuple[Identity, ...]) -> None:
        for person in self._people:
            self.column.removeWidget(person.frame)
            person.frame.deleteLater()
        self._people = []
        for identity in identities:
            person = _PersonCard(self, identity.index)
            self.column.insertWidget(self._place + identity.index, person.frame)
            self._people.append(person)

    def _on_selected_person_changed(self, _: object) -> None:
        for person in self._people:
            person.mark(self._view_state.selected_person == person.index)


class _PersonCard:
    """Name, height and what is known of one person."""

    def __init__(self, panel: IdentityPanel, index: int) -> None:
        self.index = index
        self.frame, column = card()
        self._chip = ColorChip(PERSON_COLORS[index % len(PERSON_COLORS)])
        self._name = QLineEdit()
        self._name.setToolTip("The name of this person in every export")
        self._name.editingFinished.connect(
            lambda: panel.renamed.emit(self.index, self._name.text())
        )
        self._height = NumberField("height?", (SHORTEST, TALLEST), USUAL)
        self._height.setDecimals(2)
        self._height.setSingleStep(0.01)
        self._height.setSuffix(" m")
        self._height.setToolTip(
            "How tall this person is, if you know it: from one camera, height sets the distance"
        )
        self._height.number_set.connect(lambda metres: panel.height_set.emit(self.index, metres))
        column.addLayout(row(self._chip, self._name, self._height))
        self._facts = label("", "muted")
        column.addWidget(self._facts)

    def mark(self, selected: bool) -> None:
        self._chip.set_ringed(selected)

    def show_state(self, state: ClipState) -> None:
        identity = state.identities[self.index]
        self._chip.set_color(identity.color)
        if not self._name.hasFocus():
            self._name.setText(identity.name)
            self._name.setCursorPosition(0)  # a long name is read from its beginning
        self._height.show_number(_stated_height(state.constraints, self.index))
        self._facts.setText(_facts(state, self.index))


def _corrected_words(corrections: Corrections) -> str:
    count = corrections.count
    many = f"{count} correction{'s' if count > 1 else ''} since the people were detected"
    where = [ranges.spoken(frames) for frames in corrections.frames[:2]]
    more = "…" if len(corrections.frames) > 2 else ""
    return f"{many}: {', '.join(where)}{more}." if where else f"{many}."


def _stated_height(constraints: Constraints, person: int) -> float | None:
    return constraints.heights[person] if person < len(constraints.heights) else None


def _facts(state: ClipState, person: int) -> str:
    observations = state.observations
    if observations is None or person >= observations.person_count:
        return "Not detected yet"
    seen = int(np.isfinite(observations.boxes[person]).all(axis=1).sum())
    facts = [f"Seen in {seen} of {observations.frame_count} frames"]
    facts += _by_hand(state, person)
    if state.diagnostics is not None and person < len(state.diagnostics.reprojection_px):
        error = state.diagnostics.reprojection_px[person]
        if np.isfinite(error).any():
            facts.append(f"Body {np.nanmedian(error):.1f} px from the joints (median)")
    return "\n".join(facts)


def _by_hand(state: ClipState, person: int) -> list[str]:
    """How much of a person was corrected: "By hand: 3 joints, 1 box"."""
    said = state.constraints
    counts = {
        "joint": sum(edit.person == person for edit in said.keypoint_edits),
        "box": sum(e.kind == "person" and e.person == person for e in said.box_edits),
        "mask": sum(edit.person == person for edit in said.mask_edits),
    }
    plurals = {"joint": "joints", "box": "boxes", "mask": "masks"}
    words = [f"{n} {plurals[what] if n > 1 else what}" for what, n in counts.items() if n]
    return [f"By hand: {', '.join(words)}"] if words else []
