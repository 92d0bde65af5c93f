"""The registry of export formats, and the one way to export.

Only accepted frames leave the project. Every export has a `manifest.json`: format, body, counts,
splits with their groups and digest, the files with their SHA-256, and what was left out and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from annotations import splits
from annotations.errors import EditError
from annotations.exporters import coco_keypoints, smpl_npz
from annotations.exporters.coco_keypoints import CocoKeypoints
from annotations.exporters.package import (
    UNASSIGNED,
    ClipExport,
    Exporter,
    ExportFolder,
    ExportReport,
    ExportRequest,
    ranges_json,
    safe_name,
)
from annotations.exporters.smpl_npz import SmplNpz
from annotations.records import ClipRecord
from annotations.review import accepted_frames
from annotations.store import Store

__all__ = ["EXPORTERS", "READERS", "ExportReport", "Exporter", "export"]

EXPORTERS: Mapping[str, Exporter] = MappingProxyType(
    {"smpl-npz": SmplNpz(), "coco-keypoints": CocoKeypoints()}
)
READERS = MappingProxyType(
    {"smpl-npz": smpl_npz.read_back, "coco-keypoints": coco_keypoints.read_back}
)
"""Read a file of the format back as arrays."""
MANIFEST = "manifest.json"


def export(
    store: Store, format: str, out_dir: Path | str, clips: Iterable[int] | None = None
) -> ExportReport:
    """Write the accepted frames of the clips (None: all) into a folder, and keep it on record.

    An earlier export in the folder is replaced; other files in it are left alone. Raises EditError
    where nothing is accepted, or where the splits would put a video or a person on two sides.
    """
    if format not in EXPORTERS:
        raise EditError("No such format", expected=" or ".join(EXPORTERS), received=format)
    chosen, skipped = _choose(store, clips)
    if not chosen:
        why = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise EditError(
            "There is nothing to export yet",
            received=why or "no clips",
            advice="Accept frames first (A).",
        )
    plan = _split_plan(store, chosen)
    request = ExportRequest(store.info(), _clip_exports(store, chosen))
    folder = ExportFolder(Path(out_dir))
    old = _old_files(folder.root / MANIFEST)
    EXPORTERS[format].write(request, folder)
    digest = folder.digest()
    folder.remove_leftovers(old)
    manifest = _manifest(format, request, skipped, folder)
    folder.write_json(MANIFEST, manifest | {"splits": plan, "digest": digest})
    store.record_export(format, folder.root, digest, tuple(clip.id for clip in chosen))
    return ExportReport(
        format=format,
        folder=folder.root,
        files=tuple(sorted(folder.files)),
        clips=tuple(clip.name for clip in chosen),
        frame_count=sum(len(clip.frame_ids) for clip in request.clips),
        digest=digest,
        skipped=skipped,
    )


def _choose(
    store: Store, wanted: Iterable[int] | None
) -> tuple[tuple[ClipRecord, ...], dict[str, str]]:
    """The clips that can be exported, and why the others cannot."""
    ids = None if wanted is None else set(wanted)
    known = store.clips()
    if ids is not None and (unknown := ids - {clip.id for clip in known}):
        raise EditError("There is no such clip in this project", received=f"clip {min(unknown)}")
    chosen, skipped = [], {}
    for clip in known:
        if ids is None or clip.id in ids:
            marks = store.state(clip.id).reviews
            if any(mark.verdict == "accepted" for mark in marks):
                chosen.append(clip)
            else:
                skipped[clip.name] = "no frame is accepted"
    return tuple(chosen), skipped


def _clip_exports(store: Store, chosen: Iterable[ClipRecord]) -> tuple[ClipExport, ...]:
    assigned = {a.clip_id: a.split for a in store.splits()}
    taken: set[str] = set()
    found = []
    for clip in chosen:
        name = safe_name(clip.name, taken)
        taken.add(name.casefold())
        past = {revision.fit_id for revision in store.ancestry(clip.id)}
        found.append(
            ClipExport(
                clip=clip,
                state=store.state(clip.id),
                revision=store.head(clip.id),
                fits=tuple(f for f in store.fits(clip.id) if f.id in past),
                folder_name=name,
                split=safe_name(assigned.get(clip.id, UNASSIGNED)) if assigned else None,
            )
        )
    return tuple(found)


def _split_plan(store: Store, chosen: Iterable[ClipRecord]) -> dict[str, object] | None:
    """The splits of the exported clips; refuses what has begun to leak since it was assigned."""
    plan = store.split_plan()
    if plan is None:
        return None
    everything = splits.subjects((c, store.state(c.id).identities) for c in store.clips())
    leaks = splits.leaks(plan.assignments, everything)
    if leaks:
        raise EditError(
            "The splits leak",
            received=leaks[0],
            advice="Clips or names have changed since: assign the splits again.",
        )
    accepted = {
        clip.id: int(accepted_frames(store.state(clip.id), clip.video.frame_count).sum())
        for clip in chosen
    }
    exported = [
        replace(subject, frame_count=accepted[subject.clip_id])
        for subject in everything
        if subject.clip_id in accepted
    ]
    return splits.manifest(plan.assignments, exported, seed=plan.seed, fractions=plan.fractions)


def _manifest(
    format: str, request: ExportRequest, skipped: Mapping[str, str], folder: ExportFolder
) -> dict[str, Any]:
    sizes = {name: (folder.root / name).stat().st_size for name in folder.files}
    return {
        "format": format,
        "manifest_version": 1,
        "body": request.project.body,
        "body_sha256": request.project.body_sha256,
        "counts": {
            "clips": len(request.clips),
            "frames": sum(len(clip.frame_ids) for clip in request.clips),
            "people": sum(len(clip.state.identities) for clip in request.clips),
        },
        "clips": [
            {
                "clip": clip.clip.name,
                "folder": clip.folder_name,
                "split": clip.split,
                "video_sha256": clip.clip.video.sha256,
                "accepted_frames": ranges_json(clip.segments),
                "frame_count": clip.clip.video.frame_count,
                "revision": clip.revision.id,
                "people": [identity.name for identity in clip.state.identities],
            }
            for clip in request.clips
        ],
        "skipped": dict(skipped),
        "files": {
            name: {"sha256": digest, "bytes": sizes[name]}
            for name, digest in sorted(folder.files.items())
        },
    }


def _old_files(path: Path) -> dict[str, Any]:
    """The files that an earlier manifest in the folder names; empty without a readable one."""
    try:
        found = json.loads(path.read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
