"""Joints where they are wanted: hands at the partner, elbows on their way round, feet where they
were. No skins yet, so it is quick, and a hand may go through a body to get where it belongs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.body.joints import SMPL_JOINTS
from engine.body.smpl import PosedBody
from engine.fit.terms import acceleration, joint_limits
from engine.motion.contact.balls import overlap
from engine.motion.contact.bases import FEET, FPS
from engine.motion.contact.catalogue import Interaction, Span
from engine.motion.contact.stage import Patch, Stage, at

MEETING_SIGMA, GUIDE_SIGMA, FOOT_SIGMA = 0.03, 0.08, 0.006
"""Metres."""
FACING_SIGMA = 0.35
"""How squarely a palm lies on what it touches: 1 + cosine of the angle between the two skins."""
STAND_WEIGHT = 30.0
ACCELERATION_SIGMA = 12.0
"""Metres per second squared that the change may add."""
LIMITS = 200.0
_LEAN = {"pelvis": 0.4, "spine1": 0.2, "spine2": 0.2, "spine3": 0.2}
"""Shares of the joints in bending forwards."""


@dataclass(frozen=True)
class _Meeting:
    person: int
    mine: Patch
    theirs: Patch
    window: Tensor
    palm: bool


@dataclass(frozen=True)
class _Guide:
    person: int
    joint: int
    theirs: Patch
    clearance: float
    window: Tensor


class Rehearsal:
    """The costs of an interaction before skins are looked at."""

    def __init__(self, stage: Stage, interaction: Interaction) -> None:
        self._stage = stage
        self._meetings = [
            _Meeting(m.person, stage.patch(m.person, m.region),
                     stage.patch(1 - m.person, m.other_region), stage.window(m.span),
                     "palm" in m.region)
            for m in interaction.meetings
        ]  # fmt: skip
        self._guides = [
            _Guide(g.person, SMPL_JOINTS.index(g.joint), stage.patch(1 - g.person, g.other_region),
                   g.clearance, stage.window(g.span))
            for g in interaction.guides
        ]  # fmt: skip
        self._lean = self._leaning(interaction)
        self._steps = torch.full((len(stage.seconds) - 1,), 1 / FPS)
        self._base_acceleration = acceleration(stage.bases.joints, self._steps)
        self._sigmas = stage._sigmas

    def costs(self, posed: PosedBody, guidance: float = 1.0) -> dict[str, Tensor]:
        """Sums over people, frames and joints. `guidance` weighs the plates and the ways round."""
        stage = self._stage
        away = (stage.turns() - self._lean) / self._sigmas
        feet = posed.joints[:, :, FEET] - stage.feet - stage.moved_to()[:, None, None]
        added = acceleration(posed.joints, self._steps) - self._base_acceleration
        between, own = overlap(posed.joints, 1.0 if guidance == 1 else 0.75)
        costs = {
            "stay": away.square().sum() + (stage.shift.square().sum() * 3),
            "stand": STAND_WEIGHT * stage.stand.square().sum(),
            "feet": (feet / FOOT_SIGMA).square().sum() / 4,
            "acceleration": (added / ACCELERATION_SIGMA).square().sum() / 6,
            "limits": LIMITS * joint_limits(posed.rotmats).sum(),
            "own overlap": own,
            "overlap": between,
        }
        if guidance:
            costs["meet"] = guidance * self._meet(posed)
            costs["guide"] = guidance * self._guide(posed)
        return costs

    def _meet(self, posed: PosedBody) -> Tensor:
        total = torch.zeros(())
        for meeting in self._meetings:
            mine, normal = at(posed, meeting.person, meeting.mine)
            theirs, outwards = at(posed, 1 - meeting.person, meeting.theirs)
            sigma = MEETING_SIGMA if meeting.palm else 3 * MEETING_SIGMA
            each = ((mine - theirs) / sigma).square().sum(-1)
            if meeting.palm:
                each = each + (1 + (normal * outwards).sum(-1)) / FACING_SIGMA**2
            total = total + (each * meeting.window).sum()
        return total

    def _guide(self, posed: PosedBody) -> Tensor:
        total = torch.zeros(())
        for guide in self._guides:
            centre, outwards = at(posed, 1 - guide.person, guide.theirs)
            wanted = centre + guide.clearance * outwards
            each = ((posed.joints[guide.person, :, guide.joint] - wanted) / GUIDE_SIGMA).square()
            total = total + (each.sum(-1) * guide.window).sum()
        return total

    def _leaning(self, interaction: Interaction) -> Tensor:
        """Turns (2, F, 24, 3) that bend each person while they touch."""
        wanted = torch.zeros(2, len(self._stage.seconds), 24, 3)
        window = _eased(self._stage.seconds, interaction.contact)
        for person, angle in enumerate(interaction.lean):
            for name, share in _LEAN.items():
                wanted[person, :, SMPL_JOINTS.index(name), 0] = share * angle * window
        return wanted


def _eased(seconds: Tensor, span: Span, ease: float = 0.5) -> Tensor:
    """1 within the span, falling to 0 within `ease` seconds on both sides."""
    outside = torch.maximum(span.start - seconds, seconds - span.stop).clamp_min(0) / ease
    return 0.5 * (1 + torch.cos(torch.pi * outside.clamp_max(1)))
