"""The prior inside a fit: asked again about bodies that are fitted, or fine-tuned to the clip.

Before a fit the prior says what it makes of the keypoints alone (engine.perception.initialization).
Here it says more, in one of two ways (`FitConfig.prior`). What it says stands in for the start's
opinion in the evidence: the rotations that poses are pulled to, and who is how far behind whom.

"denoise": noise is put on the bodies as they are and taken off by the network, which is told the
keypoints (regularisation by denoising: Romano et al. 2017).

"deep": the network's weights are the parameters. The motion is what the network answers, and the
terms of the fit are brought down for a few steps only, because the network finds what is likely
before it finds what is noise (Ulyanov et al. 2018, "Deep Image Prior").

Both are done once, when a fit has settled by and large: gravity, floor and sizes that are still
wrong would mislead the network about depth.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from engine.aside import aside
from engine.body.data import OPEN_BODY
from engine.device import on
from engine.errors import WeightError
from engine.fit import stages
from engine.fit.evidence import LEAST_VARIANCE, MOST_VARIANCE, deviation_behind
from engine.fit.hypotheses import placement_of
from engine.fit.objective import objective
from engine.fit.rounds import Report
from engine.fit.setting import Setting
from engine.fit.state import FitState, detached
from engine.geometry.rotations import matrix_to_6d, sixd_to_matrix
from engine.perception.initialization import shipped_prior, size_of
from engine.prior.clip import rays_in_halpe26
from engine.prior.clip_windows import ClipBodies, ClipWindows
from engine.prior.prior import Prior, WindowEstimate
from engine.prior.skeleton import chained
from engine.structures import FitProgress, Observations, ProxemicsStatement

SURER = 0.3
"""Share of the start's variance of rotations that is left once the prior was asked again."""
SEED = 6

Consulted = Generator[FitProgress | None, None, tuple[FitState, Setting]]


@dataclass(frozen=True)
class Believed:
    """What the prior says, camera frame, metres."""

    bodies: ClipBodies
    variance: Float[Tensor, "P F 24"]
    """Expected squared error of each rotation, rad^2."""


@dataclass(frozen=True)
class Shown:
    """What the prior is shown of a window of a fit: everybody together where two people are."""

    observations: Observations
    """Undistorted, believed as people said."""
    K: Float[np.ndarray, "3 3"]
    heights: Float[Tensor, "P"]
    """Metres, NaN where nobody said."""
    proxemics: tuple[ProxemicsStatement, ...]
    overlap: int = 2

    @cached_property
    def clips(self) -> tuple[tuple[slice, ClipWindows], ...]:
        """The people who are seen together, and their windows."""
        seen = self.observations
        rays, sure = rays_in_halpe26(seen.keypoints2d, seen.confidence, seen.layout, self.K)
        people = len(rays)
        groups = [slice(0, 2)] if people == 2 else [slice(p, p + 1) for p in range(people)]
        return tuple(
            (
                rows,
                on(
                    ClipWindows.of(rays[rows], sure[rows], seen.times, overlap=self.overlap),
                    self.heights.device,
                ),
            )
            for rows in groups
        )

    def said_by(self, prior: Prior) -> Believed:
        """What the prior makes of the keypoints; gradients reach its weights."""
        parts = []
        for rows, clip in self.clips:
            heights = self.heights[rows].expand(clip.count, -1)
            answer = prior.see(clip.seen, heights, clip.told(self.proxemics))
            parts.append(_of_clip(clip, answer))
        return _side_by_side(parts)

    @torch.no_grad()
    def denoised_by(self, prior: Prior, bodies: ClipBodies, step: int, draws: int) -> Believed:
        """The mean of what the prior makes of bodies after some steps of noise."""
        generator = torch.Generator().manual_seed(SEED)
        parts = []
        for rows, clip in self.clips:
            part = ClipBodies(bodies.rotations[rows], bodies.pelvis[rows], bodies.betas[rows])
            windows, said = clip.of_bodies(part), clip.told(self.proxemics)
            heights = self.heights[rows].expand(clip.count, -1)
            answers = [
                prior.denoise(windows, clip.seen, step, generator=generator, heights=heights,
                              proxemics=said)
                for _ in range(draws)
            ]  # fmt: skip
            parts.append(_mean([_of_clip(clip, answer) for answer in answers]))
        return _side_by_side(parts)


