"""Detecting and fitting: which job to run on what, and what becomes of its result.

The first fit of a clip is kept at once. Any later one is a candidate: shown beside what it would
replace until the curator keeps or discards it. An edit that touches what a running fit was given
starts that fit anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from annotations import ranges
from annotations.records import Changes, ClipRecord, ClipState
from app import worker
from app.clip_titles import clip_title
from app.fit_orders import (
    detect_arguments,
    detected_again,
    detection_provenance,
    edited_frames,
    fit_arguments,
    fit_config,
    protected_ranges,
)
from app.jobs import Job, Jobs
from app.operations import ClipSnapshot, Operations, Update, snapshot_of
from app.redetection import CORRECTIONS
from app.view_state import Candidate, ViewState
from engine.config import Device
from engine.perception.request import BUILT_IN, PerceptionParts
from engine.structures import (
    BodyMotion,
    Camera,
    FitProgress,
    FitResult,
    FrameRange,
    Observations,
    Outcome,
    PerceptionProgress,
)

if TYPE_CHECKING:
    from annotations.store import Store

_INPUTS = frozenset({"observations", "constraints", "motion", "reviews"})
_NO_INPUTS = frozenset({"box", "kept apart"})
"""Kinds of edits that say something for the next look at the video or for whoever reviews, and
nothing to a fit."""
_TOLD_TO_DETECTION = CORRECTIONS | {"undo", "redo", "go to"}


@dataclass
class FitOrder:
    """What a fit job was asked for; travels with the job inside the window.

    `base` moves along with edits that leave what the fit was given as it was.
    """

    base: ClipSnapshot
    frames: FrameRange | None
    """None for the whole clip."""

    @property
    def span(self) -> FrameRange:
        observations = self.base.state.observations
        count = observations.frame_count if observations is not None else 0
        return self.frames or FrameRange(0, count)


class Fitting(QObject):
    """Owns the candidate of every clip; asks `Jobs` for work and `Operations` to keep it."""

    hinted = Signal(str)
    noticed = Signal(str)
    """Something the curator should not miss, though nothing is wrong."""
    stopped = Signal(str, object)
    """The curator cancelled a job: what became of it, and what goes on with it when called."""
    done = Signal(str)
    problem = Signal(str, str)
    """A sentence, and its topic: `topic_of` the clip."""
    attempted = Signal(str)
    """A topic: what was said of an earlier attempt is no longer so."""

    def __init__(
        self,
        view_state: ViewState,
        operations: Operations,
        jobs: Jobs,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._view_state = view_state
        self._operations = operations
        self._jobs = jobs
        self._shown: ClipSnapshot | None = None
        self._waiting: dict[int, Candidate] = {}
        self.fit_after_detection = True
        self.body = "open-body"
        self.parts = PerceptionParts()
        self.scratch: Path | None = None
        """Where detection keeps work in progress, beside the project."""
        self.initializer = BUILT_IN
        self.appearance = False
        """Whether fits compare the pictures too, which takes about ten times as long."""
        self.device: Device = "cpu"
        jobs.progressed.connect(self._on_progressed)
        jobs.finished.connect(self._on_finished)
        jobs.failed.connect(self._on_failed)
        jobs.cancelled.connect(self._on_cancelled)

    # -- commands -------------------------------------------------------------------------------

    def detect(
        self, clip: ClipRecord, state: ClipState | None = None, frames: FrameRange | None = None
    ) -> None:
        """Find the two people of a clip (in some frames, within what is there); a fit follows."""
        arguments = {
            "video": clip.video,
            "request": detect_arguments(state, frames, parts=self.parts),
            "scratch": self.scratch,
        }
        self._jobs.cancel_clip(clip.id)
        self.attempted.emit(topic_of(clip.id))
        where = f", {ranges.spoken(frames)}" if frames is not None else ""
        title = clip_title(clip, self._view_state.clips)
        label = f"Detecting people in {title}{where}"
        self._jobs.submit(Job("detect", label, worker.perceive, arguments, clip.id, frames))

    def detect_shown(self) -> None:
        if self._view_state.clip is not None:
            self.detect(self._view_state.clip, self._view_state.state)

    def detect_again(self) -> None:
        """Look again in the selection, else the whole clip, knowing all that was corrected."""
        if self._view_state.clip is not None:
            self.detect(self._view_state.clip, self._view_state.state, self._view_state.selection)

    def refit(self) -> None:
        """Fit the selection again, else what was edited since the last fit, near this frame."""
        shown = self._fittable()
        if shown is None:
            return
        if shown.state.motion is None:
            self._order(FitOrder(shown, None))
            return
        frames = self._view_state.selection or self._edited_frames(shown.state)
        if frames is None:
            self.hinted.emit(
                "Nothing was edited since the last fit. Select frames with I and O, or press "
                "Shift+E for the whole clip."
            )
        elif _protected(shown.state, frames):
            self.hinted.emit(
                "These frames are accepted or frozen, so no fit may change them. Send them back "
                "(R) or unfreeze them (X) first."
            )
        else:
            self._order(FitOrder(shown, frames))

    def refit_near(self, frame: int) -> None:
        """Fit what was edited at or nearest to a frame again, wherever the curator looks now."""
        shown = self._fittable()
        clip = self._view_state.clip
        if shown is not None and clip is not None and shown.state.motion is not None:
            frames = edited_frames(shown.state, clip.video, frame)
            if frames is not None and not _protected(shown.state, frames):
                self._order(FitOrder(shown, frames))

    def fit_clip(self) -> None:
        shown = self._fittable()
        if shown is not None:
            self._order(FitOrder(shown, None))

    def keep(self) -> None:
        """Apply the candidate to the project: one undo step."""
        candidate, clip_id = self._view_state.candidate, self._view_state.clip_id
        if candidate is None or clip_id is None:
            return
        if candidate.result is None:
            self.hinted.emit("The fit is still running; Enter keeps it when it is done.")
            return
        self._apply(clip_id, candidate.result, candidate.frames, candidate.base_revision)

    def discard(self) -> None:
        """Drop the candidate; a fit that still runs is cancelled."""
        clip_id = self._view_state.clip_id
        if clip_id is None:
            return
        running, candidate = self._job_of(clip_id), self._view_state.candidate
        if running is not None:
            self._cancel(running)
        elif candidate is not None:
            self._drop(clip_id)
            self.done.emit("The new bodies were discarded; nothing changed.")

    def cancel(self) -> None:
        """Cancel the job that runs, and say what is kept."""
        if self._jobs.running is not None:
            self._cancel(self._jobs.running)

    def _cancel(self, job: Job) -> None:
        self._jobs.cancel(job)
        if job.kind == "detect":
            clip = next((c for c in self._view_state.clips if c.id == job.clip_id), None)
            had_people = clip is not None and clip.status != "new"
            self.stopped.emit(_detection_stopped(job, had_people), lambda: self._go_on(job))
        elif job.kind == "fit":
            self.done.emit(_fit_stopped(job))

    def _go_on(self, job: Job) -> None:
        """Detect again what was cancelled, with all that was said meanwhile."""

        def go_on(found: tuple[ClipRecord, ClipState]) -> None:
            self.detect(*found, job.context)

        clip_id = job.clip_id
        if clip_id is not None:
            self._operations.ask(lambda store: (store.clip(clip_id), store.state(clip_id)), go_on)

    def is_running(self, kind: str) -> bool:
        """Whether a detection ("detect") or a fit ("fit") of the shown clip runs or waits."""
        clip_id = self._view_state.clip_id
        return clip_id is not None and self._job_of(clip_id, kind) is not None

    # -- the project moved on -------------------------------------------------------------------

    def take(self, update: Update) -> None:
        """A committed edit: restart a fit that it touches, drop a candidate that it outdates."""
        snapshot = update.snapshot
        if snapshot is None:
            return
        if snapshot.clip_id == self._view_state.clip_id:
            self._shown = snapshot
        if update.changes is None or update.changes.kind == "fit":
            return
        self._tell_detection(snapshot, update.changes)
        running = self._job_of(snapshot.clip_id)
        candidate = self._candidate_of(snapshot.clip_id)
        if not update.changes.parts & _INPUTS or update.changes.kind in _NO_INPUTS:
            self._rebase(snapshot, running, candidate)
        elif running is not None:
            self._jobs.cancel(running)
            self._submit(replace(running.context, base=snapshot))
        elif candidate is not None:
            self._drop(snapshot.clip_id)
            self.noticed.emit("The edit made the new bodies out of date. E fits them again.")

    def _tell_detection(self, snapshot: ClipSnapshot, changes: Changes) -> None:
        """A detection that runs must know what was just corrected: it starts anew."""
        job = self._job_of(snapshot.clip_id, "detect")
        clip = next((c for c in self._view_state.clips if c.id == snapshot.clip_id), None)
        if job is not None and clip is not None and changes.kind in _TOLD_TO_DETECTION:
            self.detect(clip, snapshot.state, job.context)
            self.hinted.emit("The detection starts again with what you said.")

    def _rebase(
        self, snapshot: ClipSnapshot, running: Job | None, candidate: Candidate | None
    ) -> None:
        """An edit that no fit depends on, such as a name: results stay good for the new head."""
        if running is not None:
            running.context.base = snapshot
        if candidate is not None and candidate.is_complete:
            moved = replace(candidate, base_revision=snapshot.head.id)
            self._waiting[snapshot.clip_id] = moved
            if snapshot.clip_id == self._view_state.clip_id:
                self._view_state.candidate = moved

    def show_clip(self) -> None:
        """Another clip is shown: its candidate, if it has one, with it."""
        self._shown = None
        clip_id = self._view_state.clip_id
        self._view_state.candidate = self._waiting.get(clip_id) if clip_id is not None else None

    def forget(self) -> None:
        """Another project was opened."""
        for job in (*self._jobs.waiting, *filter(None, [self._jobs.running])):
            self._jobs.cancel(job)
        self._waiting.clear()
        self._shown = None
        self._view_state.candidate = None

    # -- orders ---------------------------------------------------------------------------------

    def _fittable(self) -> ClipSnapshot | None:
        if self._shown is None or self._shown.state.observations is None:
            if self._view_state.clip is not None:
                self.hinted.emit("The people must be detected before they can be fitted.")
            return None
        if self._view_state.candidate is not None and self._view_state.candidate.is_complete:
            self._drop(self._shown.clip_id)
        return self._shown

    def _edited_frames(self, state: ClipState) -> FrameRange | None:
        """The edited stretch at or nearest to the current frame, with its margin."""
        clip = self._view_state.clip
        return edited_frames(state, clip.video, self._view_state.frame) if clip else None

    def _order(self, order: FitOrder) -> None:
        """What a curator asks for: the fit that runs already is left to run."""
        job = self._job_of(order.base.clip_id)
        asked = job.context if job is not None else None
        same_base = asked is not None and asked.base.head.id == order.base.head.id
        if asked is not None and same_base and asked.frames == order.frames:
            self.hinted.emit("This fit is running already.")
        else:
            self._submit(order)

    def _submit(self, order: FitOrder) -> None:
        if not self.appearance:
            self._start(order, {})
            return
        clip_id, frames = order.base.clip_id, order.frames

        def start(found: tuple[ClipSnapshot, dict[int, bytes]]) -> None:
            self._start(FitOrder(found[0], frames), found[1])

        # The clip may move on while its avatars are read: the order is of what it is then.
        self._operations.ask(
            lambda store: (snapshot_of(store, clip_id), store.avatars(clip_id)), start
        )

    def _start(self, order: FitOrder, avatars: dict[int, bytes]) -> None:
        clip_id = order.base.clip_id
        clip = next((clip for clip in self._view_state.clips if clip.id == clip_id), None)
        if clip is None:
            return
        self._jobs.cancel_clip(clip_id, "fit")
        self.attempted.emit(topic_of(clip_id))
        where = f", {ranges.spoken(order.frames)}" if order.frames is not None else ""
        title = clip_title(clip, self._view_state.clips)
        problem = fit_arguments(
            order.base.state, clip.video, order.frames, self.body, avatars=avatars
        )
        config = fit_config(self.initializer, appearance=self.appearance, device=self.device)
        arguments = {"problem": problem, "config": config}
        self._jobs.submit(
            Job("fit", f"Fitting {title}{where}", worker.fit, arguments, clip_id, order)
        )

    def _job_of(self, clip_id: int, kind: str = "fit") -> Job | None:
        jobs = (*filter(None, [self._jobs.running]), *self._jobs.waiting)
        return next((j for j in jobs if j.kind == kind and j.clip_id == clip_id), None)

    # -- what jobs say --------------------------------------------------------------------------

    def _on_progressed(self, job: Job, progress: object) -> None:
        if job.clip_id != self._view_state.clip_id:
            return
        if isinstance(progress, PerceptionProgress) and progress.observations is not None:
            self._preview_observations(progress.observations, job.context)
        elif isinstance(progress, FitProgress) and progress.motion is not None:
            self._preview_motion(job.context, progress.motion, progress.camera)

    def _preview_observations(self, found: Observations, frames: FrameRange | None) -> None:
        state = self._view_state.state
        if state is not None:
            seen = Changes("preview", self._view_state.clip_id, None, frozenset({"observations"}))
            if frames is not None:
                found = detected_again(state.observations, found, frames)
            shown = self._shown
            is_first = shown is None or shown.state.observations is None
            self._view_state.set_state(
                replace(state, observations=found), seen, is_unsaved=is_first
            )

    def _preview_motion(self, order: FitOrder, motion: BodyMotion, camera: Camera | None) -> None:
        camera = camera or order.base.state.camera
        if camera is not None:
            self._view_state.candidate = Candidate(motion, camera, order.span, order.base.head.id)

    def _on_finished(self, job: Job, result: Any) -> None:
        if job.clip_id is None:
            return
        if job.kind == "detect":
            self._keep_observations(job, job.clip_id, result)
        elif job.kind == "fit":
            self._keep_fit(job.clip_id, job.context, result)

    def _keep_observations(self, job: Job, clip_id: int, found: Observations) -> None:
        frames, parts = job.context, job.arguments["request"]["parts"]

        def keep(store: Store) -> Changes:
            observations = found
            if frames is not None:
                before = store.state(clip_id).observations
                observations = detected_again(before, found, frames)
            return store.set_observations(clip_id, observations, detection_provenance(parts))

        def fit_next(update: Update) -> None:
            said = update.snapshot.state.constraints if update.snapshot is not None else None
            corrected = said is not None and (
                said.box_edits or said.mask_edits or said.keypoint_edits
            )
            if corrected:
                self.done.emit("Detected again; what was corrected by hand holds.")
            if self.fit_after_detection and update.snapshot is not None:
                has_bodies = update.snapshot.state.motion is not None
                self._submit(FitOrder(update.snapshot, frames if has_bodies else None))

        self._operations.edit(keep, fit_next)

    def _keep_fit(self, clip_id: int, order: FitOrder, result: FitResult) -> None:
        if order.base.state.motion is None and result.outcome is not Outcome.DIVERGED:
            self._apply(clip_id, result, order.span, order.base.head.id)
            return
        candidate = Candidate(result.motion, result.camera, order.span, order.base.head.id, result)
        self._waiting[clip_id] = candidate
        if clip_id == self._view_state.clip_id:
            self._view_state.candidate = candidate
        if result.outcome is Outcome.DIVERGED:
            why = f"The fit did not settle. {result.advice}".strip()
            self.problem.emit(why, topic_of(clip_id))

    def _apply(self, clip_id: int, result: FitResult, frames: FrameRange, base: int) -> None:
        def applied(update: Update) -> None:
            self._drop(clip_id)
            label = update.changes.label if update.changes is not None else "Fitted"
            self.done.emit(f"{label}. Ctrl+Z undoes it.")

        def refused(message: str) -> None:
            self._drop(clip_id)
            self.problem.emit(message, topic_of(clip_id))

        self._operations.edit(
            lambda store: store.apply_fit(clip_id, result, frames, base), applied, refused
        )

    def _on_failed(self, job: Job, message: str) -> None:
        self._end_preview(job)
        self.problem.emit(message, topic_of(job.clip_id))

    def _on_cancelled(self, job: Job) -> None:
        self._end_preview(job)

    def _end_preview(self, job: Job) -> None:
        """Show what is saved again."""
        if job.clip_id is None or job.clip_id != self._view_state.clip_id:
            return
        candidate = self._view_state.candidate
        if job.kind == "fit" and candidate is not None and not candidate.is_complete:
            self._view_state.candidate = self._waiting.get(job.clip_id)
        if job.kind == "detect" and self._shown is not None:
            back = Changes("preview", job.clip_id, None, frozenset({"observations"}))
            self._view_state.set_state(self._shown.state, back)

    # -- candidates -----------------------------------------------------------------------------

    def _candidate_of(self, clip_id: int) -> Candidate | None:
        if clip_id == self._view_state.clip_id:
            return self._view_state.candidate
        return self._waiting.get(clip_id)

    def _drop(self, clip_id: int) -> None:
        self._waiting.pop(clip_id, None)
        if clip_id == self._view_state.clip_id:
            self._view_state.show_before = False
            self._view_state.candidate = None


def _protected(state: ClipState, frames: FrameRange) -> bool:
    """Whether no fit may change any of the frames."""
    kept = ranges.as_mask(protected_ranges(state), frames.stop)
    return bool(kept[frames.as_slice()].all())


def topic_of(clip_id: int | None) -> str:
    """Of messages about detecting and fitting a clip."""
    return f"clip {clip_id}"


def _detection_stopped(job: Job, had_people: bool) -> str:
    kept = "; the people stay as they were" if had_people else ""
    return (
        f"{job.label}: cancelled{kept}. What was looked at so far is not lost: detecting again "
        "goes on from there."
    )


def _fit_stopped(job: Job) -> str:
    key = "E" if job.context.frames is not None else "Shift+E"
    has_bodies = job.context.base.state.motion is not None
    kept = "the bodies are as they were" if has_bodies else "the detected people are kept"
    return f"{job.label}: cancelled; {kept}. {key} fits again."
