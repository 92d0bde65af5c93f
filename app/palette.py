"""The command palette: type a few letters of what you want, press Enter."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QPixmap
from PySide6.QtWidgets import QDialog, QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from app import actions

_ID = Qt.ItemDataRole.UserRole


class CommandPalette(QDialog):
    """A list of every action that can be used now, filtered while typing."""

    def __init__(self, parent: QWidget, made: Mapping[str, QAction]) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self._made = made
        self.search = QLineEdit()
        self.search.setPlaceholderText("What do you want to do?")
        self.search.setClearButtonEnabled(True)
        self.list = QTreeWidget()
        self.list.setColumnCount(2)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.addWidget(self.search)
        column.addWidget(self.list)
        self.search.textChanged.connect(self._filter)
        self.search.returnPressed.connect(self._run)
        self.list.itemClicked.connect(lambda _: self._run())
        self.search.installEventFilter(self)
        self._filter("")
        self._place(parent)

    def _place(self, parent: QWidget) -> None:
        width = min(560, parent.width() - 80)
        self.resize(width, min(420, parent.height() - 120))
        self.list.setColumnWidth(0, width - 150)
        corner = parent.mapToGlobal(parent.rect().topLeft())
        self.move(corner.x() + (parent.width() - width) // 2, corner.y() + 80)
        self.search.setFocus()

    def _filter(self, typed: str) -> None:
        self.list.clear()
        blank = QPixmap(16, 16)
        blank.fill(Qt.GlobalColor.transparent)
        for spec in matching(typed):
            action = self._made[spec.id]
            if not action.isEnabled() or spec.id == "palette" or spec.is_held:
                continue
            item = QTreeWidgetItem([spec.text.rstrip("…"), actions.key_text(spec)])
            item.setIcon(0, action.icon() if spec.icon else blank)
            item.setData(0, _ID, spec.id)
            item.setToolTip(0, spec.tip)
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.list.addTopLevelItem(item)
        self.list.setCurrentItem(self.list.topLevelItem(0))

    def _run(self) -> None:
        item = self.list.currentItem()
        self.accept()
        if item is not None:
            self._made[item.data(0, _ID)].trigger()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Up and down move in the list while the text field keeps the focus."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}
            step = steps.get(Qt.Key(event.key()))
            if step is not None and self.list.topLevelItemCount():
                row = self.list.indexOfTopLevelItem(self.list.currentItem()) + step
                row %= self.list.topLevelItemCount()
                self.list.setCurrentItem(self.list.topLevelItem(row))
                return True
        return super().eventFilter(watched, event)


def matching(typed: str) -> list[actions.ActionSpec]:
    """Actions that contain every typed word, best first: in the name before in the tip."""
    words = typed.lower().split()
    found = []
    for order, spec in enumerate(actions.ACTIONS):
        name, text = spec.text.lower(), f"{spec.text} {spec.tip} {spec.menu}".lower()
        if all(word in text for word in words):
            misses = sum(word not in name for word in words)
            starts = 0 if words and name.startswith(words[0]) else 1
            found.append(((misses, starts, order), spec))
    return [spec for _, spec in sorted(found, key=lambda pair: pair[0])]
