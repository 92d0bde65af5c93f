"""How edits are made: one transaction from a clip's head to its next revision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sqlalchemy.orm import Session

from annotations import clips, edits, history, snapshots
from annotations.arrays import ArrayStore
from annotations.database import Database
from annotations.records import Changes, ClipRecord, ClipState
from annotations.schema import ClipRow, FitRow, RevisionRow
from engine.structures import FrameRange


class OpenProject:
    """A project file that is open: what every group of edits (see annotations.store) stands on."""

    def __init__(self, opened: Database, author: str) -> None:
        self._database = opened
        self._arrays = ArrayStore()
        self._author = author

    def clip(self, clip_id: int) -> ClipRecord:
        with self._database.transaction() as rows:
            return self._clip_record(rows, history.clip(rows, clip_id))

    def _clip_record(self, rows: Session, row: ClipRow) -> ClipRecord:
        return clips.record(rows, self._arrays, row, self._database.path.parent)

    def _edit_frames(
        self,
        clip_id: int,
        row: RevisionRow,
        frames: FrameRange,
        change: Callable[[ClipState], ClipState],
        *,
        fit: FitRow | None = None,
        masks: bool = False,
        avatars: Iterable[bytes] = (),
    ) -> Changes:
        """An edit of a range of frames: the range is checked and joins the row and its label."""
        edits.checked_frames(frames, self.clip(clip_id).video.frame_count)
        row.label = edits.label_of(row.label, frames)
        row.start, row.stop = frames.start, frames.stop
        return self._edit(clip_id, row, change, fit=fit, masks=masks, avatars=avatars)

    def _edit(
        self,
        clip_id: int,
        row: RevisionRow,
        change: Callable[[ClipState], ClipState],
        *,
        fit: FitRow | None = None,
        provenance: Mapping[str, str] | None = None,
        masks: bool = False,
        avatars: Iterable[bytes] = (),
    ) -> Changes:
        """One transaction from the head's state to the next one. No change, no revision.

        `masks`: whether the edit makes other observations out of those that there are.
        `avatars`: those that the next state names and the project may not hold yet.
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
            for avatar in avatars:
                self._arrays.put_bytes(rows, avatar)
            row.clip_id, row.parent_id, row.author = clip_id, parent.id, self._author
            source = dict(provenance) if provenance is not None else None
            snapshots.write(rows, self._arrays, parent, (before, after), row, source)
            clip.head.revision_id = clip.head.tip_id = row.id
            return history.changes(row.kind, parent, row, row.label)
