"""Choosing who does a part of the work, where plugins are installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QComboBox, QFormLayout

from app.choice_box import ChoiceBox
from app.panel import label
from engine.perception.plugins import GROUPS, Kind, PluginInfo, available, spoken
from engine.perception.request import BUILT_IN

if TYPE_CHECKING:
    from app.preferences import Preferences


class PartChoices:
    """A box for each kind of part that leaves a choice. Asks what is installed, imports none."""

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences
        self._boxes: dict[Kind, QComboBox] = {}
        for kind in GROUPS:
            installed, chosen = available(kind), preferences.part(kind)
            if installed or chosen != BUILT_IN:
                self._boxes[kind] = _box(installed, chosen)

    def add_to(self, form: QFormLayout) -> None:
        """A row for each; nothing where there is no plugin."""
        for kind, box in self._boxes.items():
            form.addRow(spoken(kind).capitalize(), box)
        if self._boxes:
            form.addRow("", label("Plugins run with all your rights.", "muted"))

    def keep(self) -> None:
        for kind, box in self._boxes.items():
            self._preferences.keep_part(kind, box.currentData())


def _box(installed: tuple[PluginInfo, ...], chosen: str) -> QComboBox:
    box = ChoiceBox()
    box.addItem("Dyad's own", BUILT_IN)
    for info in installed:
        box.addItem(f"{info.name} ({info.source})", info.name)
    if box.findData(chosen) < 0:
        box.addItem(f"{chosen} (not installed)", chosen)
    box.setCurrentIndex(box.findData(chosen))
    return box
