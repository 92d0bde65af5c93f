"""A small scene for tests of the views: two standing bodies, seen by a known camera."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from annotations.records import ClipRecord, ClipState, Identity
from app.frame_bodies import project
from app.posed_bodies import display_body
from app.tokens import PERSON_COLORS
from app.view_state import ViewState
from engine.structures import BodyMotion, Camera, Diagnostics, Observations, VideoInfo

FRAMES = 12
SIZE = (640, 480)
HIP_HEIGHT = 0.95
LEFT, RIGHT, MIDDLE, NONE = (
    Qt.MouseButton.LeftButton,
    Qt.MouseButton.RightButton,
    Qt.MouseButton.MiddleButton,
    Qt.MouseButton.NoButton,
)


def make_motion(apart: float = 0.9, behind: float = 0.0) -> BodyMotion:
    """Person 0 on the left, person 1 on the right and `behind` metres further from the camera."""
    shape = (2, FRAMES)
    transl = np.zeros((*shape, 3))
    transl[0, :, 0], transl[1, :, 0] = -apart / 2, apart / 2
    transl[1, :, 2] = -behind
    transl[..., 1] = HIP_HEIGHT + 0.22
    return BodyMotion(
        "open-body",
        np.zeros((2, 10)),
        np.zeros((*shape, 3)),
        np.zeros((*shape, 23, 3)),
        transl,
        np.ones(shape, bool),
        np.full(shape, 2, np.uint8),
        np.arange(FRAMES) / 30,
    )


def make_camera(distance: float = 4.0) -> Camera:
    """Level, one metre high, looking along -z at the people."""
    K = np.array([[600.0, 0, SIZE[0] / 2], [0, 600.0, SIZE[1] / 2], [0, 0, 1]])
    T = np.eye(4)
    T[:3, :3] = np.diag([1.0, -1.0, -1.0])
    T[:3, 3] = -T[:3, :3] @ np.array([0, 1.0, distance])
    return Camera(K, SIZE, np.tile(T, (FRAMES, 1, 1)), "assumed")


def make_observations(motion: BodyMotion, camera: Camera) -> Observations:
    """The bodies' own keypoints, exactly projected, all sure."""
    pixels = np.zeros((2, FRAMES, 26, 2))
    for person in range(2):
        points = display_body(motion.body, person).keypoints(
            motion.betas[person],
            motion.global_orient[person],
            motion.body_pose[person],
            motion.transl[person],
        )
        for frame in range(FRAMES):
            pixels[person, frame] = project(camera, frame, points[frame])[:, :2]
    boxes = np.concatenate([pixels.min(2) - 10, pixels.max(2) + 10], -1)
    return Observations(
        pixels, np.full((2, FRAMES, 26), 0.9), "halpe26", boxes, motion.time, camera.image_size
    )


def make_clip(clip_id: int = 1, frame_count: int = FRAMES, **changed: Any) -> ClipRecord:
    video = VideoInfo("/clips/meeting.mp4", *SIZE, np.arange(frame_count) / 30, f"{clip_id:064d}")
    fields = {"name": f"clip {clip_id}", "video": video, "status": "fitted", **changed}
    imported = datetime(2026, 1, 1, tzinfo=UTC)
    return ClipRecord(clip_id, head_revision=1, imported_at=imported, **fields)


def make_state(motion: BodyMotion | None = None, **changed: Any) -> ClipState:
    motion = make_motion() if motion is None else motion
    camera = make_camera()
    fields: dict[str, Any] = {
        "identities": (Identity(0, "Ann", PERSON_COLORS[0]), Identity(1, "Ben", PERSON_COLORS[1])),
        "observations": make_observations(motion, camera),
        "motion": motion,
        "camera": camera,
        "diagnostics": Diagnostics(np.full((2, FRAMES), 5.0), np.zeros(FRAMES)),
    }
    return ClipState(**{**fields, **changed})


def make_view_state(state: ClipState | None = None) -> ViewState:
    """Looking at one clip of the scene."""
    made = ViewState()
    made.clips = (make_clip(1), make_clip(2))
    made.clip_id = 1
    made.set_state(make_state() if state is None else state)
    return made


def heard(signal: Any) -> list[tuple]:
    """What a signal says from now on."""
    values: list[tuple] = []
    signal.connect(lambda *arguments: values.append(arguments))
    return values


def mouse(
    widget: QWidget,
    kind: str,
    at: QPointF | tuple[float, float],
    button: Qt.MouseButton = LEFT,
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    """One real mouse event: "press", "move" (with the button down), "hover" or "release"."""
    position = QPointF(*at) if isinstance(at, tuple) else at
    types = QMouseEvent.Type
    which = {
        "press": types.MouseButtonPress,
        "release": types.MouseButtonRelease,
        "double": types.MouseButtonDblClick,
    }.get(kind, types.MouseMove)
    down = NONE if kind in ("hover", "release") else button
    changing = NONE if kind in ("move", "hover") else button
    place = widget.mapToGlobal(position)
    event = QMouseEvent(which, position, place, changing, down, modifiers)
    QApplication.sendEvent(widget, event)


def drag(widget: QWidget, start: Any, *stops: Any, let_go: bool = True, **how: Any) -> None:
    mouse(widget, "press", start, **how)
    for stop in stops:
        mouse(widget, "move", stop, **how)
    if let_go:
        mouse(widget, "release", stops[-1], **how)


def click(widget: QWidget, at: Any, **how: Any) -> None:
    mouse(widget, "press", at, **how)
    mouse(widget, "release", at, **how)


def wheel(
    widget: QWidget,
    at: tuple[float, float],
    turn: int,
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    position = QPointF(*at)
    phase = Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(
        position, widget.mapToGlobal(position), QPoint(), QPoint(0, turn), NONE, modifiers,
        phase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def shown(qtbot: Any, make: Callable[[], QWidget], width: int = 640, height: int = 480) -> Any:
    """A widget on the screen, in a known size."""
    widget = make()
    qtbot.addWidget(widget)
    widget.resize(width, height)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget
