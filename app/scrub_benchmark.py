"""Random frames in the real window, measured: `python3 main.py bench scrub`.

A 1080p clip whose every frame carries its number is scrubbed at random, decoding and from the
proxy cache. The clock runs from the moment a frame is asked for until the window has painted it and
handed its pixels to the screen; the number is then read off the screen.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QPoint
from PySide6.QtGui import QImage

from app.benchmark import live, under_xvfb, window_on, write_project, write_video
from app.number_rows import Row
from app.proxy_cache import ProxyFolder, folder_beside
from app.proxy_filling import fill
from engine.structures import VideoInfo
from engine.video import probe

if TYPE_CHECKING:
    from app.main_window import MainWindow

KEY_FRAME_EVERY = 250
BITS, BLOCK, TOP = 10, 96, 24
"""The number in binary, in square blocks along the top; pixels of the video."""
_PATIENCE = 20.0
_PAINTED = QEvent.Type(QEvent.registerEventType())


def bench_scrub(quick: bool = False) -> list[Row]:
    """Rows of source, median_ms and p95_ms from request to screen, cpu_ms, right (fraction).

    cpu_ms is what the window's process took for one frame, all its threads. The row of the cache
    also has filled_s, the processor seconds that it took to fill, frames, and megabytes.
    """
    if not os.environ.get("DISPLAY"):
        return under_xvfb("app.scrub_benchmark", "bench_scrub", quick)
    os.environ.setdefault("QT_QPA_PLATFORM", "xcb")
    count, seeks = (260, 10) if quick else (2 * KEY_FRAME_EVERY, 60)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scrub.mp4"
        video = probe(write_video(path, count, KEY_FRAME_EVERY, mark_number))
        project = write_project(video)
        order = np.random.default_rng(0).permutation(count)[:seeks].tolist()
        with window_on(project) as window:
            decoded = _scrub(window, order)
        seconds = _fill(video, folder_beside(project))
        with window_on(project, cache_gigabytes=4.0) as window:
            cached = _scrub(window, order)
        size = ProxyFolder(folder_beside(project), 0).used()
    extra: Row = {"filled_s": round(seconds, 1), "frames": count, "megabytes": round(size / 1e6)}
    return [{"source": "decoded", **decoded}, {"source": "cached", **cached, **extra}]


def mark_number(picture: np.ndarray, number: int) -> None:
    """Write a frame's number on it."""
    for bit in range(BITS):
        lit = 235 if number >> bit & 1 else 20
        picture[TOP : TOP + BLOCK, (bit + 1) * BLOCK : (bit + 2) * BLOCK] = lit


def number_on(screen: QImage, corner: QPoint, window: MainWindow) -> int:
    """The number read off an image of the screen whose pixel (0, 0) is the window's `corner`."""
    number, view = 0, window.frame_view
    for bit in range(BITS):
        middle = np.array([(bit + 1.5) * BLOCK, TOP + BLOCK / 2])
        x, y = view.transform.to_view(middle)
        at = view.mapTo(window, QPoint(round(x), round(y))) - corner
        number |= int(screen.pixelColor(at).lightness() > 128) << bit
    return number


class _Screen(QObject):
    """Notes when the frame view has been painted and the window's pixels were handed over."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._view = window.frame_view
        self._painting = -1
        self.shown: tuple[int, float] = (-1, 0.0)
        """Frame, and when."""
        self._view.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            # Handled after the event that is painting and flushing the whole window; by then the
            # next picture may have come, so which one was painted is noted now.
            self._painting = self._view.shown_frame
            QCoreApplication.postEvent(self, QEvent(_PAINTED))
        return False

    def event(self, event: QEvent) -> bool:
        if event.type() == _PAINTED:
            self.shown = (self._painting, time.perf_counter())
            return True
        return super().event(event)


def _scrub(window: MainWindow, order: list[int]) -> Row:
    screen = _Screen(window)
    waits, cpu, right = [], [], 0
    for frame in order:
        live(0.05)
        worked, asked = time.process_time(), time.perf_counter()
        window.view_state.frame = frame
        live(_PATIENCE, until=lambda frame=frame: screen.shown[0] == frame, every=1)
        waits.append(screen.shown[1] - asked)
        cpu.append(time.process_time() - worked)
        picture = window.screen().grabWindow(window.winId()).toImage()
        right += number_on(picture, QPoint(0, 0), window) == frame
    return {
        "median_ms": round(float(np.median(waits)) * 1e3, 1),
        "p95_ms": round(float(np.percentile(waits, 95)) * 1e3, 1),
        "cpu_ms": round(float(np.median(cpu)) * 1e3, 1),
        "right": round(right / len(order), 3),
    }


def _fill(video: VideoInfo, folder: Path) -> float:
    """Fill the cache as the window's process does; processor seconds that it took."""
    began = time.process_time()
    for _ in fill(video, folder, 2**40):
        pass
    return time.process_time() - began
