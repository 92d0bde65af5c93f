"""The decoder thread: decodes the newest requested frame and forgets the ones before it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.frame_source import FrameSource
from engine.errors import EngineError
from engine.structures import VideoInfo

if TYPE_CHECKING:
    from app.proxy_cache import ProxyFolder

log = logging.getLogger(__name__)

CACHE_BYTES = 256 * 2**20
"""Decoded RGB frames kept: about 40 of a 1080p video."""
AHEAD = 4
"""Frames decoded in advance while nothing else is asked for."""
FARTHEST_STEP = 10
"""Frames from one request to the next that still count as going on: playing at speed drops some."""
IDLE_SECONDS = 0.02
"""Without a request for so long, a frame that was decoded is kept as a proxy: a playback that needs
all the time there is goes without."""
REST_SECONDS = 0.15
"""Without a request for so long, a frame that was asked for reduced is handed over whole as well:
for zooming in, and for whoever paints on its pixels."""


class Decoder(QObject):
    """Frames of the shown clip. `decoded` and `failed` arrive in the GUI thread."""

    decoded = Signal(object, int, object)
    """VideoInfo, frame index, uint8 (H, W, 3) RGB."""
    failed = Signal(object, str)
    """VideoInfo and one sentence; said once per video."""
    _arrived = Signal(object, int, object, int)
    """As `decoded`, from the decoder thread, with the number of the request."""
    _sharpened = Signal(object, int, object, int)
    """As `_arrived`: a frame again, whole this time."""

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
        self._source: FrameSource | None = None
        self._proxies: ProxyFolder | None = None
        self._proxies_are_new = False
        self._broken: tuple[str, str] | None = None
        self._cache: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._cached_bytes = 0
        """By frame and reduction."""
        self._last_served = (0, 1)
        self._direction = 1
        self._reduced: tuple[VideoInfo, int, int] | None = None
        """Video, index and request of the last frame served, unless it has been served whole."""
        self._arrived.connect(self._hand_over)
        self._sharpened.connect(self._hand_over_whole)

    def request(self, info: VideoInfo, index: int, reduction: int = 1) -> None:
        """Ask for a frame; replaces a request that is still waiting.

        A `reduction` of n asks for means of n x n pixels (see VideoReader.frame); the whole frame
        follows when nothing else is asked for.

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

    def use_proxies(self, folder: ProxyFolder | None) -> None:
        """Take frames from a proxy cache where it has them; again when it has come to know a clip.

        None: always decode.
        """
        with self._wake:
            self._proxies, self._proxies_are_new = folder, True
            self._wake.notify()

    def _shows(self, info: VideoInfo) -> bool:
        source = self._source
        return source is not None and identity(info) == identity(source.info)

    def _hand_over(self, info: VideoInfo, index: int, image: np.ndarray, number: int) -> None:
        """Say what arrived, unless something newer was said before it."""
        if number > self._handed_over:
            self._handed_over = number
            self.decoded.emit(info, index, image)

    def _hand_over_whole(self, info: VideoInfo, index: int, image: np.ndarray, number: int) -> None:
        if number == self._asked:
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
        while not self._stopping:
            ahead = self._frame_ahead()
            with self._wake:
                called = ahead or self._wake.wait_for(self._is_called, self._patience())
                request, self._request = self._request, None
                proxies_are_new, self._proxies_are_new = self._proxies_are_new, False
            if self._stopping:
                break
            if proxies_are_new:
                self._try(lambda source: source.use(self._proxies))
            if request is not None:
                self._serve(*request)
            elif ahead is not None:
                self._try(lambda _, ahead=ahead: self._frame(*ahead))
            elif not called:
                self._try(FrameSource.keep_one if self._has_to_keep() else self._sharpen)
        self._close()

    def _has_to_keep(self) -> bool:
        return self._source is not None and self._source.has_to_keep

    def _patience(self) -> float | None:
        """How long to wait for a request before something else is done; None for ever."""
        if self._has_to_keep():
            return IDLE_SECONDS
        return REST_SECONDS if self._reduced is not None else None

    def _sharpen(self, _: FrameSource) -> None:
        if self._reduced is not None:
            (info, index, number), self._reduced = self._reduced, None
            self._sharpened.emit(info, index, self._frame(index, 1), number)

    def _is_called(self) -> bool:
        return self._request is not None or self._stopping or self._proxies_are_new

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
            step = index - self._last_served[0]
            # After a jump nobody knows where it goes on, and another jump must not wait.
            self._direction = 0 if abs(step) > FARTHEST_STEP else -1 if step < 0 else 1
            self._last_served = (index, reduction)
            self._reduced = (info, index, number) if reduction > 1 else None
            self._arrived.emit(info, index, image, number)

    def _open(self, info: VideoInfo) -> None:
        self._close()
        self._source = FrameSource(info, self._proxies)

    def _close(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source = self._reduced = None
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
        assert self._source is not None
        image = self._source.frame(index, reduction)
        self._cache[key] = image
        self._cached_bytes += image.nbytes
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return image

    def _frame_ahead(self) -> tuple[int, int] | None:
        """The nearest frame in the direction of travel that is at hand but not decoded yet."""
        if self._source is None:
            return None
        info = self._source.info
        frame_bytes = info.width * info.height * 3
        room = CACHE_BYTES // max(1, frame_bytes) - 2  # or frames ahead would push each other out
        for step in range(1, min(AHEAD, room) + 1):
            last, reduction = self._last_served
            index = last + self._direction * step
            if not 0 <= index < info.frame_count:
                return None
            if (index, reduction) not in self._cache:
                return (index, reduction) if self._source.is_near(index) else None
        return None

    def _try(self, work: Callable[[FrameSource], object]) -> None:
        """What nobody waits for."""
        if self._source is None:
            return
        try:
            work(self._source)
        except Exception as error:
            message = f"The video cannot be decoded beyond this point ({error})."
            self._give_up(self._source.info, message)


def identity(info: VideoInfo) -> tuple[str, str]:
    """What makes two records the same video: its path and its content."""
    return info.path, info.sha256
