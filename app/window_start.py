"""Starts the window: surface format, application, theme, error handling, first project."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject, QStandardPaths, QTimer, Signal
from PySide6.QtGui import QSurfaceFormat
from PySide6.QtWidgets import QApplication

log = logging.getLogger("dyad")
LOG_BYTES = 2**20
ERROR_LENGTH = 200
"""Of what an unforeseen error says of itself, so much is shown; the log has all."""
WARM_UP_DELAY = 1500
"""Milliseconds after the window is shown before the worker process is started."""


def run_window(project: Path | None = None, video: Path | None = None) -> int:
    """Open the window on a project, on a video, or on the sample, and run until it is closed."""
    choose_platform()
    choose_surface_format()
    application = QApplication(sys.argv[:1])
    application.setOrganizationName("Dyad")
    application.setApplicationName("Dyad")
    application.setDesktopFileName("dyad")
    log_file = write_log()
    from app.main_window import MainWindow
    from app.preferences import Preferences
    from app.theme import theme

    preferences = Preferences()
    theme().scheme = preferences.scheme
    theme().dress(application)
    window = MainWindow(preferences, log_file=log_file)
    catch_everything(window.notifications.error)
    window.show()
    open_first(window, project, video)
    QTimer.singleShot(WARM_UP_DELAY, window.jobs.warm_up)
    return application.exec()


def choose_platform() -> None:
    """PyOpenGL and Qt must agree on GLX; on Wayland they would not by themselves."""
    if not sys.platform.startswith("linux"):
        return
    os.environ.pop("QT_QPA_PLATFORM_PLUGIN_PATH", None)  # other packages' Qt plugins are not ours
    if os.environ.get("QT_QPA_PLATFORM", "").startswith("wayland"):
        del os.environ["QT_QPA_PLATFORM"]
    if os.environ.get("DISPLAY"):
        os.environ.setdefault("QT_QPA_PLATFORM", "xcb")
        os.environ.setdefault("PYOPENGL_PLATFORM", "x11")


def choose_surface_format() -> None:
    """Before the QApplication: depth, multisampling, no waiting for the screen."""
    wanted = QSurfaceFormat()
    wanted.setDepthBufferSize(24)
    wanted.setSamples(4)
    wanted.setSwapInterval(0)
    QSurfaceFormat.setDefaultFormat(wanted)


def open_first(window: object, project: Path | None, video: Path | None) -> None:
    """What the user named; else the last project; else the sample."""
    from app.main_window import MainWindow

    assert isinstance(window, MainWindow)
    projects, preferences = window.projects, window.preferences

    def then_video() -> None:
        if video is not None:
            projects.import_videos([video])

    if project is not None:
        action = projects.open if project.exists() else projects.create
        action(project, then_video)
    elif video is not None:
        then_video()
    elif preferences.recent:
        projects.open(preferences.recent[0])
    else:
        projects.open_sample()


def write_log() -> Path | None:
    """Log to a file in the user's data folder; None where that cannot be written."""
    folder = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation))
    path = folder / "dyad.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1)
    except OSError:
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    return path


class _Bell(QObject):
    """Carries a message from any thread to the GUI thread."""

    rung = Signal(str)


def catch_everything(show: Callable[[str], object]) -> None:
    """An error that nobody foresaw is logged with its traceback and shown once; nothing ends."""
    bell = _Bell(QApplication.instance())
    bell.rung.connect(show)
    shown: set[str] = set()

    def handle(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        log.error("unforeseen error\n%s", "".join(traceback.format_exception(kind, error, trace)))
        first_line = (str(error).strip().splitlines() or [""])[0][:ERROR_LENGTH]
        text = (
            f"Something went wrong ({kind.__name__}: {first_line}). "
            "Your work is saved; Help, Show the log has the details."
        )
        if text not in shown:
            shown.add(text)
            bell.rung.emit(text)

    sys.excepthook = handle
    threading.excepthook = lambda args: handle(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )
