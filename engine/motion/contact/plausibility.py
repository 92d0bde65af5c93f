"""What no two people would do is thrown away: frame by frame, then the clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.body.data import OPEN_BODY
from engine.body.joints import SMPL_JOINTS
from engine.body.regions import region_vertices
from engine.body.smpl import BodyModel, PosedBody
from engine.fit.terms import acceleration, joint_limits
from engine.geometry.hits import Search, depth_of, find_hits
from engine.motion.contact.balls import own_overlap
from engine.motion.contact.bases import FEET, FPS, Bases
from engine.motion.contact.catalogue import Interaction, Meeting
from engine.structures import BodyMotion, ContactLabel, FrameRange

DENSITY = "2k5"
DEEPEST, DEEPEST_HANDS = 0.012, 0.025
"""Metres of one body in the other, and where a hand is one of the two: its fingers are stiff."""
BEYOND = 0.06
"""Squared radians that joints of a person bend further than people's, above what was captured."""
FOOT_MOVED, FOOT_UNDER = 0.04, 0.04
"""Metres that a foot leaves the captured one, and that a sole is under the floor."""
FASTEST = 120.0
"""Metres per second squared of a joint: less in 99.8 % of the frames of the captured pairs."""
ARM_IN_TRUNK = 0.03
"""Metres that an arm is in the own trunk."""
TOUCHING = 0.02
"""Metres between regions that are said to touch."""
HANDS = [SMPL_JOINTS.index(f"{s}_{p}") for s in ("left", "right") for p in ("wrist", "hand")]
SHORTEST, HELD = 45, 0.6
"""Frames of a clip; share of the wanted meetings that must come about, and of the time of each."""


@dataclass(frozen=True)
class Kept:
    """The part of a clip that is plausible, and the contacts that came about in it."""

    frames: FrameRange
    labels: tuple[ContactLabel, ...]


@dataclass(frozen=True)
class Refused:
    reason: str


@torch.no_grad()
def judge(motion: BodyMotion, bases: Bases, interaction: Interaction) -> Kept | Refused:
    """The longest run of plausible frames of a motion in which enough of the meetings hold."""
    model = BodyModel.load(OPEN_BODY, DENSITY)
    posed = model.pose_of(motion)
    skins = posed.vertices().numpy()
    faults = _faults(posed, bases, skins)
    good = ~np.any(list(faults.values()), axis=0)
    run = _longest(good)
    if len(run) < SHORTEST:
        worst = max(faults, key=lambda name: int(faults[name].sum()))
        return Refused(f"{worst} in {int(faults[worst].sum())} of {len(good)} frames")
    labels = [label for m in interaction.meetings if (label := _held(model, skins, m, run))]
    if len(labels) < HELD * len(interaction.meetings):
        return Refused(f"{len(labels)} of {len(interaction.meetings)} contacts came about")
    return Kept(run, tuple(labels))


def _faults(
    posed: PosedBody, bases: Bases, skins: Float[np.ndarray, "2 F V 3"]
) -> dict[str, Bool[np.ndarray, "F"]]:
    model = posed.model
    apart, hands = _depths(skins, model)
    before = model.pose(bases.betas, bases.rotmats, bases.transl)
    bent = _bent(posed.rotmats) - _bent(bases.rotmats)
    shifted = (posed.joints - before.joints)[:, :, FEET]
    shifted = shifted - shifted.median(dim=1, keepdim=True).values.mean(dim=2, keepdim=True)
    lowest = before.vertices()[..., 1].amin(dim=2).clamp_max(0)
    under = lowest - torch.from_numpy(skins[..., 1].min(axis=2))
    steps = torch.full((skins.shape[1] - 1,), 1 / FPS)
    hurried = acceleration(posed.joints, steps).norm(dim=-1).amax(dim=(0, 2)) > FASTEST
    return {
        "bodies in each other": (apart > DEEPEST) | (hands > DEEPEST_HANDS),
        "joints bent too far": _any(bent > BEYOND),
        "feet moved": _any(shifted.norm(dim=-1).amax(dim=2) > FOOT_MOVED),
        "feet under the floor": _any(under > FOOT_UNDER),
        "jerks": np.pad(hurried.numpy(), 1),
        "an arm in the own trunk": _any(own_overlap(posed.joints) > ARM_IN_TRUNK),
    }


def _bent(rotmats: Float[Tensor, "2 F 24 3 3"]) -> Float[Tensor, "2 F"]:
    """Squared radians beyond the limits of joints; fingers may close."""
    open_hands = rotmats.clone()
    fingers = [SMPL_JOINTS.index(name) for name in ("left_hand", "right_hand")]
    open_hands[:, :, fingers] = torch.eye(3)
    return joint_limits(open_hands).sum(-1)


def _depths(
    skins: Float[np.ndarray, "2 F V 3"], model: BodyModel
) -> tuple[Float[np.ndarray, "F"], Float[np.ndarray, "F"]]:
    """Deepest penetration per frame in metres, without hands and of hands."""
    hand = torch.isin(model.weights.argmax(dim=1), torch.tensor(HANDS))
    people = [torch.from_numpy(skin) for skin in skins]
    depths = np.zeros((2, skins.shape[1]))
    for hit in find_hits(list(skins), np.arange(skins.shape[1]), Search.of(model)):
        depth, frame = depth_of(hit, people).numpy(), hit.frame.numpy()
        of_hands = (hand[hit.vertex] | hand[hit.corners[:, 0]]).numpy()
        for row, chosen in enumerate((~of_hands, of_hands)):
            chosen = chosen & hit.inside.numpy()
            np.maximum.at(depths[row], frame[chosen], depth[chosen])
    return depths[0], depths[1]


def _any(flags: Bool[Tensor, "2 F"]) -> Bool[np.ndarray, "F"]:
    return np.asarray(flags.any(dim=0).numpy())


def _longest(good: Bool[np.ndarray, "F"]) -> FrameRange:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    runs = edges.reshape(-1, 2).tolist()
    start, stop = max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
    return FrameRange(start, stop)


def _held(
    model: BodyModel,
    skins: Float[np.ndarray, "2 F V 3"],
    meeting: Meeting,
    run: FrameRange,
) -> ContactLabel | None:
    """The meeting as a label of the frames in which it holds, counted from the run's first."""
    seconds = np.arange(skins.shape[1]) / FPS
    wanted = np.flatnonzero((seconds >= meeting.span.start) & (seconds <= meeting.span.stop))
    total = len(wanted)
    wanted = wanted[(wanted >= run.start) & (wanted < run.stop)]
    mine = region_vertices(model, meeting.region)
    theirs = region_vertices(model, meeting.other_region)
    a = torch.from_numpy(skins[meeting.person][wanted][:, mine])
    b = torch.from_numpy(skins[1 - meeting.person][wanted][:, theirs])
    held = wanted[(torch.cdist(a, b).amin(dim=(1, 2)) < TOUCHING).numpy()]
    if len(held) < max(3, HELD * total):
        return None
    span = FrameRange(int(held[0]) - run.start, int(held[-1]) + 1 - run.start)
    return ContactLabel(
        meeting.person, meeting.region, 1 - meeting.person, meeting.other_region, span
    )
