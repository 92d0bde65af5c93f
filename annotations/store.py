"""A project as the rest of the program sees it: frozen records out, edits in.

Every edit is one transaction, one revision and one undo step, and returns what it changed.
Synchronous and for one thread at a time; the window keeps it on a thread of its own.

The class is long because it is the whole surface; what an edit means is in annotations.edits and
annotations.fitted, how a state is kept in annotations.snapshots, where undo leads in
annotations.history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations import clips, database, edits, fitted, history, review, snapshots, splits
from annotations.arrays import ArrayStore
from annotations.database import Database
from annotations.errors import EditError, ProjectError, StaleCandidate
from annotations.records import (
    Changes,
    ClipRecord,
    ClipState,
    EditKind,
    ExportRecord,
    FitRecord,
    ProjectInfo,
    RevisionRecord,
    SplitAssignment,
    SplitPlan,
    Verdict,
)
from annotations.schema import (
    SCHEMA_VERSION,
    ClipRow,
    ExportClipRow,
    ExportRow,
    FitRow,
    HeadRow,
    ProjectRow,
    RevisionRow,
)
from annotations.splits import FRACTIONS
from engine import weights
from engine.structures import (
    ContactLabel,
    DepthOrder,
    FitResult,
    FrameRange,
    KeypointEdit,
    Observations,
    VideoInfo,
)

__all__ = ["EditError", "ProjectError", "StaleCandidate", "Store"]


class Store:
    """An open project. Make one with `create` or `open`."""

    def __init__(self, opened: Database, author: str) -> None:
        self._database = opened
        self._arrays = ArrayStore()
        self._author = author

    @classmethod
    def create(
        cls, path: Path | str, *, body: str = "open-body", body_sha256: str = "", author: str = ""
    ) -> Store:
        """A new project file at `path` (NAME.dyad), open.

        `body` names the body of every fit of this project; its checksum is looked up in
        the manifest of `weights/` unless it is given. Raises ProjectError.
        """
        where = Path(path).absolute()
        body_sha256 = body_sha256 or _checksum(body)
        row = ProjectRow(id=1, body=body, body_sha256=body_sha256, author=author)
        database.create(where, row)
        return cls.open(where, author=author)

    @classmethod
    def open(cls, path: Path | str, *, author: str = "") -> Store:
        """An existing project. Raises ProjectError and then leaves the file as it was."""
        return cls(Database(Path(path).absolute()), author)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Reading -----------------------------------------------------------------------------------

    @property
    def backup(self) -> Path | None:
        """The copy that was made of an older file before it was brought up to date, if it was."""
        return self._database.backup

    def info(self) -> ProjectInfo:
        with self._database.transaction() as rows:
            row = rows.get_one(ProjectRow, 1)
            return ProjectInfo(
                path=self._database.path,
                body=row.body,
                body_sha256=row.body_sha256,
                created_at=row.created_at,
                schema_version=SCHEMA_VERSION,
            )

    def clips(self) -> tuple[ClipRecord, ...]:
        """All clips in the order they were imported."""
        with self._database.transaction() as rows:
            found = rows.scalars(select(ClipRow).order_by(ClipRow.id))
            return tuple(self._clip_record(rows, row) for row in found)

    def clip(self, clip_id: int) -> ClipRecord:
        with self._database.transaction() as rows:
            return self._clip_record(rows, history.clip(rows, clip_id))

    def state(self, clip_id: int, revision_id: int | None = None) -> ClipState:
        """What a revision says (the head, unless another one is named), in fresh arrays."""
        with self._database.transaction() as rows:
            head = history.clip(rows, clip_id).head.revision
            row = head if revision_id is None else history.revision(rows, clip_id, revision_id)
            return snapshots.read(rows, self._arrays, row)

    def history(self, clip_id: int) -> tuple[RevisionRecord, ...]:
        """All revisions of the clip, the first one first, other branches included."""
        with self._database.transaction() as rows:
            return history.records(rows, clip_id)

    def ancestry(self, clip_id: int) -> tuple[RevisionRecord, ...]:
        """The head, its parent, and so on to the first revision."""
        with self._database.transaction() as rows:
            head = history.clip(rows, clip_id).head.revision
            return tuple(history.record(row) for row in history.lineage(rows, head))

    def head(self, clip_id: int) -> RevisionRecord:
        with self._database.transaction() as rows:
            return history.record(history.clip(rows, clip_id).head.revision)

    def can_undo(self, clip_id: int) -> str | None:
        """What undo would take back, None if nothing."""
        with self._database.transaction() as rows:
            head = history.clip(rows, clip_id).head.revision
            return head.label if head.parent_id is not None else None

    def can_redo(self, clip_id: int) -> str | None:
        """What redo would do again, None if nothing."""
        with self._database.transaction() as rows:
            following = history.following(rows, clip_id)
            return following.label if following is not None else None

    def fits(self, clip_id: int) -> tuple[FitRecord, ...]:
        """Every fit that was ever applied to the clip, the oldest first."""
        with self._database.transaction() as rows:
            return history.fits(rows, clip_id)

    def splits(self) -> tuple[SplitAssignment, ...]:
        """The newest assignment of clips to splits; empty before there is one."""
        plan = self.split_plan()
        return plan.assignments if plan is not None else ()

    def split_plan(self) -> SplitPlan | None:
        """The newest assignment with its seed and fractions."""
        with self._database.transaction() as rows:
            return splits.read(rows)

    def exports(self) -> tuple[ExportRecord, ...]:
        with self._database.transaction() as rows:
            return tuple(
                ExportRecord(
                    id=row.id,
                    format=row.format,
                    path=row.path,
                    digest=row.digest,
                    revisions={clip.clip_id: clip.revision_id for clip in row.clips},
                    created_at=row.created_at,
                )
                for row in rows.scalars(select(ExportRow).order_by(ExportRow.id))
            )

    # Edits -------------------------------------------------------------------------------------

    def add_clip(self, video: VideoInfo, name: str | None = None) -> Changes:
        """A video joins the project. Its name is made unique."""
        with self._database.transaction() as rows:
            clip = clips.new(rows, self._arrays, video, name, self._database.path.parent)
            label = f"Import {clip.name}"
            row = RevisionRow(clip_id=clip.id, kind="import", label=label, author=self._author)
            state = ClipState(identities=edits.default_identities(2))
            snapshots.write(rows, self._arrays, None, (None, state), row)
            rows.add(HeadRow(clip_id=clip.id, revision_id=row.id, tip_id=row.id))
            return Changes("import", clip.id, None, frozenset({"clips", "history"}), label)

    def set_observations(
        self, clip_id: int, observations: Observations, provenance: Mapping[str, str]
    ) -> Changes:
        """Other detections of the whole clip; joints that a person placed stay."""
        video = self.clip(clip_id).video
        return self._edit(
            clip_id,
            RevisionRow(kind="observations", label="Detect people"),
            lambda state: edits.set_observations(state, observations, video),
            provenance=provenance,
        )

    def swap(self, clip_id: int, frames: FrameRange, persons: tuple[int, int] = (0, 1)) -> Changes:
        """Exchange two people over the frames (see annotations.edits.swap)."""
        return self._edit_frames(
            clip_id,
            "swap",
            "Swap people",
            frames,
            lambda s: edits.swap(s, frames, persons),
            masks=True,
        )

    def edit_keypoint(self, clip_id: int, edit: KeypointEdit) -> Changes:
        """Place or hide a joint by hand."""
        frames = FrameRange(edit.frame, edit.frame + 1)
        what = "Move joint" if edit.visible else "Hide joint"
        return self._edit_frames(
            clip_id, "keypoint", what, frames, lambda s: edits.edit_keypoint(s, edit)
        )

    def clear_keypoint(self, clip_id: int, person: int, frame: int, keypoint: int) -> Changes:
        """Take back what was said of a joint: the detection counts again."""
        return self._edit_frames(
            clip_id,
            "keypoint",
            "Restore joint",
            FrameRange(frame, frame + 1),
            lambda s: edits.clear_keypoint(s, person, frame, keypoint),
        )

    def add_contact(self, clip_id: int, label: ContactLabel) -> Changes:
        """One more contact label; labels are kept in canonical order (annotations.statements)."""
        what = "Mark contact" if label.kind == "contact" else "Mark no contact"
        count = self.clip(clip_id).video.frame_count
        return self._edit_frames(
            clip_id, "contact", what, label.frames, lambda s: edits.add_contact(s, label, count)
        )

    def change_contact(self, clip_id: int, index: int, label: ContactLabel) -> Changes:
        """Another label in place of `state.constraints.contacts[index]`."""
        count = self.clip(clip_id).video.frame_count
        return self._edit(
            clip_id,
            RevisionRow(kind="contact", label="Change contact"),
            lambda s: edits.change_contact(s, index, label, count),
        )

    def remove_contact(self, clip_id: int, index: int) -> Changes:
        """Take back `state.constraints.contacts[index]`."""
        return self._edit(
            clip_id,
            RevisionRow(kind="contact", label="Remove contact"),
            lambda s: edits.remove_contact(s, index),
        )

    def set_height(self, clip_id: int, person: int, metres: float | None) -> Changes:
        """State how tall a person is; None: unknown again."""
        count = self.clip(clip_id).video.frame_count
        label = "Forget height" if metres is None else f"Set height {metres:.2f} m"
        return self._edit(
            clip_id,
            RevisionRow(kind="height", label=label),
            lambda s: edits.set_height(s, person, metres, count),
        )

    def set_focal(self, clip_id: int, px: float | None) -> Changes:
        """State the focal length in pixels; None: unknown again."""
        count = self.clip(clip_id).video.frame_count
        label = "Forget focal length" if px is None else f"Set focal length {px:.0f} px"
        return self._edit(
            clip_id,
            RevisionRow(kind="focal", label=label),
            lambda s: edits.set_focal(s, px, count),
        )

    def set_depth_order(self, clip_id: int, order: DepthOrder) -> Changes:
        """State who is nearer to the camera."""
        return self._edit_frames(
            clip_id,
            "depth",
            "Set depth order",
            order.frames,
            lambda s: edits.set_depth_order(s, order),
        )

    def clear_depth_order(
        self, clip_id: int, persons: tuple[int, int], frames: FrameRange
    ) -> Changes:
        """Take back what was said of two people's depth order in the frames."""
        return self._edit_frames(
            clip_id,
            "depth",
            "Clear depth order",
            frames,
            lambda s: edits.clear_depth_order(s, persons, frames),
        )

    def set_frozen(self, clip_id: int, frames: FrameRange, frozen: bool) -> Changes:
        """Frames that a fit leaves exactly as they are, or no longer."""
        return self._edit_frames(
            clip_id,
            "freeze",
            "Freeze" if frozen else "Unfreeze",
            frames,
            lambda s: edits.set_frozen(s, frames, frozen),
        )

    def rename_identity(self, clip_id: int, person: int, name: str) -> Changes:
        """Say who a person is; the same name in two clips is the same person."""
        return self._edit(
            clip_id,
            RevisionRow(kind="identity", label=f"Name person {person + 1}"),
            lambda s: edits.rename_identity(s, person, name),
        )

    def apply_fit(
        self, clip_id: int, result: FitResult, frames: FrameRange, base_revision: int
    ) -> Changes:
        """Take over a fit's bodies in the frames (see annotations.fitted.apply_fit).

        Raises StaleCandidate where the clip has moved on since `base_revision`.
        """
        times = self.clip(clip_id).video.times
        body = self.info().body
        if result.motion.body != body:
            raise EditError(
                "This fit is on another body than the project",
                expected=body,
                received=result.motion.body,
            )
        head = self.head(clip_id)
        if head.id != base_revision:
            raise StaleCandidate(
                "The clip has changed since this fit was started",
                expected=f"revision {base_revision}",
                received=f"revision {head.id} ({head.label})",
                advice="Fit again from the clip as it is now.",
            )
        return self._edit_frames(
            clip_id,
            "fit",
            "Fit",
            frames,
            lambda s: fitted.apply_fit(s, result, frames, times),
            fit=history.fit_row(clip_id, result, frames),
        )

    def review(
        self, clip_id: int, frames: FrameRange, verdict: Verdict, reason: str = ""
    ) -> Changes:
        """Accept frames, send them back, or call them unusable."""
        what = {"accepted": "Accept", "sent back": "Send back", "unusable": "Unusable"}
        return self._edit_frames(
            clip_id,
            "review",
            what.get(verdict, verdict),
            frames,
            lambda s: review.review(s, frames, verdict, reason),
        )

    # Moving through the history ----------------------------------------------------------------

    def undo(self, clip_id: int) -> Changes:
        """Back to the state before the head. Raises EditError at the first revision."""
        return self._move(clip_id, "undo", history.previous)

    def redo(self, clip_id: int) -> Changes:
        """Forward to the state that was last undone. Raises EditError where there is none."""
        return self._move(clip_id, "redo", history.following)

    def go_to(self, clip_id: int, revision_id: int) -> Changes:
        """To any revision of the clip, also on a branch that was left."""
        return self._move(
            clip_id, "go to", lambda rows, clip: history.revision(rows, clip, revision_id)
        )

    # The whole project -------------------------------------------------------------------------

    def assign_splits(self, seed: int, fractions: Mapping[str, float] = FRACTIONS) -> Changes:
        """Assign every clip to a split, keeping together what must not be separated."""
        subjects = splits.subjects((clip, self.state(clip.id).identities) for clip in self.clips())
        plan = splits.assign(subjects, seed, fractions)
        with self._database.transaction() as rows:
            splits.write(rows, plan, seed, fractions, self._author)
        return Changes("splits", parts=frozenset({"splits"}), label="Assign splits")

    def record_export(
        self, format: str, path: Path | str, digest: str, clip_ids: tuple[int, ...]
    ) -> Changes:
        """Remember what left the project, and in which revision."""
        with self._database.transaction() as rows:
            row = ExportRow(format=format, path=str(path), digest=digest, author=self._author)
            for clip_id in clip_ids:
                head = history.clip(rows, clip_id).head.revision_id
                row.clips.append(ExportClipRow(clip_id=clip_id, revision_id=head))
            rows.add(row)
        return Changes("export", parts=frozenset({"exports"}), label=f"Export {format}")

    # How edits are made ------------------------------------------------------------------------

    def _edit_frames(
        self,
        clip_id: int,
        kind: EditKind,
        what: str,
        frames: FrameRange,
        change: Callable[[ClipState], ClipState],
        *,
        fit: FitRow | None = None,
        masks: bool = False,
    ) -> Changes:
        """An edit of a range of frames: the range is checked and becomes part of the label."""
        edits.checked_frames(frames, self.clip(clip_id).video.frame_count)
        row = RevisionRow(
            kind=kind, label=edits.label_of(what, frames), start=frames.start, stop=frames.stop
        )
        return self._edit(clip_id, row, change, fit=fit, masks=masks)

    def _edit(
        self,
        clip_id: int,
        row: RevisionRow,
        change: Callable[[ClipState], ClipState],
        *,
        fit: FitRow | None = None,
        provenance: Mapping[str, str] | None = None,
        masks: bool = False,
    ) -> Changes:
        """One transaction from the head's state to the next one. No change, no revision.

        `masks`: whether the edit makes other observations out of those that there are.
        """
        with self._database.transaction() as rows:
            clip = history.clip(rows, clip_id)
            parent = clip.head.revision
            before = snapshots.read(rows, self._arrays, parent, masks=masks)
            after = change(before)
            if after is before:
                return Changes(row.kind, clip_id, None, frozenset(), row.label)
            if fit is not None:
                rows.add(fit)
                rows.flush()
                row.fit_id = fit.id
            row.clip_id, row.parent_id, row.author = clip_id, parent.id, self._author
            source = dict(provenance) if provenance is not None else None
            snapshots.write(rows, self._arrays, parent, (before, after), row, source)
            clip.head.revision_id = clip.head.tip_id = row.id
            return history.changes(row.kind, parent, row, row.label)

    def _move(
        self, clip_id: int, kind: str, find: Callable[[Session, int], RevisionRow | None]
    ) -> Changes:
        with self._database.transaction() as rows:
            head = history.clip(rows, clip_id).head
            old, new = head.revision, find(rows, clip_id)
            if new is None:
                raise EditError(f"There is nothing to {kind}")
            if not history.is_ancestor(rows, new, history.revision(rows, clip_id, head.tip_id)):
                head.tip_id = new.id
            head.revision_id = new.id
            return history.changes(kind, old, new, old.label if kind == "undo" else new.label)

    def _clip_record(self, rows: Session, row: ClipRow) -> ClipRecord:
        return clips.record(rows, self._arrays, row, self._database.path.parent)


def _checksum(body: str) -> str:
    """Of the body's densest file, from which its other densities are made; empty if unlisted.

    As listed: whether the file is there and whole is asked by whoever loads it.
    """
    listed = weights.read_manifest()
    name = next((n for n in (f"{body}-full", body) if n in listed), None)
    return listed[name].sha256 if name is not None else ""
