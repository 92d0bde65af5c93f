"""Who is in a clip, how they move, and before which camera: all before a pixel is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Float

from engine.body.data import OPEN_BODY, load_body_data
from engine.geometry.touching import find_touch
from engine.motion.separation import separate
from engine.structures import BodyMotion, Camera
from engine.synthesis.cameras import camera_place, place_camera
from engine.synthesis.figures import (
    TRUTH_DENSITY,
    Figure,
    Outfit,
    make_figure,
    random_outfit,
    similar_outfit,
)
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.passersby import walked_off, with_passers_by
from engine.synthesis.people import joints_of, posed, rows_of
from engine.synthesis.sources import SourceMotion, read_source

DEEPEST = 0.010
"""Metres up to which the bodies of a finished motion may interpenetrate and are left alone."""


@dataclass(frozen=True)
class Cast:
    """The people of the clip come first, then passers-by."""

    motion: BodyMotion
    figures: tuple[Figure, ...]
    camera: Camera
    error_m: Float[np.ndarray, "P F"]
    """Of the solved joints against the captured ones, without passers-by."""
    moved_m: Float[np.ndarray, "P F"]
    """By which the joints were moved to take the bodies out of each other."""
    people: int
    """How many the clip is about."""
    cuts: tuple[int, ...] = ()

    def about(self) -> BodyMotion:
        """The motion of those whom the clip is about."""
        return rows_of(self.motion, slice(0, self.people))

    def bare(self, person: int) -> Float[np.ndarray, "F V 3"]:
        """Vertices (world) of the body without clothes and hair, where contacts are measured."""
        return self.figures[person].bare.vertices(*posed(self.motion, person))


def make_cast(order: SynthesisOrder) -> Cast:
    """Solve the motion, dress the people, place the camera."""
    source = read_source(order)
    motion, people = source.motion, source.motion.person_count
    generator = order.generator("outfits")
    outfits = [random_outfit(generator) for _ in range(people)]
    if order.similar:
        outfits = [outfits[0]] + [similar_outfit(outfits[0], generator) for _ in outfits[1:]]
    residual = not source.finished if order.shape_residual is None else order.shape_residual
    figures = _dressed(motion, outfits, order.seed * 100, residual)
    motion, moved = _apart(order, source, figures)
    joints = joints_of(motion)
    camera, cuts = _cameras(order, joints, motion.time)
    if order.leaving:
        motion = walked_off(motion, camera)
    if order.others:
        motion = with_passers_by(order, motion, camera, joints.mean(axis=(0, 1, 2)))
        passing = rows_of(motion, slice(people, None))
        outfits = [random_outfit(generator) for _ in range(order.others)]
        figures += _dressed(passing, outfits, order.seed * 100 + people, True)
    return Cast(motion, figures, camera, source.error_m, moved, people, cuts)


def drawn_bodies(cast: Cast) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Clothed vertices (P, N, 3) in the world of the frame before, the frame, the frame after."""
    motion = cast.motion
    frames = motion.frame_count

    def bodies(frame: int) -> np.ndarray:
        return np.stack(
            [
                figure.drawn.vertices(
                    motion.betas[p],
                    motion.global_orient[p, frame],
                    motion.body_pose[p, frame],
                    motion.transl[p, frame],
                )
                for p, figure in enumerate(cast.figures)
            ]
        )

    before = now = bodies(0)
    for frame in range(frames):
        after = bodies(frame + 1) if frame + 1 < frames else now
        yield before, now, after
        before, now = now, after


def _dressed(
    motion: BodyMotion, outfits: list[Outfit], seed: int, residual: bool
) -> tuple[Figure, ...]:
    return tuple(
        make_figure(np.asarray(betas, np.float64), outfit, seed + person, residual)
        for person, (betas, outfit) in enumerate(zip(motion.betas, outfits, strict=True))
    )


def _apart(
    order: SynthesisOrder, source: SourceMotion, figures: Sequence[Figure]
) -> tuple[BodyMotion, Float[np.ndarray, "P F"]]:
    """The people taken out of each other, and by how much they were moved."""
    motion = source.motion
    if not order.separate or (source.finished and _depth(motion, figures) <= DEEPEST):
        return motion, source.moved_m
    separated = separate(motion, [figure.skin_offsets for figure in figures])
    return separated.motion, source.moved_m + separated.displacement_m


def _depth(motion: BodyMotion, figures: Sequence[Figure]) -> float:
    """Deepest penetration in any frame, metres."""
    data = load_body_data(OPEN_BODY, TRUTH_DENSITY)
    skins = [figure.bare.vertices(*posed(motion, p)) for p, figure in enumerate(figures)]
    depths = [find_touch(a, b, data).penetration_m for a, b in combinations(skins, 2)]
    return max((float(depth.max()) for depth in depths), default=0.0)


def _cameras(
    order: SynthesisOrder, joints: Float[np.ndarray, "P F 24 3"], time: Float[np.ndarray, "F"]
) -> tuple[Camera, tuple[int, ...]]:
    """One camera, or two with a cut between them."""
    generator = order.generator("camera")
    camera = place_camera(joints, order.camera, generator, time)
    frames = joints.shape[1]
    if not order.cut or frames < 2:
        return camera, ()
    asked = order.camera
    first = camera_place(camera)[0] - joints.mean(axis=(0, 1, 2))
    azimuth = np.degrees(np.arctan2(first[0], first[2])) + generator.uniform(50, 310)
    focal = camera.K[0, 0] / max(asked.width, asked.height)
    other = place_camera(joints, replace(asked, azimuth=azimuth, focal=focal), generator, time)
    middle = frames // 2
    transforms = np.concatenate([camera.T_camera_world[:middle], other.T_camera_world[middle:]])
    return replace(camera, T_camera_world=transforms), (middle,)
