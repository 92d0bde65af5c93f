"""Everybody else in view, as a list: what they look like, when they are seen, and who they are."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8
from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPixmap
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

from annotations.records import ClipState
from app import frame_evidence as evidence
from app.panel import card, clear, label, plain_button, row, section
from app.theme import theme
from app.view_state import ViewState
from engine.structures import Observations

BUTTON_TEXT, BUTTON_LEAST = 84, 56
"""Pixels of a button's words, and of a button in the narrowest panel."""
MOST_ROWS = 6
"""Of a crowd, those who are seen longest."""
THUMBNAIL = 44
"""Pixels of a thumbnail's side."""


class OtherPeople(QWidget):
    """Hidden while there is nobody else."""

    clicked = Signal(int)
    """Row of `Observations.others` to select (or no longer)."""
    assigned = Signal(int, int)
    """Row of the others, and who of the clip's people that is from here on."""
    menu_requested = Signal(object, object, QPoint)
    """As `FrameView.menu_requested`."""

    def __init__(self, view_state: ViewState) -> None:
        super().__init__()
        self._view_state = view_state
        self._shown: Observations | None = None
        self._names: tuple[str, ...] = ()
        self._rows: dict[int, _OtherRow] = {}
        self._pictures: list[tuple[np.ndarray, QImage]] = []
        """Thumbnails, each with the boxes of who is on it: rows change places, people do not."""
        self._last: tuple[int, np.ndarray] | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, theme().tokens.space_2, 0, 0)
        self._column.setSpacing(theme().tokens.space_2)
        view_state.clip_id_changed.connect(self._on_clip_id_changed)
        view_state.state_changed.connect(self._on_state_changed)
        view_state.selected_other_changed.connect(self._on_selected_other_changed)
        self._on_state_changed(None)

    def take_picture(self, index: int, image: UInt8[np.ndarray, "H W 3"]) -> None:
        """A frame was decoded (it may be reduced): a thumbnail for whoever lacks one."""
        self._last = (index, image)
        state = self._view_state.state
        if state is None or self._shown is None:
            return
        scale = image.shape[1] / self._shown.image_size[0]
        for other, shown in self._rows.items():
            box = None if shown.has_picture else evidence.other_box(state, other, index)
            if box is not None:
                picture = _square(image, box * scale)
                self._pictures.append((self._shown.boxes[other], picture))
                shown.set_picture(picture)

    @property
    def rows(self) -> dict[int, _OtherRow]:
        """The rows on show, by row of `Observations.others`."""
        return self._rows

    def _on_state_changed(self, _: object) -> None:
        state = self._view_state.state
        others = evidence.others(state)
        names = tuple(i.name for i in state.identities) if state is not None else ()
        if others is not self._shown or names != self._names:
            self._shown, self._names = others, names
            self._fill(state, others)
            self._find_pictures()
            if self._last is not None:
                self.take_picture(*self._last)

    def _on_clip_id_changed(self, _: int | None) -> None:
        self._last = None
        self._pictures = []

    def _find_pictures(self) -> None:
        """Give each row the thumbnail of whoever was in the same places before."""
        known, self._pictures = self._pictures, []
        for other, shown in self._rows.items():
            assert self._shown is not None
            boxes = self._shown.boxes[other]
            found = next((picture for old, picture in known if _same_person(old, boxes)), None)
            if found is not None:
                self._pictures.append((boxes, found))
                shown.set_picture(found)

    def _fill(self, state: ClipState | None, others: Observations | None) -> None:
        clear(self._column)
        self._rows = {}
        if state is not None and others is not None:
            seen = {o: evidence.frames_seen(others, o) for o in range(others.person_count)}
            longest = sorted((o for o in seen if len(seen[o])), key=lambda o: -len(seen[o]))
            if longest:
                self._column.addWidget(section("Also in view"))
            for other in longest[:MOST_ROWS]:
                self._rows[other] = _OtherRow(self, other, seen[other], self._names)
                self._column.addWidget(self._rows[other])
            if len(longest) > MOST_ROWS:
                more = f"and {len(longest) - MOST_ROWS} more, seen for a shorter time"
                self._column.addWidget(label(more, "muted"))
        self.setVisible(bool(self._rows))
        self._on_selected_other_changed(None)

    def _on_selected_other_changed(self, _: object) -> None:
        for other, shown in self._rows.items():
            shown.mark(self._view_state.selected_other == other)

    def choose(self, other: int, frames: np.ndarray) -> None:
        """A click on a row: select, and go to the nearest frame in which they are seen."""
        self.clicked.emit(other)
        if self._view_state.selected_other == other:
            nearest = int(frames[np.abs(frames - self._view_state.frame).argmin()])
            self._view_state.playing = False
            self._view_state.frame = nearest


