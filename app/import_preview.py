"""The picture of an import before it is taken in: what it says, drawn over the video.

Six frames spread over the clip with skeletons, boxes and masks in the colours of the people (others
in grey), or a camera's principal point, distortion and axes of the world.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from app.drawing import (
    PAPER,
    PERSON_COLORS,
    Color,
    Picture,
    blend,
    draw_segments,
    draw_skeleton,
    resized,
    write,
    write_on_picture,
)
from engine.errors import InputError
from engine.structures import Camera, PerceptionProgress, VideoInfo

if TYPE_CHECKING:
    from annotations.importers.imported import Imported, ImportedTrack, ImportOptions

TILE = 480, 400
"""Largest width and height of a tile."""
COLUMNS = 3
FRAMES = 6
GAP = 6
HEADER = 26
OTHERS_COLOR = (190, 190, 190)
_AXES: tuple[tuple[str, Color], ...] = (
    ("x", (226, 74, 74)),
    ("y", (84, 190, 92)),
    ("z", (86, 140, 240)),
)
_GRID = 9


@dataclass(frozen=True)
class Look:
    """An import, and the picture of it."""

    found: Imported
    picture: Picture


def look(
    path: Path,
    video: VideoInfo,
    options: ImportOptions | None = None,
    format: str | None = None,
    gives: str | None = None,
) -> Generator[PerceptionProgress, None, Look]:
    """Read a file for a clip and draw it; a task of the worker. Raises InputError."""
    from annotations.importers import steps

    reading = steps(path, video, options, format, gives)  # type: ignore[arg-type]
    while True:
        try:
            yield PerceptionProgress("reading", 0.9 * next(reading), None)
        except StopIteration as stop:
            found: Imported = stop.value
            break
    yield PerceptionProgress("drawing", 0.9, None)
    return Look(found, preview(found))


def try_look(
    path: Path, video: VideoInfo, options: ImportOptions
) -> Generator[PerceptionProgress, None, Look | str]:
    """As `look`; a file that is not what it should be is an answer: one sentence."""
    try:
        return (yield from look(path, video, options))
    except InputError as error:
        return str(error)


def redrawn(
    found: Imported, people: Sequence[str]
) -> Generator[PerceptionProgress, None, Look | str]:
    """The same import with other tracks as the people."""
    yield PerceptionProgress("drawing", 0.5, None)
    try:
        chosen = found.with_people(people)
    except InputError as error:
        return str(error)
    return Look(chosen, preview(chosen))


def preview(found: Imported, colors: Sequence[Color] = PERSON_COLORS) -> Picture:
    """Tiles of six frames with a line above that says who is which colour."""
    from engine.video import VideoReader

    tiles = []
    with VideoReader(found.video) as reader:
        for frame in shown_frames(found):
            image = reader.frame(frame)
            share = min(TILE[0] / image.shape[1], TILE[1] / image.shape[0])
            tile = resized(image, (round(share * image.shape[1]), round(share * image.shape[0])))
            factor = np.array([tile.shape[1], tile.shape[0]]) / found.video.image_size
            if found.camera is not None:
                _draw_camera(tile, found.camera, frame, factor)
            else:
                tile = _draw_people(tile, found, frame, factor, colors)
            write_on_picture(tile, f"frame {frame}", (8, 6))
            tiles.append(tile)
    return _sheet(tiles, _legend(found, colors))


def shown_frames(found: Imported) -> list[int]:
    """At most six frames, spread evenly over those in which somebody of the file is."""
    seen = np.zeros(found.video.frame_count, bool)
    for track in found.tracks:
        seen[track.frames] = True
    frames = np.flatnonzero(seen if seen.any() else ~seen)
    picked = np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int)
    return [int(frame) for frame in frames[picked]]


def _draw_people(
    tile: Picture, found: Imported, frame: int, factor: np.ndarray, colors: Sequence[Color]
) -> Picture:
    who = dict.fromkeys(found.other_tracks) | {
        track: person for person, tracks in enumerate(found.people) for track in tracks
    }
    for index, person in who.items():
        track = found.tracks[index]
        at = int(np.searchsorted(track.frames, frame))
        if at == len(track.frames) or track.frames[at] != frame:
            continue
        color = OTHERS_COLOR if person is None else colors[person % len(colors)]
        tile = _draw_mask(tile, track, at, color)
        corners = track.boxes[at].reshape(2, 2) * factor
        _draw_box(tile, corners, color)
        if found.layout is not None:
            points = track.keypoints2d[at] * factor
            draw_skeleton(tile, points, track.confidence[at], found.layout, color)
        name = track.name if person is None else f"{person + 1}"
        x, y = corners[0].round().astype(int).tolist()
        write_on_picture(tile, name, (max(2, x), max(2, y - 18)), 14)
    return tile


def _draw_mask(tile: Picture, track: ImportedTrack, at: int, color: Color) -> Picture:
    mask = track.masks[at]
    if mask is None:
        return tile
    pixels = resized(mask.decode().astype(np.uint8) * 255, (tile.shape[1], tile.shape[0])) > 127
    drawn = np.zeros_like(tile)
    drawn[pixels] = color
    return blend(tile, drawn, pixels, 0.45)


def _draw_box(tile: Picture, corners: Float[np.ndarray, "2 2"], color: Color) -> None:
    (x0, y0), (x1, y1) = corners
    ring = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])
    draw_segments(tile, np.stack([ring[:-1], ring[1:]], axis=1), color)


def _draw_camera(tile: Picture, camera: Camera, frame: int, factor: np.ndarray) -> None:
    """Principal point, straight lines as the lens bends them (if it does), axes of the world."""
    for line in _bent_grid(camera) if camera.distortion.any() else ():
        shown = line * factor
        draw_segments(tile, np.stack([shown[:-1], shown[1:]], axis=1), (255, 255, 255))
    centre = camera.K[:2, 2] * factor
    for step in (np.array([10.0, 0.0]), np.array([0.0, 10.0])):
        draw_segments(tile, [np.stack([centre - step, centre + step])], (255, 220, 60), 2)
    # The axes as they lie, seen from straight ahead: their directions do not depend on the place.
    origin = np.array([46.0, tile.shape[0] - 68.0])
    rotation = camera.T_camera_world[frame, :3, :3]
    for axis in np.argsort(-rotation[2]).tolist():  # what points away is drawn first
        name, color = _AXES[axis]
        tip = origin + 34 * rotation[:2, axis]
        draw_segments(tile, [np.stack([origin, tip])], color, 2)
        write_on_picture(tile, name, (round(tip[0]) - 3, round(tip[1]) - 8), 13)
    place = -rotation.T @ camera.T_camera_world[frame, :3, 3]
    words = "camera at {:.2f} {:.2f} {:.2f}".format(*place)
    write_on_picture(tile, words, (8, tile.shape[0] - 22), 13)


def _bent_grid(camera: Camera) -> list[Float[np.ndarray, "_ 2"]]:
    """Straight lines of the scene as the lens shows them, in pixels (OpenCV's model)."""
    width, height = camera.image_size
    across, down = np.linspace(0, width, _GRID), np.linspace(0, height, _GRID)
    fine = np.linspace(0, 1, 33)
    lines = [np.stack([np.full_like(fine, x), fine * height], -1) for x in across]
    lines += [np.stack([fine * width, np.full_like(fine, y)], -1) for y in down]
    return [_distorted(line, camera) for line in lines]


def _distorted(points: Float[np.ndarray, "N 2"], camera: Camera) -> Float[np.ndarray, "N 2"]:
    """Pixels of an ideal lens to those of this one."""
    k1, k2, p1, p2, k3 = camera.distortion
    focal, centre = camera.K[[0, 1], [0, 1]], camera.K[:2, 2]
    x, y = ((points - centre) / focal).T
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bent = np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
    return np.asarray(bent * focal + centre)


def _legend(found: Imported, colors: Sequence[Color]) -> list[tuple[str, Color]]:
    if found.camera is not None:
        return [(f"{found.source}: {found.format}", (60, 62, 66))]
    words: list[tuple[str, Color]] = [(f"{found.source}: ", (60, 62, 66))]
    for person, tracks in enumerate(found.people):
        names = " + ".join(found.tracks[index].name for index in tracks)
        words.append((f"person {person + 1} = track {names}", colors[person % len(colors)]))
    if found.other_tracks:
        words.append((f"others: {len(found.other_tracks)}", (130, 130, 130)))
    return words


def _sheet(tiles: Sequence[Picture], legend: Sequence[tuple[str, Color]]) -> Picture:
    height, width = tiles[0].shape[:2]
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    wanted = sum(10 + round(7.6 * len(text)) for text, _ in legend)
    full = max(columns * (width + GAP) - GAP, min(wanted, 2 * TILE[0]))
    sheet = np.full((HEADER + rows * (height + GAP), full, 3), PAPER, np.uint8)
    x = 6
    for text, color in legend:
        write(sheet, text, (x, 5), size=14, color=color)
        x += 10 + round(7.6 * len(text))
    for place, tile in enumerate(tiles):
        top = HEADER + (place // columns) * (height + GAP)
        left = (place % columns) * (width + GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet
