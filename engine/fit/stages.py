"""The stages of a fit: each brings a state further down and tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.fit.hypotheses import Hypotheses
from engine.fit.interaction import Surfaces
from engine.fit.labels import Labels
from engine.fit.minimise import Cost, Minimiser, time_basis
from engine.fit.objective import Evidence, objective
from engine.fit.state import Anchor, FitState, Posed, free_masks, people, pose
from engine.structures import FitProgress, Outcome

PLACEMENT = ("betas", "placement", "log_focal", "up", "floor")
"""The parameters that place people without posing them."""

Report = Callable[[str, dict[str, float], FitState, float], FitProgress]
Search = Callable[[Posed], Callable[[Posed], dict[str, Tensor]]]
"""Finds nearest points with the bodies as they are, and returns what they cost."""
Stage = Generator[FitProgress, None, FitState]


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

    def with_width(self, width: float) -> Setting:
        return replace(self, evidence=replace(self.evidence, robust_width=width))

    def posed(self, state: FitState) -> Posed:
        return pose(state, self.body, self.anchor)


def choose(
    setting: Setting, hypotheses: Hypotheses, report: Report
) -> Generator[FitProgress, None, tuple[FitState, Setting]]:
    """Bring every hypothesis down for a while, keypoints pulling from far away; each person keeps
    the cheapest over all frames."""
    config, load = setting.config, hypotheses.count / len(hypotheses.first)
    owner = hypotheses.owner
    tried = replace(
        setting,
        evidence=replace(setting.evidence.people(owner), pose_target=hypotheses.pose_target),
    )
    trial = hypotheses.state
    for name, steps, only, width in (
        ("Placing the people", config.placement_steps, PLACEMENT, config.robust_widths[0]),
        ("Comparing facings", config.hypothesis_steps, None, config.robust_widths[1]),
    ):
        tried = tried.with_width(width)
        minimiser = _minimiser(tried, trial, only=only)
        for costs in minimiser.run(steps):
            shown = people(minimiser.state, hypotheses.first)
            yield report(name, costs, shown, load * minimiser.iterations_per_report)
        trial = minimiser.state
    with torch.no_grad():
        costs_by_term = objective(tried.posed(trial), tried.evidence, config)
    total = torch.stack(list(costs_by_term.values())).sum(0)
    best = torch.stack(
        [torch.where(owner == p, total, torch.inf).argmin() for p in range(len(hypotheses.first))]
    )
    evidence = replace(setting.evidence, pose_target=hypotheses.pose_target[best])
    return people(trial, best), replace(setting, evidence=evidence)


def bring_together(setting: Setting, state: FitState, report: Report) -> Stage:
    """Move whole people as the labels want them, before limbs are bent to meet these."""
    if not setting.labels:
        return state
    for _ in range(setting.config.label_rounds):
        minimiser = _minimiser(setting, state, only=PLACEMENT, searches=_touch(setting))
        for costs in minimiser.run(setting.config.contact_steps):
            units = float(minimiser.iterations_per_report)
            yield report("Bringing together", costs, minimiser.state, units)
        state = minimiser.state
    return state


def fit(setting: Setting, state: FitState, steps: int, report: Report) -> Stage:
    """Everything but penetration."""
    stretch = setting.config.label_steps if setting.labels else steps
    for done in range(0, steps, stretch):
        minimiser = _minimiser(setting, state, searches=_touch(setting))
        for costs in minimiser.run(min(stretch, steps - done)):
            units = float(minimiser.iterations_per_report)
            yield report("Fitting", costs, minimiser.state, units)
        before, state = state, minimiser.state
        if movement(setting, before, state) < setting.config.settled:
            break
    return state


def part(setting: Setting, state: FitState, surfaces: Surfaces | None, report: Report) -> Stage:
    """Move whole people out of each other, before limbs are bent to be out of the way.

    Who stands in whom is nearly always at the wrong depth, which 2D says least about.
    """
    if surfaces is None:
        return state
    for _ in range(setting.config.parting_rounds):
        searches = (*_touch(setting), _repel(setting, surfaces))
        minimiser = _minimiser(setting, state, only=("placement",), searches=searches)
        for costs in minimiser.run(setting.config.contact_steps):
            units = float(minimiser.iterations_per_report)
            yield report("Taking people out of each other", costs, minimiser.state, units)
        before, state = state, minimiser.state
        if movement(setting, before, state) < setting.config.settled:
            break
    return state


def resolve(
    setting: Setting, state: FitState, surfaces: Surfaces | None, report: Report
) -> Generator[FitProgress, None, tuple[FitState, Outcome]]:
    """Rounds of fixed correspondences until the bodies stay where they are."""
    config = setting.config
    searches = _touch(setting) + (() if surfaces is None else (_repel(setting, surfaces),))
    for _ in range(config.contact_rounds):
        # Begun anew each time: curvature remembered across a refresh leads astray.
        minimiser = _minimiser(setting, state, searches=searches)
        units = 1.5 * minimiser.iterations_per_report
        for costs in minimiser.run(config.contact_steps):
            yield report("Resolving contact", costs, minimiser.state, units)
        before, state = state, minimiser.state
        moved = movement(setting, before, state)
        if not np.isfinite(moved):
            return before, Outcome.DIVERGED
        if moved < config.settled:
            return state, Outcome.CONVERGED
    return state, Outcome.STEP_LIMIT


@torch.no_grad()
def movement(setting: Setting, before: FitState, after: FitState) -> float:
    """How far joints moved, metres: the 95th percentile over people, frames and joints."""
    old, new = (setting.posed(state).joints for state in (before, after))
    distance = (new - old).norm(dim=-1)[:, setting.movable]
    return float(np.percentile(distance.numpy(), 95))


def _touch(setting: Setting) -> tuple[Search, ...]:
    """What people said of touch, where they said anything."""
    labels, time, config = setting.labels, setting.evidence.frame_weight, setting.config

    def search(posed: Posed) -> Callable[[Posed], dict[str, Tensor]]:
        found = labels.nearest(posed)
        return lambda now: labels.costs(now, found, time, config)

    return (search,) if labels else ()


def _repel(setting: Setting, surfaces: Surfaces) -> Search:
    time = setting.evidence.frame_weight

    def search(posed: Posed) -> Callable[[Posed], dict[str, Tensor]]:
        found = surfaces.correspondences(posed, setting.movable)
        return lambda now: surfaces.cost(now, found, time)

    return search


def _cost(setting: Setting, state: FitState, searches: tuple[Search, ...]) -> Cost:
    """The objective, with the nearest points that the bodies of `state` have."""
    terms = []
    if searches:
        with torch.no_grad():
            posed = setting.posed(state)
        terms = [search(posed) for search in searches]

    def cost(now: FitState) -> dict[str, Tensor]:
        posed = setting.posed(now)
        costs = {k: v.sum() for k, v in objective(posed, setting.evidence, setting.config).items()}
        for term in terms:
            costs |= term(posed)
        return costs

    return cost


def _minimiser(
    setting: Setting,
    state: FitState,
    *,
    only: tuple[str, ...] | None = None,
    searches: tuple[Search, ...] = (),
) -> Minimiser:
    """Moves what the setting leaves free (`only`: of these parameters)."""
    masks = free_masks(
        state,
        setting.movable,
        shape=setting.shape_free,
        up=setting.up_free,
        floor=setting.floor_free,
        focal=setting.focal_free,
    )
    if only is not None:
        masks = {k: v if k in only else torch.zeros_like(v) for k, v in masks.items()}
    step = setting.evidence.step
    basis = time_basis(len(setting.movable), float(step.median()) if len(step) else 1 / 30)
    return Minimiser(
        state,
        masks,
        _cost(setting, state, searches),
        basis=basis,
        tolerance=setting.config.tolerance,
    )
