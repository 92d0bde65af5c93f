"""How Dyad looks: light and dark, following the system's colour scheme while the window runs.

Views paint with `theme().tokens` and repaint on `theme().changed`; widgets take the palette and
the style sheet.
"""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from app.stylesheet import stylesheet
from app.tokens import DARK, LIGHT, PERSON_COLORS, Tokens

__all__ = ["DARK", "LIGHT", "PERSON_COLORS", "Scheme", "Theme", "Tokens", "palette", "theme"]

Scheme = Literal["system", "light", "dark"]


def with_alpha(color: str, alpha: float) -> QColor:
    """The colour at an opacity of 0..1."""
    made = QColor(color)
    made.setAlphaF(alpha)
    return made


def palette(tokens: Tokens) -> QPalette:
    """Qt's palette, for what the style sheet leaves to the Fusion style."""
    made = QPalette()
    role = QPalette.ColorRole
    for name, color in {
        role.Window: tokens.surface, role.WindowText: tokens.text,
        role.Base: tokens.raised, role.AlternateBase: tokens.surface, role.Text: tokens.text,
        role.Button: tokens.raised, role.ButtonText: tokens.text, role.BrightText: tokens.danger,
        role.Highlight: tokens.accent, role.HighlightedText: tokens.accent_text,
        role.ToolTipBase: tokens.raised, role.ToolTipText: tokens.text,
        role.PlaceholderText: tokens.text_muted, role.Link: tokens.accent,
        role.Light: tokens.hover, role.Midlight: tokens.hover, role.Mid: tokens.border,
        role.Dark: tokens.border, role.Shadow: tokens.window, role.Accent: tokens.accent,
    }.items():  # fmt: skip
        made.setColor(name, QColor(color))
    for name in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, name, QColor(tokens.text_disabled))
    return made


class Theme(QObject):
    """The tokens in use. Dresses the application and follows the system's colour scheme."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._scheme: Scheme = "system"
        hints = QGuiApplication.styleHints()
        self.tokens = self._wanted_tokens()
        hints.colorSchemeChanged.connect(self._on_color_scheme_changed)

    @property
    def scheme(self) -> Scheme:
        """What the user asked for; "system" follows the desktop."""
        return self._scheme

    @scheme.setter
    def scheme(self, scheme: Scheme) -> None:
        if scheme not in ("system", "light", "dark"):
            raise ValueError(f"expected system, light or dark, received {scheme!r}")
        self._scheme = scheme
        self._refresh()

    def dress(self, application: QApplication) -> None:
        """Give the whole application this look."""
        application.setStyle(QStyleFactory.create("Fusion"))
        application.setPalette(palette(self.tokens))
        application.setStyleSheet(stylesheet(self.tokens))

    def _wanted_tokens(self) -> Tokens:
        if self._scheme == "system":
            scheme = QGuiApplication.styleHints().colorScheme()
            return LIGHT if scheme == Qt.ColorScheme.Light else DARK
        return LIGHT if self._scheme == "light" else DARK

    def _on_color_scheme_changed(self) -> None:
        self._refresh()

    def _refresh(self) -> None:
        wanted = self._wanted_tokens()
        if wanted is self.tokens:
            return
        self.tokens = wanted
        application = QApplication.instance()
        if isinstance(application, QApplication):
            self.dress(application)
        self.changed.emit()


_theme: Theme | None = None


def theme() -> Theme:
    """The application's theme, made at first use (a QApplication must exist)."""
    global _theme
    if _theme is None:
        _theme = Theme()
    return _theme
