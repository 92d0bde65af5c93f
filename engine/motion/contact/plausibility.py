"""What no two people would do is thrown away: frame by frame, then the clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.body.data import OPEN_BODY
from engine.body.regions import region_vertices
from engine.body.smpl import BodyModel, PosedBody
from engine.fit.terms import acceleration, joint_limits
from engine.geometry.proximity import Parts, penetration_depth
from engine.motion.contact.balls import own_overlap
from engine.motion.contact.bases import FEET, FPS
from engine.motion.contact.catalogue import Interaction, Meeting
from engine.motion.contact.stage import Stage
from engine.structures import ContactLabel, FrameRange

DENSITY = "2k5"
DEEPEST = 0.01
"""Metres of one body in the other."""
BEYOND = 0.06
"""Squared radians that joints of a person bend further than people's, above what was captured."""
FOOT_MOVED, FOOT_UNDER = 0.03, 0.04
"""Metres that a foot leaves the captured one, and that a sole is under the floor."""
FASTEST = 70.0
"""Metres per second squared of a joint. In 99 % of the frames of the captured pairs nothing is faster."""
ARM_IN_TRUNK = 0.03
"""Metres that an arm is in the own trunk."""
TOUCHING = 0.02
"""Metres between regions that are said to touch."""
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
def judge(stage: Stage, interaction: Interaction) -> Kept | Refused:
    """The longest run of plausible frames in which enough of the meetings hold."""
    posed = stage.posed()
    model = BodyModel.load(OPEN_BODY, DENSITY)
    skins = model.skin(posed).numpy()
    faults = _faults(stage, posed, skins, model)
    good = ~np.any(list(faults.values()), axis=0)
    run = _longest(good)
    if len(run) < SHORTEST:
        worst = max(faults, key=lambda name: int(faults[name].sum()))
        return Refused(f"{worst} in {int(faults[worst].sum())} of {len(good)} frames")
    labels = [label for m in interaction.meetings if (label := _held(stage, model, skins, m, run))]
    if len(labels) < HELD * len(interaction.meetings):
        return Refused(f"{len(labels)} of {len(interaction.meetings)} contacts came about")
    return Kept(run, tuple(labels))


def _faults(
    stage: Stage, posed: PosedBody, skins: Float[np.ndarray, "2 F V 3"], model: BodyModel
) -> dict[str, Bool[np.ndarray, "F"]]:
    parts = Parts(model.data.weights.argmax(axis=1))
    depth = penetration_depth(skins[0], skins[1], model.data.faces, parts)
    bent = joint_limits(posed.rotmats).sum(-1) - joint_limits(stage.bases.rotmats).sum(-1)
    feet = posed.joints[:, :, FEET] - stage.feet - stage.moved_to()[:, None, None]
    under = -skins[..., 1].min(axis=2) - np.maximum(0, -_lowest(stage))
    steps = torch.full((len(stage.seconds) - 1,), 1 / FPS)
    hurried = acceleration(posed.joints, steps).norm(dim=-1).amax(dim=(0, 2)) > FASTEST
    return {
        "bodies in each other": depth > DEEPEST,
        "joints bent too far": _any(bent > BEYOND),
        "feet moved": _any(feet.norm(dim=-1).amax(dim=2) > FOOT_MOVED),
        "feet under the floor": np.any(under > FOOT_UNDER, axis=0),
        "jerks": np.pad(hurried.numpy(), 1),
        "an arm in the own trunk": _any(own_overlap(posed.joints) > ARM_IN_TRUNK),
    }


def _lowest(stage: Stage) -> Float[np.ndarray, "2 F"]:
    bases = stage.bases
    before = stage.model.vertices(bases.betas, bases.rotmats, bases.transl)
    return np.asarray(before[..., 1].amin(dim=2).numpy())


def _any(flags: Bool[Tensor, "2 F"]) -> Bool[np.ndarray, "F"]:
    return np.asarray(flags.any(dim=0).numpy())


def _longest(good: Bool[np.ndarray, "F"]) -> FrameRange:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    runs = edges.reshape(-1, 2).tolist()
    start, stop = max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
    return FrameRange(start, stop)


def _held(
    stage: Stage,
    model: BodyModel,
    skins: Float[np.ndarray, "2 F V 3"],
    meeting: Meeting,
    run: FrameRange,
) -> ContactLabel | None:
    """The meeting as a label of the frames in which it holds, counted from the run's first."""
    wanted = np.flatnonzero(stage.window(meeting.span).numpy())
    wanted = wanted[(wanted >= run.start) & (wanted < run.stop)]
    mine = region_vertices(model, meeting.region)
    theirs = region_vertices(model, meeting.other_region)
    a = torch.from_numpy(skins[meeting.person][wanted][:, mine])
    b = torch.from_numpy(skins[1 - meeting.person][wanted][:, theirs])
    held = wanted[(torch.cdist(a, b).amin(dim=(1, 2)) < TOUCHING).numpy()]
    total = int(stage.window(meeting.span).sum())
    if len(held) < max(3, HELD * total):
        return None
    span = FrameRange(int(held[0]) - run.start, int(held[-1]) + 1 - run.start)
    return ContactLabel(
        meeting.person, meeting.region, 1 - meeting.person, meeting.other_region, span
    )
