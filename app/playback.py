"""Playing and stepping: what time it is in the clip, by presentation time."""

from __future__ import annotations

import time

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer

from app.view_state import ViewState
from engine.structures import FrameRange

FASTEST = 8.0


class Playback(QObject):
    """Moves `view_state.frame`. A clip that cannot be drawn in time drops frames, never slows."""

    def __init__(self, view_state: ViewState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._view_state = view_state
        self._timer = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._started_at = 0.0
        self._started_from = 0.0
        self._moving = False
        self.loop = True
        """Start over at the end of the selection or the clip."""
        view_state.playing_changed.connect(self._on_playing_changed)
        view_state.speed_changed.connect(self._rebase)
        view_state.frame_changed.connect(self._on_frame_changed)

    # -- commands -------------------------------------------------------------------------------

    def toggle(self) -> None:
        self._view_state.speed = 1.0
        self._view_state.playing = not self._view_state.playing

    def stop(self) -> None:
        self._view_state.playing = False
        self._view_state.speed = 1.0

    def shuttle(self, direction: int) -> None:
        """Play forward (1) or back (-1); asked again in the same direction, twice as fast."""
        state = self._view_state
        again = state.playing and state.speed * direction > 0
        state.speed = direction * min(FASTEST, abs(state.speed) * 2) if again else float(direction)
        state.playing = True

    def step(self, frames: int) -> None:
        self._view_state.playing = False
        self._view_state.frame += frames

    def step_seconds(self, seconds: float) -> None:
        """Go to the frame nearest to `seconds` from here, at least one frame away."""
        self._view_state.playing = False
        times, here = self._times(), self._view_state.frame
        target = int(np.abs(times - (times[here] + seconds)).argmin())
        least = here + (1 if seconds > 0 else -1)
        self._view_state.frame = max(target, least) if seconds > 0 else min(target, least)

    def go_to_end(self, last: bool) -> None:
        """First or last frame of the selection, or of the clip (also when already there)."""
        self._view_state.playing = False
        here = self._view_state.frame
        frames = self._view_state.selection
        target = self._end(frames, last)
        self._view_state.frame = target if target != here else self._end(None, last)

    def _end(self, frames: FrameRange | None, last: bool) -> int:
        whole = frames or FrameRange(0, self._view_state.frame_count)
        return whole.stop - 1 if last else whole.start

    def mark(self, *, out: bool) -> None:
        """Set the selection's first (in) or last (out) frame to the current one."""
        here, count = self._view_state.frame, self._view_state.frame_count
        start, stop = 0, count
        if self._view_state.selection is not None:
            start, stop = self._view_state.selection.start, self._view_state.selection.stop
        if out:
            stop = here + 1
            start = start if start < stop else 0
        else:
            start = here
            stop = stop if stop > start else count
        self._view_state.selection = FrameRange(start, stop)

    # -- the clock ------------------------------------------------------------------------------

    def _times(self) -> np.ndarray:
        clip = self._view_state.clip
        return clip.video.times if clip is not None else np.zeros(1)

    def _on_playing_changed(self, playing: bool) -> None:
        if not playing:
            self._timer.stop()
            return
        forward = self._view_state.speed > 0
        if self._view_state.frame == self._end(self._view_state.selection, forward):
            self._move_to(self._end(self._view_state.selection, not forward))
        self._rebase()

    def _on_frame_changed(self, _: int) -> None:
        if not self._moving:
            self._rebase()

    def _rebase(self) -> None:
        if self._view_state.playing:
            self._started_at = time.perf_counter()
            self._started_from = float(self._times()[self._view_state.frame])
            self._schedule()

    def _tick(self) -> None:
        elapsed = time.perf_counter() - self._started_at
        frame = self._frame_at(self._started_from + self._view_state.speed * elapsed)
        forward = self._view_state.speed > 0
        last = self._end(self._view_state.selection, forward)
        if (frame > last) if forward else (frame < last):
            self._wrap(last)
        else:
            self._move_to(frame)
            if frame == last and not self.loop:
                self.stop()
                return
        self._schedule()

    def _wrap(self, last: int) -> None:
        if not self.loop:
            self._move_to(last)
            self.stop()
            return
        forward = self._view_state.speed > 0
        self._move_to(self._end(self._view_state.selection, not forward))
        self._rebase()

    def _move_to(self, frame: int) -> None:
        self._moving = True
        try:
            self._view_state.frame = frame
        finally:
            self._moving = False

    def _frame_at(self, seconds: float) -> int:
        """The frame that shows at a time; -1 or the frame count before or after all of them."""
        times = self._times()
        if seconds < times[0] - self._hold():
            return -1
        if seconds >= times[-1] + self._hold():
            return len(times)
        if self._view_state.speed > 0:
            return int(np.searchsorted(times, seconds, "right")) - 1
        return int(np.searchsorted(times, seconds, "left"))

    def _hold(self) -> float:
        """How long the last frame shows: as long as the one before it."""
        times = self._times()
        return float(times[-1] - times[-2]) if len(times) > 1 else 0.1

    def _schedule(self) -> None:
        """Wake up when the next frame is due."""
        if not self._view_state.playing:
            return
        speed, times = self._view_state.speed, self._times()
        neighbour = self._view_state.frame + (1 if speed > 0 else -1)
        if 0 <= neighbour < len(times):
            due = (float(times[neighbour]) - self._started_from) / speed
        else:
            here = float(times[self._view_state.frame])
            due = (here - self._started_from) / speed + self._hold() / abs(speed)
        wait = due - (time.perf_counter() - self._started_at)
        self._timer.start(max(0, int(np.ceil(wait * 1000))))
