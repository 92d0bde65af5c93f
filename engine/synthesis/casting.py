"""Who is in a clip, how they move, and before which camera: all before a pixel is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from engine.body.data import OPEN_BODY, load_body_data
from engine.body.display import DisplayBody
from engine.errors import InputError
from engine.files import read_fit
from engine.geometry.frames import motion_to_world
from engine.motion.prepared import is_prepared, read_prepared
from engine.structures import BodyMotion, Camera, FrameRange
from engine.synthesis.cameras import camera_place, place_camera
from engine.synthesis.figures import (
    TRUTH_DENSITY,
    Figure,
    Outfit,
    make_figure,
    random_outfit,
    similar_outfit,
)
from engine.synthesis.motion_files import holds_fit, read_captured
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.retarget import Retargeted, resampled, retarget
from engine.synthesis.separation import separate

KEY_POSE_FPS = 20.0
"""Motion with fewer frames a second is a row of key poses, which are joined smoothly."""
CLIP_FPS = 30.0
NEAR_OTHERS, FAR_OTHERS = 1.3, 3.5
"""Metres from the middle of the people at which passers-by stand or pass."""


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
        return _rows(self.motion, slice(0, self.people))


def make_cast(order: SynthesisOrder) -> Cast:
    """Solve the motion, dress the people, place the camera."""
    solved = _solved(order)
    motion, people = solved.motion, solved.motion.person_count
    generator = order.generator("outfits")
    outfits = [random_outfit(generator) for _ in range(people)]
    if order.similar:
        outfits = [outfits[0]] + [similar_outfit(outfits[0], generator) for _ in outfits[1:]]
    figures = _dressed(motion, outfits, order.seed * 100)
    moved = np.zeros(motion.valid.shape)
    if order.separate:
        separated = separate(motion, [figure.skin_offsets for figure in figures])
        motion, moved = separated.motion, separated.displacement_m
    joints = joints_of(motion)
    camera, cuts = _cameras(order, joints)
    if order.leaving:
        motion = _walked_off(motion, camera)
    if order.others:
        passing = _others(order, motion, camera, joints)
        outfits = [random_outfit(generator) for _ in range(passing.person_count)]
        figures += _dressed(passing, outfits, order.seed * 100 + people)
        motion = _together(motion, passing)
    return Cast(motion, figures, camera, solved.error_m, moved, people, cuts)


def _dressed(motion: BodyMotion, outfits: list[Outfit], seed: int) -> tuple[Figure, ...]:
    return tuple(
        make_figure(np.asarray(betas, np.float64), outfit, seed + person)
        for person, (betas, outfit) in enumerate(zip(motion.betas, outfits, strict=True))
    )


def posed(motion: BodyMotion, person: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Arguments of DisplayBody's methods for all frames of a person."""
    return (
        motion.betas[person],
        motion.global_orient[person],
        motion.body_pose[person],
        motion.transl[person],
    )


def joints_of(motion: BodyMotion) -> Float[np.ndarray, "P F 24 3"]:
    body = DisplayBody.load(OPEN_BODY, TRUTH_DENSITY)
    return np.stack([body.joints(*posed(motion, p)) for p in range(motion.person_count)])


def keypoints_of(
    motion: BodyMotion, camera: Camera
) -> tuple[Float[np.ndarray, "P F 26 2"], Float[np.ndarray, "P F 26"]]:
    """Pixels and depth (metres) of the true keypoints of a motion in the world."""
    body = DisplayBody.load(OPEN_BODY, TRUTH_DENSITY)
    world = np.stack([body.keypoints(*posed(motion, p)) for p in range(motion.person_count)])
    transform = camera.T_camera_world
    seen = np.einsum("fij,pfkj->pfki", transform[:, :3, :3], world.astype(np.float64))
    seen += transform[:, None, :3, 3]
    image = seen @ camera.K.T
    return image[..., :2] / np.maximum(image[..., 2:], 1e-3), seen[..., 2]


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


def _solved(order: SynthesisOrder) -> Retargeted:
    if is_prepared(order.motion):
        return _prepared(order)
    if holds_fit(order.motion):
        return _fitted(order)
    captured = read_captured(order.motion)
    cut = captured.cut(order.frames or FrameRange(0, captured.frame_count))
    solved = retarget(cut, order.seed)
    return resampled(solved, CLIP_FPS) if cut.fps < KEY_POSE_FPS else solved


def _prepared(order: SynthesisOrder) -> Retargeted:
    prepared = read_prepared(order.motion)
    cut = prepared.cut(order.frames or FrameRange(0, prepared.frame_count))
    solved = Retargeted(cut.motion, cut.error_m)
    return resampled(solved, CLIP_FPS) if cut.fps < KEY_POSE_FPS else solved


def _fitted(order: SynthesisOrder) -> Retargeted:
    """A motion of our own, as it is."""
    fit = read_fit(order.motion)
    if fit.motion.body != OPEN_BODY:
        raise InputError(
            f"{order.motion.name} is on another body", expected=OPEN_BODY, received=fit.motion.body
        )
    motion = motion_to_world(fit.motion, fit.camera.T_camera_world, load_body_data(OPEN_BODY))
    frames = order.frames or FrameRange(0, motion.frame_count)
    if not 0 <= frames.start < frames.stop <= motion.frame_count:
        raise InputError(
            f"The frames are not in {order.motion.name}",
            expected=f"A:B with 0 <= A < B <= {motion.frame_count}",
            received=f"{frames.start}:{frames.stop}",
        )
    part = frames.as_slice()
    if not motion.valid[:, part].all():
        raise InputError(f"Not every person is in every one of these frames of {order.motion.name}")
    cut = _columns(motion, np.arange(frames.start, frames.stop))
    return Retargeted(replace(cut, time=cut.time - cut.time[0]), np.zeros(cut.valid.shape))


def _cameras(
    order: SynthesisOrder, joints: Float[np.ndarray, "P F 24 3"]
) -> tuple[Camera, tuple[int, ...]]:
    """One camera, or two with a cut between them."""
    generator = order.generator("camera")
    camera = place_camera(joints, order.camera, generator)
    frames = joints.shape[1]
    if not order.cut or frames < 2:
        return camera, ()
    asked = order.camera
    first = camera_place(camera)[0] - joints.mean(axis=(0, 1, 2))
    azimuth = np.degrees(np.arctan2(first[0], first[2])) + generator.uniform(50, 310)
    focal = camera.K[0, 0] / max(asked.width, asked.height)
    other = place_camera(joints, replace(asked, azimuth=azimuth, focal=focal), generator)
    middle = frames // 2
    transforms = np.concatenate([camera.T_camera_world[:middle], other.T_camera_world[middle:]])
    return replace(camera, T_camera_world=transforms), (middle,)


def _walked_off(motion: BodyMotion, camera: Camera) -> BodyMotion:
    """The last person goes out of the picture sideways, stays away a while and comes back."""
    width, focal = camera.image_size[0], camera.K[0, 0]
    sideways = camera.T_camera_world[0, 0, :3] * [1, 0, 1]
    sideways /= np.linalg.norm(sideways)
    place = motion.transl[-1].mean(axis=0)
    seen = camera.T_camera_world[0] @ np.append(place, 1.0)
    half = (width / 2 / focal) * seen[2]
    # Away from the others, not through them.
    others = motion.transl[:-1].mean(axis=(0, 1)) if len(motion.transl) > 1 else place - sideways
    direction = 1.0 if (place - others) @ sideways >= 0 else -1.0
    distance = half - direction * seen[0] + 0.9
    share = np.linspace(0, 1, motion.frame_count)
    away = np.clip(np.minimum((share - 0.25) / 0.2, (0.8 - share) / 0.2), 0, 1)
    away = away * away * (3 - 2 * away)
    transl = motion.transl.copy()
    transl[-1] += (away[:, None] * direction * distance * sideways).astype(transl.dtype)
    return replace(motion, transl=transl)


