"""The menu of a right click on somebody: who that is, or that it is nobody, joints, boxes, masks.

What cannot be seen at once (frames beyond this one) names its frames, and the least destructive
choice comes first.
"""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, QPoint, QPointF
from PySide6.QtWidgets import QMenu

from annotations.people import NobodyKind, Source
from annotations.ranges import spoken
from annotations.records import ClipState
from app import frame_evidence as evidence
from app.correcting import Correcting, Reach
from app.frame_view import FrameView
from engine.structures import BoxEdit

Joint = tuple[int, int]
"""person, keypoint"""


class PersonMenu(QObject):
    """Builds the menu for whoever was clicked, and opens it."""

    def __init__(self, view: FrameView, correcting: Correcting) -> None:
        super().__init__(view)
        self._view = view
        self._correcting = correcting

    def open(self, source: Source, joint: Joint | None, at: QPoint) -> QMenu:
        """Select who was clicked, and show the menu at a point of the screen."""
        view_state = self._view.view_state
        if source[0] == "other":
            view_state.selected_other = source[1]
        else:
            view_state.selected_person = source[1]
        menu = self.build(source, joint)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(at)
        return menu

    def open_selected(self) -> None:
        """The menu of the selected skeleton, beside it: for the keyboard."""
        source = self._correcting.selected
        if source is None:
            self._correcting.hinted.emit("Click a skeleton first, or select one with 1, 2 or 3.")
            return
        kind, index = source
        found = self._view.skeletons() if kind == "person" else self._view.other_skeletons()
        skeleton = found[index] if index < len(found) else None
        at = QPointF(self._view.rect().center())
        if skeleton is not None:
            at = QPointF(*np.nanmean(skeleton.points, axis=0).tolist())
        menu = self.open(source, None, self._view.mapToGlobal(at.toPoint()))
        menu.setActiveAction(next(a for a in menu.actions() if a.isEnabled() and a.text()))

    def build(self, source: Source, joint: Joint | None) -> QMenu:
        """All that can be said of `source` in the shown frame; `joint` is the nearest one."""
        state = self._view.view_state.state
        menu = QMenu(self._view)
        menu.setToolTipsVisible(True)
        if state is None:
            return menu
        kind, index = source
        name = evidence.identity(state, index).name if kind == "person" else "Somebody else"
        title = menu.addAction(name)
        title.setEnabled(False)
        menu.addSeparator()
        for person in range(len(state.identities)):
            if source != ("person", person):
                self._add_identity(menu, state, source, person)
        menu.addSeparator()
        surely = "Somebody else" if kind == "person" else "Surely somebody else"
        self._add_dismissal(menu, surely, source, "someone_else")
        self._add_dismissal(menu, "Not a person", source, "not_a_person")
        if kind == "person":
            self._add_corrections(menu, state, index, joint)
        self._add_marks(menu, state)
        return menu

    def _reaches(self, source: Source) -> list[tuple[Reach, str]]:
        """The frames that may be meant, the fewest first, in words."""
        frame, frames = self._view.shown_frame, self._correcting.frames
        onward, whole = frames("onward", frame, source), frames("all", frame, source)
        is_selection = self._view.view_state.selection is not None
        found: list[tuple[Reach, str]] = [("frame", "in this frame")]
        if len(onward) > 1 or frame not in onward:
            where = "in the selection" if is_selection else "from here on"
            found.append(("onward", f"{where} ({spoken(onward)})"))
        if whole != onward and len(whole) > 1:
            words = "everywhere" if source[0] == "person" else "wherever they are seen"
            found.append(("all", f"{words} ({spoken(whole)})"))
        return found

    def _add_identity(self, menu: QMenu, state: ClipState, source: Source, person: int) -> None:
        name = _plain(evidence.identity(state, person).name)
        keys = {"onward": f"\tCtrl+{person + 1}", "frame": f"\tCtrl+Shift+{person + 1}"}
        for reach, words in self._reaches(source):
            frames = self._correcting.frames(reach, self._view.shown_frame, source)
            action = menu.addAction(f"This is {name} {words}{keys.get(reach, '')}")
            action.triggered.connect(
                lambda _=False, f=frames: self._correcting.identify(source, person, f)
            )

    def _add_dismissal(self, menu: QMenu, title: str, source: Source, kind: NobodyKind) -> None:
        below = menu.addMenu(title)
        for reach, words in self._reaches(source):
            frames = self._correcting.frames(reach, self._view.shown_frame, source)
            action = below.addAction(f"{words[0].upper()}{words[1:]}")
            action.triggered.connect(
                lambda _=False, f=frames: self._correcting.dismiss(source, f, kind)
            )

    def _add_corrections(
        self, menu: QMenu, state: ClipState, person: int, joint: Joint | None
    ) -> None:
        frame, correcting = self._view.shown_frame, self._correcting
        menu.addSeparator()
        if joint is not None and joint[0] == person:
            self._add_joint(menu, state, joint)
        paint = menu.addAction("Paint the mask\tM")
        paint.triggered.connect(lambda: self._start("mask"))
        box = menu.addAction("Draw or move the box\tQ")
        box.triggered.connect(lambda: self._start("box"))
        if evidence.drawn_box(state, person, frame) is not None:
            action = menu.addAction("Take back the drawn box\tShift+Q")
            action.triggered.connect(lambda: correcting.take_back_box(person, frame))
        if evidence.painted_mask(state, person, frame) is not None:
            action = menu.addAction("Take back the painted mask\tShift+M")
            action.triggered.connect(lambda: correcting.take_back_mask(person, frame))

    def _add_joint(self, menu: QMenu, state: ClipState, joint: Joint) -> None:
        person, keypoint = joint
        frame, correcting = self._view.shown_frame, self._correcting
        said = evidence.said_of_joint(state, person, frame, keypoint)
        name = evidence.keypoint_name(state, keypoint)
        if said is None or said.visible:
            action = menu.addAction(f"Hide the {name}")
            action.triggered.connect(lambda: correcting.hide_keypoint(person, frame, keypoint))
        if said is not None:
            how = "placed" if said.visible else "hidden"
            action = menu.addAction(f"Take back the {name}, {how} by hand")
            action.triggered.connect(lambda: correcting.restore_keypoint(person, frame, keypoint))

    def _add_marks(self, menu: QMenu, state: ClipState) -> None:
        """Take back what was said of places in this frame."""
        marks: list[BoxEdit] = [
            edit
            for edit in state.constraints.box_edits
            if edit.frame == self._view.shown_frame and edit.person is None
        ]
        if not marks:
            return
        menu.addSeparator()
        for edit in marks:
            words = "somebody else" if edit.kind == "someone_else" else "not a person"
            x, y = (edit.box[0] + edit.box[2]) / 2, (edit.box[1] + edit.box[3]) / 2
            action = menu.addAction(f"Take back “{words}” at {x:.0f}, {y:.0f}")
            action.triggered.connect(lambda _=False, e=edit: self._correcting.take_back(e))

    def _start(self, tool: str) -> None:
        self._view.view_state.tool = tool  # type: ignore[assignment]


def _plain(name: str) -> str:
    """A name as a menu shows it: an ampersand is one."""
    return name.replace("&", "&&")
