"""The dialog of an import: what was read, drawn over the video, and what can be said of it.

It shows and asks; `app.imports` reads and takes in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QImage, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.choice_box import ChoiceBox
from app.drawing import Picture
from app.panel import ColorChip, ProgressLine, label, row
from app.theme import theme
from engine.errors import InputError

if TYPE_CHECKING:
    from annotations.importers.imported import Imported
    from app.import_preview import Look

PICTURE = QSize(960, 560)
MOST_TRACKS = 40
"""Offered as a person; a file may have thousands."""
_AUTOMATIC = -1


@dataclass(frozen=True)
class Said:
    """What the user says of the file."""

    offset: int | None = None
    size: str = ""
    """As typed: WIDTHxHEIGHT, a factor, or nothing."""
    sequence: str = ""
    people: tuple[str, ...] = ()
    """Tracks of person 1, 2; empty: as found."""


class ImportDialog(QDialog):
    """Emits `asked` when something else was said, `accepted` when it is to be taken in."""

    asked = Signal(object)
    """Said: read again."""
    people_chosen = Signal(object)
    """Names of the tracks of person 1, 2: draw again."""

    def __init__(self, name: str, colors: tuple[str, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Import {name}")
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.found: Imported | None = None
        """What would be taken in now."""
        self._picture: QPixmap | None = None
        self._shown = QLabel()
        self._shown.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._shown.setProperty("role", "muted")
        self._shown.setMinimumSize(QSize(480, 280))
        self._shown.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self._summary = label()
        self._problem = label("", "danger")
        self._effect = label("", "muted")
        self._progress = ProgressLine()
        self._people = [ChoiceBox() for _ in colors]
        self._rows = [row(ColorChip(c), box) for c, box in zip(colors, self._people, strict=True)]
        self._make_fields()
        self._arrange()
        self.resize(PICTURE.width() + 40, PICTURE.height() + 300)
        self.wait()

    def _make_fields(self) -> None:
        self._offset = QSpinBox()
        self._offset.setRange(_AUTOMATIC, 10_000_000)
        self._offset.setSpecialValueText("found by itself")
        self._offset.setValue(_AUTOMATIC)
        self._offset.setToolTip("What the file calls the clip's first frame: 0, 1, or another")
        self._size = QLineEdit(placeholderText="as the video's")
        self._size.setToolTip("960x540, a factor such as 2, or 1x1 for coordinates in 0..1")
        self._sequence = QLineEdit(placeholderText="called as the clip")
        self._again = QPushButton("Read again")
        self._again.clicked.connect(self._on_again_clicked)
        self._take = QPushButton("Import")
        self._take.setProperty("role", "primary")
        self._take.setDefault(True)
        self._take.clicked.connect(self.accept)
        self._cancel = QPushButton("Cancel")
        self._cancel.clicked.connect(self.reject)
        for box in self._people:
            box.activated.connect(self._on_person_chosen)
        for field in (self._size, self._sequence):
            field.returnPressed.connect(self._on_again_clicked)

    def _arrange(self) -> None:
        self._form = QFormLayout()
        self._form.setSpacing(theme().tokens.space_2)
        for person, line in enumerate(self._rows):
            self._form.addRow(f"Person {person + 1}", line)
        self._form.addRow("The clip's first frame is, in the file", self._offset)
        self._form.addRow("Size of the file's images", self._size)
        self._form.addRow("Of several videos or cameras", row(self._sequence, self._again))
        words = QWidget()
        column = QVBoxLayout(words)
        column.setContentsMargins(0, 0, 0, 0)
        for each in (self._problem, self._summary, self._effect):
            column.addWidget(each)
        column.addStretch(1)
        scrolled = QScrollArea()
        scrolled.setWidgetResizable(True)
        scrolled.setFrameShape(QScrollArea.Shape.NoFrame)
        scrolled.setWidget(words)
        scrolled.setStyleSheet(
            "QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; }"
        )
        below = row()
        below.setSpacing(theme().tokens.space_4)
        below.addWidget(scrolled, 1)
        below.addLayout(self._form, 1)
        outer = QVBoxLayout(self)
        space = theme().tokens.space_4
        outer.setContentsMargins(space, space, space, space)
        outer.setSpacing(theme().tokens.space_3)
        outer.addWidget(self._shown, 1)
        outer.addWidget(self._progress)
        outer.addLayout(below)
        outer.addLayout(row(None, self._cancel, self._take))

    # -- what is known --------------------------------------------------------------------------

    @property
    def said(self) -> Said:
        offset = self._offset.value()
        return Said(
            None if offset == _AUTOMATIC else offset,
            self._size.text().strip(),
            self._sequence.text().strip(),
        )

    def wait(self) -> None:
        """Something is being read."""
        self._again.setEnabled(False)
        self._take.setEnabled(False)
        for box in self._people:
            box.setEnabled(False)

    def show_progress(self, fraction: float | None) -> None:
        self._progress.set_fraction(fraction)
        self._progress.setVisible(fraction is not None)

    def show_problem(self, sentence: str) -> None:
        """It cannot be taken in as it is; what helps can be said below."""
        self.found = None
        self._picture = None
        self._shown.setText("There is nothing to show yet.")
        self._problem.setText(sentence)
        self._problem.show()
        self._summary.clear()
        self._effect.clear()
        for person in range(len(self._people)):
            self._form.setRowVisible(person, False)
        self.show_progress(None)
        self._again.setEnabled(True)
        self._take.setEnabled(False)

    def show_look(self, look: Look, lines: list[str], effect: str) -> None:
        """What was found, and what would become of it."""
        self.found = look.found
        self._picture = _pixmap(look.picture)
        self._fit_picture()
        self._problem.hide()
        self._summary.setText("\n".join(lines))
        self._effect.setText(effect)
        self._fill_people(look.found)
        self.show_progress(None)
        self._again.setEnabled(True)
        self._take.setEnabled(True)

    def _fill_people(self, found: Imported) -> None:
        offered = list(range(len(found.tracks)))[:MOST_TRACKS]
        for person, box in enumerate(self._people):
            box.clear()
            tracks = found.people[person] if person < len(found.people) else ()
            if len(tracks) > 1:
                box.addItem(
                    "tracks " + " and ".join(found.tracks[t].name for t in tracks),
                    "+".join(found.tracks[t].name for t in tracks),
                )
            for index in dict.fromkeys([*offered, *tracks]):
                track = found.tracks[index]
                box.addItem(f"track {track.name}, {len(track.frames)} frames", track.name)
            if tracks:
                box.setCurrentIndex(box.findData("+".join(found.tracks[t].name for t in tracks)))
            box.setEnabled(bool(found.tracks))
            self._form.setRowVisible(person, bool(found.tracks))

    # -- gestures -------------------------------------------------------------------------------

    def _on_again_clicked(self) -> None:
        self.wait()
        self.asked.emit(self.said)

    def _on_person_chosen(self) -> None:
        """Who is chosen twice changes places with the other."""
        names = [str(box.currentData()) for box in self._people]
        if self.found is None:
            return
        before = ["+".join(self.found.tracks[t].name for t in p) for p in self.found.people]
        if len(set(names)) < len(names):
            chosen = next(i for i, name in enumerate(names) if name != before[i])
            other = next(i for i, name in enumerate(before) if name == names[chosen])
            names[other] = before[chosen]
        self.wait()
        self.people_chosen.emit(tuple(names))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_picture()

    def _fit_picture(self) -> None:
        if self._picture is not None:
            self._shown.setPixmap(
                self._picture.scaled(
                    self._shown.size(),
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )


def parsed_size(text: str) -> tuple[tuple[float, float] | None, tuple[int, int] | None]:
    """(factors, resolution) of a size as typed; (None, None) for nothing. Raises InputError."""
    if not text:
        return None, None
    parts = text.lower().replace("×", "x").split("x")
    try:
        if len(parts) == 1 and 0 < float(parts[0]) < 1000:
            return (float(parts[0]), float(parts[0])), None
        if len(parts) == 2 and min(int(parts[0]), int(parts[1])) > 0:
            return None, (int(parts[0]), int(parts[1]))
    except ValueError:
        pass
    raise InputError(
        "The size is wrong", expected="a factor, or WIDTHxHEIGHT", received=repr(text[:40])
    )


def _pixmap(picture: Picture) -> QPixmap:
    height, width = picture.shape[:2]
    image = QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image)
