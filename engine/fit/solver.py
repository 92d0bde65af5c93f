"""The motion branch of the fit: from 2D observations to people in one world.

`solve` is a generator: iterate it for progress, its return value is the result, closing it
cancels. Stages: start (the lifter, or four facings where there is none), placement, choice among
hypotheses over the whole window, everything but touch, touch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.errors import InputError
from engine.fit import results, start
from engine.fit.evidence import standing_evidence
from engine.fit.hypotheses import Hypotheses
from engine.fit.interaction import Surfaces
from engine.fit.minimise import Cost, Minimiser, time_basis
from engine.fit.objective import Evidence, objective
from engine.fit.problem import FitProblem, check
from engine.fit.state import Anchor, FitState, free_masks, people, pose
from engine.fit.window import movable_frames
from engine.perception.request import BUILT_IN
from engine.structures import FitProgress, FitResult, FrameRange, Outcome

SURFACE_DENSITY = "1k2"
"""Contact and penetration are solved on the coarsest mesh; its surface is within millimetres."""

PLACEMENT = ("betas", "placement", "log_focal", "up", "floor")
"""The parameters that place people without posing them."""

Fit = Generator[FitProgress, None, FitResult]
Report = Callable[[str, dict[str, float], FitState, float], FitProgress]


@dataclass
class Clock:
    """Share of the work done, for progress and remaining time."""

    total: float
    done: float = 0.0
    started: float = 0.0

    def advance(self, units: float) -> tuple[float, float | None]:
        self.done += units
        fraction = min(0.99, self.done / self.total)
        elapsed = time.monotonic() - self.started
        return fraction, (elapsed / fraction - elapsed) if fraction > 0.03 else None


def solve(problem: FitProblem, config: FitConfig | None = None) -> Fit:
    """Fit all people of a clip, or re-fit a range of it with everything around it held.

    Yields `FitProgress` with a preview of the bodies; returns `FitResult`, whose motion covers the
    whole clip (frames outside `problem.frames` are exactly those of the warm start).

    Raises InputError for observations that contradict themselves or where every frame is frozen,
    CannotFitError where a person is never seen, PluginError for a body initialiser that is not
    installed or fails.
    """
    config = config or FitConfig()
    check(problem)
    if not movable_frames(problem).any():
        raise InputError(
            "Every frame to fit is accepted or frozen",
            advice="Send back or thaw what may change, and fit again.",
        )
    began = time.monotonic()
    body = BodyModel.load(problem.body, SURFACE_DENSITY)
    if config.initializer != BUILT_IN and problem.initial is None:
        yield FitProgress(f"First bodies by {config.initializer}", 0.0, None)
        problem = start.initialized(problem, config)
    problem = start.oriented(problem, body)
    solved = None
    for frames in _windows(problem, config):
        solved = yield from _solve_window(replace(problem, frames=frames), body, config)
        problem = replace(problem, warm_start=solved.motion, camera=solved.camera)
    assert solved is not None
    return results.result(problem, body, solved, time.monotonic() - began)


def _windows(problem: FitProblem, config: FitConfig) -> list[FrameRange]:
    """Stretches of at most `config.window` frames, to be solved in turn, each held by the last.

    Those without a frame that may change are left out.
    """
    whole = problem.frames or FrameRange(0, problem.observations.frame_count)
    count = max(1, -(-len(whole) // config.window))
    edges = np.linspace(whole.start, whole.stop, count + 1).astype(int).tolist()
    movable = movable_frames(problem)
    return [FrameRange(a, b) for a, b in pairwise(edges) if movable[a:b].any()]


@dataclass(frozen=True)
class Setting:
    """All that stays fixed while a window is solved."""

    body: BodyModel
    evidence: Evidence
    anchor: Anchor
    movable: Tensor
    config: FitConfig
    shape_free: bool
    up_free: bool
    floor_free: bool
    focal_free: bool


def _solve_window(
    problem: FitProblem, body: BodyModel, config: FitConfig
) -> Generator[FitProgress, None, results.Solved]:
    begin = start.prepare(problem, body, config)
    setting = Setting(
        body=body,
        evidence=begin.evidence,
        anchor=begin.scene.anchor,
        movable=begin.movable,
        config=config,
        shape_free=begin.shape_free,
        up_free=begin.scene.up_free,
        floor_free=begin.scene.floor_free,
        focal_free=begin.focal_free,
    )
    clock = Clock(total=_work(begin, config), started=time.monotonic())
    state = begin.state

    def report(stage: str, costs: dict[str, float], now: FitState, units: float) -> FitProgress:
        fraction, remaining = clock.advance(units)
        motion, camera = results.motion_and_camera(begin, problem, now, body)
        return FitProgress(stage, fraction, remaining, costs, motion, camera)

    yield report("Starting", {}, state, 0.0)
    if begin.hypotheses is not None:
        state, setting = yield from _choose(setting, begin.hypotheses, state, report)
    setting = _with_width(setting, config.robust_widths[2])
    minimiser = _minimiser(setting, state)
    for costs in minimiser.run(_steps(begin, config)):
        yield report("Fitting", costs, minimiser.state, float(minimiser.iterations_per_report))
    state = minimiser.state
    evidence = standing_evidence(setting.evidence, state, body, begin.scene.anchor)
    setting = _with_width(replace(setting, evidence=evidence), config.robust_widths[3])
    # People do not grow thin, nor the room tilt, so that bodies fit into each other.
    setting = replace(setting, shape_free=False, focal_free=False, up_free=False, floor_free=False)
    state, outcome = yield from _resolve(setting, state, Surfaces(body, begin.labels), report)
    motion, camera = results.motion_and_camera(begin, problem, state, body)
    return results.Solved(motion, camera, outcome, begin.notes)


def _resolve(
    setting: Setting, state: FitState, surfaces: Surfaces, report: Report
) -> Generator[FitProgress, None, tuple[FitState, Outcome]]:
    """Rounds of fixed correspondences until the bodies stay where they are."""
    config = setting.config
    for _ in range(config.contact_rounds):
        # Begun anew each time: curvature remembered across a refresh leads astray.
        minimiser = _minimiser(setting, state, cost=_cost(setting, state, surfaces))
        units = 1.5 * minimiser.iterations_per_report
        for costs in minimiser.run(config.contact_steps):
            yield report("Resolving contact", costs, minimiser.state, units)
        before, state = state, minimiser.state
        moved = _movement(setting, before, state)
        if not np.isfinite(moved):
            return before, Outcome.DIVERGED
        if moved < config.settled:
            return state, Outcome.CONVERGED
    return state, Outcome.STEP_LIMIT


@torch.no_grad()
def _movement(setting: Setting, before: FitState, after: FitState) -> float:
    """How far joints moved, metres: the 95th percentile over people, frames and joints."""
    old, new = (pose(state, setting.body, setting.anchor).joints for state in (before, after))
    distance = (new - old).norm(dim=-1)[:, setting.movable]
    return float(np.percentile(distance.numpy(), 95))


def _with_width(setting: Setting, width: float) -> Setting:
    return replace(setting, evidence=replace(setting.evidence, robust_width=width))


def _steps(begin: start.Start, config: FitConfig) -> int:
    return config.joint_steps if begin.shape_free else config.refit_steps


def _work(begin: start.Start, config: FitConfig) -> float:
    """Iterations weighted by what they cost."""
    people = len(begin.state.betas)
    load = 0 if begin.hypotheses is None else begin.hypotheses.count / people
    return (
        load * (config.placement_steps + config.hypothesis_steps)
        + _steps(begin, config)
        + config.contact_rounds * (config.contact_steps * 1.5 + 3)
    )


def _choose(
    setting: Setting, hypotheses: Hypotheses, state: FitState, report: Report
) -> Generator[FitProgress, None, tuple[FitState, Setting]]:
    """Bring every hypothesis down for a while; each person keeps the cheapest over all frames."""
    config, load = setting.config, hypotheses.count / len(state.betas)
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
        tried = _with_width(tried, width)
        minimiser = _minimiser(tried, trial, only=only)
        for costs in minimiser.run(steps):
            shown = people(minimiser.state, hypotheses.first)
            yield report(name, costs, shown, load * minimiser.iterations_per_report)
        trial = minimiser.state
    with torch.no_grad():
        costs_by_term = objective(pose(trial, setting.body, setting.anchor), tried.evidence, config)
    total = torch.stack(list(costs_by_term.values())).sum(0)
    best = torch.stack(
        [torch.where(owner == p, total, torch.inf).argmin() for p in range(len(state.betas))]
    )
    evidence = replace(setting.evidence, pose_target=hypotheses.pose_target[best])
    return people(trial, best), replace(setting, evidence=evidence)


def _cost(setting: Setting, state: FitState, surfaces: Surfaces | None) -> Cost:
    """The objective; with the correspondences that the bodies of `state` have, if any."""
    found = None
    if surfaces is not None:
        with torch.no_grad():
            posed = pose(state, setting.body, setting.anchor)
        found = surfaces.correspondences(posed, setting.movable)

    def cost(now: FitState) -> dict[str, Tensor]:
        posed = pose(now, setting.body, setting.anchor)
        costs = {k: v.sum() for k, v in objective(posed, setting.evidence, setting.config).items()}
        if found is not None and surfaces is not None:
            time_weight = setting.evidence.frame_weight
            costs |= surfaces.costs(posed, found, time_weight, setting.config)
        return costs

    return cost


def _minimiser(
    setting: Setting,
    state: FitState,
    *,
    only: tuple[str, ...] | None = None,
    cost: Cost | None = None,
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
        cost or _cost(setting, state, None),
        basis=basis,
        tolerance=setting.config.tolerance,
    )
