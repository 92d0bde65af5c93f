"""Contacts: which region of one person touches which region of the other, and when."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem

from annotations.records import Changes, ClipState
from app.panel import ActionButton, Panel, label, plain_button, row
from app.view_state import ViewState
from engine.structures import ContactKind, ContactLabel

_KINDS = {"contact": "touch", "no_contact": "do not touch"}


class ContactPanel(Panel):
    """The list of contacts; the selected one is the selected one of the timeline too."""

    title = "Contacts"
    changed = Signal(int, object)
    """Index and the new ContactLabel."""
    removed = Signal(int)

    def __init__(self, view_state: ViewState, actions: dict[str, QAction]) -> None:
        super().__init__()
        self._view_state = view_state
        self.column.addLayout(
            row(ActionButton(actions["tool_contact"], "primary", "Mark a contact"), None)
        )
        self._empty = label(
            "No contact yet. Press C, click a region on one body, then the region it touches on "
            "the other, and drag the ends of the interval on the timeline.",
            "muted",
        )
        self.column.addWidget(self._empty)
        self._list = _list()
        self._list.currentItemChanged.connect(self._on_row_chosen)
        self._list.itemDoubleClicked.connect(self._go_to_start)
        self.column.addWidget(self._list, 1)
        self._kind = plain_button("", "Change between “touch” and “do not touch”")
        self._kind.clicked.connect(self._flip_kind)
        self._remove = plain_button("Remove", "Remove this contact (Delete)")
        self._remove.clicked.connect(self._remove_selected)
        self.column.addLayout(row(self._kind, None, self._remove))
        view_state.state_changed.connect(self._on_state_changed)
        view_state.selected_contact_changed.connect(self._on_selected_contact_changed)
        self._on_state_changed(None)

    def _contacts(self) -> tuple[ContactLabel, ...]:
        state = self._view_state.state
        return state.constraints.contacts if state is not None else ()

    def _on_state_changed(self, changes: Changes | None) -> None:
        if changes is not None and not changes.parts & {"constraints", "identities"}:
            return
        state = self._view_state.state
        self._list.blockSignals(True)
        self._list.clear()
        if state is not None:
            self._list.addTopLevelItems([_item(state, c) for c in self._contacts()])
        self._list.blockSignals(False)
        self._empty.setVisible(not self._contacts())
        self._list.setVisible(bool(self._contacts()))
        self._on_selected_contact_changed(None)

    def _on_selected_contact_changed(self, _: object) -> None:
        index = self._view_state.selected_contact
        contacts = self._contacts()
        chosen = index is not None and index < len(contacts)
        self._kind.setVisible(chosen)
        self._remove.setVisible(chosen)
        self._list.blockSignals(True)
        self._list.clearSelection()
        self._list.setCurrentIndex(QModelIndex())
        if index is not None and chosen:
            self._list.setCurrentItem(self._list.topLevelItem(index))
        self._list.blockSignals(False)
        if index is not None and chosen:
            touches = contacts[index].kind == "contact"
            self._kind.setText("Say they do not touch" if touches else "Say they touch")

    def _on_row_chosen(self, item: QTreeWidgetItem | None, _: object = None) -> None:
        if item is not None:
            self._view_state.selected_contact = self._list.indexOfTopLevelItem(item)

    def _go_to_start(self, item: QTreeWidgetItem) -> None:
        self._view_state.frame = self._contacts()[self._list.indexOfTopLevelItem(item)].frames.start

    def _flip_kind(self) -> None:
        index = self._view_state.selected_contact
        if index is not None:
            contact = self._contacts()[index]
            kind: ContactKind = "no_contact" if contact.kind == "contact" else "contact"
            self.changed.emit(index, replace(contact, kind=kind))

    def _remove_selected(self) -> None:
        if self._view_state.selected_contact is not None:
            self.removed.emit(self._view_state.selected_contact)


def spoken_region(name: str) -> str:
    """A region's name in words: "left_forearm_front" is "left forearm front"."""
    return name.replace("_", " ")


def spoken_contact(state: ClipState, contact: ContactLabel) -> str:
    names = [identity.name for identity in state.identities]
    return (
        f"{names[contact.person_a]}: {spoken_region(contact.region_a)}\n"
        f"{names[contact.person_b]}: {spoken_region(contact.region_b)}"
    )


def _item(state: ClipState, contact: ContactLabel) -> QTreeWidgetItem:
    frames = f"{contact.frames.start}–{contact.frames.stop - 1}"
    item = QTreeWidgetItem([spoken_contact(state, contact), frames])
    item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    if contact.kind == "no_contact":
        item.setText(1, f"{frames}\n{_KINDS[contact.kind]}")
    item.setToolTip(0, f"Frames {frames}: they {_KINDS[contact.kind]}. Double-click goes there.")
    return item


def _list() -> QTreeWidget:
    made = QTreeWidget()
    made.setColumnCount(2)
    made.setHeaderLabels(["Regions", "Frames"])
    made.setRootIsDecorated(False)
    made.setUniformRowHeights(False)
    made.setWordWrap(True)
    made.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    made.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
    made.header().setStretchLastSection(False)
    return made
