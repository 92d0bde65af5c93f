"""Hands that hold are closed: captures have no fingers, so every hand comes flat.

Where a palm is on the other person for a while, the fingers (SMPL's joints 22 and 23, one for all
fingers of a hand) bend around what it holds: far around an arm, a hand or a leg, a little over a
back. They open and close over a few frames, and are straight otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import binary_closing, binary_opening, gaussian_filter1d
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from engine.body.data import OPEN_BODY
from engine.body.joints import SMPL_JOINTS
from engine.body.regions import region_names, vertex_regions
from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix
from engine.structures import BodyMotion

DENSITY = "2k5"
REACH = 0.06
"""Metres between the middle of a palm and the other's skin within which it holds."""
FACING = 0.0
"""Least cosine between where the palm points and where the skin is: the back of a hand holds
nothing."""
SHORTEST, GAP, EASE = 0.2, 0.2, 0.08
"""Seconds: shorter touches are no holds, shorter gaps no release, and how fast fingers move (one
standard deviation)."""
AROUND, OVER = np.radians(65.0), np.radians(20.0)
"""How far fingers bend around a limb, and over a trunk or a head."""
_LIMBS = np.array(
    [any(part in name for part in ("elbow", "wrist", "hand", "shoulder", "knee", "ankle"))
     for name in SMPL_JOINTS]
)  # fmt: skip
_SIDES = (("left_palm", 20, 22, -1.0), ("right_palm", 21, 23, 1.0))
"""Region, wrist, fingers, and the sign of the bend about the rest pose's z axis: in the rest pose
the arms are out to the sides and the palms down."""


@dataclass(frozen=True)
class Closed:
    motion: BodyMotion
    held: Bool[np.ndarray, "P 2 F"]
    """Frames in which the left and the right hand hold."""


def close_hands(motion: BodyMotion, fps: float, starts: tuple[int, ...] = ()) -> Closed:
    """The motion with fingers bent where hands hold. World frame, metres."""
    people, frames = motion.valid.shape
    bends = np.zeros((people, 2, frames))
    window = 256
    for start in range(0, frames, window):
        part = slice(start, min(start + window, frames))
        bends[..., part] = _wanted(motion, part)
    bounds = [0, *starts, frames]
    for first, last in pairwise(bounds):
        bends[..., first:last] = _eased(bends[..., first:last], fps)
    body_pose = motion.body_pose.copy()
    for side, (_, _, fingers, sign) in enumerate(_SIDES):
        bent = bends[:, side] > 1e-3
        turn = Rotation.from_rotvec(sign * bends[:, side][bent][:, None] * np.array([[0, 0, 1.0]]))
        body_pose[:, :, fingers - 1][bent] = turn.as_rotvec()
        body_pose[:, :, fingers - 1][~bent & motion.valid] = 0
    return Closed(replace(motion, body_pose=body_pose), bends > OVER / 2)


def _wanted(motion: BodyMotion, part: slice) -> Float[np.ndarray, "P 2 F"]:
    """How far the fingers would bend, frame by frame; 0 where the palm holds nothing."""
    model = BodyModel.load(OPEN_BODY, DENSITY)
    joint_of = model.data.weights.argmax(axis=1)
    skins, turns = _posed(model, motion, part)
    people, frames = skins.shape[:2]
    bends = np.zeros((people, 2, frames))
    regions = vertex_regions(model.data)
    names = region_names()
    valid = motion.valid[:, part]
    for other in range(people):
        for frame in np.flatnonzero(valid.all(axis=0)):
            tree = cKDTree(skins[other, frame])
            for person in set(range(people)) - {other}:
                for side, (region, wrist, _, _) in enumerate(_SIDES):
                    palm = skins[person, frame, regions == names.index(region)].mean(axis=0)
                    distance, nearest = tree.query(palm, distance_upper_bound=REACH)
                    if not np.isfinite(distance):
                        continue
                    way = skins[other, frame, nearest] - palm
                    down = -turns[person, frame, wrist, :, 1]
                    if way @ down < FACING * distance:
                        continue
                    bend = AROUND if _LIMBS[joint_of[nearest]] else OVER
                    bends[person, side, frame] = max(bends[person, side, frame], bend)
    return bends


def _eased(bends: Float[np.ndarray, "P 2 F"], fps: float) -> Float[np.ndarray, "P 2 F"]:
    """Without moments and gaps, eased in and out."""
    frames = bends.shape[-1]
    longest, gap = round(SHORTEST * fps), round(GAP * fps)
    held = np.pad(bends > 0, ((0, 0), (0, 0), (gap, gap)), mode="edge")
    if gap > 1:
        held = binary_closing(held, np.ones((1, 1, gap), bool))
    if longest > 1:
        held = binary_opening(held, np.ones((1, 1, longest), bool))
    held = held[..., gap : gap + frames]
    filled = bends.copy()
    for row in filled.reshape(-1, frames):
        known = np.flatnonzero(row)
        if len(known):
            row[:] = row[known[abs(np.arange(frames)[:, None] - known).argmin(axis=1)]]
    eased: np.ndarray = gaussian_filter1d(
        np.where(held, filled, 0), max(EASE * fps, 1e-3), axis=-1, mode="nearest"
    )
    return eased


def _posed(
    model: BodyModel, motion: BodyMotion, part: slice
) -> tuple[Float[np.ndarray, "P F V 3"], Float[np.ndarray, "P F 24 3 3"]]:
    """Skin, and the joints' rotations in the world."""
    poses = np.concatenate([motion.global_orient[:, part, None], motion.body_pose[:, part]], axis=2)
    with torch.no_grad():
        rotmats = axis_angle_to_matrix(torch.from_numpy(np.nan_to_num(poses).astype(np.float32)))
        transl = torch.from_numpy(np.nan_to_num(motion.transl[:, part]).astype(np.float32))
        betas = torch.from_numpy(np.asarray(motion.betas, np.float32))
        posed = model.pose(betas, rotmats, transl)
        return posed.vertices().numpy(), posed.transforms[..., :3].numpy()
