"""The page of keys, made from the table of actions."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QIcon, QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from app import actions
from app.arrangement import FRAME
from app.theme import theme

_MOUSE = (
    ("Video", "Drag a joint", "correct it; right-click hides it, or shows it again"),
    ("Video", "Right-click a person", "who it is, somebody else, nobody; Shift on a joint too"),
    ("Video", "Click a dashed skeleton", "choose somebody else; Ctrl+1 or Ctrl+2 says who it is"),
    ("Box tool", "Drag", "draw a box, or take one by a corner, an edge, its inside"),
    ("Box tool", "Shift+drag", "draw a new box also over an old one"),
    ("Box tool", "Alt+arrow keys", "move a box, with Shift its corner; let go of Alt to keep it"),
    ("Mask tool", "Drag, Ctrl+drag or right drag", "add to the mask, erase from it"),
    ("Mask tool", "Ctrl+wheel", "size of the brush"),
    ("Video", "Wheel, middle drag", "zoom, pan"),
    ("3D", "Drag, wheel, middle drag", "orbit, zoom, pan"),
    ("Timeline", "Shift+drag", "select frames"),
    ("Timeline", "Ctrl+wheel, wheel", "zoom, scroll"),
    ("Timeline", "Drag an interval's end", "change when a contact begins or ends"),
)


SIZE = QSize(640, 640)


class HelpDialog(QDialog):
    """All keys, grouped as in the menus."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys and help")
        self.resize(SIZE.boundedTo(self.screen().availableSize() - FRAME))
        page = QTextBrowser()
        page.setHtml(help_html())
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.buttons()[0].setIcon(QIcon())
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(page)
        column.addWidget(buttons)


def help_html() -> str:
    """The whole page as HTML."""
    tokens = theme().tokens
    parts = [
        "<h2>How it goes</h2>"
        "<p>Import a video: Dyad finds the two people and fits a body to each. "
        "<b>N</b> goes to what looks wrong. <b>S</b> swaps people who were mixed up, a dragged "
        "joint corrects the evidence, <b>Q</b> draws a box, <b>M</b> paints a mask, and "
        "<b>Ctrl+D</b> detects again with all of that. <b>C</b> marks a contact with two clicks. "
        "<b>E</b> fits the touched frames again: hold <b>B</b> to compare, <b>Enter</b> keeps. "
        "<b>A</b> accepts, <b>R</b> sends back. Everything is saved at once and can be undone.</p>"
    ]
    menus = dict.fromkeys(spec.menu for spec in actions.ACTIONS)
    for menu in menus:
        rows = [s for s in actions.ACTIONS if s.menu == menu and s.keys]
        parts.append(_table(menu, [(_keys(spec), _what(spec)) for spec in rows]))
    parts.append(_table("Mouse", [(f"{where}: {how}", what) for where, how, what in _MOUSE]))
    style = f"td {{ padding: 3px 14px 3px 0; }} .k {{ color: {tokens.accent}; }}"
    return f"<style>{style}</style>" + "".join(parts)


def _table(title: str, rows: list[tuple[str, str]]) -> str:
    lines = (f"<tr><td class='k'><b>{keys}</b></td><td>{what}</td></tr>" for keys, what in rows)
    return f"<h3>{title}</h3><table>{''.join(lines)}</table>"


def _keys(spec: actions.ActionSpec) -> str:
    shown = (
        QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in spec.keys
    )
    prefix = "hold " if spec.is_held else ""
    return prefix + ", ".join(shown)


def _what(spec: actions.ActionSpec) -> str:
    where = "" if spec.scope == "everywhere" else f" (in the {spec.scope})"
    return (spec.tip or spec.text) + where
