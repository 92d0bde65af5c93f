"""The decoder thread: decodes the newest requested frame and forgets the ones before it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from engine.errors import EngineError
from engine.structures import VideoInfo

if TYPE_CHECKING:
    from engine.video import VideoReader

log = logging.getLogger(__name__)

CACHE_BYTES = 256 * 2**20
"""Decoded RGB frames kept: about 40 of a 1080p video."""
AHEAD = 4
"""Frames decoded in advance while nothing else is asked for."""


class Decoder(QObject):
    """Frames of the shown clip. `decoded` and `failed` arrive in the GUI thread."""

    decoded = Signal(object, int, object)
    """VideoInfo, frame index, uint8 (H, W, 3) RGB."""
    failed = Signal(object, str)
    """VideoInfo and one sentence; said once per video."""
    _arrived = Signal(object, int, object, int)
    """As `decoded`, from the decoder thread, with the number of the request."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wake = threading.Condition()
        self._request: tuple[VideoInfo, int, int, int] | None = None
        self._asked = 0
        """Number of the newest request."""
        self._handed_over = 0
        """Number of the newest request that was answered."""
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._reader: VideoReader | None = None
        self._info: VideoInfo | None = None
        self._broken: tuple[str, str] | None = None
        self._cache: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._cached_bytes = 0
        """By frame and reduction."""
        self._last_served = (0, 1)
        self._direction = 1
        self._arrived.connect(self._hand_over)

    def request(self, info: VideoInfo, index: int, reduction: int = 1) -> None:
        """Ask for a frame; replaces a request that is still waiting.

        A `reduction` of n asks for means of n x n pixels (see VideoReader.frame).

        A frame that is decoded already is handed over at once, so that the video keeps step with
        what is drawn beside it.
        """
        self._asked += 1
        number = self._asked
        with self._wake:
            image = self._cache.get((index, reduction))
            if not self._shows(info):  # asked afterwards: the thread may be changing videos
                image = None
            self._request = (info, index, reduction, number)
            self._wake.notify()
        if image is not None:
            self._hand_over(info, index, image, number)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
            self._thread.start()

    def _shows(self, info: VideoInfo) -> bool:
        return self._info is not None and identity(info) == identity(self._info)

    def _hand_over(self, info: VideoInfo, index: int, image: np.ndarray, number: int) -> None:
        """Say what arrived, unless something newer was said before it."""
        if number > self._handed_over:
            self._handed_over = number
            self.decoded.emit(info, index, image)

    def shutdown(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    # -- in the decoder thread ------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            ahead = self._frame_ahead()
            with self._wake:
                while self._request is None and not self._stopping and ahead is None:
                    self._wake.wait()
                if self._stopping:
                    break
                request, self._request = self._request, None
            if request is not None:
                self._serve(*request)
            elif ahead is not None:
                self._look_ahead(ahead)
        self._close()

    def _serve(self, info: VideoInfo, index: int, reduction: int, number: int) -> None:
        if identity(info) == self._broken:
            return
        try:
            if not self._shows(info):
                self._open(info)
            image = self._frame(index, reduction)
        except (EngineError, IndexError, OSError) as error:
            self._give_up(info, str(error))
        except Exception as error:
            log.exception("decoding %s", info.path)
            self._give_up(info, f"The video cannot be decoded ({type(error).__name__}: {error}).")
        else:
            self._direction = -1 if index < self._last_served[0] else 1
            self._last_served = (index, reduction)
            self._arrived.emit(info, index, image, number)

    def _open(self, info: VideoInfo) -> None:
        from engine.video import VideoReader

        self._close()
        self._reader = VideoReader(info)
        self._info = info

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = self._info = None
        self._cache.clear()
        self._cached_bytes = 0

    def _give_up(self, info: VideoInfo, message: str) -> None:
        self._close()
        self._broken = identity(info)
        self.failed.emit(info, message)

    def _frame(self, index: int, reduction: int) -> np.ndarray:
        key = index, reduction
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        assert self._reader is not None
        image = self._reader.frame(index, reduction)
        self._cache[key] = image
        self._cached_bytes += image.nbytes
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return image

    def _frame_ahead(self) -> tuple[int, int] | None:
        """The nearest frame in the direction of travel that is not decoded yet."""
        if self._info is None:
            return None
        frame_bytes = self._info.width * self._info.height * 3
        room = CACHE_BYTES // max(1, frame_bytes) - 2  # or frames ahead would push each other out
        for step in range(1, min(AHEAD, room) + 1):
            last, reduction = self._last_served
            index = last + self._direction * step
            if not 0 <= index < self._info.frame_count:
                return None
            if (index, reduction) not in self._cache:
                return index, reduction
        return None

    def _look_ahead(self, ahead: tuple[int, int]) -> None:
        assert self._info is not None
        try:
            self._frame(*ahead)
        except Exception as error:
            self._give_up(self._info, f"The video cannot be decoded beyond this point ({error}).")


def identity(info: VideoInfo) -> tuple[str, str]:
    """What makes two records the same video: its path and its content."""
    return info.path, info.sha256
