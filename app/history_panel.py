"""History: the clip's undo steps, also those of earlier sessions."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QFont
from PySide6.QtWidgets import QListWidget, QListWidgetItem

from annotations.records import RevisionRecord
from app.operations import ClipSnapshot
from app.panel import ActionButton, Panel, label, row
from app.theme import theme

_REVISION = Qt.ItemDataRole.UserRole


class HistoryPanel(Panel):
    """Newest at the top. Steps that were undone are pale; a double-click goes there."""

    title = "History"
    revision_chosen = Signal(int)

    def __init__(self, actions: dict[str, QAction]) -> None:
        super().__init__()
        self.column.addLayout(
            row(
                ActionButton(actions["undo"], text="Undo"),
                ActionButton(actions["redo"], text="Redo"),
                None,
            )
        )
        self._list = QListWidget()
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.setWordWrap(True)
        self._list.setSpacing(1)
        self._list.itemDoubleClicked.connect(
            lambda item: self.revision_chosen.emit(item.data(_REVISION))
        )
        self.column.addWidget(self._list, 1)
        self._note = label("", "muted")
        self.column.addWidget(self._note)
        self._snapshot: ClipSnapshot | None = None
        theme().changed.connect(self._refresh)
        self.take(None)

    def take(self, snapshot: ClipSnapshot | None) -> None:
        self._snapshot = snapshot
        self._refresh()

    def _refresh(self) -> None:
        self._list.clear()
        snapshot = self._snapshot
        if snapshot is None:
            self._note.setText("Every edit is saved at once and can be undone, also tomorrow.")
            return
        line = line_of(snapshot.history, snapshot.head.id)
        undone = False
        for revision in line:
            item = self._item(revision, revision.id == snapshot.head.id, undone)
            self._list.insertItem(0, item)
            undone = undone or revision.id == snapshot.head.id
        others = len(snapshot.history) - len(line)
        self._note.setText(
            f"{others} steps on abandoned branches are kept."
            if others > 1
            else "One step on an abandoned branch is kept."
        )
        self._note.setVisible(bool(others))

    def _item(self, revision: RevisionRecord, is_head: bool, undone: bool) -> QListWidgetItem:
        when = revision.created_at.astimezone().strftime("%d %b %H:%M")
        who = f" · {revision.author}" if revision.author else ""
        item = QListWidgetItem(f"{revision.label}\n{when}{who}")
        item.setData(_REVISION, revision.id)
        item.setToolTip("You are here" if is_head else "Double-click to go to this step")
        if is_head:
            font = QFont(self._list.font())
            font.setBold(True)
            item.setFont(font)
            item.setSelected(True)
        if undone:
            item.setForeground(Qt.GlobalColor.gray)
        return item


def line_of(history: tuple[RevisionRecord, ...], head: int) -> list[RevisionRecord]:
    """The steps from the root through the head on to the newest step after it."""
    by_id = {revision.id: revision for revision in history}
    line: list[RevisionRecord] = []
    current: RevisionRecord | None = by_id.get(head)
    while current is not None:
        line.insert(0, current)
        current = by_id.get(current.parent_id) if current.parent_id is not None else None
    tip = head
    while children := [r for r in history if r.parent_id == tip]:
        newest = max(children, key=lambda r: r.id)
        line.append(newest)
        tip = newest.id
    return line
