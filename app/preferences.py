"""What the user prefers, kept between sessions, and the dialog to change it."""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from app.choice_box import ChoiceBox
from app.panel import label
from app.part_choices import PartChoices
from app.proxy_cache import CACHE_GIGABYTES
from app.theme import Scheme
from engine.config import Device
from engine.perception.plugins import Kind
from engine.perception.request import BUILT_IN, PerceptionParts

_SCHEMES: tuple[tuple[str, Scheme], ...] = (
    ("Like the system", "system"),
    ("Light", "light"),
    ("Dark", "dark"),
)
_DEVICES: tuple[tuple[str, Device], ...] = (
    ("The processor", "cpu"),
    ("A GPU (CUDA)", "cuda"),
    ("A GPU where there is one", "auto"),
)
_RECENT = 8
MOST_GIGABYTES = 1000.0


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _key_of(project: Path) -> str:
    """A path as a key of the settings, where "/" would open a group."""
    return hashlib.sha256(str(project).encode()).hexdigest()[:16]


class Preferences:
    """Typed access to the settings; a value that makes no sense counts as not set."""

    def __init__(self, settings: QSettings | None = None) -> None:
        self._settings = settings or QSettings("Dyad", "Dyad")

    @property
    def scheme(self) -> Scheme:
        value = self._settings.value("scheme", "system")
        return next((scheme for _, scheme in _SCHEMES if scheme == value), "system")

    @scheme.setter
    def scheme(self, scheme: Scheme) -> None:
        self._settings.setValue("scheme", scheme)

    @property
    def author(self) -> str:
        """Who signs edits and reviews."""
        return str(self._settings.value("author", "")) or _user_name()

    @author.setter
    def author(self, author: str) -> None:
        self._settings.setValue("author", author.strip())

    @property
    def fit_after_detection(self) -> bool:
        return bool(self._settings.value("fit_after_detection", True, type=bool))

    @fit_after_detection.setter
    def fit_after_detection(self, fit: bool) -> None:
        self._settings.setValue("fit_after_detection", fit)

    @property
    def appearance(self) -> bool:
        """Whether fits compare the pictures too."""
        return bool(self._settings.value("appearance", False, type=bool))

    @appearance.setter
    def appearance(self, is_on: bool) -> None:
        self._settings.setValue("appearance", is_on)

    @property
    def device(self) -> Device:
        """What fits compute on."""
        value = self._settings.value("device", "cpu")
        return next((device for _, device in _DEVICES if device == value), "cpu")

    @device.setter
    def device(self, device: Device) -> None:
        self._settings.setValue("device", device)

    @property
    def loop(self) -> bool:
        return bool(self._settings.value("loop", True, type=bool))

    @loop.setter
    def loop(self, loop: bool) -> None:
        self._settings.setValue("loop", loop)

    @property
    def cache_gigabytes(self) -> float:
        """Most that the proxies beside a project may take; 0 for none."""
        try:
            value = float(str(self._settings.value("cache_gigabytes", CACHE_GIGABYTES)))
        except ValueError:
            return CACHE_GIGABYTES
        return value if 0 <= value <= MOST_GIGABYTES else CACHE_GIGABYTES

    @cache_gigabytes.setter
    def cache_gigabytes(self, gigabytes: float) -> None:
        self._settings.setValue("cache_gigabytes", gigabytes)

    @property
    def recent(self) -> tuple[Path, ...]:
        """Project files opened before, newest first, those that still exist."""
        stored = self._settings.value("recent", [])
        names = [stored] if isinstance(stored, str) else stored
        if not isinstance(names, list):
            return ()
        return tuple(path for path in map(Path, names) if path.is_file())

    def remember(self, project: Path) -> None:
        others = [path for path in self.recent if path != project]
        self._settings.setValue("recent", [str(p) for p in [project, *others][:_RECENT]])

    def part(self, kind: Kind) -> str:
        """Who does a part of the work: "dyad" or a plugin, even one that is no longer there."""
        return str(self._settings.value(f"parts/{kind}", "")) or BUILT_IN

    def keep_part(self, kind: Kind, name: str) -> None:
        self._settings.setValue(f"parts/{kind}", name)

    @property
    def parts(self) -> PerceptionParts:
        """Who detects."""
        return PerceptionParts(
            detector=self.part("detector"),
            pose_estimator=self.part("pose_estimator"),
            tracker=self.part("tracker"),
            segmenter=self.part("segmenter"),
        )

    def place(self, project: Path) -> tuple[int, int] | None:
        """(clip id, frame) where the user was in a project."""
        kept = self._settings.value(f"place/{_key_of(project)}", "")
        clip, _, frame = str(kept).partition(" ")
        return (int(clip), int(frame)) if clip.isdigit() and frame.isdigit() else None

    def keep_place(self, project: Path, clip: int, frame: int) -> None:
        """For when the project is opened again; those of projects that are not recent are
        forgotten."""
        known = {_key_of(path) for path in (project, *self.recent)}
        self._settings.beginGroup("place")
        for key in self._settings.childKeys():
            if key not in known:
                self._settings.remove(key)
        self._settings.endGroup()
        self._settings.setValue(f"place/{_key_of(project)}", f"{clip} {frame}")

    def state(self, name: str) -> QByteArray:
        """Geometry of the window and the like."""
        value = self._settings.value(f"window/{name}")
        return value if isinstance(value, QByteArray) else QByteArray()

    def keep_state(self, name: str, state: QByteArray) -> None:
        self._settings.setValue(f"window/{name}", state)

    def folder(self, purpose: str) -> str:
        """The folder last used for a purpose, "" at first."""
        return str(self._settings.value(f"folder/{purpose}", ""))

    def keep_folder(self, purpose: str, path: Path) -> None:
        self._settings.setValue(f"folder/{purpose}", str(path if path.is_dir() else path.parent))


