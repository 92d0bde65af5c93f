"""What an import found, in lines for people."""

from __future__ import annotations

from annotations.importers.imported import Imported, ImportedTrack


def summary_lines(found: Imported) -> list[str]:
    """Format, layout, size, frames, people, and what is worth knowing."""
    video = found.video
    lines = [f"{found.source}: {found.format}, {_content(found)}"]
    if found.tracks:
        lines.append(_frames(found))
        for person, indices in enumerate(found.people):
            tracks = [found.tracks[index] for index in indices]
            lines.append(f"person {person + 1}: {_tracks(tracks, video.frame_count)}")
        if others := [found.tracks[index] for index in found.other_tracks]:
            names = ", ".join(track.name for track in others[:12])
            lines.append(f"others: {len(others)} (track {names})")
    return [*lines, *found.notes]


def _content(found: Imported) -> str:
    if found.camera is not None:
        K = found.camera.K
        focal = f"{K[0, 0]:.1f}" if K[0, 0] == K[1, 1] else f"{K[0, 0]:.1f}, {K[1, 1]:.1f}"
        return f"focal length {focal} px, principal point {K[0, 2]:.1f}, {K[1, 2]:.1f}"
    if found.layout is None:
        return f"{found.kind} without joints"
    masks = any(mask is not None for track in found.tracks for mask in track.masks)
    return f"{found.source_layout}, taken as {found.layout}" + (", with masks" if masks else "")


def _frames(found: Imported) -> str:
    """Which frames of the clip have somebody in them."""
    seen = sorted({int(frame) for track in found.tracks for frame in track.frames})
    video = found.video
    count = video.frame_count
    text = f"frames {seen[0]} to {seen[-1]}: people in {len(seen)} of the clip's {count}"
    if found.offset:
        text += f", numbered from {found.offset} in the file"
    if found.scale != (1.0, 1.0):
        text += ", scaled by {:g} x {:g}".format(*found.scale)
    return f"{text}, {video.width} x {video.height}"


def _tracks(tracks: list[ImportedTrack], count: int) -> str:
    names = " and ".join(track.name for track in tracks)
    frames = sum(len(track.frames) for track in tracks)
    return f"track {names}, in {frames} of {count} frames"
