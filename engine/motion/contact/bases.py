"""Stretches of single people's motion to begin with: people who stand, walk, or walk up and away.

Whoever walks up is a walker whose recording is played ever more slowly until it rests on both
feet, and played backwards when it is time to go: feet that stand in the recording stand here too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from engine.body.data import OPEN_BODY
from engine.body.joints import SMPL_JOINTS
from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix
from engine.motion.contact.catalogue import Interaction
from engine.motion.prepared import PreparedMotion
from engine.structures import BodyMotion, FrameRange

STANDING_SPEED, WALKING_SPEED = 0.3, 0.6
"""Metres a second over the ground: at most to stand, at least to walk."""
UPRIGHT = 0.94
"""Cosine of the trunk's angle to the vertical, at least."""
SHORTEST = 45
"""Frames of a stretch that are worth having."""
ARMS_DOWN = 0.12
"""Metres by which wrists are below the neck, at least: nobody signals or carries."""
LEGS_APART = 0.13
"""Metres between the bones of different people's legs that leave room for the flesh."""
DRAWS = 12
SLOWING = 0.5
"""Seconds in which a walker comes to rest, or sets off."""
FPS = 30.0
_LAG = 10
_LEFT_HIP, _RIGHT_HIP, _NECK, _HEAD = (
    SMPL_JOINTS.index(name) for name in ("left_hip", "right_hip", "neck", "head")
)
_BONE_STARTS, _BONE_ENDS = (
    [SMPL_JOINTS.index(f"{side}_{name}") for side in ("left", "right") for name in names]
    for names in (("hip", "knee", "ankle"), ("knee", "ankle", "foot"))
)
_WRISTS = [SMPL_JOINTS.index(name) for name in ("left_wrist", "right_wrist")]
FEET = [
    SMPL_JOINTS.index(name) for name in ("left_ankle", "right_ankle", "left_foot", "right_foot")
]


@dataclass(frozen=True)
class Stretch:
    """Frames of one person who stands or walks throughout."""

    motion: BodyMotion
    """One person, 30 frames a second."""
    walking: bool
    source: str


@dataclass(frozen=True)
class _Strand:
    """One person on the body it will have."""

    rotmats: Float[Tensor, "F 24 3 3"]
    transl: Float[Tensor, "F 3"]


@dataclass(frozen=True)
class Bases:
    """What two people do before anyone asks them to touch, set up as the interaction wants it."""

    betas: Float[Tensor, "2 10"]
    rotmats: Float[Tensor, "2 F 24 3 3"]
    transl: Float[Tensor, "2 F 3"]
    joints: Float[Tensor, "2 F 24 3"]
    """Metres, y up, floor at y = 0."""
    sources: tuple[str, str]


def stretches(prepared: Iterable[PreparedMotion]) -> list[Stretch]:
    """Every stretch of single people in which they only stand or only walk, upright."""
    found: list[Stretch] = []
    for each in prepared:
        if abs(each.fps - 30) > 0.5:
            continue
        for person in range(each.motion.person_count):
            alone = rows(each.motion, slice(person, person + 1))
            joints = _joints(alone)[0].numpy()
            standing, walking = _gaits(joints, each.fps)
            for mask, walks in ((standing, False), (walking, True)):
                for span in _runs(mask & alone.valid[0], each.starts):
                    found.append(Stretch(columns(alone, span), walks, each.name))
    return found


def bases(
    interaction: Interaction,
    available: list[Stretch],
    betas: Float[np.ndarray, "2 10"],
    generator: np.random.Generator,
) -> Bases | None:
    """Motion of two, on these bodies, placed as the interaction says; None if nothing fits.

    Of several draws the first is taken in which no leg is in another's way.
    """
    best, widest = None, -1.0
    for _ in range(DRAWS):
        drawn = _draw(interaction, available, betas, generator)
        if drawn is None:
            return None
        room = _between_legs(drawn.joints)
        if room > widest:
            best, widest = drawn, room
        if room > LEGS_APART:
            break
    return best


def _draw(
    interaction: Interaction,
    available: list[Stretch],
    betas: Float[np.ndarray, "2 10"],
    generator: np.random.Generator,
) -> Bases | None:
    frames = round(interaction.seconds * FPS) + 1
    chosen = [_choose(interaction, person, frames, available, generator) for person in (0, 1)]
    if interaction.gaits[0] == interaction.gaits[1] == "walking":
        chosen[1] = chosen[0]  # people who walk together walk alike
    strands, sources = [], []
    stand = interaction.standing
    aside, further = generator.normal(0, 0.04), abs(generator.normal(0, 0.04))
    places = (
        (0.0, 0.0, 0.0),
        (stand.left + aside, stand.ahead + further * np.sign(stand.ahead), stand.yaw),
    )
    contact = interaction.contact
    middle = round(FPS * (contact.start + contact.stop) / 2)
    for person, (choice, place) in enumerate(zip(chosen, places, strict=True)):
        if choice is None:
            return None
        stretch, index = choice
        strand = _on_body(_played(stretch.motion, index), betas[person])
        strands.append(_placed(strand, place, middle))
        sources.append(stretch.source)
    rotmats = torch.stack([s.rotmats for s in strands])
    transl = torch.stack([s.transl for s in strands])
    shapes = torch.from_numpy(betas.astype(np.float32))
    joints = _model().joints(shapes, rotmats, transl)
    return Bases(shapes, rotmats, transl, joints, (sources[0], sources[1]))


def _between_legs(joints: Float[Tensor, "2 F 24 3"]) -> float:
    """Least distance of points on the bones of one's legs to those of the other's, metres."""
    share = torch.linspace(0, 1, 5)[:, None]
    upper, lower = joints[:, ::3, _BONE_STARTS], joints[:, ::3, _BONE_ENDS]
    points = (upper[..., None, :] * (1 - share) + lower[..., None, :] * share).flatten(2, 3)
    return float(torch.cdist(points[0], points[1]).min())


def _choose(
    interaction: Interaction,
    person: int,
    frames: int,
    available: list[Stretch],
    generator: np.random.Generator,
) -> tuple[Stretch, np.ndarray] | None:
    """A stretch, and which of its frames (fractions too) is shown in each frame."""
    gait = interaction.gaits[person]
    if gait == "walking up":
        index = _walking_up(interaction, frames, generator)
        length = int(np.ceil(np.ptp(index))) + 2
        fitting = [s for s in available if s.walking and len(_rests(s, length))]
        if not fitting:
            return None
        stretch = fitting[generator.integers(len(fitting))]
        rests = _rests(stretch, length)
        return stretch, index + rests[generator.integers(len(rests))]
    walks = gait == "walking"
    fitting = [
        s for s in available if s.walking == walks and (not walks or s.motion.frame_count >= frames)
    ]
    if not fitting:
        return None
    stretch = fitting[generator.integers(len(fitting))]
    length = stretch.motion.frame_count
    if length < frames:  # who stands may sway there and back
        phase = 0.5 - 0.5 * np.cos(np.pi * np.arange(frames) / (length - 1))
        return stretch, phase * (length - 1)
    start = int(generator.integers(0, length - frames + 1))
    return stretch, np.arange(start, start + frames, dtype=float)


def _walking_up(
    interaction: Interaction, frames: int, generator: np.random.Generator
) -> Float[np.ndarray, "F"]:
    """Frames of the recording relative to the one that it rests at: up to 0, then back again."""
    contact, seconds = interaction.contact, np.arange(frames) / FPS
    arrived = contact.start + generator.uniform(-0.15, 0.1)
    leaving = contact.stop + generator.uniform(0.0, 0.15)
    before = np.clip((arrived - seconds) / SLOWING, 0, None)
    after = np.clip((seconds - leaving) / SLOWING, 0, None)
    pace = FPS * SLOWING * generator.uniform(0.8, 1.0)
    if generator.random() < 0.3:
        after = after * 0  # stays
    return np.asarray(-pace * (_eased(before) + _eased(after)))


def _eased(phase: Float[np.ndarray, "F"]) -> Float[np.ndarray, "F"]:
    """Way covered with a speed that rises smoothly from 0 to 1 within a phase of 1."""
    inside = np.clip(phase, 0, 1)
    return np.asarray(inside**3 - 0.5 * inside**4 + np.clip(phase - 1, 0, None))


def _rests(stretch: Stretch, length: int) -> np.ndarray:
    """Frames of a walk, at least `length` after its start, in which both feet stand."""
    joints = _joints(stretch.motion)[0].numpy()
    feet = joints[:, FEET]
    low = feet[..., 1] < np.percentile(feet[..., 1], 25, axis=0) + 0.06
    speed = np.linalg.norm(np.gradient(feet, 1 / FPS, axis=0), axis=-1)
    still = (low & (speed < 0.9)).reshape(-1, 2, 2).any(axis=1).all(axis=1)
    return np.flatnonzero(still & (np.arange(len(still)) >= length))


def _played(motion: BodyMotion, index: Float[np.ndarray, "F"]) -> BodyMotion:
    """A motion at fractions of frames: rotations by slerp, places linearly."""
    index = np.clip(index, 0, motion.frame_count - 1)
    below = np.floor(index).astype(int)
    above, share = np.minimum(below + 1, motion.frame_count - 1), index - below
    poses = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)[0]
    first = Rotation.from_rotvec(poses[below].reshape(-1, 3))
    step = first.inv() * Rotation.from_rotvec(poses[above].reshape(-1, 3))
    part = Rotation.from_rotvec(step.as_rotvec() * np.repeat(share, 24)[:, None])
    turned = (first * part).as_rotvec().reshape(-1, 24, 3)
    place = motion.transl[0]
    moved = place[below] + share[:, None] * (place[above] - place[below])
    shown = columns(motion, FrameRange(0, 1))
    frames = len(index)
    return replace(
        shown,
        global_orient=turned[None, :, 0],
        body_pose=turned[None, :, 1:],
        transl=moved[None],
        valid=np.ones((1, frames), bool),
        provenance=np.repeat(shown.provenance, frames, axis=1),
        time=np.arange(frames) / FPS,
    )


