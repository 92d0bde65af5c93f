"""What the stages of a fit have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.fit.labels import Labels
from engine.fit.objective import STANDARD_STEP, Evidence
from engine.fit.state import Anchor, FitState, Posed, pose


@dataclass(frozen=True)
class Setting:
    """All that stays fixed while a stage runs."""

    body: BodyModel
    evidence: Evidence
    anchor: Anchor
    movable: Tensor
    config: FitConfig
    labels: Labels
    shape_free: bool
    up_free: bool
    floor_free: bool
    focal_free: bool

    @property
    def only_poses(self) -> bool:
        """Whether nothing may move but poses and places."""
        return not (self.shape_free or self.up_free or self.floor_free or self.focal_free)

    @property
    def step_seconds(self) -> float:
        """Between two frames, the median."""
        step = self.evidence.step
        return float(step.median()) if len(step) else STANDARD_STEP

    def with_width(self, width: float) -> Setting:
        return replace(self, evidence=replace(self.evidence, robust_width=width))

    def posed(self, state: FitState) -> Posed:
        return pose(state, self.body, self.anchor)
