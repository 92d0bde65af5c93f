"""A whole window on small projects, with a worker that imports nothing heavy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication, QWidget

from annotations.store import Store
from engine.structures import FrameRange, VideoInfo
from engine.video import probe
from tests.annotations.builders import make_fit, make_observations
from tests.app.correcting_scene import WAIT, go_to, people_of
from tests.engine.videos import write_video

FRAMES = 40


@pytest.fixture(scope="session")
def video_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 numbered frames at 30 Hz."""
    path = tmp_path_factory.mktemp("video") / "meeting.mp4"
    return write_video(path, list(range(0, 2 * FRAMES, 2)))


@pytest.fixture(scope="session")
def video(video_file: Path) -> VideoInfo:
    return probe(video_file)


@pytest.fixture
def fitted_project(tmp_path: Path, video: VideoInfo) -> Path:
    """A project whose one clip is detected and fitted."""
    path = tmp_path / "meeting.dyad"
    with Store.create(path, author="Ann") as store:
        clip = store.add_clip(video).clip_id
        store.set_observations(clip, make_observations(video), {"detector": "test"})
        whole = FrameRange(0, video.frame_count)
        store.apply_fit(clip, make_fit(video), whole, store.head(clip).id)
    return path


@pytest.fixture
def preferences(tmp_path: Path):
    from app.preferences import Preferences

    preferences = Preferences(
        QSettings(str(tmp_path / "preferences.ini"), QSettings.Format.IniFormat)
    )
    preferences.cache_gigabytes = 0.0  # a process for each window would only cost time
    return preferences


@pytest.fixture
def make_window(qtbot, preferences) -> Iterator[Callable[[], QWidget]]:
    """Opens windows like the real one, and closes them; no thread may outlive its window."""
    from app.jobs import Jobs
    from app.main_window import MainWindow

    windows = []
    before = set(threading.enumerate())

    def make() -> MainWindow:
        window = MainWindow(preferences, jobs=Jobs(warm_modules=(), grace_seconds=1.0))
        windows.append(window)
        qtbot.addWidget(window)
        window.resize(1280, 800)
        window.show()
        qtbot.waitExposed(window)
        window.activateWindow()
        return window

    yield make
    for window in windows:
        window.close()
    QApplication.processEvents()
    left = [thread for thread in set(threading.enumerate()) - before if thread.is_alive()]
    assert not left, f"threads outlive the window: {left}"


@pytest.fixture
def window(make_window):
    return make_window()


@pytest.fixture
def fitted_window(qtbot, make_window, fitted_project: Path):
    """A window that shows a fitted clip."""
    window = make_window()
    window.projects.open(fitted_project)
    qtbot.waitUntil(lambda: window.view_state.state is not None, timeout=10_000)
    return window


@pytest.fixture
def crowded_window(qtbot, make_window, tmp_path: Path, video: VideoInfo):
    """A window on two people and somebody else, fitted, with the video's frame 6 on screen."""
    path = tmp_path / "meeting.dyad"
    with Store.create(path, author="Ann") as store:
        clip = store.add_clip(video).clip_id
        store.set_observations(clip, people_of(video), {"by": "test"})
        whole = FrameRange(0, video.frame_count)
        store.apply_fit(clip, make_fit(video), whole, store.head(clip).id)
    window = make_window()
    window.projects.open(path)
    qtbot.waitUntil(lambda: window.view_state.state is not None, timeout=WAIT)
    go_to(qtbot, window, 6)
    return window
