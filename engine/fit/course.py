"""From round to round: further along where rounds creep, less far where they go to and fro.

What slides along a surface finds other points there in every round, and comes nearer to where it
rests by about the same share each time. The place is extrapolated from how the way of a round
changed since the last one: the secant method, which is Anderson's acceleration with a memory of one
(Anderson 1965; Walker and Ni 2011, "Anderson acceleration for fixed-point iterations").
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from engine.fit.jacobian import move_between, moved
from engine.fit.relaxation import Relaxation
from engine.fit.setting import Setting
from engine.fit.state import FitState

MOST = 4.0
"""Times the last step that a round is continued by: what comes nearer by a fifth each time."""
FURTHEST = 0.01
"""Metres that a joint is taken further at most: nobody has looked for the other body beyond."""
PATIENCE = 20
"""Rounds after which frames that go to and fro are slowed down; most stages end before."""
LENIENCE = 2
"""Rounds, of which one may have cost less than the next begins with: what is found anew may cost
more although all is well (a non-monotone search: Grippo, Lampariello and Lucidi 1986)."""


@dataclass
class Course:
    """What a stage remembers of its rounds."""

    setting: Setting
    state: FitState
    """Where the next round begins; with upright rotations."""
    relaxation: Relaxation
    rounds: int = 0
    ended: FitState | None = None
    way: Float[Tensor, "P F 24 3"] | None = None
    """Gone by the joints in it, metres."""
    costs: deque[float] = field(default_factory=lambda: deque(maxlen=LENIENCE))

    @property
    def end(self) -> FitState:
        """Where the last round ended by itself; at first, where the first one begins."""
        return self.ended or self.state

    @classmethod
    def at(cls, setting: Setting, state: FitState) -> Course:
        """Before the first round."""
        return cls(setting, state, Relaxation.none(setting))

    def refused(self, cost: float) -> bool:
        """Whether the place that was extrapolated costs more (with points found anew) than those
        before: then the next round begins where the last one ended."""
        if self.ended is not None and self.way is not None and not cost <= max(self.costs):
            self.state, self.way = self.ended, None
            return True
        self.costs.append(cost)
        return False

    @torch.no_grad()
    def go(self, to: FitState) -> None:
        """A round led there from `state`."""
        if self.rounds >= PATIENCE:
            to = self.relaxation.relaxed(self.setting, self.state, to)
        old, new = (self.setting.posed(state) for state in (self.state, to))
        way = new.joints - old.joints
        share = 0.0 if self.way is None else further(self.way, way)
        state = to
        if share and self.ended is not None:
            last = self.setting.posed(self.ended)
            furthest = float((new.joints - last.joints).norm(dim=-1).max())
            step = move_between(self.ended, to, (last.rotmats, new.rotmats))
            state = moved(to, new.rotmats, min(share, FURTHEST / furthest) * step)
        self.state, self.ended, self.way = state, to, way
        self.rounds += 1


def further(before: Float[Tensor, "*n"], now: Float[Tensor, "*n"]) -> float:
    """How many times the difference between the ends of two rounds is still to come, by the ways
    that they went; 0 where the second is not a continuation of the first."""
    change = now - before
    share = -float((change * now).sum() / change.square().sum().clamp_min(1e-18))
    return min(max(share, 0.0), MOST)