def _others(
    order: SynthesisOrder, motion: BodyMotion, camera: Camera, joints: np.ndarray
) -> BodyMotion:
    """Passers-by: windows of a motion, turned and set down around the people."""
    assert order.others_motion is not None
    generator = order.generator("others")
    captured = read_captured(order.others_motion)
    frames, middle = motion.frame_count, joints.mean(axis=(0, 1, 2))
    towards_camera = np.arctan2(*(camera_place(camera)[0] - middle)[[0, 2]])
    rows = []
    for index in range(order.others):
        start = int(generator.integers(0, max(1, captured.frame_count - frames)))
        stop = min(start + frames, captured.frame_count)
        person = int(generator.integers(captured.poses.shape[0]))
        window = replace(
            captured,
            poses=captured.poses[person : person + 1],
            joints=captured.joints[person : person + 1],
        ).cut(FrameRange(start, stop))
        moving = retarget(window, order.seed * 10 + index + 1, shape_spread=1.0).motion
        moving = _columns(moving, _there_and_back(stop - start, frames))
        # Mostly behind the people and beside them; one in four passes before them.
        side = np.pi if generator.random() > 0.25 else 0.0
        angle = towards_camera + side + generator.uniform(-1.1, 1.1)
        reach = generator.uniform(NEAR_OTHERS, FAR_OTHERS)
        place = middle + reach * np.array([np.sin(angle), 0, np.cos(angle)])
        rows.append(_set_down(moving, place, float(generator.uniform(-np.pi, np.pi))))
    result = rows[0]
    for row in rows[1:]:
        result = _together(result, row)
    return replace(result, time=motion.time)


def _there_and_back(length: int, frames: int) -> np.ndarray:
    """Indices 0 to `length` - 1 and back again, as often as fills the frames."""
    if length == 1:
        return np.zeros(frames, int)
    phase = np.arange(frames) % (2 * length - 2)
    return np.asarray(np.minimum(phase, 2 * length - 2 - phase))


def _set_down(motion: BodyMotion, place: np.ndarray, yaw: float) -> BodyMotion:
    """Turned about the vertical and moved so that the mean pelvis is over `place`."""
    turn = Rotation.from_euler("y", yaw)
    data = load_body_data(OPEN_BODY, TRUTH_DENSITY)
    rest = data.J_template[0] + motion.betas @ data.J_shapedirs[0].T
    pelvis = motion.transl + rest[:, None]
    centre = pelvis.mean(axis=(0, 1)) * [1, 0, 1]
    moved = turn.apply((pelvis - centre).reshape(-1, 3)).reshape(pelvis.shape) + place * [1, 0, 1]
    orient = turn * Rotation.from_rotvec(motion.global_orient.reshape(-1, 3))
    return replace(
        motion,
        global_orient=orient.as_rotvec().reshape(pelvis.shape),
        transl=moved - rest[:, None],
    )


def _together(first: BodyMotion, second: BodyMotion) -> BodyMotion:
    """The people of both, in the first one's time."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in ("betas", "global_orient", "body_pose", "transl", "valid", "provenance")
    }
    return replace(first, **arrays)


def _rows(motion: BodyMotion, people: slice) -> BodyMotion:
    arrays: dict[str, Any] = {
        name: getattr(motion, name)[people]
        for name in ("betas", "global_orient", "body_pose", "transl", "valid", "provenance")
    }
    return replace(motion, **arrays)


def _columns(motion: BodyMotion, frames: np.ndarray) -> BodyMotion:
    """The frames of the given indices, as if they followed each other in the motion's time."""
    arrays: dict[str, Any] = {
        name: getattr(motion, name)[:, frames]
        for name in ("global_orient", "body_pose", "transl", "valid", "provenance")
    }
    rising = bool((np.diff(frames) > 0).all())
    step = float(np.median(np.diff(motion.time))) if motion.frame_count > 1 else 1 / CLIP_FPS
    time = motion.time[frames] if rising else np.arange(len(frames)) * step
    return replace(motion, **arrays, time=time)