@dataclass(frozen=True)
class Look:
    """The prior, and what it is shown."""

    prior: Prior
    shown: Shown

    def at(self, state: FitState) -> Shown:
        """At the focal length that the fit believes in."""
        K = self.shown.K.copy()
        K[:2, :2] *= float(state.log_focal.exp())
        return replace(self.shown, K=K)


def look(observations: Observations, K: Float[np.ndarray, "3 3"], setting: Setting) -> Look | None:
    """None where a fit goes on without the prior: it shall only start the fit, its weights are
    missing, or nobody is seen. `K` is what the fit began with."""
    if setting.config.prior == "start" or not (observations.confidence > 0).any():
        return None
    try:
        prior = shipped_prior()
    except WeightError:
        return None
    evidence = setting.evidence
    prior = prior.on(setting.movable.device)
    return Look(prior, Shown(observations, K, evidence.heights, evidence.proxemics))


def fit(
    setting: Setting, state: FitState, steps: int, look: Look | None, report: Report
) -> Consulted:
    """`stages.fit`, whose last `FitConfig.consulted_steps` are for what the prior then says; and
    the setting that believes in it."""
    config = setting.config
    last = 0 if look is None else min(steps // 2, config.consulted_steps)
    state = yield from stages.fit(setting, state, steps - last, report)
    if look is not None and last:
        if config.prior == "deep":
            setting = yield from deep(setting, state, look, report)
        else:
            setting = yield from aside(partial(denoised, setting, state, look))
        state = yield from stages.fit(setting, state, last, report)
    return state, setting


def denoised(setting: Setting, state: FitState, look: Look) -> Setting:
    """The setting with what the prior makes of the bodies as they are."""
    config, prior = setting.config, look.prior
    with torch.no_grad():
        posed = setting.posed(state)
        betas = state.betas if setting.body.name == OPEN_BODY else _mean_shapes(prior, state)
        bodies = ClipBodies(chained(posed.rotmats), posed.body.joints[:, :, 0], betas)
    shown, level = look.at(state), config.denoise_level
    said = shown.denoised_by(prior, bodies, level, config.denoise_draws)
    return believing(setting, said, state, prior)


def deep(
    setting: Setting, state: FitState, look: Look, report: Report
) -> Generator[FitProgress | None, None, Setting]:
    """The setting with what the prior sees once it is fine-tuned to this clip. Gravity, floor and
    focal length are those of the state; the prior itself stays as it is."""
    config, prior, shown = setting.config, look.prior.copy(), look.at(state)
    weights = replace(config.weights, pose=0.0, behind=0.0)
    tuned = replace(setting, config=replace(config, weights=weights))
    tuned = tuned.with_width(config.robust_widths[2])
    optimizer = torch.optim.Adam(prior.parameters(), lr=config.deep_rate)
    fade = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, max(config.deep_steps, 1), 0.05 * config.deep_rate
    )
    own_shapes = setting.shape_free and setting.body.name == OPEN_BODY
    share = float(setting.evidence.frame_weight.sum()) * len(state.betas)

    def stepped() -> tuple[dict[str, Tensor], FitState]:
        said = shown.said_by(prior)
        betas = said.bodies.betas if own_shapes else state.betas
        now = _state_of(said.bodies, betas, setting, state, prior)
        costs = objective(tuned.posed(now), tuned.evidence, tuned.config)
        optimizer.zero_grad()
        (torch.stack(list(costs.values())).sum() / share).backward()
        optimizer.step()
        fade.step()
        return costs, now

    for step in range(config.deep_steps):
        costs, now = yield from aside(stepped)
        yield None
        if step % 10 == 9:
            by_name = {name: float(value.detach().sum()) for name, value in costs.items()}
            yield report("Tuning the prior", by_name, detached(now), 10.0)
    said = yield from aside(torch.no_grad()(partial(shown.said_by, prior)))
    return believing(setting, said, state, prior) if _finite(said) else setting


