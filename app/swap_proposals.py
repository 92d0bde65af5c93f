"""Where a fit thinks that two people are exchanged: look, swap them, or say they are not."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QTreeWidgetItem, QVBoxLayout

from annotations.records import Changes, ClipState
from app.frame_evidence import identity
from app.panel import plain_button, row, section
from app.theme import theme
from app.two_line_list import TwoLineList
from app.view_state import ViewState
from engine.structures import SwapProposal

ROW_HEIGHT, MOST_ROWS = 42, 3


class SwapProposals(QFrame):
    """Takes no room while there is nothing to propose."""

    accepted = Signal(object)
    """SwapProposal."""
    turned_down = Signal(object)
    """SwapProposal."""

    def __init__(self, view_state: ViewState) -> None:
        super().__init__()
        self._view_state = view_state
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, theme().tokens.space_2)
        column.setSpacing(theme().tokens.space_2)
        self._title = section("")
        self._title.setToolTip("The fit finds these people more likely the other way round")
        column.addWidget(self._title)
        self._list = TwoLineList()
        self._list.itemClicked.connect(lambda _: self._go())
        self._list.itemDoubleClicked.connect(lambda _: self._select())
        column.addWidget(self._list)
        self._accept = plain_button("Swap them", "Exchange the two people in these frames")
        self._accept.clicked.connect(lambda: self._answer(self.accepted))
        self._refuse = plain_button(
            "They are right", "Nobody is exchanged here; do not propose it again"
        )
        self._refuse.clicked.connect(lambda: self._answer(self.turned_down))
        answers = row()
        for button in (self._accept, self._refuse):
            answers.addWidget(button, 1)
        column.addLayout(answers)
        view_state.state_changed.connect(self._on_state_changed)
        self._on_state_changed(None)

    def _proposals(self) -> tuple[SwapProposal, ...]:
        state = self._view_state.state
        return state.open_swaps if state is not None else ()

    def _chosen(self) -> SwapProposal | None:
        index = self._list.indexOfTopLevelItem(self._list.currentItem())
        proposals = self._proposals()
        return proposals[index] if 0 <= index < len(proposals) else None

    def _on_state_changed(self, _: Changes | None) -> None:
        state, proposals = self._view_state.state, self._proposals()
        self._list.clear()
        if state is not None:
            self._list.addTopLevelItems([_item(state, proposal) for proposal in proposals])
        self._list.setCurrentItem(self._list.topLevelItem(0))
        self._list.setFixedHeight(ROW_HEIGHT * min(len(proposals), MOST_ROWS) + 4)
        self._title.setText(f"POSSIBLY SWAPPED · {len(proposals)}")
        self.setVisible(bool(proposals))

    def _go(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self._view_state.playing = False
            self._view_state.frame = chosen.frames.start

    def _select(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self._view_state.selection = chosen.frames

    def _answer(self, signal: Signal) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self._go()
            signal.emit(chosen)  # type: ignore[attr-defined]


def _item(state: ClipState, proposal: SwapProposal) -> QTreeWidgetItem:
    frames = proposal.frames
    where = f"{frames.start}" if len(frames) == 1 else f"{frames.start}–{frames.stop - 1}"
    a, b = (identity(state, person).name for person in (proposal.person_a, proposal.person_b))
    costs = f"cost {proposal.cost_before:.0f} → {proposal.cost_after:.0f} if swapped"
    item = QTreeWidgetItem([where, f"{a} ↔ {b}\n{costs}"])
    item.setToolTip(
        1, "What the identities cost as they are, and exchanged: the larger the drop the surer. "
        "A double-click selects these frames.",
    )  # fmt: skip
    item.setTextAlignment(0, Qt.AlignmentFlag.AlignTop)
    return item
