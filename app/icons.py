"""Icons by meaning, drawn from the Phosphor font that qtawesome carries (MIT licence).

An icon is painted in the theme's text colour at the moment it is painted, so it follows a change
of theme by itself. The font is read when the first icon is painted, not when the window starts;
qtawesome itself, which would load every font it has, is not imported.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QIconEngine, QPainter, QPixmap

from app.theme import theme

GLYPHS = {
    "accept": "check-circle",
    "add": "plus",
    "before": "circle-half",
    "box": "bounding-box",
    "cancel": "x",
    "choose": "caret-down",
    "clip": "film-strip",
    "clock": "clock",
    "contact": "link",
    "delete": "trash",
    "depth": "stack",
    "detect": "crosshair",
    "discard": "x",
    "distrust": "thumbs-down",
    "export": "export",
    "first": "skip-back",
    "fit": "sparkle",
    "fit-view": "frame-corners",
    "freeze": "snowflake",
    "front": "frame-corners",
    "help": "question",
    "history": "clock-counter-clockwise",
    "import": "file-plus",
    "info": "info",
    "keep": "check",
    "last": "skip-forward",
    "mask": "paint-brush",
    "more": "caret-double-right",
    "new": "plus",
    "next-suspicious": "warning-circle",
    "no-contact": "link-break",
    "open": "folder-open",
    "overlays": "eye",
    "overlays-hidden": "eye-slash",
    "palette": "command",
    "pause": "pause",
    "people": "users",
    "person": "user",
    "play": "play",
    "pose": "person-simple",
    "preferences": "gear",
    "redo": "arrow-u-up-right",
    "refit": "arrows-clockwise",
    "ruler": "ruler",
    "see-through": "intersect",
    "select": "cursor",
    "send-back": "arrow-bend-up-left",
    "side": "cube",
    "split": "git-branch",
    "step-back": "caret-left",
    "step-forward": "caret-right",
    "stop": "stop",
    "swap": "swap",
    "top": "arrow-fat-line-down",
    "trust": "thumbs-up",
    "undo": "arrow-u-up-left",
    "unusable": "prohibit",
    "warning": "warning",
}
"""What an icon means in Dyad -> its Phosphor glyph."""


@cache
def icon(name: str, color: str | None = None) -> QIcon:
    """The icon of that meaning; `color` is a token's name ("danger") or #rrggbb.

    Raises ValueError for a name that is not in `GLYPHS`.
    """
    if name not in GLYPHS:
        raise ValueError(f"unknown icon; expected one of {', '.join(GLYPHS)}, received {name!r}")
    return QIcon(_GlyphEngine(name, color))


def paint_icon(painter: QPainter, rect: QRectF, name: str, color: QColor) -> None:
    """Draw an icon's glyph in the middle of a rectangle, as large as its smaller side."""
    font = QFont(_family())
    font.setPixelSize(max(1, round(min(rect.width(), rect.height()))))
    painter.save()
    painter.setFont(font)
    painter.setPen(color)
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, _character(name))
    painter.restore()


def _fonts() -> Path:
    spec = find_spec("qtawesome")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("qtawesome is not installed; run `python3 main.py doctor`")
    return Path(spec.submodule_search_locations[0]) / "fonts"


@cache
def _family() -> str:
    file = next(_fonts().glob("phosphor-*.ttf"))
    return QFontDatabase.applicationFontFamilies(QFontDatabase.addApplicationFont(str(file)))[0]


@cache
def _codepoints() -> dict[str, str]:
    return json.loads(next(_fonts().glob("phosphor-charmap-*.json")).read_text())


def _character(name: str) -> str:
    return chr(int(_codepoints()[GLYPHS[name]], 16))


class _GlyphEngine(QIconEngine):
    def __init__(self, name: str, color: str | None) -> None:
        super().__init__()
        self._name = name
        self._color = color

    def _ink(self, mode: QIcon.Mode) -> QColor:
        tokens = theme().tokens
        if mode == QIcon.Mode.Disabled:
            return QColor(tokens.text_disabled)
        if mode == QIcon.Mode.Selected:
            return QColor(tokens.accent_text)
        return QColor(getattr(tokens, self._color or "text", self._color))

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        paint_icon(painter, QRectF(rect), self._name, self._ink(mode))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return pixmap

    def clone(self) -> QIconEngine:
        return _GlyphEngine(self._name, self._color)
