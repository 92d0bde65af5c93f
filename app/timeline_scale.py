"""Which frame is at which pixel of the timeline."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

WIDEST_FRAME = 48.0
"""Pixels that a frame may be wide."""
SECOND_STEPS = (1 / 30, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
FRAME_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000)


@dataclass(frozen=True)
class TimelineScale:
    """Frame f covers the pixels from `x(f)` to `x(f + 1)`."""

    frame_count: int = 1
    left: float = 0.0
    """Where the lanes begin."""
    width: float = 1.0
    """Pixels of the lanes."""
    first: float = 0.0
    """The frame (with fraction) at the left edge."""
    pixels_per_frame: float = 1.0

    @classmethod
    def fitted(cls, frame_count: int, left: float, width: float) -> TimelineScale:
        """The whole clip."""
        scale = cls(frame_count, left, max(1.0, width))
        return replace(scale, pixels_per_frame=scale.least)

    @property
    def least(self) -> float:
        """Pixels per frame at which the whole clip just fits."""
        return min(self.width / max(1, self.frame_count), WIDEST_FRAME)

    def x(self, frame: float) -> float:
        return self.left + (frame - self.first) * self.pixels_per_frame

    def frame_at(self, x: float) -> int:
        """The frame under a pixel, clamped to the clip."""
        frame = int(np.floor(self.first + (x - self.left) / self.pixels_per_frame))
        return max(0, min(frame, self.frame_count - 1))

    def edge_at(self, x: float) -> int:
        """The border between frames nearest to a pixel, 0..frame_count."""
        edge = round(self.first + (x - self.left) / self.pixels_per_frame)
        return max(0, min(edge, self.frame_count))

    @property
    def visible(self) -> tuple[int, int]:
        """First frame in sight and the one after the last."""
        last = self.first + self.width / self.pixels_per_frame
        return max(0, int(self.first)), min(self.frame_count, int(np.ceil(last)))

    def zoomed(self, factor: float, x: float) -> TimelineScale:
        """Zoomed so that what is under pixel x stays there."""
        wanted = float(np.clip(self.pixels_per_frame * factor, self.least, WIDEST_FRAME))
        frame = self.first + (x - self.left) / self.pixels_per_frame
        moved = replace(self, pixels_per_frame=wanted, first=frame - (x - self.left) / wanted)
        return moved._clamped()

    def scrolled(self, pixels: float) -> TimelineScale:
        return replace(self, first=self.first + pixels / self.pixels_per_frame)._clamped()

    def resized(self, left: float, width: float) -> TimelineScale:
        moved = replace(self, left=left, width=max(1.0, width))
        fitting = max(moved.pixels_per_frame, moved.least)
        return replace(moved, pixels_per_frame=fitting)._clamped()

    def showing(self, frame: int) -> TimelineScale:
        """Scrolled by a page where the frame is out of sight."""
        span = self.width / self.pixels_per_frame
        if self.first <= frame < self.first + span:
            return self
        start = frame - 0.1 * span if frame >= self.first + span else frame - 0.9 * span
        return replace(self, first=start)._clamped()

    def _clamped(self) -> TimelineScale:
        most = max(0.0, self.frame_count - self.width / self.pixels_per_frame)
        return replace(self, first=float(np.clip(self.first, 0.0, most)))

    def frame_step(self, room: float = 64.0) -> int:
        """Frames between two labels of the ruler, `room` pixels apart at least."""
        return next((s for s in FRAME_STEPS if s * self.pixels_per_frame >= room), FRAME_STEPS[-1])


def second_marks(
    times: np.ndarray, scale: TimelineScale, room: float = 64.0
) -> list[tuple[float, float]]:
    """(seconds, frame position) of round seconds in sight, `room` pixels apart at least.

    Positions lie between frames where the second falls between two presentation times.
    """
    start, stop = scale.visible
    if stop - start < 2:
        return []
    begin, end = float(times[start]), float(times[stop - 1])
    per_second = (stop - 1 - start) * scale.pixels_per_frame / max(end - begin, 1e-9)
    step = next((s for s in SECOND_STEPS[1:] if s * per_second >= room), SECOND_STEPS[-1])
    seconds = np.arange(np.ceil(begin / step - 1e-6), np.floor(end / step + 1e-6) + 1) * step
    positions = np.interp(seconds, times, np.arange(len(times)))
    marks: list[tuple[float, float]] = []
    for second, position in zip(seconds.tolist(), positions.tolist(), strict=True):
        # Where frames are far apart in time, round seconds crowd together.
        if not marks or (position - marks[-1][1]) * scale.pixels_per_frame >= 0.6 * room:
            marks.append((second, position))
    return marks
