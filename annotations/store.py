"""A project as the rest of the program sees it: frozen records out, edits in.

Every edit is one transaction, one revision and one undo step, and returns what it changed.
Synchronous and for one thread at a time; the window keeps it on a thread of its own.

The surface comes in three parts: what changes the evidence (annotations.evidence_edits), what is
known of people and scene (annotations.fact_edits), and here the project itself, fits, reviews and
the history. What an edit means is in annotations.edits, .people, .drawn, .observed and .fitted, how
a state is kept in annotations.snapshots, where undo leads in annotations.history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations import clips, database, edits, fitted, history, review, snapshots, splits
from annotations.database import Database
from annotations.errors import EditError, ProjectError, StaleCandidate
from annotations.evidence_edits import EvidenceEdits
from annotations.fact_edits import FactEdits
from annotations.records import (
    Changes,
    ClipRecord,
    ClipState,
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
    HeadRow,
    ProjectRow,
    RevisionRow,
)
from annotations.splits import FRACTIONS
from engine import weights
from engine.structures import FitResult, FrameRange, VideoInfo

__all__ = ["EditError", "ProjectError", "StaleCandidate", "Store"]


class Store(EvidenceEdits, FactEdits):
    """An open project. Make one with `create` or `open`."""

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

    def last_fit(self, clip_id: int) -> FitRecord | None:
        """The newest fit that the clip's head descends from, None before the first."""
        with self._database.transaction() as rows:
            head = history.clip(rows, clip_id).head.revision
            return history.last_fit(rows, head)

    def avatars(self, clip_id: int) -> dict[int, bytes]:
        """What a fit of the clip may know of how its people look, by person.

        A person's own avatar; else the newest one of who has the same name in another clip.
        """
        with self._database.transaction() as rows:
            head = history.clip(rows, clip_id).head.revision
            found = clips.avatars(rows, head)
            return {who: self._arrays.get_bytes(rows, digest) for who, digest in found.items()}

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
            RevisionRow(kind="fit", label="Fit"),
            frames,
            lambda s: fitted.apply_fit(s, result, frames, times),
            fit=history.fit_row(clip_id, result, frames),
            masks=result.masks is not None,
            avatars=result.appearance.values(),
        )

    def review(
        self, clip_id: int, frames: FrameRange, verdict: Verdict, reason: str = ""
    ) -> Changes:
        """Accept frames, send them back, or call them unusable."""
        what = {"accepted": "Accept", "sent back": "Send back", "unusable": "Unusable"}
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="review", label=what.get(verdict, verdict)),
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


def _checksum(body: str) -> str:
    """Of the body's densest file, from which its other densities are made; empty if unlisted.

    As listed: whether the file is there and whole is asked by whoever loads it.
    """
    listed = weights.read_manifest()
    name = next((n for n in (f"{body}-full", body) if n in listed), None)
    return listed[name].sha256 if name is not None else ""
