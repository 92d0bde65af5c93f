"""A clip with known truth from the motion of people: pictures, then files."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from engine.body.data import OPEN_BODY, load_body_data
from engine.errors import InputError
from engine.files import FitFile
from engine.geometry.frames import motion_to_camera
from engine.structures import Diagnostics, Outcome, RunLengthMask
from engine.synthesis.cameras import camera_place
from engine.synthesis.casting import (
    Cast,
    drawn_bodies,
    joints_of,
    keypoints_of,
    make_cast,
    posed,
)
from engine.synthesis.detector import write_both_observations
from engine.synthesis.figures import TRUTH_DENSITY, Figure
from engine.synthesis.film import developed, moments, random_film
from engine.synthesis.order import SynthesisOrder, SynthesisProgress
from engine.synthesis.rendering import Renderer, random_lighting
from engine.synthesis.scenery import SCENERIES, Scenery, make_scenery
from engine.synthesis.touching import find_touch
from engine.synthesis.truth import Truth, write_truth
from engine.synthesis.video_writer import VideoWriter
from engine.synthesis.visibility import in_front, joint_visibility

VIDEO, TRUTH = "video.mp4", "truth.npz"
_DRAWN = 0.9
"""Share of the time after which all frames are drawn."""


def synthesize(order: SynthesisOrder) -> Generator[SynthesisProgress, None, Truth]:
    """Write video.mp4, truth.npz and both observations into `order.out`; returns the truth.

    Raises InputError for motion, a picture or a camera that cannot be used; then nothing is there.
    """
    order.check()
    yield SynthesisProgress("solving the motion", 0.0)
    cast = make_cast(order)
    place = _place(order, cast)
    try:
        order.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the folder {order.out}", received=error.strerror or str(error)
        ) from error
    seen = yield from _draw(order, cast, place)
    yield SynthesisProgress("measuring contacts", _DRAWN)
    truth = _truth(order, cast, seen)
    write_truth(order.out / TRUTH, truth)
    write_both_observations(order.out, truth)
    yield SynthesisProgress("done", 1.0, 0.0)
    return truth


@dataclass
class _Seen:
    """What was found of each frame while it was drawn; passers-by come last."""

    visibility: UInt8[np.ndarray, "A F 26"]
    in_front: Float[np.ndarray, "A A F"]
    masks: list[list[RunLengthMask]]


def _draw(
    order: SynthesisOrder, cast: Cast, place: Scenery
) -> Generator[SynthesisProgress, None, _Seen]:
    motion, camera = cast.motion, cast.camera
    everybody, frames = motion.valid.shape
    lighting = random_lighting(order.generator("light"), place.kind == "outdoor")
    film, grain = random_film(order.generator("film")), order.generator("grain")
    renderer = Renderer(cast.figures, camera.K, camera.image_size, lighting)
    pixels, depth = keypoints_of(motion, camera)
    seen = _Seen(
        np.zeros((everybody, frames, 26), np.uint8),
        np.full((everybody, everybody, frames), np.nan),
        [[] for _ in range(everybody)],
    )
    started = time.monotonic()
    ground = None
    with VideoWriter(order.out / VIDEO, camera.image_size, _crf(order)) as video:
        for frame, (before, now, after) in enumerate(drawn_bodies(cast)):
            transform = camera.T_camera_world[frame]
            if ground is None or (transform != camera.T_camera_world[frame - 1]).any():
                ground = place.seen_from(camera.K, transform, camera.image_size)
            buffers = renderer.buffers(now, transform)
            light = renderer.light(now, transform, moments(before, now, after, film), ground)
            video.add(developed(light, film, grain), float(motion.time[frame]))
            seen.visibility[:, frame] = joint_visibility(pixels[:, frame], depth[:, frame], buffers)
            seen.in_front[:, :, frame] = in_front(buffers)
            for person, row in enumerate(seen.masks):
                row.append(RunLengthMask.encode(buffers.mask(person)))
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


def _truth(order: SynthesisOrder, cast: Cast, seen: _Seen) -> Truth:
    motion, camera, people = cast.about(), cast.camera, cast.people
    data = load_body_data(OPEN_BODY, TRUTH_DENSITY)
    pixels, _ = keypoints_of(cast.motion, camera)
    bare = [cast.figures[p].bare.vertices(*posed(motion, p)) for p in range(people)]
    pairs = list(combinations(range(people), 2))
    touches = [find_touch(bare[a], bare[b], data, (a, b)) for a, b in pairs]
    deepest = np.max([np.zeros(motion.frame_count), *(t.penetration_m for t in touches)], axis=0)
    fit = _as_fit(cast, pixels[:people], deepest)
    vertices = np.array([t.vertices for t in touches], bool)
    return Truth(
        fit=fit,
        keypoints2d=pixels[:people],
        visibility=seen.visibility[:people],
        masks=tuple(tuple(row) for row in seen.masks[:people]),
        in_front=seen.in_front[:people, :people],
        depth_order=np.argsort(fit.joints[:, :, 0, 2], axis=0).T,
        skin_offsets=np.stack([f.skin_offsets for f in cast.figures[:people]]).astype(np.float32),
        heights=np.array([_height(figure) for figure in cast.figures[:people]]),
        contact_people=np.array(pairs, int).reshape(-1, 2),
        contact_vertices=vertices.reshape(len(pairs), 2, motion.frame_count, data.vertex_count),
        contacts=tuple(label for touch in touches for label in touch.labels),
        present=np.array([[any(m.counts[1:]) for m in row] for row in seen.masks[:people]]),
        others_keypoints2d=pixels[people:],
        others_visibility=seen.visibility[people:],
        cuts=cast.cuts,
        fps=1 / float(np.median(np.diff(motion.time))) if motion.frame_count > 1 else 30.0,
        source=order.motion.name,
        seed=order.seed,
        retarget_error_m=cast.error_m,
        separation_m=cast.moved_m,
    )


def _as_fit(
    cast: Cast, pixels: Float[np.ndarray, "P F 26 2"], deepest: Float[np.ndarray, "F"]
) -> FitFile:
    """The truth in a fit's terms: it reprojects without error."""
    motion = cast.about()
    in_camera = motion_to_camera(
        motion, cast.camera.T_camera_world, load_body_data(OPEN_BODY, TRUTH_DENSITY)
    )
    return FitFile(
        motion=in_camera,
        joints=joints_of(in_camera),
        keypoints2d_reprojected=pixels,
        layout="halpe26",
        camera=cast.camera,
        outcome=Outcome.CONVERGED,
        diagnostics=Diagnostics(np.zeros(motion.valid.shape), deepest),
    )


def _height(figure: Figure) -> float:
    rest = figure.bare.vertices(figure.betas, np.zeros(3), np.zeros((23, 3)), np.zeros(3))
    return float(np.ptp(rest[:, 1]))
