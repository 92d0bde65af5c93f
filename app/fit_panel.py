"""Fit: the job that runs, the candidate that waits, the camera, and what the fit says of itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QCheckBox, QGridLayout

from annotations import ranges
from annotations.records import Changes, ClipState, FitRecord
from app.jobs import Job, Jobs
from app.number_field import NumberField
from app.panel import ActionButton, Panel, ProgressLine, card, label, plain_button, row, section
from app.view_state import Candidate, ViewState
from engine.structures import Diagnostics, FitProgress, FrameRange

USUAL_FOCAL = 1500.0
"""Pixels from which the field steps where none are known: of a phone, about 65 degrees in 1080p."""
MOST_COSTS = 3
APPEARANCE = (
    "Learns how each person looks and compares that with the pictures. A fit of the whole clip "
    "then takes about ten times as long."
)
_SOURCES = {"file": "from the file", "user": "stated", "assumed": "assumed"}


class FitPanel(Panel):
    """Progress with the remaining time and cancel; before/after; quality in numbers."""

    title = "Fit"
    focal_set = Signal(object)
    """Pixels, or None to let the fit assume it."""
    appearance_set = Signal(bool)
    """Whether fits compare the pictures too."""

    def __init__(self, view_state: ViewState, jobs: Jobs, actions: dict[str, QAction]) -> None:
        super().__init__()
        self._view_state = view_state
        self._jobs = jobs
        self._status = label("")
        self.column.addWidget(self._status)
        self.column.addLayout(
            row(
                ActionButton(actions["refit"]),
                ActionButton(actions["refit_clip"], text="Whole clip"),
                None,
            )
        )
        self._make_appearance()
        self._make_job_card(actions)
        self._make_candidate_card(actions)
        self._make_camera()
        self.column.addWidget(section("Last fit"))
        self._last_fit = label("", "muted")
        self.column.addWidget(self._last_fit)
        self.column.addWidget(section("Quality"))
        self._quality = label("", "muted")
        self.column.addWidget(self._quality)
        self.column.addStretch(1)
        for signal in (jobs.started, jobs.finished, jobs.failed, jobs.cancelled):
            signal.connect(self._on_jobs_changed)
        jobs.queue_changed.connect(self._on_jobs_changed)
        jobs.progressed.connect(self._on_progressed)
        view_state.state_changed.connect(self._on_state_changed)
        view_state.candidate_changed.connect(self._on_candidate_changed)
        self._on_jobs_changed()
        self._on_candidate_changed(view_state.candidate)
        self._on_state_changed(None)

    # -- parts ----------------------------------------------------------------------------------

    def _make_appearance(self) -> None:
        self._appearance = QCheckBox("Compare the pictures too")
        self._appearance.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._appearance.toggled.connect(self.appearance_set)
        self.column.addWidget(self._appearance)
        self.column.addWidget(label(APPEARANCE, "muted"))

    def show_appearance(self, is_on: bool) -> None:
        """What holds for the next fit."""
        self._appearance.blockSignals(True)
        self._appearance.setChecked(is_on)
        self._appearance.blockSignals(False)

    def show_fit(self, fit: FitRecord | None) -> None:
        """What the newest fit of the bodies on show was."""
        self._last_fit.setText(fit_text(fit))

    def _make_job_card(self, actions: dict[str, QAction]) -> None:
        self._job_card, column = card()
        self._job_label = label()
        self._stage = label("", "muted")
        self._bar = ProgressLine()
        self._costs = label("", "muted")
        self._queue = label("", "muted")
        cancel = ActionButton(actions["cancel_job"], text="Cancel")
        for widget in (self._job_label, self._stage, self._bar, self._costs, self._queue):
            column.addWidget(widget)
        column.addLayout(row(None, cancel))
        self.column.addWidget(self._job_card)

    def _make_candidate_card(self, actions: dict[str, QAction]) -> None:
        self._candidate_card, column = card()
        column.addWidget(label("New bodies", "heading"))
        self._candidate_text = label("", "muted")
        column.addWidget(self._candidate_text)
        buttons = QGridLayout()
        buttons.setSpacing(8)
        buttons.addWidget(ActionButton(actions["keep"], "primary"), 0, 0, 1, 2)
        buttons.addWidget(ActionButton(actions["discard"], text="Discard"), 1, 0)
        buttons.addWidget(ActionButton(actions["show_before"], text="Before"), 1, 1)
        column.addLayout(buttons)
        self.column.addWidget(self._candidate_card)

    def _make_camera(self) -> None:
        self.column.addWidget(section("Camera"))
        self._focal = NumberField("unknown", (1.0, 20000.0), USUAL_FOCAL)
        self._focal.setDecimals(0)
        self._focal.setSuffix(" px")
        self._focal.setToolTip(
            "Focal length in pixels of the video, if you know it: it sets how deep the scene is"
        )
        self._focal.number_set.connect(self.focal_set)
        clear = plain_button("Forget", "Let the fit assume the focal length")
        clear.clicked.connect(self._focal.forget)
        self.column.addWidget(label("Focal length", "muted", wrap=False))
        self.column.addLayout(row(self._focal, clear, None))
        self._camera = label("", "muted")
        self.column.addWidget(self._camera)

    # -- changes --------------------------------------------------------------------------------

    def _on_jobs_changed(self, *_: object) -> None:
        job = self._jobs.running
        self._job_card.setVisible(job is not None)
        if job is None:
            return
        if job.label != self._job_label.text():
            self._job_label.setText(job.label)
            self._stage.setText("Starting…")
            self._costs.clear()
            self._bar.set_fraction(None)
        waiting = len(self._jobs.waiting)
        self._queue.setText(f"{waiting} more waiting" if waiting else "")
        self._queue.setVisible(bool(waiting))

    def _on_progressed(self, _: Job, progress: object) -> None:
        self._stage.setText(progress_text(progress))
        self._bar.set_fraction(getattr(progress, "fraction", None))
        if isinstance(progress, FitProgress) and progress.costs:
            self._costs.setText(costs_text(progress.costs))
        self._costs.setVisible(bool(self._costs.text()))

    def _on_candidate_changed(self, candidate: Candidate | None) -> None:
        complete = candidate is not None and candidate.is_complete
        self._candidate_card.setVisible(complete)
        if candidate is None or candidate.result is None:
            return
        before = self._view_state.state.diagnostics if self._view_state.state else None
        after = candidate.result.diagnostics
        lines = [
            f"{ranges.spoken(candidate.frames).capitalize()}, {candidate.result.outcome.value}"
        ]
        if before is not None:
            lines += compared(before, after, candidate.frames)
        if candidate.result.advice:
            lines.append(candidate.result.advice)
        self._candidate_text.setText("\n".join(lines))

    def _on_state_changed(self, changes: Changes | None) -> None:
        state = self._view_state.state
        self._status.setText(_status(state))
        self._focal.show_number(state.constraints.focal_px if state is not None else None)
        camera = state.camera if state is not None else None
        self._camera.setVisible(camera is not None)
        if camera is not None:
            source = _SOURCES[camera.focal_source]
            self._camera.setText(f"Used: {camera.K[0, 0]:.0f} px, {source}")
        self._quality.setText(_quality(state))


def fit_text(fit: FitRecord | None) -> str:
    """How the bodies were found: "Motion branch, converged, 12 s"."""
    if fit is None:
        return "None yet."
    solver = fit.provenance.get("solver", "")
    parts = [solver, fit.outcome]
    with contextlib.suppress(KeyError, ValueError):  # a result from elsewhere need not say it
        parts.append(spoken_time(float(fit.provenance["seconds"])))
    words = ", ".join(part for part in parts if part)
    return f"{words[:1].upper()}{words[1:]}\n{ranges.spoken(fit.frames).capitalize()}"


def costs_text(costs: Mapping[str, float]) -> str:
    """What weighs most in a fit now, in shares: "Mostly reprojection 61 %, smoothness 22 %"."""
    weighing = {name: cost for name, cost in costs.items() if np.isfinite(cost) and cost > 0}
    whole = sum(weighing.values())
    largest = sorted(weighing.items(), key=lambda item: -item[1])[:MOST_COSTS]
    shares = [f"{name} {100 * cost / whole:.0f} %" for name, cost in largest]
    return f"Mostly {', '.join(shares)}" if shares else ""


def progress_text(progress: object) -> str:
    """Stage and remaining time of any job's progress: "Keypoints · 12 s left"."""
    stage = str(getattr(progress, "stage", progress))
    seconds = getattr(progress, "remaining_seconds", None)
    return f"{stage[:1].upper()}{stage[1:]} · {spoken_time(seconds)} left" if seconds else stage


def spoken_time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _status(state: ClipState | None) -> str:
    if state is None or state.observations is None:
        return "The people in this clip have not been detected yet."
    if state.motion is None:
        return "Detected, not fitted yet. Shift+E fits the clip."
    if state.edited:
        spans = ", ".join(ranges.spoken(frames) for frames in state.edited[:3])
        more = "…" if len(state.edited) > 3 else ""
        return f"Edited since the last fit: {spans}{more}. E fits them again."
    return "The bodies agree with everything that was said."


def _quality(state: ClipState | None) -> str:
    if state is None or state.diagnostics is None or state.motion is None:
        return "No numbers before the first fit."
    diagnostics = state.diagnostics
    error = diagnostics.reprojection_px
    depth = diagnostics.penetration_m
    lines = []
    if np.isfinite(error).any():
        lines.append(
            f"Joints: {np.nanmedian(error):.1f} px off (median), {np.nanmax(error):.0f} px at worst"
        )
    if np.isfinite(depth).any():
        worst = int(np.nanargmax(depth))
        lines.append(
            f"Deepest penetration: {100 * depth[worst]:.1f} cm, frame {worst}"
            if depth[worst] > 0
            else "The bodies do not penetrate each other"
        )
    return "\n".join([*lines, *diagnostics.notes])  # fmt: skip


def compared(before: Diagnostics, after: Diagnostics, frames: FrameRange) -> list[str]:
    """What a re-fit changed in its frames, in numbers, a line for each that both fits know."""
    where = frames.as_slice()
    pixels = [d.reprojection_px[:, where] for d in (before, after)]
    deepest = [100 * d.penetration_m[where] for d in (before, after)]
    expected = [
        np.zeros(0) if d.expected_error is None else 100 * d.expected_error[:, where]
        for d in (before, after)
    ]
    lines = [
        _change("Joints off: {:.1f} → {:.1f} px", pixels, np.mean),
        _change("Believed to be off: {:.0f} → {:.0f} cm", expected, np.mean),
        _change("Penetration: {:.1f} → {:.1f} cm", deepest, np.max),
    ]
    return [line for line in lines if line]


def _change(
    words: str, values: Sequence[np.ndarray], reduced: Callable[[np.ndarray], float]
) -> str:
    """Empty where one side knows nothing."""
    known = [each[np.isfinite(each)] for each in values]
    return words.format(*map(reduced, known)) if all(each.size for each in known) else ""
