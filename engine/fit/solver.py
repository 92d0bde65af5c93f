"""The motion branch: all people of a clip, or of a part of it, solved together.

Stages, each from the result of the one before: placement with poses as lifted, a choice among
hypotheses over the whole window, people moved to where labelled regions can meet, everything but
penetration, penetration.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.errors import InputError
from engine.fit import results, stages, start
from engine.fit.evidence import standing_evidence
from engine.fit.interaction import Surfaces
from engine.fit.labels import Labels
from engine.fit.problem import FitProblem, check
from engine.fit.stages import Setting
from engine.fit.state import FitState
from engine.fit.window import movable_frames
from engine.perception.request import BUILT_IN
from engine.structures import FitProgress, FitResult, FrameRange, Outcome

SURFACE_DENSITY = "1k2"
"""Contact and penetration are solved on the coarsest mesh; its surface is within millimetres."""
WORST_LAST = (Outcome.CONVERGED, Outcome.STEP_LIMIT, Outcome.DIVERGED)

Fit = Generator[FitProgress, None, FitResult]


@dataclass
class Clock:
    """Share of the work of a window done, as a share of the whole job, and the time it leaves."""

    total: float
    first: float
    """Share of the job that was done when the window began."""
    span: float
    """Share of the job that the window is."""
    began: float
    """Of the whole job, on the monotonic clock."""
    done: float = 0.0

    def advance(self, units: float) -> tuple[float, float | None]:
        self.done += units
        fraction = self.first + self.span * min(0.99, self.done / self.total)
        elapsed = time.monotonic() - self.began
        return fraction, (elapsed / fraction - elapsed) if fraction > 0.03 else None


def solve(problem: FitProblem, config: FitConfig | None = None) -> Fit:
    """Fit all people of a clip, or re-fit a range of it with everything around it held.

    Yields `FitProgress` with a preview of the bodies; returns `FitResult`, whose motion covers the
    whole clip (frames outside `problem.frames` are exactly those of the warm start) and whose
    outcome is that of the window that fared worst.

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
    windows = _windows(problem, config)
    job, done = sum(map(len, windows)), 0
    solved, outcome = None, Outcome.CONVERGED
    for frames in windows:
        clock = Clock(1.0, done / job, len(frames) / job, began)
        solved = yield from _solve_window(replace(problem, frames=frames), body, config, clock)
        problem = replace(problem, warm_start=solved.motion, camera=solved.camera)
        outcome = max(outcome, solved.outcome, key=WORST_LAST.index)
        done += len(frames)
    assert solved is not None
    solved = replace(solved, outcome=outcome)
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


def _solve_window(
    problem: FitProblem, body: BodyModel, config: FitConfig, clock: Clock
) -> Generator[FitProgress, None, results.Solved]:
    begin = start.prepare(problem, body, config)
    setting = Setting(
        body=body,
        evidence=begin.evidence,
        anchor=begin.scene.anchor,
        movable=begin.movable,
        config=config,
        labels=Labels(body, begin.labels, begin.movable),
        shape_free=begin.shape_free,
        up_free=begin.scene.up_free,
        floor_free=begin.scene.floor_free,
        focal_free=begin.focal_free,
    )
    clock.total = _work(begin, setting)
    state = begin.state

    def report(stage: str, costs: dict[str, float], now: FitState, units: float) -> FitProgress:
        fraction, remaining = clock.advance(units)
        motion, camera = results.motion_and_camera(begin, problem, now, body)
        return FitProgress(stage, fraction, remaining, costs, motion, camera)

    yield report("Starting", {}, state, 0.0)
    state, setting = yield from stages.choose(setting, begin.hypotheses, report)
    setting = setting.with_width(config.robust_widths[2])
    state = yield from stages.bring_together(setting, state, report)
    state = yield from stages.fit(setting, state, _steps(begin, config), report)
    evidence = standing_evidence(setting.evidence, state, body, begin.scene.anchor)
    setting = replace(setting, evidence=evidence).with_width(config.robust_widths[3])
    # People do not grow thin, nor the room tilt, so that bodies fit into each other.
    setting = replace(setting, shape_free=False, focal_free=False, up_free=False, floor_free=False)
    meet = len(state.betas) > 1 and config.weights.penetration > 0
    surfaces = Surfaces(body, begin.labels, config, _step(setting)) if meet else None
    state = yield from stages.part(setting, state, surfaces, report)
    state, outcome = yield from stages.resolve(setting, state, surfaces, report)
    motion, camera = results.motion_and_camera(begin, problem, state, body)
    return results.Solved(motion, camera, outcome, begin.notes)


def _step(setting: Setting) -> float:
    """Seconds between two frames."""
    step = setting.evidence.step
    return float(step.median()) if len(step) else 1 / 30


def _steps(begin: start.Start, config: FitConfig) -> int:
    return config.joint_steps if begin.shape_free else config.refit_steps


def _work(begin: start.Start, setting: Setting) -> float:
    """Iterations weighted by what they cost."""
    config, people = setting.config, len(begin.state.betas)
    load = begin.hypotheses.count / people
    return (
        load * (config.placement_steps + config.hypothesis_steps)
        + (config.label_rounds * config.contact_steps if setting.labels else 0)
        + _steps(begin, config)
        + (config.parting_rounds * config.contact_steps if people > 1 else 0)
        + config.contact_rounds * (config.contact_steps * 1.5 + 3)
    )
