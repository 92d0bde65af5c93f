"""Where the decoder thread gets a frame: from the proxy cache, or by decoding the video."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from engine.structures import VideoInfo

if TYPE_CHECKING:
    from app.proxy_cache import ProxyClip, ProxyFolder
    from engine.video import Frame, VideoReader

log = logging.getLogger(__name__)

_KEPT_BEHIND = 2
"""Frames that even a reader of the largest videos still holds, decoded."""


class FrameSource:
    """Frames of one video, each from its proxy where there is one. For one thread."""

    def __init__(self, info: VideoInfo, folder: ProxyFolder | None = None) -> None:
        self.info = info
        self._reader: VideoReader | None = None
        self._proxies: ProxyClip | None = None
        self._decoded_last: int | None = None
        """The frame that was handed out last, unless it was a proxy."""
        self._to_keep: deque[int] = deque(maxlen=_KEPT_BEHIND)
        self.use(folder)

    def use(self, folder: ProxyFolder | None) -> None:
        """Look for proxies (again) in a folder; None for no proxies."""
        if self._proxies is not None:
            self._proxies.close()
        self._to_keep.clear()
        self._proxies = folder.clip(self.info) if folder is not None else None
        if self._proxies is None and self._reader is None:
            self._opened()  # what is wrong with the file is said now

    def frame(self, index: int, reduction: int = 1) -> Frame:
        """As VideoReader.frame; raises as it does."""
        proxy = self._proxies.frame(index, reduction) if self._proxies is not None else None
        if proxy is not None:
            self._decoded_last = None
            return proxy
        picture = self._opened().frame(index, reduction)
        if self._proxies is not None:
            if self._decoded_last is None or index != self._decoded_last + 1:
                self._to_keep.clear()  # the reader may have let go of those
            self._to_keep.append(index)
        self._decoded_last = index
        return picture

    def is_near(self, index: int) -> bool:
        """Whether a neighbour of the last frame costs little: no seeking after a proxy."""
        has_proxy = self._proxies is not None and index in self._proxies
        return has_proxy or self._decoded_last is not None

    @property
    def has_to_keep(self) -> bool:
        return bool(self._to_keep)

    def keep_one(self) -> None:
        """Make a proxy of a frame that was just decoded: the next time it need not be."""
        index = self._to_keep.popleft()
        if self._proxies is None or index in self._proxies:
            return
        try:
            self._proxies.keep(index, self._opened().frame(index))
        except OSError as error:  # the process that fills the cache says it to the user
            log.info("no proxy of frame %d: %s", index, error)
            self._to_keep.clear()

    def _opened(self) -> VideoReader:
        if self._reader is None:
            from engine.video import VideoReader

            self._reader = VideoReader(self.info)
        return self._reader

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        if self._proxies is not None:
            self._proxies.close()
