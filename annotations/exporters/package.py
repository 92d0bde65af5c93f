"""What every exporter is given, and the only way it may write.

Files are written under another name and renamed, so that a reader never sees half of one; the
manifest comes last, so that a folder with a manifest is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

import numpy as np
from jaxtyping import Bool, Int

from annotations.errors import EditError
from annotations.ranges import from_mask
from annotations.records import ClipRecord, ClipState, FitRecord, ProjectInfo, RevisionRecord
from annotations.review import accepted_frames
from engine.structures import FrameRange

NAME_LIMIT = 80
UNASSIGNED = "unassigned"
"""The split of a clip that was imported after the splits were assigned."""


@dataclass(frozen=True)
class ClipExport:
    """A clip with accepted frames."""

    clip: ClipRecord
    state: ClipState
    revision: RevisionRecord
    fits: tuple[FitRecord, ...]
    """Those that the revision descends from."""
    folder_name: str
    """The clip's name as it may stand in a file system, unique in this export."""
    split: str | None
    """None where the project has no splits."""

    @property
    def accepted(self) -> Bool[np.ndarray, "F"]:
        return accepted_frames(self.state, self.clip.video.frame_count)

    @property
    def frame_ids(self) -> Int[np.ndarray, "T"]:
        """Indices, in the video, of the accepted frames."""
        return np.flatnonzero(self.accepted)

    @property
    def segments(self) -> tuple[FrameRange, ...]:
        """The runs of accepted frames."""
        return from_mask(self.accepted)


@dataclass(frozen=True)
class ExportRequest:
    """Everything that is exported at once."""

    project: ProjectInfo
    clips: tuple[ClipExport, ...]


class Exporter(Protocol):
    """One format."""

    @property
    def description(self) -> str:
        """One line for the list of formats."""

    def write(self, request: ExportRequest, folder: ExportFolder) -> None:
        """Write the accepted frames of all clips."""


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote."""

    format: str
    folder: Path
    files: tuple[str, ...]
    """Relative to the folder, the manifest included."""
    clips: tuple[str, ...]
    frame_count: int
    digest: str
    """SHA-256 over the other files' hashes and names, as `sha256sum` prints them."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Clips that were left out, and why."""


def safe_name(name: str, taken: Collection[str] = ()) -> str:
    """The name with nothing in it that means something to a file system, and not taken yet."""
    plain = re.sub(r"[^\w.-]+", "_", name).strip("._ ")[:NAME_LIMIT] or "clip"
    # Devices of Windows, with or without a suffix.
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", plain):
        plain = f"_{plain}"
    free, number = plain, 1
    while free.casefold() in taken:
        number += 1
        free = f"{plain}_{number}"
    return free


@contextmanager
def _said_plainly(folder: Path) -> Iterator[None]:
    """A full disk or a missing permission is the user's to mend, and says so in one sentence."""
    try:
        yield
    except OSError as error:
        raise EditError(
            f"Cannot write into {folder}", received=error.strerror or str(error)
        ) from error


class ExportFolder:
    """A folder that files are written into, and never outside of."""

    def __init__(self, root: Path) -> None:
        if root.exists() and not root.is_dir():
            raise EditError(f"{root} is a file, not a folder to export into")
        with _said_plainly(root):
            root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        self.files: dict[str, str] = {}
        """SHA-256 of each file written, by its path in the folder."""

    def write(self, name: str, save: Callable[[IO[bytes]], object]) -> None:
        """Write one file by its relative path (with forward slashes), whole or not at all."""
        with _said_plainly(self.root):
            self._write(name, save)

    def _write(self, name: str, save: Callable[[IO[bytes]], object]) -> None:
        target = self._inside(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.resolve().is_relative_to(self.root):
            raise EditError(f"{name} leads out of the export folder", advice="Use a new folder.")
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "w+b") as file:
                save(file)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.chmod(draft, 0o644)
            os.replace(draft, target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        self.files[name] = digest

    def write_json(self, name: str, content: object) -> None:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        self.write(name, lambda file: file.write(text.encode() + b"\n"))

    def digest(self) -> str:
        lines = (f"{digest}  {name}\n" for name, digest in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def remove_leftovers(self, old: Mapping[str, Any]) -> None:
        """Files of an earlier export that are not part of this one, if they are as it left them."""
        for name, facts in old.items():
            if name in self.files or not isinstance(facts, dict):
                continue
            try:
                path = self._inside(name)
            except EditError:
                continue
            if path.is_file() and path.resolve().is_relative_to(self.root):
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                if digest == facts.get("sha256"):
                    path.unlink()

    def _inside(self, name: str) -> Path:
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or "\\" in name or not pure.parts:
            raise EditError("A file of an export must lie in its folder", received=name)
        return self.root.joinpath(*pure.parts)


def provenance_of(export: ClipExport) -> dict[str, Any]:
    """Where a clip's numbers come from, for any format's files."""
    return {
        "video_sha256": export.clip.video.sha256,
        "video_file": Path(export.clip.video.path).name,
        "revision": export.revision.id,
        "revision_label": export.revision.label,
        "revision_made_at": export.revision.created_at.isoformat(),
        "fits": [
            {
                "id": fit.id,
                "frames": [fit.frames.start, fit.frames.stop],
                "body": fit.body,
                "outcome": fit.outcome,
                "notes": list(fit.notes),
                "provenance": dict(fit.provenance),
            }
            for fit in export.fits
        ],
        "edits_by": sorted({export.revision.author} - {""}),
    }


def ranges_json(segments: Sequence[FrameRange]) -> list[list[int]]:
    """[first, one past the last] of each range."""
    return [[r.start, r.stop] for r in segments]
