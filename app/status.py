"""The status line: which mode this is, what click is expected, how to leave it; and the job."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QStatusBar, QToolButton

from annotations import ranges
from app import icons
from app.box_owner import owner_of_new_box
from app.fit_panel import progress_text
from app.frame_evidence import box, identity
from app.jobs import Job, Jobs
from app.panel import ProgressLine, label
from app.view_state import ViewState

HINT_MILLISECONDS = 8000


class PassingHint(QLabel):
    """One line that ends in "…" where there is no room for all of it."""

    @property
    def shown_text(self) -> str:
        return self.fontMetrics().elidedText(
            self.text(), Qt.TextElideMode.ElideRight, self.contentsRect().width()
        )

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        painter.drawText(self.contentsRect(), Qt.AlignmentFlag.AlignVCenter, self.shown_text)


class StatusLine(QStatusBar):
    """Mode on the left, a passing hint beside it, the running job and the time on the right."""

    cancel_requested = Signal()
    """The cross beside the running job."""

    def __init__(self, view_state: ViewState, jobs: Jobs) -> None:
        super().__init__()
        self._view_state = view_state
        self._jobs = jobs
        self.setSizeGripEnabled(False)
        self.mode = label("", wrap=False)
        self.passing = PassingHint()
        self.passing.setProperty("role", "muted")
        for shown in (self.mode, self.passing):
            shown.setContentsMargins(8, 2, 8, 2)
        self.passing.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._job = label("", "muted", wrap=False)
        self._bar = ProgressLine()
        self._bar.setFixedWidth(120)
        self._cancel = QToolButton()
        self._cancel.setIcon(icons.icon("cancel"))
        self._cancel.setToolTip("Cancel the running job")
        self._cancel.setAutoRaise(True)
        self._cancel.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._cancel.clicked.connect(self.cancel_requested)
        self._clock = label("", "muted", wrap=False)
        self._clock.setContentsMargins(8, 2, 8, 2)
        self.addWidget(self.mode)
        self.addWidget(self.passing, 1)
        for widget in (self._job, self._bar, self._cancel, self._clock):
            self.addPermanentWidget(widget)
        self._hint_timer = QTimer(self, singleShot=True, interval=HINT_MILLISECONDS)
        self._hint_timer.timeout.connect(self.clear_hint)
        self._connect()
        self._refresh_mode()
        self._refresh_clock()
        self._refresh_job()

    def _connect(self) -> None:
        view_state, jobs = self._view_state, self._jobs
        for signal in (
            view_state.tool_changed,
            view_state.picked_region_changed,
            view_state.selected_person_changed,
            view_state.selected_other_changed,
            view_state.brush_radius_changed,
            view_state.candidate_changed,
            view_state.show_before_changed,
            view_state.selection_changed,
            view_state.clip_id_changed,
            view_state.state_changed,
        ):
            signal.connect(self._refresh_mode)
        view_state.frame_changed.connect(self._on_frame_changed)
        view_state.clip_id_changed.connect(self._refresh_clock)
        for signal in (jobs.started, jobs.finished, jobs.failed, jobs.cancelled):
            signal.connect(self._refresh_job)
            signal.connect(self._refresh_mode)
        jobs.progressed.connect(self._on_progressed)

    def hint(self, text: str) -> None:
        """Say something in passing, beside the mode."""
        self.passing.setText(text)
        self.passing.setToolTip(text)
        self._hint_timer.start()

    def clear_hint(self) -> None:
        self.passing.clear()
        self.passing.setToolTip("")

    def _refresh_mode(self, *_: object) -> None:
        job = self._jobs.running
        is_mine = job is not None and job.clip_id == self._view_state.clip_id
        self.mode.setText(mode_text(self._view_state, job.kind if job and is_mine else ""))

    def _on_frame_changed(self, _: int) -> None:
        self._refresh_clock()
        if self._view_state.tool == "box":
            self._refresh_mode()  # who has no box differs from frame to frame

    def _refresh_clock(self, *_: object) -> None:
        clip = self._view_state.clip
        if clip is None:
            self._clock.clear()
            return
        frame = self._view_state.frame
        seconds = float(clip.video.times[frame])
        self._clock.setText(
            f"Frame {frame} of {clip.video.frame_count - 1}  ·  "
            f"{int(seconds // 60)}:{seconds % 60:05.2f}"
        )

    def _refresh_job(self, *_: object) -> None:
        job = self._jobs.running
        for widget in (self._job, self._bar, self._cancel):
            widget.setVisible(job is not None)
        if job is not None:
            self._job.setText(job.label)
            self._bar.set_fraction(None)

    def _on_progressed(self, job: Job, progress: object) -> None:
        self._job.setText(f"{job.label} · {progress_text(progress)}")
        self._bar.set_fraction(getattr(progress, "fraction", None))


def mode_text(view_state: ViewState, running: str = "") -> str:
    """One line: the mode, the click that is expected, the way out.

    `running` is the kind of the job that runs on the shown clip.
    """
    if view_state.clip_id is None:
        return "No clip. Import a video with Ctrl+I, or drop one here."
    candidate = view_state.candidate
    if view_state.tool == "contact":
        return _contact_text(view_state)
    if view_state.tool == "depth":
        return "Depth · Click the person who is nearer to the camera. Esc to cancel."
    if view_state.tool == "box":
        return _box_text(view_state)
    if view_state.tool == "mask":
        return _mask_text(view_state)
    if view_state.show_before:
        return "Before the re-fit · Let go of B to see the new bodies."
    if candidate is not None and candidate.is_complete:
        where = ranges.spoken(candidate.frames)
        return f"New bodies, {where} · Hold B for before, Enter keeps, Backspace discards."
    state = view_state.state
    if running == "fit":
        return "Fitting · A correction is kept, and the fit starts again. Backspace cancels."
    if running == "detect":
        return _detecting_text(view_state)
    if state is None or state.observations is None:
        return "Watch · The people have not been detected yet (Fit menu)."
    if view_state.selected_other is not None:
        return (
            "Somebody else is chosen · Ctrl+1 or Ctrl+2 says who it is (with Shift: in this frame "
            "only), Delete says more. Esc to cancel."
        )
    if view_state.selection is not None:
        return f"Selected {ranges.spoken(view_state.selection)} · Esc clears."
    return "Look · Drag a joint to correct it, right-click hides it; right-click a person for more."


def _detecting_text(view_state: ViewState) -> str:
    """What becomes of a correction that is made meanwhile."""
    state = view_state.state
    if state is None or state.observations is None:
        return "Detecting · The people appear as soon as they are found. Q draws a box that helps."
    if view_state.is_unsaved:
        return "Detecting · This is a preview; joints can be corrected when it is done."
    return "Detecting again · A correction is kept, and the detection starts again with it."


def _box_text(view_state: ViewState) -> str:
    state = view_state.state
    if state is None:
        return "Box · Esc to cancel."
    owner = owner_of_new_box(state, view_state.frame, view_state.selected_person)
    whom = identity(state, owner).name if owner is not None else "a person"
    if any(box(state, p, view_state.frame) is None for p in range(len(state.identities))):
        then = ", then detect (Fit menu)" if state.observations is None else ""
        return f"Box · Drag around {whom}, who has no box here{then}. Esc to cancel."
    return f"Box · Drag a handle, or with Shift drag anew around {whom}. Esc to cancel."


def _mask_text(view_state: ViewState) -> str:
    state, person = view_state.state, view_state.selected_person
    whose = f"{identity(state, person).name}'s mask" if person is not None else "the nearest mask"
    size = 2 * view_state.brush_radius
    return (
        f"Mask · Paint {whose}; Ctrl or right button erases. Brush {size:.0f} px, [ and ] or "
        "Ctrl+wheel change it. Esc to cancel."
    )


def _contact_text(view_state: ViewState) -> str:
    picked = view_state.picked_region
    if picked is None:
        return "Contact · Click a region on one body. Esc to cancel."
    state = view_state.state
    names = [i.name for i in state.identities] if state is not None else ["person 1", "person 2"]
    person, region = picked
    other = names[1 - person] if len(names) == 2 and person < 2 else "the other person"
    spoken = region.replace("_", " ")
    return (
        f"Contact · {names[person]}'s {spoken} touches … click a region of {other}. Esc to cancel."
    )
