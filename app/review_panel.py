"""Review: the verdict on the clip, and the queue of frames that look wrong."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QGridLayout,
    QHeaderView,
    QLineEdit,
    QSizePolicy,
    QTreeWidget,
    QTreeWidgetItem,
)

from annotations import ranges
from annotations.records import Changes, ClipState
from app.choice_box import ChoiceBox
from app.panel import ActionButton, Panel, label, row, section
from app.suspicion import Suspicion, ranking, suspicions, unreviewed, worst_first
from app.swap_proposals import SwapProposals
from app.view_state import ViewState
from engine.suspicion_words import error_words

LEAST_LIST = 72
"""Pixels of height below which the panel scrolls rather than the list of findings."""
NOTHING_LEFT = "Nothing in this clip looks suspicious any more."
_EVERYTHING = "All findings"
_INPUTS = frozenset({"observations", "motion", "reviews", "identities"})


class ReviewPanel(Panel):
    """Accept, send back, unusable; and a list that jumps to what needs a look."""

    title = "Review"
    sent_back = Signal(str)
    """The reason, possibly empty."""
    hinted = Signal(str)

    def __init__(self, view_state: ViewState, actions: dict[str, QAction]) -> None:
        super().__init__()
        self._view_state = view_state
        self._found: tuple[Suspicion, ...] = ()
        self._shown: tuple[Suspicion, ...] = ()
        self._verdict = label("")
        self.column.addWidget(self._verdict)
        verdicts = QGridLayout()
        verdicts.setSpacing(8)
        verdicts.addWidget(ActionButton(actions["accept"], "primary"), 0, 0, 1, 2)
        verdicts.addWidget(ActionButton(actions["send_back"], text="Send back"), 1, 0)
        verdicts.addWidget(ActionButton(actions["unusable"]), 1, 1)
        self.column.addLayout(verdicts)
        self.reason = QLineEdit()
        self.reason.setPlaceholderText("Why? Enter sends it back")
        self.reason.setToolTip("What should be changed; Enter alone sends back without a reason")
        self.reason.returnPressed.connect(self._send_back)
        self.reason.hide()
        self.column.addWidget(self.reason)
        self.swaps = SwapProposals(view_state)
        self.column.addWidget(self.swaps)
        self._make_queue(actions)
        view_state.state_changed.connect(self._on_state_changed)
        view_state.selection_changed.connect(lambda _: self._say_verdict())
        view_state.clip_id_changed.connect(lambda _: self.reason.hide())
        self._on_state_changed(None)

    def _make_queue(self, actions: dict[str, QAction]) -> None:
        self._count = section("Suspicious frames")
        self.column.addWidget(self._count)
        self._issue = ChoiceBox()
        self._issue.addItem(_EVERYTHING)
        self._issue.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._issue.setToolTip("Show one kind of finding only")
        self._issue.currentTextChanged.connect(lambda _: self._refresh_list())
        self._hide_reviewed = QCheckBox("Hide reviewed")
        self._hide_reviewed.setChecked(True)
        self._hide_reviewed.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._hide_reviewed.toggled.connect(lambda _: self._refresh_list())
        self._worst_first = QCheckBox("Worst first")
        self._worst_first.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._worst_first.setToolTip(
            "The frames whose bodies are believed to be furthest off come first; N follows the list"
        )
        self._worst_first.toggled.connect(lambda _: self._refresh_list())
        self._issue.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._issue.setMinimumContentsLength(8)
        self.column.addWidget(self._issue)
        self.column.addLayout(row(self._hide_reviewed, self._worst_first, None))
        self._list = _list()
        self._list.itemClicked.connect(lambda item: self._go(self._row_of(item)))
        self._list.itemDoubleClicked.connect(lambda item: self._select(self._row_of(item)))
        self.column.addWidget(self._list, 1)
        self._nothing = label("", "muted")
        self.column.addWidget(self._nothing)
        self.column.addStretch(0)

    # -- verdicts -------------------------------------------------------------------------------

    def ask_reason(self) -> None:
        """Open the field for the reason of sending back; Enter answers it."""
        self.reason.clear()
        self.reason.show()
        self.ensureWidgetVisible(self.reason)
        self.reason.setFocus()

    def escape(self) -> bool:
        """Close the field for the reason; False when it is not open."""
        was_open = self.reason.isVisible()
        self.reason.hide()
        return was_open

    def _send_back(self) -> None:
        self.reason.hide()
        self.sent_back.emit(self.reason.text().strip())

    def _say_verdict(self) -> None:
        self._verdict.setText(_verdict_text(self._view_state.state, self._view_state.frame_count))

    # -- the queue ------------------------------------------------------------------------------

    def step(self, direction: int) -> None:
        """Go to the next (1) or previous (-1) suspicious frame without a verdict."""
        state = self._view_state.state
        waiting = unreviewed(state, self._found) if state is not None else ()
        if self._worst_first.isChecked():
            self._step_in_list(direction, waiting)
            return
        here = self._view_state.frame
        frames = sorted({s.worst for s in waiting})
        onward = [f for f in frames if (f > here if direction > 0 else f < here)]
        if onward:
            self._go_to(onward[0] if direction > 0 else onward[-1], waiting)
        elif frames:
            self._go_to(frames[0] if direction > 0 else frames[-1], waiting)
        else:
            self.hinted.emit(NOTHING_LEFT)

    def _step_in_list(self, direction: int, waiting: tuple[Suspicion, ...]) -> None:
        """The row after (1) or before (-1) the chosen one that waits, whatever its frame."""
        rows = [s for s in self._shown if s in waiting]
        if not rows:
            self.hinted.emit(NOTHING_LEFT)
            return
        current = self._list.indexOfTopLevelItem(self._list.currentItem())
        chosen = self._shown[current] if current >= 0 else None
        first = 0 if direction > 0 else len(rows) - 1
        at = (rows.index(chosen) + direction) % len(rows) if chosen in rows else first
        self._show(rows[at])

    def _go_to(self, frame: int, waiting: tuple[Suspicion, ...]) -> None:
        self._show(max((s for s in waiting if s.worst == frame), key=lambda s: s.score))

    def _show(self, here: Suspicion) -> None:
        self._go(here)
        if here in self._shown:
            self._list.setCurrentItem(self._list.topLevelItem(self._shown.index(here)))
        else:  # the filter hides it: no other row is what is shown
            self._list.setCurrentIndex(QModelIndex())

    def _on_state_changed(self, changes: Changes | None) -> None:
        if changes is not None and not changes.parts & _INPUTS:
            return
        state = self._view_state.state
        self._found = suspicions(state) if state is not None else ()
        self._say_verdict()
        self._refresh_issues()
        self._refresh_list()

    def _refresh_issues(self) -> None:
        issues = [_EVERYTHING, *sorted({s.issue for s in self._found})]
        if issues == [self._issue.itemText(i) for i in range(self._issue.count())]:
            return
        chosen = self._issue.currentText()
        self._issue.blockSignals(True)
        self._issue.clear()
        self._issue.addItems(issues)
        self._issue.setCurrentText(chosen if chosen in issues else _EVERYTHING)
        self._issue.blockSignals(False)

    def _refresh_list(self) -> None:
        state = self._view_state.state
        waiting = unreviewed(state, self._found) if state is not None else ()
        shown = waiting if self._hide_reviewed.isChecked() else self._found
        issue = self._issue.currentText()
        chosen = [s for s in shown if issue in (_EVERYTHING, s.issue)]
        if state is not None and self._worst_first.isChecked():
            chosen = list(worst_first(state, chosen))
        self._shown = tuple(chosen)
        self._list.clear()
        if state is not None:
            self._list.addTopLevelItems([_item(state, s, s not in waiting) for s in self._shown])
        self._list.setVisible(bool(self._shown))
        self._count.setText(f"SUSPICIOUS FRAMES · {len(waiting)} TO LOOK AT")
        self._nothing.setVisible(not self._shown)
        self._nothing.setText(
            "Nothing looks suspicious." if state is not None and state.motion is not None
            else "Findings appear after the first fit."
        )  # fmt: skip

    def _row_of(self, item: QTreeWidgetItem) -> Suspicion:
        return self._shown[self._list.indexOfTopLevelItem(item)]

    def _go(self, suspicion: Suspicion) -> None:
        self._view_state.playing = False
        self._view_state.frame = suspicion.worst
        self.hinted.emit(suspicion.reason)

    def _select(self, suspicion: Suspicion) -> None:
        self._view_state.selection = suspicion.frames


def _verdict_text(state: ClipState | None, frame_count: int) -> str:
    if state is None or not state.reviews:
        return "No verdict yet."
    spoken = []
    for mark in state.reviews[-4:]:
        whole = len(mark.frames) >= frame_count
        where = "The whole clip" if whole else ranges.spoken(mark.frames).capitalize()
        reason = f": {mark.reason}" if mark.reason else ""
        spoken.append(f"{where} — {mark.verdict}{reason}")
    return "\n".join(spoken)


def _item(state: ClipState, suspicion: Suspicion, reviewed: bool) -> QTreeWidgetItem:
    strength = "strong" if suspicion.score >= 2 else "clear" if suspicion.score >= 1.3 else "slight"
    frames = suspicion.frames
    where = f"{frames.start}" if len(frames) == 1 else f"{frames.start}–{frames.stop - 1}"
    brief, tip = f"{suspicion.issue}\n{suspicion.brief}", f"{suspicion.reason} ({strength})"
    off = ranking(state, suspicion)[0]
    if off > 0:
        brief += f" · about {100 * off:.0f} cm off"
        tip += f" {error_words(off, _names(state, suspicion))}"
    item = QTreeWidgetItem([where, brief, "✓" if reviewed else ""])
    item.setToolTip(1, f"{tip} A double-click selects these frames.")
    item.setTextAlignment(0, Qt.AlignmentFlag.AlignTop)
    return item


def _names(state: ClipState, suspicion: Suspicion) -> list[str]:
    everybody = [identity.name for identity in state.identities]
    return everybody if suspicion.person is None else [everybody[suspicion.person]]


class _List(QTreeWidget):
    """Takes the room that is left, and scrolls itself: the panel then need not scroll as well, and
    the row of the frame that is shown stays in sight."""

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), LEAST_LIST)


def _list() -> QTreeWidget:
    made = _List()
    made.setColumnCount(3)
    made.setHeaderHidden(True)
    made.setRootIsDecorated(False)
    made.setMinimumHeight(LEAST_LIST)
    made.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    header = made.header()
    header.setStretchLastSection(False)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
    header.setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)
    return made
