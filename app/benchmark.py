"""Playback in the real window, measured: `python3 main.py bench desk`.

A 1080p video at 60 Hz and two moving 7k bodies are played in the main window. A frame counts for
a view once that view has painted it; a frame that playback had to drop does not count.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
from PySide6.QtCore import QEvent, QEventLoop, QObject, QSettings, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from annotations.store import Store
from app.number_rows import Row
from engine.body.display import DisplayBody
from engine.structures import (
    BodyMotion,
    Camera,
    Diagnostics,
    FitResult,
    FrameRange,
    Observations,
    Outcome,
    Provenance,
    VideoInfo,
)
from engine.video import probe

if TYPE_CHECKING:
    from app.main_window import MainWindow

SIZE = (1920, 1080)
RATE = 60
WINDOW = (1600, 900)
SCREEN = "1920x1080x24"
WARM_UP_SECONDS = 2.0
FIT_PATIENCE = 120.0
"""Seconds until a fit must have shown its first bodies."""


def bench_desk(quick: bool = False) -> list[Row]:
    """Rows of view, fps (distinct frames painted a second), p95_ms and p99_ms (between two),
    distinct_frames: of playing, and of playing while the whole clip is fitted.

    Without a display it starts itself again under Xvfb. Raises RuntimeError where neither a
    display nor Xvfb is there.
    """
    if not os.environ.get("DISPLAY"):
        return under_xvfb("app.benchmark", "bench_desk", quick)
    os.environ.setdefault("QT_QPA_PLATFORM", "xcb")
    with tempfile.TemporaryDirectory() as folder:
        video = write_video(Path(folder) / "desk.mp4", round((2.0 if quick else 4.0) * RATE))
        project = write_project(probe(video))
        return _play(project, seconds=3.0 if quick else 10.0)


def under_xvfb(module: str, function: str, quick: bool) -> list[Row]:
    """What a benchmark returns that is run in a process with a screen of its own."""
    runner = shutil.which("xvfb-run")
    if runner is None:
        raise RuntimeError("no display and no Xvfb: install it with `apt install xvfb xauth`")
    code = f"import json; from {module} import {function} as run; print(json.dumps(run({quick})))"
    screen = f"-screen 0 {SCREEN} +extension GLX"
    command = [runner, "-a", "-s", screen, sys.executable, "-c", code]
    environment = {**os.environ, "LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb"}
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        command, cwd=root, env=environment, check=True, capture_output=True, text=True
    )
    rows: list[Row] = json.loads(done.stdout.strip().splitlines()[-1])
    return rows


# -- what is played -----------------------------------------------------------------------------


def write_project(video: VideoInfo) -> Path:
    """A project beside a 1080p video in which two bodies move."""
    count = video.frame_count
    motion, camera = _motion(video), _camera(count)
    observations = _observations(motion, camera, video)
    path = Path(video.path).with_suffix(".dyad")
    with Store.create(path, author="bench") as store:
        clip = store.add_clip(video).clip_id
        assert clip is not None
        store.set_observations(clip, observations, {"source": "bench"})
        diagnostics = Diagnostics(np.full((2, count), 4.0), np.zeros(count))
        result = FitResult(motion, camera, diagnostics, Outcome.CONVERGED)
        store.apply_fit(clip, result, FrameRange(0, count), store.head(clip).id)
    return path


def write_video(
    path: Path,
    count: int,
    key_frame_every: int = RATE,
    mark: Callable[[np.ndarray, int], None] = lambda picture, index: None,
) -> Path:
    """A room in motion: texture everywhere, as a camera would have it.

    `mark` may draw on each picture, RGB (1080, 1920, 3), knowing its index.
    """
    random = np.random.default_rng(0)
    wall = cv2.resize(random.integers(30, 200, (68, 150, 3), np.uint8), (2400, 1088))
    wall = cv2.add(wall, random.integers(0, 18, wall.shape, np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "23", "g": str(key_frame_every)}
        for index in range(count):
            left = (index * 4) % (wall.shape[1] - SIZE[0])
            picture = np.array(wall[: SIZE[1], left : left + SIZE[0]], np.uint8)
            mark(picture, index)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _motion(video: VideoInfo) -> BodyMotion:
    """Two people who walk round each other and wave."""
    count = video.frame_count
    phase = video.times[None] * 2 + np.array([[0.0], [np.pi]])
    transl = np.stack([0.45 * np.cos(phase), np.full_like(phase, 1.17), 0.45 * np.sin(phase)], -1)
    body_pose = np.zeros((2, count, 23, 3))
    for joint, reach in ((0, 0.5), (1, -0.5), (15, 0.9), (16, -0.9), (17, 0.6), (18, -0.6)):
        body_pose[:, :, joint, 0] = reach * np.sin(3 * phase + joint)
    orient = np.zeros((2, count, 3))
    orient[..., 1] = -phase
    return BodyMotion(
        "open-body",
        np.zeros((2, 10)),
        orient,
        body_pose,
        transl,
        np.ones((2, count), bool),
        np.full((2, count), Provenance.FITTED, np.uint8),
        np.asarray(video.times, float),
    )


def _camera(count: int) -> Camera:
    K = np.array([[1500.0, 0, SIZE[0] / 2], [0, 1500.0, SIZE[1] / 2], [0, 0, 1]])
    T = np.eye(4)
    T[:3, :3] = np.diag([1.0, -1.0, -1.0])
    T[:3, 3] = (0, 1.0, 3.6)
    return Camera(K, SIZE, np.tile(T, (count, 1, 1)), "assumed")


def _observations(motion: BodyMotion, camera: Camera, video: VideoInfo) -> Observations:
    """The bodies' own keypoints, projected."""
    body = DisplayBody.load(motion.body, "1k2")
    points = np.stack(
        [
            body.keypoints(
                motion.betas[p], motion.global_orient[p], motion.body_pose[p], motion.transl[p]
            )
            for p in range(2)
        ]
    )  # fmt: skip
    T = camera.T_camera_world[0]
    seen = (points @ T[:3, :3].T + T[:3, 3]) @ camera.K.T
    pixels = (seen[..., :2] / seen[..., 2:]).astype(float)
    boxes = np.concatenate([pixels.min(2) - 20, pixels.max(2) + 20], -1)
    confidence = np.full(pixels.shape[:-1], 0.9)
    return Observations(pixels, confidence, "halpe26", boxes, np.asarray(video.times), SIZE)