def _choice(choices: Sequence[tuple[str, str]], chosen: str) -> QComboBox:
    box = ChoiceBox()
    for text, value in choices:
        box.addItem(text, value)
    box.setCurrentIndex(box.findData(chosen))
    return box


class PreferencesDialog(QDialog):
    """Changes take effect when it is accepted."""

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Preferences")
        self._preferences = preferences
        self._scheme = _choice(_SCHEMES, preferences.scheme)
        self._device = _choice(_DEVICES, preferences.device)
        self._author = QLineEdit(preferences.author)
        self._fit = QCheckBox("Fit the bodies as soon as the people are found")
        self._fit.setChecked(preferences.fit_after_detection)
        self._loop = QCheckBox("Start over at the end when playing")
        self._loop.setChecked(preferences.loop)
        self._parts = PartChoices(preferences)
        self._cache = QDoubleSpinBox()
        self._cache.setRange(0, MOST_GIGABYTES)
        self._cache.setDecimals(1)
        self._cache.setSuffix(" GB")
        self._cache.setSpecialValueText("Off")
        self._cache.setValue(preferences.cache_gigabytes)
        form = QFormLayout()
        form.setSpacing(12)
        form.addRow("Colours", self._scheme)
        form.addRow("Your name", self._author)
        form.addRow("", label("Signs your edits and reviews in the project.", "muted"))
        form.addRow("After an import", self._fit)
        form.addRow("Playing", self._loop)
        form.addRow("Fits run on", self._device)
        self._parts.add_to(form)
        form.addRow("Scrubbing cache", self._cache)
        form.addRow("", label("Beside each project; it may be deleted at any time.", "muted"))
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        for button in buttons.buttons():
            button.setIcon(QIcon())
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 20, 20, 20)
        column.setSpacing(16)
        column.addLayout(form)
        column.addWidget(buttons)
        self.setMinimumWidth(440)

    def accept(self) -> None:
        self._preferences.scheme = self._scheme.currentData()
        self._preferences.device = self._device.currentData()
        self._preferences.author = self._author.text()
        self._preferences.fit_after_detection = self._fit.isChecked()
        self._preferences.loop = self._loop.isChecked()
        self._parts.keep()
        self._preferences.cache_gigabytes = self._cache.value()
        super().accept()
