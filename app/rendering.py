"""Pictures to judge a fit by: sheets of frames and overlay videos. Needs no window.

    python -m app.rendering --video V --fit fit.npz [--observations obs.npz] --out sheet.png

For processes without a window, see app.offscreen.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from app.drawing import (
    PAPER,
    PERSON_COLORS,
    Color,
    Picture,
    draw_rings,
    draw_skeleton,
    resized,
    write,
    write_on_picture,
)
from app.stage import Bounds, Crop, Stage
from engine.errors import InputError
from engine.structures import BodyMotion, Camera, FrameRange, Observations, VideoInfo
from engine.video import VideoReader, probe

ROW_HEIGHT = 420
HEADER_HEIGHT = 30
GAP = 6
CROP_MARGIN = 0.12
"""Of the people's extent, left around them in a sheet."""
TIME_BASE = Fraction(1, 90_000)
"""Of the videos written: every usual frame rate is a whole number of these."""


def evenly_spaced(frames: FrameRange, count: int) -> tuple[int, ...]:
    """At most `count` frames from the first to the last of a range."""
    picked = np.linspace(frames.start, frames.stop - 1, min(count, len(frames)))
    return tuple(dict.fromkeys(round(float(frame)) for frame in picked))


def sheet(
    video: VideoInfo,
    motion: BodyMotion,
    camera: Camera,
    observations: Observations | None,
    frames: Sequence[int],
    colors: Sequence[Color] = PERSON_COLORS,
) -> Picture:
    """A row per frame: bodies over the video, skeletons, side view, top view.

    `motion` is in the world of `camera` (y up, floor at y = 0). In the skeleton column the lines
    are the observed keypoints and the rings are the fitted body's.
    """
    stage = Stage(motion, camera, colors)
    crop = _crop(stage, observations, frames)
    bounds = stage.bounds(frames)
    square = (ROW_HEIGHT, ROW_HEIGHT)
    rows = [_header(crop.size[0], stage)]
    with VideoReader(video) as reader:
        for frame in frames:
            image = cropped(reader.frame(frame), crop)
            overlay = stage.overlay(frame, image, crop)
            write_on_picture(overlay, f"frame {frame}   {video.times[frame]:.2f} s", (8, 6))
            skeletons = _skeletons(stage, observations, frame, image.copy(), crop)
            views = stage.side(frame, square, bounds), stage.top(frame, square, bounds)
            rows.append(_joined([overlay, skeletons, *views], axis=1))
    return _joined(rows, axis=0)


def overlay_video(
    path: Path,
    video: VideoInfo,
    motion: BodyMotion,
    camera: Camera,
    frames: FrameRange | None = None,
    colors: Sequence[Color] = PERSON_COLORS,
    height: int = 720,
) -> Iterator[float]:
    """Write an H.264 video: the bodies over the frames, side and top view beside them.

    A generator: yields the fraction done. Frames keep their presentation times. A file that was
    not finished is removed.
    """
    import av

    span = frames or FrameRange(0, video.frame_count)
    stage = Stage(motion, camera, colors)
    bounds = stage.bounds(range(span.start, span.stop))
    width = round(height * video.width / video.height / 2) * 2
    crop = Crop(0, 0, video.width, video.height, (width, height))
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        with av.open(str(partial), "w") as container, VideoReader(video) as reader:
            stream = container.add_stream("libx264", options={"crf": "20", "preset": "veryfast"})
            stream.width, stream.height = width + height // 2, height
            stream.pix_fmt = "yuv420p"
            stream.time_base = stream.codec_context.time_base = TIME_BASE
            for index, frame in reader.frames(span):
                picture = _video_picture(stage, index, cropped(frame, crop), crop, bounds)
                encoded = av.VideoFrame.from_ndarray(picture, format="rgb24")
                encoded.time_base = TIME_BASE
                encoded.pts = round((video.times[index] - video.times[span.start]) / TIME_BASE)
                container.mux(stream.encode(encoded))
                yield (index + 1 - span.start) / len(span)
            container.mux(stream.encode())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def cropped(image: Picture, crop: Crop) -> Picture:
    """The part of a video frame at the crop's size; grey where it reaches outside."""
    x0, y0 = round(crop.x0), round(crop.y0)
    x1, y1 = round(crop.x1), round(crop.y1)
    height, width = image.shape[:2]
    before = max(0, -x0), max(0, -y0)
    after = max(0, x1 - width), max(0, y1 - height)
    part = image[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    if any(before + after):
        pad = ((before[1], after[1]), (before[0], after[0]), (0, 0))
        part = np.pad(part, pad, constant_values=128)
    return resized(part, crop.size)


def _crop(stage: Stage, observations: Observations | None, frames: Sequence[int]) -> Crop:
    """The part of the video where the people are, at a sheet's row height."""
    layout = observations.layout if observations else "halpe26"
    people = range(stage.motion.person_count)
    shown = [
        stage.reprojected(p, f, layout) for p in people for f in frames if stage.motion.valid[p, f]
    ]
    if observations:
        shown.append(observations.keypoints2d[:, list(frames)].reshape(-1, 2))
    width, height = stage.camera.image_size
    points = np.concatenate([np.empty((0, 2)), *shown])
    inside = np.isfinite(points).all(axis=1) & (abs(points - [width / 2, height / 2]) < width).all(
        1
    )
    if not inside.any():
        return Crop(0, 0, width, height, (round(ROW_HEIGHT * width / height), ROW_HEIGHT))
    low, high = points[inside].min(axis=0), points[inside].max(axis=0)
    border = CROP_MARGIN * (high - low).max()
    x0, y0 = np.maximum(np.round(low - border), 0)
    x1, y1 = np.minimum(np.round(high + border), [width, height])
    tile_width = int(np.clip(ROW_HEIGHT * (x1 - x0) / (y1 - y0), 160, 2 * ROW_HEIGHT))
    # Keep the pixels square: widen or heighten what is cut out to the tile's shape.
    need = (x1 - x0) / tile_width - (y1 - y0) / ROW_HEIGHT
    if need > 0:
        grow = need * ROW_HEIGHT / 2
        y0, y1 = round(y0 - grow), round(y1 + grow)
    else:
        grow = -need * tile_width / 2
        x0, x1 = round(x0 - grow), round(x1 + grow)
    return Crop(float(x0), float(y0), float(x1), float(y1), (tile_width, ROW_HEIGHT))


def _skeletons(
    stage: Stage, observations: Observations | None, frame: int, image: Picture, crop: Crop
) -> Picture:
    image = (image * 0.6).astype(np.uint8)
    layout = observations.layout if observations else "halpe26"
    for person in range(stage.motion.person_count):
        color = stage.color(person)
        fitted = stage.motion.valid[person, frame]
        rings = crop.pixels(stage.reprojected(person, frame, layout)) if fitted else None
        if observations:
            points = crop.pixels(observations.keypoints2d[person, frame])
            confidence = observations.confidence[person, frame]
            draw_skeleton(image, points, confidence, layout, color)
            if rings is not None:
                draw_rings(image, rings, color)
        elif rings is not None:
            draw_skeleton(image, rings, np.ones(len(rings)), layout, color)
    return image


def _header(picture_width: int, stage: Stage) -> Picture:
    total = 2 * picture_width + 2 * ROW_HEIGHT + 5 * GAP
    image = np.full((HEADER_HEIGHT, total, 3), PAPER, np.uint8)
    columns = ("bodies", "keypoints, rings: fit", "side (camera on the left)", "top (camera below)")
    left = GAP
    for name, width in zip(columns, (picture_width,) * 2 + (ROW_HEIGHT,) * 2, strict=True):
        write(image, name, (left + 4, 7))
        left += width + GAP
    for person in range(stage.motion.person_count):
        at = (total - 96 * (stage.motion.person_count - person), 7)
        write(image, f"person {person + 1}", at, color=stage.color(person))
    return image[:, GAP:-GAP]


def _joined(pictures: Sequence[Picture], axis: int) -> Picture:
    """Pictures side by side (axis 1) or one above the other (axis 0), with gaps around."""
    gap_shape = list(pictures[0].shape)
    gap_shape[axis] = GAP
    gap = np.full(gap_shape, PAPER, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(parts[:-1], axis=axis)


def _video_picture(stage: Stage, index: int, image: Picture, crop: Crop, bounds: Bounds) -> Picture:
    half = crop.size[1] // 2
    overlay = stage.overlay(index, image, crop)
    views = [view(index, (half, half), bounds) for view in (stage.side, stage.top)]
    for view, name in zip(views, ("side", "top"), strict=True):
        write(view, name, (8, 6))
    return np.concatenate([overlay, np.concatenate(views, axis=0)], axis=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw a sheet of a fit.npz."""
    from engine.body.data import load_body_data
    from engine.files import read_fit, read_observations
    from engine.geometry.frames import motion_to_world

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--fit", type=Path, required=True)
    parser.add_argument("--observations", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=6, help="how many rows")
    options = parser.parse_args(arguments)
    fit = read_fit(options.fit)
    observations = None
    if options.observations:
        observations = read_observations(options.observations).observations
    span = FrameRange(0, fit.motion.frame_count)
    picture = sheet(
        probe(options.video),
        motion_to_world(fit.motion, fit.camera.T_camera_world, load_body_data(fit.motion.body)),
        fit.camera,
        observations,
        evenly_spaced(span, options.frames),
    )
    save_picture(options.out, picture)


def save_picture(path: Path, picture: Picture) -> None:
    """Write a PNG, WebP or JPEG by the path's suffix."""
    from PIL import Image

    try:
        Image.fromarray(picture).save(path)
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot write the picture {path}", received=str(error)) from error


if __name__ == "__main__":
    main()
