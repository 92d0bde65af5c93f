"""A clip with two people and somebody else, and the hands that correct it in a real window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from engine.structures import Observations, RunLengthMask, VideoInfo
from tests.app import scenes

KEY, LEFT, RIGHT = Qt.Key, Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE = Qt.KeyboardModifier.NoModifier
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
WAIT = 10_000
GAP = 20
"""Person 2 is lost here for three frames."""
CUT = 30
OTHER_SEEN = slice(5, 36)
BOXES = np.array([[20.0, 30.0, 56.0, 88.0], [100.0, 30.0, 136.0, 88.0], [70.0, 4.0, 88.0, 34.0]])
"""The two people and somebody else in frame 0, in picture pixels; all move a little."""


def joints_in(box: np.ndarray) -> np.ndarray:
    """26 joints on a grid, far enough from each other for a mouse."""
    share = np.stack([np.arange(26) % 4 / 3.0, np.arange(26) // 4 / 6.0], -1)
    return box[:2] + 3 + share * (box[2:] - box[:2] - 6)


def people_of(video: VideoInfo) -> Observations:
    """Two people, and somebody else above and between them; a cut at frame 30."""
    count = video.frame_count
    step = 0.1 * np.arange(count)[None, :, None] * np.array([1, 0, 1, 0])
    boxes = BOXES[:, None] + step
    boxes[1, GAP : GAP + 3] = np.nan
    boxes[2, : OTHER_SEEN.start] = boxes[2, OTHER_SEEN.stop :] = np.nan
    keypoints = np.stack([np.stack([joints_in(box) for box in row]) for row in boxes])
    confidence = np.where(np.isfinite(keypoints[..., 0]), 0.8, 0.0)
    common = {"layout": "halpe26", "times": video.times, "image_size": video.image_size}
    other = Observations(keypoints[2:], confidence[2:], boxes=boxes[2:], **common)
    masks = tuple(tuple(mask_in(box, video) for box in row) for row in boxes[:2])
    return Observations(
        keypoints[:2], confidence[:2], boxes=boxes[:2], masks=masks, others=other, cuts=(CUT,),
        notes=("Somebody walks past.",), **common,
    )  # fmt: skip


def mask_in(box: np.ndarray, video: VideoInfo) -> RunLengthMask | None:
    if not np.isfinite(box).all():
        return None
    rows, columns = np.mgrid[: video.height, : video.width] + 0.5
    x, y = (box[:2] + box[2:]) / 2
    width, height = box[2:] - box[:2]
    return RunLengthMask.encode(((columns - x) / width) ** 2 + ((rows - y) / height) ** 2 <= 0.25)


def go_to(qtbot, window, frame: int) -> None:
    window.view_state.frame = frame
    qtbot.waitUntil(lambda: window.frame_view.shown_frame == frame, timeout=WAIT)
    QApplication.processEvents()


def at(window, x: float, y: float) -> QPoint:
    """A point of the picture in the frame view."""
    return QPointF(*window.frame_view.transform.to_view(np.array([x, y]))).toPoint()


def drag(window, start: QPoint, end: QPoint, button=LEFT, modifier=NONE, let_go=True) -> None:
    stops = [QPointF(start + (end - start) * share) for share in (0.3, 0.7, 1.0)]
    how = {"button": button, "modifiers": modifier, "let_go": let_go}
    scenes.drag(window.frame_view, QPointF(start), *stops, **how)


def hover(window, place: QPoint) -> None:
    scenes.mouse(window.frame_view, "hover", QPointF(place))


def after(qtbot, window, gesture: Callable[[], object]):
    """The state that a gesture leads to."""
    before = window.view_state.state
    gesture()
    qtbot.waitUntil(lambda: window.view_state.state is not before, timeout=WAIT)
    return window.view_state.state


def undone(qtbot, window):
    return after(
        qtbot, window, lambda: QTest.keyClick(window.frame_view, KEY.Key_Z, CTRL)
    ).constraints


def press(window, key, modifier=NONE) -> None:
    QTest.keyClick(window.frame_view, key, modifier)


def detected_box(window, person: int) -> np.ndarray:
    return window.view_state.state.observations.boxes[person, window.view_state.frame]


def words_of(menu: QMenu) -> list[str]:
    """Everything in a menu and below it, without keys."""
    found = []
    for action in menu.actions():
        if action.menu() is not None:
            found += [f"{action.text()}: {word}" for word in words_of(action.menu())]
        elif not action.isSeparator():
            found.append(action.text().split("\t")[0])
    return found


def chosen(window, source, words: str, joint=None) -> None:
    """Choose a line of the menu of `source`; one below another as "Not a person: In this frame"."""
    menu = window.person_menu.build(source, joint)
    for name in words.split(": "):
        action = next(a for a in menu.actions() if a.text().split("\t")[0].startswith(name))
        menu = action.menu() or menu
    action.trigger()