# -- playing ------------------------------------------------------------------------------------


def _play(project: Path, seconds: float) -> list[Row]:
    with window_on(project) as window:
        view_state = window.view_state
        watches = [
            Watch("frame view", window.frame_view, lambda: window.frame_view.shown_frame),
            Watch("3D view", window.mesh_view, lambda: view_state.frame),
        ]
        view_state.playing = True
        live(WARM_UP_SECONDS)
        for watch in watches:
            watch.restart()
        live(seconds)
        rows = [watch.row() for watch in watches]
        window.fitting.fit_clip()
        live(FIT_PATIENCE, until=lambda: view_state.candidate is not None)
        for watch in watches:
            watch.restart()
        live(seconds, until=lambda: window.jobs.running is None)
        return [*rows, *({**w.row(), "view": f"{w.name}, fitting"} for w in watches)]


@contextmanager
def window_on(project: Path, cache_gigabytes: float = 0.0) -> Iterator[MainWindow]:
    """The real window on a project whose first clip has bodies."""
    from app.main_window import MainWindow
    from app.preferences import Preferences
    from app.theme import theme

    application = QApplication.instance() or QApplication(["bench"])
    assert isinstance(application, QApplication)
    theme().dress(application)
    settings = QSettings(str(project.with_suffix(".ini")), QSettings.Format.IniFormat)
    preferences = Preferences(settings)
    preferences.cache_gigabytes = cache_gigabytes
    window = MainWindow(preferences)
    try:
        window.resize(*WINDOW)
        window.show()
        window.projects.open(project)
        live(20.0, until=lambda: window.view_state.motion_shown() is not None)
        yield window
    finally:
        window.close()


def live(seconds: float, until: Callable[[], bool] = lambda: False, every: int = 50) -> None:
    """Let the window live for a while; `until` is asked every so many milliseconds."""
    loop = QEventLoop()
    stop = time.perf_counter() + seconds
    while not until() and time.perf_counter() < stop:
        QTimer.singleShot(every, loop.quit)
        loop.exec()


class Watch(QObject):
    """Notes when a view has painted which frame."""

    def __init__(self, name: str, view: QWidget, shown_frame: Callable[[], int]) -> None:
        super().__init__(view)
        self.name = name
        self._shown_frame = shown_frame
        self._painted: list[tuple[float, int]] = []
        view.installEventFilter(self)

    def restart(self) -> None:
        self._painted.clear()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            frame = self._shown_frame()
            if not self._painted or self._painted[-1][1] != frame:
                self._painted.append((time.perf_counter(), frame))
        return False

    def row(self) -> Row:
        if len(self._painted) < 2:
            nothing: Row = {"fps": 0.0, "p95_ms": math.inf, "p99_ms": math.inf}
            return {"view": self.name, **nothing, "distinct_frames": 0}
        moments = np.array([moment for moment, _ in self._painted])
        p95, p99 = np.percentile(np.diff(moments), [95, 99]) * 1e3
        return {
            "view": self.name,
            "fps": round(float((len(moments) - 1) / (moments[-1] - moments[0])), 1),
            "p95_ms": round(float(p95), 1),
            "p99_ms": round(float(p99), 1),
            "distinct_frames": len({frame for _, frame in self._painted}),
        }
