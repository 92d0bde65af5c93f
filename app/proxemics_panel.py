"""Proxemics: zone, distances and facing of the frame on show, and what somebody says of them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTreeWidgetItem,
)

from annotations import ranges
from annotations.proxemics import DISTANCE_LIMITS
from annotations.records import Changes, ClipState
from app.choice_box import ChoiceBox
from app.frame_evidence import identity
from app.number_field import NumberField
from app.panel import ActionButton, ColorChip, Panel, card, label, plain_button, row, section
from app.proxemics_words import (
    FACINGS,
    Standing,
    pair_words,
    pairs_of,
    said_here,
    said_words,
    standing,
    zone_span,
)
from app.theme import theme
from app.two_line_list import TwoLineList
from app.view_state import ViewState
from engine.structures import ZONES, FrameRange, ProxemicsStatement, Zone

USUAL_HEADS, USUAL_PELVISES = 0.7, 0.8
"""Metres from which the fields step where nothing was said."""
_NOWHERE = FrameRange(0, 0)
"""What is said here is placed by whoever hears it: in the selection, or around this frame."""


class ProxemicsPanel(Panel):
    """What the fit found in this frame, the gestures that say otherwise, and all that was said."""

    title = "Proxemics"
    said = Signal(object)
    """A ProxemicsStatement without frames."""
    taken_back = Signal(object)
    """The ProxemicsStatement that is in the list."""

    def __init__(self, view_state: ViewState, actions: dict[str, QAction]) -> None:
        super().__init__()
        self._view_state = view_state
        self._pairs = self._make_pairs()
        self._make_readout()
        self.column.addWidget(section("Say how they stand"))
        self._where = label("", "muted")
        self.column.addWidget(self._where)
        self._zones = self._make_zones(actions)
        self._make_distances()
        self._facing = tuple(self._make_facing(side) for side in range(2))
        self._make_list()
        self.column.addStretch(1)
        view_state.state_changed.connect(self._on_state_changed)
        view_state.frame_changed.connect(lambda _: self._show_frame())
        for signal in (view_state.candidate_changed, view_state.show_before_changed):
            signal.connect(lambda _: self._show_frame())
        view_state.selection_changed.connect(lambda _: self._say_where())
        view_state.pair_changed.connect(lambda _: self._show_pair())
        theme().changed.connect(self._show_frame)
        self._on_state_changed(None)

    # -- parts ----------------------------------------------------------------------------------

    def _make_pairs(self) -> QComboBox:
        """Whose proxemics: a choice where there are more than two people."""
        made = ChoiceBox()
        made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        made.setToolTip("The two people whose proxemics are shown here and in the timeline")
        made.activated.connect(self._choose_pair)
        self.column.addWidget(made)
        return made

    def _make_readout(self) -> None:
        self._card, column = card()
        self._zone = label("", "heading", wrap=False)
        self._span = label("", "muted", wrap=False)
        self._swatch = ColorChip(theme().tokens.zones[0])
        column.addLayout(row(self._swatch, self._zone, None, self._span))
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme().tokens.space_3)
        grid.setColumnStretch(0, 1)
        self._rows: list[tuple[QLabel, QLabel]] = []
        for index in range(4):
            cells = label("", "muted"), label("", wrap=False)
            cells[1].setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
            for column_index, cell in enumerate(cells):
                grid.addWidget(cell, index, column_index)
            self._rows.append(cells)
        column.addLayout(grid)
        self._nothing = label("A fit finds out how they stand to each other.", "muted")
        self.column.addWidget(self._card)
        self.column.addWidget(self._nothing)

    def _make_zones(self, actions: dict[str, QAction]) -> dict[Zone, QPushButton]:
        grid = QGridLayout()
        grid.setSpacing(theme().tokens.space_1)
        made: dict[Zone, QPushButton] = {}
        for index, zone in enumerate(ZONES):
            words = zone.capitalize()
            made[zone] = ActionButton(actions[f"zone_{zone}"], "segment", words)
            grid.addWidget(made[zone], index // 2, index % 2)
        self.column.addLayout(grid)
        return made

    def _make_distances(self) -> None:
        self._heads = _distance("heads", USUAL_HEADS)
        self._heads.number_set.connect(lambda m: self._say_distance("head_distance", m))
        self._pelvises = _distance("pelvises", USUAL_PELVISES)
        self._pelvises.number_set.connect(lambda m: self._say_distance("pelvis_distance", m))
        line = row(self._heads, self._pelvises)
        line.setSpacing(theme().tokens.space_1)
        self.column.addLayout(line)

    def _make_facing(self, side: int) -> _FacingRow:
        made = _FacingRow(lambda cosine: self._say_facing(side, cosine))
        self.column.addLayout(made.line)
        return made

    def _make_list(self) -> None:
        self._list_title = section("Said")
        self.column.addWidget(self._list_title)
        self._list = TwoLineList()
        self._list.itemClicked.connect(self._go)
        self._list.itemDoubleClicked.connect(self._select)
        self.column.addWidget(self._list)
        self._remove = plain_button("Take back", "Nothing is said any more in these frames")
        self._remove.clicked.connect(self._take_back)
        self.column.addLayout(row(None, self._remove))

    # -- what is said ---------------------------------------------------------------------------

    def _choose_pair(self, index: int) -> None:
        self._view_state.pair = pairs_of(self._view_state.state)[index]

    def _say_distance(self, field: str, metres: float | None) -> None:
        if metres is not None:
            pair = self._view_state.pair
            self.said.emit(ProxemicsStatement(*pair, _NOWHERE, **{field: metres}))  # type: ignore[arg-type]
        else:  # one number of several cannot be unsaid: what was said is taken back as a whole
            self._show_said()

    def _say_facing(self, side: int, cosine: float) -> None:
        facing = (cosine, None) if side == 0 else (None, cosine)
        self.said.emit(ProxemicsStatement(*self._view_state.pair, _NOWHERE, facing=facing))

    def _statements(self) -> tuple[ProxemicsStatement, ...]:
        state = self._view_state.state
        return state.constraints.proxemics if state is not None else ()

    def _chosen(self) -> ProxemicsStatement | None:
        row_index = self._list.indexOfTopLevelItem(self._list.currentItem())
        statements = self._statements()
        return statements[row_index] if 0 <= row_index < len(statements) else None

    def _take_back(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self.taken_back.emit(chosen)

    def _go(self, item: QTreeWidgetItem) -> None:
        said = self._statement_of(item)
        self._view_state.playing = False
        self._view_state.pair = said.person_a, said.person_b
        self._view_state.frame = said.frames.start

    def _select(self, item: QTreeWidgetItem) -> None:
        self._view_state.selection = self._statement_of(item).frames

    def _statement_of(self, item: QTreeWidgetItem) -> ProxemicsStatement:
        return self._statements()[self._list.indexOfTopLevelItem(item)]

    # -- what is shown --------------------------------------------------------------------------

    def _on_state_changed(self, changes: Changes | None) -> None:
        if changes is not None and not changes.parts & {"constraints", "motion", "identities"}:
            return
        state = self._view_state.state
        self._list.clear()
        for said in self._statements():
            self._list.addTopLevelItem(_item(state, said))
        has_any = bool(self._statements())
        for widget in (self._list_title, self._list, self._remove):
            widget.setVisible(has_any)
        self._say_where()
        self._show_pair()

    def _show_pair(self) -> None:
        """The choice of people, their chips, and how they stand."""
        state, pair = self._view_state.state, self._view_state.pair
        pairs = pairs_of(state)
        self._pairs.clear()
        if state is not None:
            self._pairs.addItems([pair_words(state, people) for people in pairs])
        self._pairs.setVisible(len(pairs) > 1)
        if pair in pairs:
            self._pairs.setCurrentIndex(pairs.index(pair))
        for line, who, whom in zip(self._facing, pair, pair[::-1], strict=True):
            line.show_person(state, who, whom)
        self._show_frame()

    def _say_where(self) -> None:
        chosen = self._view_state.selection
        self._where.setText(
            f"In {ranges.spoken(chosen)}, the selection."
            if chosen is not None
            else "Half a second around this frame. I and O select other frames."
        )

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._show_frame()

    def _show_frame(self) -> None:
        if not self.isVisible():
            return  # behind another tab nothing has to follow the playhead
        shown, pair = self._view_state.proxemics_shown(), self._view_state.pair
        found = standing(shown, self._view_state.frame, pair)
        self._card.setVisible(found is not None)
        self._nothing.setVisible(found is None)
        if found is not None:
            self._show_standing(found)
        self._show_said()

    def _show_standing(self, found: Standing) -> None:
        state = self._view_state.state
        self._zone.setText(found.zone.capitalize())
        self._swatch.set_color(theme().tokens.zones[ZONES.index(found.zone)])
        self._span.setText(zone_span(found.zone))
        lines = [("Heads", found.heads), ("Pelvises", found.pelvises)]
        for person, (how, cosine) in zip(self._view_state.pair, found.facing, strict=True):
            name = identity(state, person).name
            lines.append((f"{name}: {how}" if how else name, cosine))
        for (what, number), (words, value) in zip(self._rows, lines, strict=True):
            what.setText(words)
            number.setText(value)
        for _, cosine in self._rows[2:]:
            cosine.setToolTip("Cosine on the floor: 1 towards the other, -1 away")

    def _show_said(self) -> None:
        """The gestures show what was said in this frame."""
        looked_at = self._view_state
        said = said_here(looked_at.state, looked_at.frame, looked_at.pair)
        for zone, button in self._zones.items():
            _mark(button, said is not None and said.zone == zone)
        self._heads.show_number(said.head_distance if said is not None else None)
        self._pelvises.show_number(said.pelvis_distance if said is not None else None)
        for side, line in enumerate(self._facing):
            line.show_said(said.facing[side] if said is not None else None)
        if said is not None:
            index = self._statements().index(said)
            self._list.setCurrentItem(self._list.topLevelItem(index))
        self._remove.setEnabled(self._chosen() is not None)


class _FacingRow:
    """A person, and three directions to face in."""

    def __init__(self, say: Callable[[float], None]) -> None:
        self._chip = ColorChip(theme().tokens.accent, 14)
        self._buttons: dict[float, QPushButton] = {}
        self.line: QHBoxLayout = row(self._chip)
        self.line.setSpacing(theme().tokens.space_1)
        for words, cosine in FACINGS.items():
            made = plain_button(words, "")
            made.setProperty("role", "segment")
            made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            made.clicked.connect(lambda _=False, cosine=cosine: say(cosine))
            self._buttons[cosine] = made
            self.line.addWidget(made, 1)

    def show_person(self, state: ClipState | None, person: int, other: int) -> None:
        who, whom = identity(state, person), identity(state, other)
        self._chip.set_color(who.color)
        self._chip.setToolTip(who.name)
        tips = (f"{who.name} faces {whom.name}", f"{who.name} stands sideways to {whom.name}",
                f"{who.name} turns away from {whom.name}")  # fmt: skip
        for button, tip in zip(self._buttons.values(), tips, strict=True):
            button.setToolTip(f"Say that {tip}")
            button.setEnabled(state is not None and state.observations is not None)

    def show_said(self, said: float | None) -> None:
        for cosine, button in self._buttons.items():
            _mark(button, said is not None and abs(said - cosine) < 0.3)


def _distance(between: str, usual: float) -> NumberField:
    made = NumberField(f"{between}?", DISTANCE_LIMITS, usual)
    made.setDecimals(2)
    made.setSingleStep(0.05)
    made.setPrefix(f"{between} ")
    made.setSuffix(" m")
    made.setToolTip(f"Metres between the {between}, if you know it; Enter says it")
    made.setMinimumWidth(0)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return made


def _mark(button: QPushButton, is_on: bool) -> None:
    """The button of what was said in this frame looks so."""
    if button.property("on") != is_on:
        button.setProperty("on", is_on)
        button.style().polish(button)  # a style sheet reads a property once


def _item(state: ClipState | None, said: ProxemicsStatement) -> QTreeWidgetItem:
    frames = said.frames
    where = f"{frames.start}" if len(frames) == 1 else f"{frames.start}–{frames.stop - 1}"
    item = QTreeWidgetItem([where, said_words(state, said) if state is not None else ""])
    item.setTextAlignment(0, Qt.AlignmentFlag.AlignTop)
    item.setToolTip(1, f"{item.text(1)}\nA double-click selects these frames.")
    return item
