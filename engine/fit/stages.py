"""The stages of a fit: each brings a state further down and tells how far it is."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial

import torch

from engine.aside import aside
from engine.fit.hypotheses import Hypotheses
from engine.fit.interaction import Memory, PenetrationTerm, Surfaces
from engine.fit.labels import LabelTerm
from engine.fit.minimise import Minimiser, time_basis
from engine.fit.objective import STANDARD_STEP, keypoint_cost, objective
from engine.fit.rounds import Report, Round, Search, Steps, cost_with, looked, movement, settle
from engine.fit.setting import Setting
from engine.fit.state import FitState, Posed, free_masks, people
from engine.structures import ContactKind, FitProgress

__all__ = ["Report", "Search", "Setting", "movement"]
PLACEMENT = ("betas", "placement", "log_focal", "up", "floor")
"""The parameters that place people without posing them."""
DOUBTFUL = 0.7, 26.0
"""Share of the cost of a frame's keypoints, under the bodies that are there, that a fresh start
must undercut before it has been moved at all, and by how much it must, for the two to compete."""
DOUBTFUL_SECONDS = 0.1
"""For how long it must."""

Stage = Generator[FitProgress | None, None, FitState]


def doubtful(setting: Setting, hypotheses: Hypotheses) -> bool:
    """Whether somebody's bodies may be the wrong ones to start from: whose identity was exchanged,
    for one. Those that are tried first are taken to be the ones that are there."""
    evidence = setting.evidence.people(hypotheses.owner)
    tried = replace(setting, evidence=evidence).with_width(setting.config.robust_widths[1])
    with torch.no_grad():
        posed = tried.posed(hypotheses.state)
        cost = keypoint_cost(posed, tried.evidence, setting.config)
    there = cost[hypotheses.first][hypotheses.owner]
    share, by = DOUBTFUL
    better = (cost < share * there) & (cost < there - by) & setting.movable
    seconds = (better * setting.evidence.frame_weight).sum(1) * STANDARD_STEP
    return bool((seconds > DOUBTFUL_SECONDS).any())


def choose(
    setting: Setting, hypotheses: Hypotheses, report: Report
) -> Generator[FitProgress | None, None, tuple[FitState, Setting]]:
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
        minimiser = yield from _searched(tried, trial, (), only=only)
        for costs in minimiser.run(steps):
            if costs is None:
                yield None
                continue
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


def attract(setting: Setting, state: FitState, report: Report) -> Stage:
    """Bring regions that touch together before anything keeps bodies apart: whole people first, so
    that nobody stretches for what stands at the wrong depth.

    Newton's steps need no such help (`fit`): they know that depth gives way before arms do.
    """
    labels = _touch(setting, "contact")
    if not labels or setting.only_poses:
        return state
    name = "Bringing together"
    for _ in range(setting.config.label_rounds):
        minimiser = yield from _searched(setting, state, labels, only=PLACEMENT)
        yield from _run(minimiser, setting.config.label_steps, name, report)
        state = minimiser.state
    return state


def fit(setting: Setting, state: FitState, steps: int, report: Report) -> Stage:
    """Everything but what keeps bodies apart."""
    if steps <= 0:
        return state
    labels, name = _touch(setting, "contact"), "Fitting"
    if setting.only_poses:
        rounds = -(-steps // setting.config.contact_steps)
        plan = Round(name, labels, rounds, steady=True)
        state, _ = yield from settle(setting, state, plan, report)
        return state
    stretch = setting.config.label_steps if labels else steps
    for done in range(0, steps, stretch):
        minimiser = yield from _searched(setting, state, labels)
        yield from _run(minimiser, min(stretch, steps - done), name, report)
        before, state = state, minimiser.state
        if movement(setting, before, state) < setting.config.steady:
            break
    return state


def part(setting: Setting, state: FitState, surfaces: Surfaces | None, report: Report) -> Stage:
    """Move whole people out of each other, before limbs are bent to be out of the way.

    Who stands in whom is nearly always at the wrong depth, which 2D says least about.
    """
    if surfaces is None:
        return state
    searches = (*_touch(setting), _repel(setting, surfaces))
    rounds = setting.config.parting_rounds
    name = "Taking people out of each other"
    plan = Round(name, searches, rounds, whole=True, steady=True)
    state, _ = yield from settle(setting, state, plan, report)
    return state


def resolve(
    setting: Setting,
    state: FitState,
    surfaces: Surfaces | None,
    report: Report,
    *,
    more: tuple[Search, ...] = (),
    stage: str = "Resolving contact",
) -> Steps:
    """Everything together, until the bodies stay where they are. `more`: what is to be refreshed
    besides contact and penetration."""
    searches = _touch(setting) + (() if surfaces is None else (_repel(setting, surfaces),)) + more
    return (
        yield from settle(
            setting, state, Round(stage, searches, setting.config.contact_rounds), report
        )
    )


def _run(
    minimiser: Minimiser, steps: int, name: str, report: Report
) -> Iterator[FitProgress | None]:
    for costs in minimiser.run(steps):
        units = float(minimiser.iterations_per_report)
        yield None if costs is None else report(name, costs, minimiser.state, units)


def _touch(setting: Setting, *kinds: ContactKind) -> tuple[Search, ...]:
    """What people said of touch (of these kinds; of all where none is named)."""
    labels, time, config = (
        setting.labels.of_kind(*kinds),
        setting.evidence.frame_weight,
        setting.config,
    )

    def search(posed: Posed) -> LabelTerm:
        return LabelTerm(labels, labels.nearest(posed), time, config)

    return (search,) if labels else ()


def _repel(setting: Setting, surfaces: Surfaces) -> Search:
    time, memory = setting.evidence.frame_weight, Memory()

    def search(posed: Posed) -> Generator[None, None, PenetrationTerm]:
        found = yield from surfaces.correspondences(posed, setting.movable, memory)
        return PenetrationTerm(surfaces, found, time)

    return search


def _searched(
    setting: Setting,
    state: FitState,
    searches: tuple[Search, ...],
    *,
    only: tuple[str, ...] | None = None,
) -> Generator[None, None, Minimiser]:
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
    basis = time_basis(len(setting.movable), setting.step_seconds).to(setting.movable.device)
    found = []
    for search in searches:
        with torch.no_grad():
            posed = setting.posed(state)
        found.append((yield from looked(search, posed)))
    begun = partial(
        Minimiser, state, masks, cost_with(setting, found),
        basis=basis, tolerance=setting.config.tolerance,
    )  # fmt: skip
    return (yield from aside(begun))  # torch takes a second to load its first optimiser
