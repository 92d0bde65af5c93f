"""Clips and their media: rows to records and back."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations import review, snapshots
from annotations.arrays import ArrayStore
from annotations.edits import is_default_name
from annotations.records import ClipRecord
from annotations.schema import (
    ArrayRow,
    ClipRow,
    HeadRow,
    IdentityRow,
    MediaRow,
    RevisionAvatarRow,
    RevisionRow,
)
from engine.structures import VideoInfo

MOST_FOLDERS = 3
"""So many of the folders that a file lies in may stand before its name."""


def record(rows: Session, arrays: ArrayStore, row: ClipRow, folder: Path) -> ClipRecord:
    """The clip as the rest of the program sees it; `folder` is the project's."""
    head, media = row.head.revision, row.media
    status = review.status_of(
        detected=head.observation_id is not None,
        fitted=head.motion_id is not None,
        reviews=snapshots.read_reviews(head),
        frame_count=media.frame_count,
    )
    video = VideoInfo(
        path=_found(media, folder),
        width=media.width,
        height=media.height,
        times=arrays.get(rows, media.times),
        sha256=media.sha256,
        focal_px=media.focal_px,
        note=media.note,
    )
    return ClipRecord(row.id, row.name, video, head.id, row.imported_at, status)


def new(
    rows: Session, arrays: ArrayStore, video: VideoInfo, name: str | None, folder: Path
) -> ClipRow:
    """A clip of the video, with a name that no other clip has."""
    row = ClipRow(name=_free_name(rows, name, video), media=_media(rows, arrays, video, folder))
    rows.add(row)
    rows.flush()
    return row


def avatars(rows: Session, head: RevisionRow) -> dict[int, str]:
    """Digest of an avatar of each person of a revision, where there is one (`Store.avatars`)."""
    found = {row.person: row.array.digest.hex() for row in head.avatars}
    wanted = {
        who.name.casefold(): who.person
        for who in head.identities
        if who.person not in found and not is_default_name(who.name)
    }
    query = (
        select(IdentityRow.name, ArrayRow.digest)
        .select_from(HeadRow)
        .join(RevisionRow, RevisionRow.id == HeadRow.revision_id)
        .join(RevisionRow.identities)
        .join(
            RevisionAvatarRow,
            (RevisionAvatarRow.revision_id == RevisionRow.id)
            & (RevisionAvatarRow.person == IdentityRow.person),
        )
        .join(ArrayRow, ArrayRow.id == RevisionAvatarRow.array_id)
        .order_by(RevisionRow.id)
    )
    for name, digest in rows.execute(query) if wanted else ():
        if name.casefold() in wanted:
            found[wanted[name.casefold()]] = digest.hex()  # the newest comes last
    return found


def _found(media: MediaRow, folder: Path) -> str:
    """Where the video is: where it was, or else where it is from the project's folder."""
    if media.relative_path is None or Path(media.path).exists():
        return media.path
    moved = Path(os.path.normpath(folder / media.relative_path))
    return str(moved) if moved.exists() else media.path


def _media(rows: Session, arrays: ArrayStore, video: VideoInfo, folder: Path) -> MediaRow:
    """The row of this content, at its newest place, with what is known of it now."""
    row = rows.scalar(select(MediaRow).where(MediaRow.sha256 == video.sha256))
    if row is None:
        row = MediaRow(
            sha256=video.sha256,
            width=video.width,
            height=video.height,
            focal_px=video.focal_px,
            frame_count=video.frame_count,
            times=arrays.put(rows, video.times, 0),
        )
        rows.add(row)
    row.note = video.note
    row.path = str(Path(video.path).absolute())
    try:
        row.relative_path = os.path.relpath(row.path, folder)
    except ValueError:  # another drive
        row.relative_path = None
    return row


def _free_name(rows: Session, name: str | None, video: VideoInfo) -> str:
    """The name that was asked for, else the file's; where that is taken by another file, with the
    folders of this one before it ("day2/video"), at last with a number.
    """
    path = Path(video.path).absolute()
    wanted = _one_line(name or path.stem) or "clip"
    taken = set(rows.scalars(select(ClipRow.name)))
    known = set(rows.scalars(select(MediaRow.path).join(ClipRow, ClipRow.media_id == MediaRow.id)))
    folders = [_one_line(part) for part in path.parts[1:-1]]
    told_apart = name is None and str(path) not in known
    depths = range(1, min(len(folders), MOST_FOLDERS) + 1) if told_apart else ()
    for free in (wanted, *("/".join((*folders[-depth:], wanted)) for depth in depths)):
        if free not in taken:
            return free
    return next(free for number in count(2) if (free := f"{wanted} {number}") not in taken)


def _one_line(text: str) -> str:
    return " ".join(text.split())
