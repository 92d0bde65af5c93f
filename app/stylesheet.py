"""The one style sheet, built from the design tokens.

Check boxes and sliders are left to the Fusion style and the palette: it draws ticks sharply at any
scale. Combo boxes draw their arrows themselves (`app.choice_box`).
"""

from __future__ import annotations

from dataclasses import asdict
from string import Template

from app.tokens import Tokens, mixed

_TEMPLATE = Template("""
* { font-size: ${text_normal}px; }
QMainWindow, QDialog, QMessageBox { background: $window; }
QMainWindow::separator { background: $window; width: ${space_1}px; height: ${space_1}px; }
QMainWindow::separator:hover, QSplitter::handle:hover { background: $accent; }
QSplitter::handle { background: $window; }
QSplitter::handle:horizontal { width: ${space_1}px; }
QSplitter::handle:vertical { height: ${space_1}px; }

QLabel[role="title"] { font-size: ${text_title}px; font-weight: 600; }
QLabel[role="heading"] { font-size: ${text_large}px; font-weight: 600; }
QLabel[role="section"] { color: $text_muted; font-size: ${text_small}px; font-weight: 600; }
QLabel[role="muted"] { color: $text_muted; }
QLabel[role="warning"] { color: $warning; }
QLabel[role="danger"] { color: $danger; }
QFrame[role="card"] {
    background: $surface; border: 1px solid $border; border-radius: ${radius}px;
}
QFrame[role="card"] QLabel { background: transparent; border: none; }

QToolBar {
    background: $surface; border: none; border-bottom: 1px solid $border;
    padding: ${space_1}px ${space_2}px; spacing: ${space_1}px;
}
QToolBar::separator { background: $border; width: 1px; margin: ${space_1}px; }
QToolButton {
    background: transparent; border: 1px solid transparent; border-radius: ${radius}px;
    padding: 5px; color: $text;
}
QToolButton:hover { background: $hover; }
QToolButton:pressed { background: $pressed; }
QToolButton:checked, QToolButton[on="true"] { background: $accent_ground; border-color: $accent; }
QToolButton:focus { border-color: $accent; }
QToolButton:disabled { color: $text_disabled; }
QToolButton::menu-indicator { image: none; }
QToolButton#qt_toolbar_ext_button { padding: 0; margin: 0; width: 20px; }

QPushButton {
    background: $raised; border: 1px solid $border; border-radius: ${radius}px;
    padding: 6px ${space_3}px; color: $text; min-height: 18px;
}
QPushButton:hover { background: $hover; }
QPushButton:pressed { background: $pressed; }
QPushButton:checked, QPushButton[on="true"] {
    background: $accent_ground; border-color: $accent;
}
QPushButton:focus { border-color: $accent; }
QPushButton:disabled { color: $text_disabled; background: $surface; }
QPushButton[role="primary"] {
    background: $accent; border-color: $accent; color: $accent_text; font-weight: 600;
}
QPushButton[role="primary"]:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton[role="primary"]:disabled {
    background: $raised; border-color: $border; color: $text_disabled;
}
QPushButton[role="danger"] { color: $danger; }
QPushButton[role="segment"] { padding: 4px 2px; }

QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox {
    background: $raised; border: 1px solid $border; border-radius: ${radius_small}px;
    padding: ${space_1}px ${space_2}px; selection-background-color: $accent;
    selection-color: $accent_text;
}
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QAbstractSpinBox:focus {
    border-color: $accent;
}
QAbstractSpinBox QLineEdit { border: none; padding: 0 ${space_1}px; background: transparent; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { width: 0; border: none; }

QComboBox {
    background: $raised; border: 1px solid $border; border-radius: ${radius_small}px;
    padding: ${space_1}px ${space_2}px; color: $text; min-height: 18px;
}
QComboBox:hover { background: $hover; }
QComboBox:focus, QComboBox:on { border-color: $accent; }
QComboBox:disabled { color: $text_disabled; background: $surface; }
QComboBox::drop-down { border: none; width: 22px; }
QComboBox QAbstractItemView {
    background: $raised; border: 1px solid $border; padding: ${space_1}px;
    selection-background-color: $accent; selection-color: $accent_text;
}

QListView, QTreeView, QTableView {
    background: $surface; border: none; outline: none; color: $text;
}
QTreeView::item, QTableView::item { padding: ${space_1}px; }
QTreeView::item:hover, QTableView::item:hover { background: $hover; }
QTreeView::item:selected, QTableView::item:selected { background: $accent_ground; color: $text; }
QHeaderView::section {
    background: $surface; color: $text_muted; border: none; border-bottom: 1px solid $border;
    padding: ${space_1}px ${space_2}px;
}

QTabWidget::pane { border: none; background: $surface; }
QTabBar { background: $surface; }
QTabBar::tab {
    background: transparent; color: $text_muted; border: none;
    border-bottom: 2px solid transparent; padding: ${space_2}px ${space_3}px;
}
QTabBar::tab:hover { color: $text; }
QTabBar::tab:selected { color: $text; border-bottom-color: $accent; }
QDockWidget { color: $text_muted; font-size: ${text_small}px; }
QDockWidget::title { background: $surface; padding: ${space_2}px ${space_3}px; }
QScrollArea { background: $surface; border: none; }

QMenuBar { background: $surface; color: $text; }
QMenuBar::item { padding: ${space_1}px ${space_2}px; border-radius: ${radius_small}px; }
QMenuBar::item:selected { background: $hover; }
QMenu {
    background: $raised; border: 1px solid $border; border-radius: ${radius}px;
    padding: ${space_1}px;
}
QMenu::item { padding: 6px ${space_4}px 6px ${space_3}px; border-radius: ${radius_small}px; }
QMenu::item:selected { background: $accent; color: $accent_text; }
QMenu::item:disabled { color: $text_disabled; }
QMenu::separator { background: $border; height: 1px; margin: ${space_1}px ${space_2}px; }
QToolTip {
    background: $raised; color: $text; border: 1px solid $border; padding: ${space_1}px 6px;
}

QStatusBar { background: $surface; color: $text_muted; border-top: 1px solid $border; }
QStatusBar::item { border: none; }
QProgressBar {
    background: $raised; border: none; border-radius: 3px; height: 6px; color: transparent;
}
QProgressBar::chunk { background: $accent; border-radius: 3px; }

QScrollBar { background: transparent; border: none; }
QScrollBar:vertical { width: 10px; }
QScrollBar:horizontal { height: 10px; }
QScrollBar::handle { background: $scroll_handle; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 28px; }
QScrollBar::handle:horizontal { min-width: 28px; }
QScrollBar::handle:hover { background: $text_muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
""")


def stylesheet(tokens: Tokens) -> str:
    """The application's style sheet (QSS) in these tokens."""
    derived = {
        "accent_ground": mixed(tokens.surface, tokens.accent, 0.22),
        "accent_hover": mixed(tokens.accent, tokens.text, 0.12),
        "scroll_handle": mixed(tokens.surface, tokens.text, 0.22),
    }
    return _TEMPLATE.substitute(asdict(tokens), **derived)