class _OtherRow(QFrame):
    """Thumbnail, frames, and who that may be."""

    def __init__(
        self, panel: OtherPeople, other: int, frames: np.ndarray, names: tuple[str, ...]
    ) -> None:
        super().__init__()
        self._panel, self._other, self._frames = panel, other, frames
        made, column = card()
        self._card = made
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(made)
        self._picture = QLabel("?")
        self._picture.setFixedSize(THUMBNAIL, THUMBNAIL)
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.has_picture = False
        text = QVBoxLayout()
        text.setSpacing(0)
        span = f"{frames[0]}–{frames[-1]}" if len(frames) > 1 else f"{frames[0]}"
        self._title = label("Somebody else", wrap=False)
        text.addWidget(self._title)
        text.addWidget(label(f"Seen in {len(frames)} frames ({span})", "muted"))
        column.addLayout(row(self._picture, text))
        self.buttons = [self._button(person, name) for person, name in enumerate(names)]
        more = plain_button("…", "More that can be said of them")
        more.clicked.connect(
            lambda: panel.menu_requested.emit(
                ("other", other), None, more.mapToGlobal(more.rect().bottomLeft())
            )
        )
        more.setFixedWidth(36)
        column.addLayout(row(*self.buttons, more, None))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip("Click to choose them and to go to where they are seen (3)")

    def _button(self, person: int, name: str) -> QPushButton:
        tip = f"This is {name} from this frame on (Ctrl+{person + 1})"
        made = plain_button("", tip)
        words = made.fontMetrics().elidedText(
            f"Is {name}", Qt.TextElideMode.ElideRight, BUTTON_TEXT
        )
        made.setText(words)
        made.setMinimumWidth(BUTTON_LEAST)
        made.clicked.connect(lambda: self._panel.assigned.emit(self._other, person))
        return made

    def set_picture(self, image: QImage) -> None:
        self.has_picture = True
        self._picture.setPixmap(QPixmap.fromImage(image))

    def mark(self, is_chosen: bool) -> None:
        accent = theme().tokens.accent
        self._title.setText("Somebody else, chosen" if is_chosen else "Somebody else")
        self._card.setStyleSheet(
            f'QFrame[role="card"] {{ border-color: {accent}; }}' if is_chosen else ""
        )

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._panel.choose(self._other, self._frames)


def _same_person(old: np.ndarray, new: np.ndarray) -> bool:
    """Whether most boxes (F, 4) of a row are where they were."""
    if old.shape != new.shape:
        return False
    seen = np.isfinite(new).all(-1)
    return bool(seen.any()) and bool((old == new).all(-1)[seen].mean() > 0.5)


def _square(image: UInt8[np.ndarray, "H W 3"], box: np.ndarray) -> QImage:
    """The upper part of a box of the image as a thumbnail: where the face is."""
    height, width = image.shape[:2]
    side = max(8.0, min(box[2] - box[0], box[3] - box[1]))
    middle = (box[0] + box[2]) / 2
    x0, y0 = int(np.clip(middle - side / 2, 0, width - 1)), int(np.clip(box[1], 0, height - 1))
    crop = image[y0 : y0 + max(1, int(side)), x0 : x0 + max(1, int(side))]
    small = cv2.resize(crop, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    form = QImage.Format.Format_RGB888
    return QImage(small.tobytes(), THUMBNAIL, THUMBNAIL, 3 * THUMBNAIL, form).copy()
