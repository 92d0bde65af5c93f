"""When the window has a clip's proxies made, and who is told of them."""

from __future__ import annotations

import logging
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from app.decoder import Decoder
from app.jobs import Job, Jobs
from app.proxy_cache import ProxyFolder, folder_beside
from app.proxy_filling import Filled, fill_aside
from app.view_state import ViewState
from engine.structures import FrameRange

log = logging.getLogger(__name__)

IDLE_MILLISECONDS = 1500
"""How long a clip is on screen, not playing, before its proxies are made."""


class Proxies(QObject):
    """Fills the cache of the shown clip while nothing plays; a process of its own does the work.

    Playing, another clip and another project stop it at once; it goes on where it was.
    """

    cached_changed = Signal(object)
    """FrameRanges of the shown clip that are cached."""
    noticed = Signal(str)
    """Why there is no cache, or not all of it: once per project."""

    def __init__(
        self,
        view_state: ViewState,
        decoder: Decoder,
        parent: QObject | None = None,
        jobs: Jobs | None = None,
    ) -> None:
        super().__init__(parent)
        self._view_state = view_state
        self._decoder = decoder
        self._jobs = jobs or Jobs(self, warm_modules=())
        self._folder: Path | None = None
        self._limit = 0
        self._job: Job | None = None
        self._is_settled = False
        """Whether nothing more can be done for the shown clip."""
        self._is_known = False
        """Whether the decoder was told that there are proxies of the shown clip."""
        self._said: set[str] = set()
        self._idle = QTimer(self, singleShot=True, interval=IDLE_MILLISECONDS)
        self._idle.timeout.connect(self._start)
        view_state.clip_id_changed.connect(self._on_clip_id_changed)
        view_state.playing_changed.connect(self._on_playing_changed)
        self._jobs.progressed.connect(self._on_progressed)
        self._jobs.finished.connect(self._on_finished)
        self._jobs.failed.connect(self._on_failed)

    @property
    def limit(self) -> int:
        """The most bytes that a project's cache may have; 0 for no cache."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        if limit != self._limit:
            self._limit = limit
            self._begin_anew()

    def open_project(self, project: Path | None) -> None:
        """Another project, or none."""
        self._folder = folder_beside(project) if project is not None else None
        self._begin_anew()

    def shutdown(self) -> None:
        self._idle.stop()
        self._job = None
        self._jobs.shutdown()

    def _begin_anew(self) -> None:
        self._stop()
        self._said.clear()
        self._tell_decoder()
        self._on_clip_id_changed(None)

    def _tell_decoder(self) -> None:
        is_on = self._folder is not None and self._limit > 0
        folder = ProxyFolder(self._folder, self._limit) if is_on and self._folder else None
        self._decoder.use_proxies(folder)

    # -- when -----------------------------------------------------------------------------------

    def _on_clip_id_changed(self, _: int | None) -> None:
        self._stop()
        self._is_known = self._is_settled = False
        self.cached_changed.emit(())
        self._idle.start()

    def _on_playing_changed(self, playing: bool) -> None:
        if playing:
            self._stop()
        else:
            self._idle.start()

    def _stop(self) -> None:
        self._idle.stop()
        job, self._job = self._job, None
        if job is not None:
            self._jobs.cancel(job)

    def _start(self) -> None:
        clip = self._view_state.clip
        if clip is None or self._folder is None or self._limit <= 0 or self._job is not None:
            return
        if self._view_state.playing or self._is_settled:
            return
        arguments = {
            "video": clip.video,
            "folder": self._folder,
            "limit": self._limit,
            "near": self._view_state.frame,
        }
        self._job = Job("proxies", f"Caching {clip.name}", fill_aside, arguments, clip.id)
        self._jobs.submit(self._job)

    # -- what the process says ------------------------------------------------------------------

    def _on_progressed(self, job: Job, filled: Filled) -> None:
        if job is self._job:
            self._show(filled.frames)

    def _on_finished(self, job: Job, filled: Filled) -> None:
        if job is not self._job:
            return
        self._job = None
        self._is_settled = True
        self._show(filled.frames)
        self._say(filled.sentence)

    def _on_failed(self, job: Job, message: str) -> None:
        """The decoder meets the same trouble and says so, to those who look."""
        if job is self._job:
            self._job = None
            self._is_settled = True
            log.info("%s: %s", job.label, message)

    def _show(self, frames: tuple[FrameRange, ...]) -> None:
        if frames and not self._is_known:
            self._is_known = True
            self._tell_decoder()
        self.cached_changed.emit(frames)

    def _say(self, sentence: str) -> None:
        if sentence and sentence not in self._said:
            self._said.add(sentence)
            self.noticed.emit(sentence)