def believing(setting: Setting, said: Believed, state: FitState, prior: Prior) -> Setting:
    """The setting whose evidence is what the prior says now.

    Rotations replace those of the start. Who is how far behind whom is a second opinion beside the
    start's, asked of bodies in the shapes of the fit that are as large in the picture: depth
    follows from size.
    """
    evidence = setting.evidence
    variance = (SURER * said.variance).clamp(LEAST_VARIANCE, MOST_VARIANCE)
    pelvis = _resized(said.bodies, state.betas, setting, prior)
    pairs = []
    for pair in evidence.behind:
        apart = pelvis[pair.back] - pelvis[pair.front]
        ray = F.normalize(pelvis[pair.front] + pelvis[pair.back], dim=-1)
        metres, deviation = (apart * ray).sum(-1), deviation_behind(apart)
        pairs.append(replace(pair, ray=ray, metres=metres, deviation=deviation))
    evidence = replace(
        evidence,
        pose_target=said.bodies.local_rotations,
        pose_weight=1 / variance,
        behind=(*evidence.behind, *pairs),
    )
    return replace(setting, evidence=evidence)


def _resized(
    bodies: ClipBodies, betas: Float[Tensor, "P B"], setting: Setting, prior: Prior
) -> Float[Tensor, "P F 3"]:
    """Pelvises of bodies of other shapes that are as large in the picture."""
    size = size_of(setting.body.rest_joints(betas))
    ratio: Tensor = size / size_of(prior.skeleton.rest(bodies.betas))
    return bodies.pelvis * ratio[:, None, None]


def _state_of(
    bodies: ClipBodies,
    betas: Float[Tensor, "P B"],
    setting: Setting,
    state: FitState,
    prior: Prior,
) -> FitState:
    """The bodies with some shapes, as large in the picture as they were, where frames may move."""
    placement = placement_of(_resized(bodies, betas, setting, prior))
    placement = torch.cat([placement[..., :2], placement[..., 2:] - state.log_focal], dim=-1)
    free: Bool[Tensor, "F 1"] = setting.movable[:, None]
    return replace(
        state,
        betas=betas,
        rotation=torch.where(free[..., None], matrix_to_6d(bodies.local_rotations), state.rotation),
        placement=torch.where(free, placement, state.placement),
    )


def _finite(said: Believed) -> bool:
    values = said.bodies.rotations, said.bodies.pelvis, said.variance
    return all(bool(value.isfinite().all()) for value in values)


def _of_clip(clip: ClipWindows, answer: WindowEstimate) -> Believed:
    return Believed(clip.bodies(answer.windows), clip.by_frame(answer.log_variance).exp())


def _mean(parts: list[Believed]) -> Believed:
    rotations = torch.stack([matrix_to_6d(part.bodies.rotations) for part in parts]).mean(0)
    return Believed(
        ClipBodies(
            sixd_to_matrix(rotations),
            torch.stack([part.bodies.pelvis for part in parts]).mean(0),
            torch.stack([part.bodies.betas for part in parts]).mean(0),
        ),
        torch.stack([part.variance for part in parts]).mean(0),
    )


def _side_by_side(parts: list[Believed]) -> Believed:
    return Believed(
        ClipBodies(
            torch.cat([part.bodies.rotations for part in parts]),
            torch.cat([part.bodies.pelvis for part in parts]),
            torch.cat([part.bodies.betas for part in parts]),
        ),
        torch.cat([part.variance for part in parts]),
    )


def _mean_shapes(prior: Prior, state: FitState) -> Float[Tensor, "P 10"]:
    """Shapes of another body than the prior's mean nothing to it."""
    return state.betas.new_zeros(len(state.betas), prior.skeleton.J_shapedirs.shape[-1])
