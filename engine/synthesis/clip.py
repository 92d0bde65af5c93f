"""A clip with known truth from the motion of people: pictures, then files."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

import cv2
import numpy as np

from engine.errors import InputError
from engine.structures import RunLengthMask
from engine.synthesis.cameras import camera_place
from engine.synthesis.casting import Cast, drawn_bodies, make_cast
from engine.synthesis.detector import write_both_observations
from engine.synthesis.film import developed, moments, random_film
from engine.synthesis.measuring import Sighting, measured_truth
from engine.synthesis.order import SynthesisOrder, SynthesisProgress
from engine.synthesis.rendering import Renderer, random_lighting
from engine.synthesis.scenery import SCENERIES, Scenery, make_scenery
from engine.synthesis.truth import Truth, write_truth
from engine.synthesis.video_writer import VideoWriter

VIDEO, TRUTH = "video.mp4", "truth.npz"
_DRAWN = 0.9
"""Share of the time after which all frames are drawn."""


def synthesize(order: SynthesisOrder) -> Generator[SynthesisProgress, None, Truth]:
    """Write video.mp4, truth.npz and both observations into `order.out`; returns the truth.

    Raises InputError for motion, a picture or a camera that cannot be used; then nothing is there.
    """
    order.check()
    out = order.out
    if out is None:
        raise InputError("A clip that is drawn needs a folder")
    yield SynthesisProgress("solving the motion", 0.0)
    cast = make_cast(order)
    place = _place(order, cast)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the folder {out}", received=error.strerror or str(error)
        ) from error
    seen = yield from _draw(order, cast, place, out / VIDEO)
    yield SynthesisProgress("measuring contacts", _DRAWN)
    truth = measured_truth(order, cast, seen)
    write_truth(out / TRUTH, truth, vertices=order.vertices)
    write_both_observations(out, truth)
    yield SynthesisProgress("done", 1.0, 0.0)
    return truth


def _draw(
    order: SynthesisOrder, cast: Cast, place: Scenery, path: Path
) -> Generator[SynthesisProgress, None, Sighting]:
    motion, camera = cast.motion, cast.camera
    people, frames = range(len(cast.figures)), motion.frame_count
    lighting = random_lighting(order.generator("light"), place.kind == "outdoor")
    film, grain = random_film(order.generator("film")), order.generator("grain")
    renderer = Renderer(cast.figures, camera.K, camera.image_size, lighting)
    seen = Sighting.before(cast)
    started = time.monotonic()
    ground = None
    with VideoWriter(path, camera.image_size, _crf(order)) as video:
        for frame, (before, now, after) in enumerate(drawn_bodies(cast)):
            transform = camera.T_camera_world[frame]
            if ground is None or (transform != camera.T_camera_world[frame - 1]).any():
                ground = place.seen_from(camera.K, transform, camera.image_size)
            buffers = renderer.buffers(now, transform)
            light = renderer.light(now, transform, moments(before, now, after, film), ground)
            video.add(developed(light, film, grain), float(motion.time[frame]))
            masks = [RunLengthMask.encode(buffers.mask(p)) for p in people]
            seen.see(frame, buffers, masks, 1.0)
            done = (frame + 1) / frames
            left = (time.monotonic() - started) * (1 / done - 1)
            yield SynthesisProgress("drawing", _DRAWN * done, left)
    return seen


def _place(order: SynthesisOrder, cast: Cast) -> Scenery:
    generator = order.generator("scenery")
    kind = order.scenery or SCENERIES[generator.integers(len(SCENERIES))]
    picture = None
    if order.picture is not None:
        read = cv2.imread(str(order.picture), cv2.IMREAD_COLOR)
        if read is None:
            raise InputError(f"{order.picture.name} is no picture that can be read")
        picture, kind = np.ascontiguousarray(read[..., ::-1]), "picture"
    middle = cast.about().transl.mean(axis=(0, 1))
    away = (camera_place(cast.camera) - middle)[:, [0, 2]]
    distance = float(np.linalg.norm(away, axis=1).max())
    return make_scenery(kind, middle[[0, 2]], distance, generator, picture)


def _crf(order: SynthesisOrder) -> int:
    drawn = int(order.generator("compression").integers(18, 29))
    return drawn if order.crf is None else order.crf
