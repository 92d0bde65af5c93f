"""One small picture per clip, read in the background and kept in memory."""

from __future__ import annotations

import logging

import cv2
import numpy as np
from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal, SignalInstance, Slot
from PySide6.QtGui import QImage

from engine.errors import EngineError
from engine.structures import VideoInfo
from engine.video import VideoReader

log = logging.getLogger(__name__)

SIZE = (160, 90)
"""Pixels: twice what the list shows, for dense screens."""


class Thumbnails(QObject):
    """Pictures by the video's hash. Asking for one that is missing starts reading it."""

    ready = Signal(str)
    """The hash of the video whose picture has arrived."""
    _read = Signal(str, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._images: dict[str, QImage | None] = {}
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._read.connect(self._keep, Qt.ConnectionType.QueuedConnection)

    def get(self, video: VideoInfo) -> QImage | None:
        """The picture, or None while it is read (and for good where it cannot be read)."""
        if video.sha256 not in self._images:
            self._images[video.sha256] = None
            self._pool.start(_Reading(video, self._read))
        return self._images[video.sha256]

    def wait(self) -> None:
        """Until nothing is being read."""
        self._pool.waitForDone()

    @Slot(str, object)
    def _keep(self, sha256: str, pixels: np.ndarray) -> None:
        height, width = pixels.shape[:2]
        image = QImage(pixels.data, width, height, width * 3, QImage.Format.Format_RGB888)
        self._images[sha256] = image.copy()
        self.ready.emit(sha256)


class _Reading(QRunnable):
    def __init__(self, video: VideoInfo, done: SignalInstance) -> None:
        super().__init__()
        self._video = video
        self._done = done

    def run(self) -> None:
        try:
            with VideoReader(self._video) as reader:
                frame = reader.frame(self._video.frame_count // 3)
        except EngineError as error:
            log.info("No thumbnail of %s: %s", self._video.path, error)
            return
        try:
            self._done.emit(self._video.sha256, _cropped(frame))
        except RuntimeError:  # the list was closed meanwhile
            log.debug("thumbnail of %s came too late", self._video.path)


def _cropped(frame: np.ndarray) -> np.ndarray:
    """The middle of the frame in the list's proportions, scaled down."""
    height, width = frame.shape[:2]
    scale = max(SIZE[0] / width, SIZE[1] / height)
    wide, high = round(SIZE[0] / scale), round(SIZE[1] / scale)
    x, y = (width - wide) // 2, (height - high) // 3
    crop = frame[y : y + high, x : x + wide]
    return np.ascontiguousarray(cv2.resize(crop, SIZE, interpolation=cv2.INTER_AREA))