def rows(motion: BodyMotion, people: slice) -> BodyMotion:
    return _parts(motion, (people, slice(None)))


def columns(motion: BodyMotion, frames: FrameRange) -> BodyMotion:
    return _parts(motion, (slice(None), frames.as_slice()))


def _parts(motion: BodyMotion, where: tuple[slice, slice]) -> BodyMotion:
    return BodyMotion(
        body=motion.body,
        betas=motion.betas[where[0]],
        global_orient=motion.global_orient[where],
        body_pose=motion.body_pose[where],
        transl=motion.transl[where],
        valid=motion.valid[where],
        provenance=motion.provenance[where],
        time=motion.time[where[1]] - motion.time[where[1]][0],
        gravity=motion.gravity,
    )


@lru_cache(maxsize=2)
def _model() -> BodyModel:
    return BodyModel.load(OPEN_BODY, "1k2")


def _joints(motion: BodyMotion) -> Tensor:
    return _model().pose_of(motion).joints


def _gaits(joints: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Frames in which the person stands, and in which they walk."""
    frames = len(joints)
    if frames <= 2 * _LAG:
        return np.zeros(frames, bool), np.zeros(frames, bool)
    padded = np.pad(joints[:, 0, [0, 2]], ((_LAG, _LAG), (0, 0)), mode="edge")
    speed = np.linalg.norm(padded[2 * _LAG :] - padded[: -2 * _LAG], axis=1) / (2 * _LAG / fps)
    trunk = joints[:, _NECK] - joints[:, 0]
    upright = trunk[:, 1] / np.linalg.norm(trunk, axis=1) > UPRIGHT
    feet = joints[:, FEET, 1].min(axis=1)
    tall = joints[:, _HEAD, 1] - feet
    straight = tall > 0.94 * np.percentile(tall, 90)
    grounded = feet < np.percentile(feet, 10) + 0.08
    wrists = joints[:, _WRISTS, 1].max(axis=1)
    usable = upright & straight & grounded & (wrists < joints[:, _NECK, 1] - ARMS_DOWN)
    return usable & (speed < STANDING_SPEED), usable & (speed > WALKING_SPEED)


def _runs(mask: np.ndarray, starts: tuple[int, ...]) -> list[FrameRange]:
    mask = mask.copy()
    mask[[s for s in starts if 0 < s < len(mask)]] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [FrameRange(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a >= SHORTEST]


def _on_body(motion: BodyMotion, betas: Float[np.ndarray, "10"]) -> _Strand:
    """The rotations on other bones: the way over the ground in proportion to the legs."""
    model = _model()
    turns = np.concatenate([motion.global_orient[0][:, None], motion.body_pose[0]], axis=1)
    rotmats = axis_angle_to_matrix(torch.from_numpy(turns.astype(np.float32)))
    shape = torch.from_numpy(betas[None].astype(np.float32))
    before = model.rest_joints(torch.from_numpy(motion.betas.astype(np.float32)))[0]
    rest = model.rest_joints(shape)[0]
    transl = _joints(motion)[0, :, 0] * (_leg(rest) / _leg(before)) - rest[0]
    skin = model.vertices(shape, rotmats[None], transl[None])[0]
    floor = torch.quantile(skin[..., 1].amin(dim=1), 0.2)
    return _Strand(rotmats, transl - torch.tensor([0.0, 1.0, 0.0]) * floor)


def _leg(rest: Float[Tensor, "24 3"]) -> Tensor:
    hip, knee, ankle = (
        rest[SMPL_JOINTS.index(f"left_{name}")] for name in ("hip", "knee", "ankle")
    )
    length: Tensor = (hip - knee).norm() + (knee - ankle).norm()
    return length


def _placed(strand: _Strand, place: tuple[float, float, float], middle: int) -> _Strand:
    """Turned and set down so that around frame `middle` the person is there and faces that way."""
    left, ahead, yaw = place
    model = _model()
    rest = model.J_template[0]  # betas move the pelvis by millimetres only
    around = slice(max(0, middle - 8), middle + 9)
    joints = model.joints(torch.zeros(1, 10), strand.rotmats[None], strand.transl[None])[0]
    across = (joints[around, _LEFT_HIP] - joints[around, _RIGHT_HIP]).mean(0)
    facing = float(torch.atan2(-across[2], across[0]))  # across is +x for who faces +z
    turn = torch.from_numpy(Rotation.from_euler("y", yaw - facing).as_matrix().astype(np.float32))
    pelvis = strand.transl + rest
    centre = pelvis[around].mean(0) * torch.tensor([1.0, 0.0, 1.0])
    pelvis = (pelvis - centre) @ turn.T + torch.tensor([left, 0.0, ahead], dtype=torch.float32)
    rotmats = torch.cat([(turn @ strand.rotmats[:, 0])[:, None], strand.rotmats[:, 1:]], dim=1)
    return _Strand(rotmats, pelvis - rest)
