"""A video frame in a widget, zoomed and panned at will. What lies over it is for subclasses."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from app.picture_transform import PictureTransform
from app.shown_picture import ShownPicture
from app.view_state import ViewState

MARGIN = 8
"""View pixels around a picture that fills the view."""


class PictureView(QWidget):
    """Abstract: keeps the picture of a frame and where it lies; subclasses paint and listen."""

    def __init__(self, view_state: ViewState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view_state = view_state
        self._picture = ShownPicture()
        self._transform = PictureTransform()
        self._is_fitted = True

    @property
    def view_state(self) -> ViewState:
        return self._view_state

    @property
    def shown_frame(self) -> int:
        """The frame whose picture is on screen; the current frame until there is a picture."""
        has_picture = self._picture.pixels is not None
        return self._picture.index if has_picture else self._view_state.frame

    @property
    def picture(self) -> np.ndarray | None:
        """The pixels on screen, uint8 (H, W, 3) RGB; they may be reduced."""
        return self._picture.pixels

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """(width, height) of the clip in pixels; None without a clip."""
        clip = self._view_state.clip
        return self._picture.size(clip.video.image_size if clip is not None else None)

    @property
    def reduction(self) -> int:
        """How much smaller a frame may be decoded and still fill the view; 1 is whole."""
        shown, reduction = self._transform.scale * self.devicePixelRatioF(), 1
        while shown * reduction * 2 <= 1:
            reduction *= 2
        return reduction

    @property
    def transform(self) -> PictureTransform:
        """From the picture's pixels to the widget's."""
        return self._transform

    def to_picture(self, at: QPointF) -> Float[np.ndarray, "2"]:
        """A point of the widget in the picture's pixels."""
        return self._transform.to_picture(np.array([at.x(), at.y()]))

    def fit(self) -> None:
        """The whole frame, as large as it goes; kept so while the widget changes size."""
        self._is_fitted = True
        if self.picture_size is not None:
            view = (self.width(), self.height())
            self._transform = PictureTransform.fitted(self.picture_size, view, margin=MARGIN)
        self.update()

    def zoom(self, event: QWheelEvent) -> None:
        """What is under the mouse stays there."""
        if self.picture_size is None:
            return
        view = (self.width(), self.height())
        least = PictureTransform.fitted(self.picture_size, view).scale / 2
        at, factor = event.position(), 1.0015 ** event.angleDelta().y()
        self._place(self._transform.zoomed(factor, at.x(), at.y(), least))

    def pan(self, by: QPointF) -> None:
        self._place(self._transform.panned(by.x(), by.y()))

    def _show_picture(self, index: int, image: np.ndarray) -> None:
        """A frame, uint8 (H, W, 3) RGB, at the clip's size or reduced; the place stays."""
        size_before, is_first = self.picture_size, self._picture.pixels is None
        self._picture.show(index, image)
        if self._is_fitted and (is_first or self.picture_size != size_before):
            self.fit()

    def _paint_picture(self, painter: QPainter) -> None:
        size = self.picture_size or (16, 9)
        if self._picture.pixels is None:
            corners = self._transform.to_view(np.array([[0, 0], size]))
            frame = QRectF(QPointF(*corners[0]), QPointF(*corners[1]))
            painter.fillRect(frame, QColor(0, 0, 0, 60))
        else:
            self._picture.paint(painter, size, self._transform, self.devicePixelRatioF())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._is_fitted:
            self.fit()

    def _place(self, transform: PictureTransform) -> None:
        size = self.picture_size
        if size is not None:
            transform = transform.kept_in_sight(size, (self.width(), self.height()))
        self._transform, self._is_fitted = transform, False
        self.update()
