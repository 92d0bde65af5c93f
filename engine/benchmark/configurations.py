"""Named ways to fit a case. A further row of the benchmark is one more entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from engine.config import AppearanceConfig, Device, FitConfig, TermWeights
from engine.device import chosen
from engine.errors import InputError
from engine.files import FitFile
from engine.fit.as_file import fit_file
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.prior.prior import Prior
from engine.structures import BodyMotion, Camera, Diagnostics, FitResult, Outcome, Provenance


@runtime_checkable
class Way(Protocol):
    """A way to fit a case."""

    @property
    def says(self) -> str:
        """What it is, in a few words."""

    @property
    def device(self) -> str:
        """ "cpu" or "cuda"."""

    def fit(self, problem: FitProblem) -> FitFile:
        """The people of a problem in the camera frame. Raises CannotFitError."""


@dataclass(frozen=True)
class Configuration:
    """One way to fit by optimisation."""

    says: str
    config: FitConfig = field(default_factory=FitConfig)
    alone: bool = False
    """Everybody is fitted alone: camera, gravity and floor too."""

    @property
    def device(self) -> str:
        return self.config.device

    def fit(self, problem: FitProblem) -> FitFile:
        """The people of a problem in the camera frame. Raises CannotFitError."""
        layout = problem.observations.layout
        if not self.alone:
            return fit_file(_solved(problem, self.config), layout)
        people = range(problem.observations.person_count)
        return _together([fit_file(_solved(_one(problem, p), self.config), layout) for p in people])


@dataclass(frozen=True)
class PriorEstimate:
    """What a prior says of the keypoints, without any optimisation."""

    says: str
    weights: Path | None = None
    """A weight file; None for the one that ships."""

    @property
    def device(self) -> str:
        return "cpu"

    def fit(self, problem: FitProblem) -> FitFile:
        """The people of a problem in the camera frame; `problem.K` must be there."""
        seen, K = problem.observations, problem.K
        assert K is not None
        found = _prior(self.weights).estimate(
            seen.keypoints2d, seen.confidence, seen.layout, K, seen.times,
            heights=problem.constraints.heights,
        )  # fmt: skip
        frames = found.evidence.shape
        motion = BodyMotion(
            body=problem.body,
            betas=found.betas,
            global_orient=found.global_orient,
            body_pose=found.body_pose,
            transl=found.transl,
            valid=np.ones(frames, bool),
            provenance=np.full(frames, Provenance.FITTED, np.uint8),
            time=seen.times,
        )
        camera = Camera(K, seen.image_size, np.tile(np.eye(4), (frames[1], 1, 1)), "file")
        unknown = Diagnostics(np.full(frames, np.nan), np.zeros(frames[1]))
        return fit_file(FitResult(motion, camera, unknown, Outcome.CONVERGED), seen.layout)


@lru_cache(maxsize=2)
def _prior(weights: Path | None) -> Prior:
    return Prior.load(weights)


BASELINE = "per-person"
"""The frozen one, which all others are compared with: see engine.benchmark.baseline."""

CONFIGURATIONS: Mapping[str, Way] = MappingProxyType(
    {
        BASELINE: Configuration("everybody fitted alone: no partner, nothing shared", alone=True),
        "joint": Configuration("as the window fits"),
        "joint -prior": Configuration(
            "the prior makes the first bodies and is not asked again", FitConfig(prior="start")
        ),
        "joint +denoise": Configuration(
            "it takes noise off the bodies as they are", FitConfig(prior="denoise")
        ),
        "joint +deep": Configuration(
            "its weights are fine-tuned to the clip", FitConfig(prior="deep")
        ),
        "joint -physics": Configuration(
            "bodies may be in each other",
            FitConfig(weights=TermWeights(penetration=0.0)),
        ),
        "dual": Configuration(
            "motion and appearance together, where there is a video",
            FitConfig(appearance=AppearanceConfig()),
        ),
        "prior": PriorEstimate("what the prior says, without any optimisation"),
    }
)


def configurations(names: tuple[str, ...], device: Device = "cpu") -> dict[str, Way]:
    """Some of them by name, in the given order, all where none is named; on a device.

    Raises InputError for a name that there is not, or a device.
    """
    if unknown := [name for name in names if name not in CONFIGURATIONS]:
        raise InputError(
            "There is no such configuration",
            expected=", ".join(CONFIGURATIONS),
            received=unknown[0][:80],
        )
    place = chosen(device)
    found = {name: CONFIGURATIONS[name] for name in names or CONFIGURATIONS}
    for name, way in found.items():
        if isinstance(way, Configuration):
            found[name] = replace(way, config=replace(way.config, device=place))
    return found


def _solved(problem: FitProblem, config: FitConfig) -> FitResult:
    work = solve(problem, config)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            result: FitResult = stop.value
            return result


def _one(problem: FitProblem, person: int) -> FitProblem:
    """The problem of one person, who knows of nobody else."""
    observations, said, row = problem.observations, problem.constraints, slice(person, person + 1)
    alone = replace(
        observations,
        keypoints2d=observations.keypoints2d[row],
        confidence=observations.confidence[row],
        boxes=observations.boxes[row],
        masks=None if observations.masks is None else observations.masks[row],
        others=None,
    )
    return replace(
        problem, observations=alone, constraints=replace(said, heights=said.heights[row])
    )


def _together(files: list[FitFile]) -> FitFile:
    """Fits of one person each as one; the world of the camera is the first one's."""
    first = files[0]

    def rows(part: Any, *names: str) -> dict[str, Any]:
        return {
            name: np.concatenate([getattr(part(file), name) for file in files]) for name in names
        }

    motion = replace(
        first.motion,
        **rows(
            lambda file: file.motion,
            "betas", "global_orient", "body_pose", "transl", "valid", "provenance",
        ),
    )  # fmt: skip
    errors = rows(lambda file: file.diagnostics, "reprojection_px")["reprojection_px"]
    worst = next((f.outcome for f in files if f.outcome is not Outcome.CONVERGED), first.outcome)
    return replace(
        first,
        motion=motion,
        **rows(lambda file: file, "joints", "keypoints2d_reprojected"),
        outcome=worst,
        diagnostics=Diagnostics(errors, np.zeros(errors.shape[1])),
    )
