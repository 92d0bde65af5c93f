"""The motion branch: all people of a clip, or of a part of it, solved together.

Stages, each from the result of the one before: placement with poses as lifted, a choice among
hypotheses over the whole window, people moved to where labelled regions can meet, everything but
penetration, penetration.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import torch

from engine.appearance.evidence import PictureEvidence
from engine.aside import aside
from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.device import chosen, free_cache, on, out_of_memory
from engine.errors import CannotFitError, InputError
from engine.fit import appearance_stage, prior_stage, results, stages, start
from engine.fit.edits import with_edits
from engine.fit.evidence import standing_evidence
from engine.fit.hypotheses import Hypotheses
from engine.fit.interaction import Surfaces
from engine.fit.keypoint_gate import gated
from engine.fit.labels import Labels
from engine.fit.problem import FitProblem, check
from engine.fit.stages import Report, Setting
from engine.fit.state import FitState
from engine.fit.window import movable_frames, windows
from engine.perception.request import BUILT_IN
from engine.structures import FitProgress, FitResult, FrameRange, Outcome, Provenance

SURFACE_DENSITY = "1k2"
"""Labelled contact is solved on the coarsest mesh; its surface is within millimetres."""
SKIN_DENSITY = "2k5"
"""Penetration is looked for on this one: the coarsest is up to 5 mm thinner at hands."""
USUAL_ROUNDS = 12, 4
"""Of resolving contact and of parting people, mostly: for saying how much is done."""
SHORTEST = 8
"""Frames of the shortest window that is tried when memory runs out."""
SILENCE = 0.05
"""Seconds of the processor after which a caller hears something, new or not."""
WORST_LAST = (Outcome.CONVERGED, Outcome.STEP_LIMIT, Outcome.DIVERGED)

Fit = Generator[FitProgress, None, FitResult]
Found = TypeVar("Found")
Steps = Generator[FitProgress | None, None, Found]
"""None is a breath: nothing to report, and a good moment to stop."""


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

    What it is given and what it returns lies on the CPU, whatever `config.device` computes.

    Raises InputError for observations that contradict themselves, where every frame is frozen, or
    where there is no such device, CannotFitError where a person is never seen, PluginError for a
    body initialiser that is not installed or fails.
    """
    config = config or FitConfig()
    config = replace(config, device=chosen(config.device))
    told = with_edits(problem.observations, problem.constraints.keypoint_edits)
    problem = replace(problem, observations=told)
    check(problem)
    if not movable_frames(problem).any():
        raise InputError(
            "Every frame to fit is accepted or frozen",
            advice="Send back or thaw what may change, and fit again.",
        )
    if config.appearance is not None:
        appearance_stage.known_avatars(problem, config.appearance)  # refused now, not after a fit
    problem = replace(problem, observations=gated(problem.observations, problem.constraints))
    return (yield from _breathing(_solving(problem, config)))


def _solving(problem: FitProblem, config: FitConfig) -> Steps[FitResult]:
    began = time.monotonic()
    body = BodyModel.load(problem.body, SURFACE_DENSITY)
    if config.initializer != BUILT_IN and problem.initial is None:
        yield FitProgress(f"First bodies by {config.initializer}", 0.0, None)
        problem = start.initialized(problem, config)
    posed = yield from aside(partial(start.oriented, problem, body))
    found = yield from _in_turn(posed, body, config, began)
    seconds = time.monotonic() - began
    return (yield from aside(partial(results.result, *found, seconds)))


def _in_turn(
    problem: FitProblem, body: BodyModel, config: FitConfig, began: float
) -> Steps[tuple[FitProblem, BodyModel, results.Solved]]:
    """The windows one after the other; one that does not fit into memory is halved."""
    waiting = deque(windows(problem, config))
    job, done = sum(map(len, waiting)), 0
    solved, outcome = None, Outcome.CONVERGED
    pictures: dict[int, PictureEvidence] = {}
    notes: tuple[str, ...] = ()
    while waiting:
        if notes:
            free_cache()  # what the window left that did not fit
        frames = waiting.popleft()
        clock = Clock(1.0, done / job, len(frames) / job, began)
        work = _solve_window(replace(problem, frames=frames), body, config, clock)
        try:
            solved = yield from work
        except Exception as error:
            if not out_of_memory(error):
                raise
            waiting.extendleft(reversed(_halved(frames, error)))
            notes = (f"Not enough memory for {len(frames)} frames at once: solved in parts.",)
            continue
        problem = replace(
            problem,
            warm_start=solved.motion,
            camera=solved.camera,
            camera_found=problem.camera_found or problem.camera is None,
            avatars={**problem.avatars, **solved.avatars},
        )
        pictures |= solved.pictures
        outcome = max(outcome, solved.outcome, key=WORST_LAST.index)
        done += len(frames)
    assert solved is not None
    if config.device == "cuda":
        notes = (*notes, f"Computed on {torch.cuda.get_device_name()}.")
    solved = replace(solved, outcome=outcome, pictures=pictures, notes=(*solved.notes, *notes))
    return problem, body, solved


def _halved(frames: FrameRange, error: BaseException) -> tuple[FrameRange, FrameRange]:
    """Both halves. Raises CannotFitError where they would be too short to say anything."""
    if len(frames) < 2 * SHORTEST:
        raise CannotFitError(
            "There is not enough memory even for a few frames",
            advice="Close other programs, or fit on a device with more memory.",
        ) from error
    middle = (frames.start + frames.stop) // 2
    return FrameRange(frames.start, middle), FrameRange(middle, frames.stop)


def _breathing(work: Steps[FitResult]) -> Fit:
    """Work that says the last thing again where it would be silent for long, so that it can be
    stopped there."""
    said, last = FitProgress("Starting", 0.0, None), time.process_time()
    while True:
        try:
            progress = next(work)
        except StopIteration as stop:
            found: FitResult = stop.value
            return found
        if progress is not None or time.process_time() - last > SILENCE:
            said, last = progress or said, time.process_time()
            yield said


def _solve_window(
    problem: FitProblem, body: BodyModel, config: FitConfig, clock: Clock
) -> Steps[results.Solved]:
    begin = yield from aside(partial(start.prepare, problem, body, config))
    setting, state, hypotheses = _placed(begin, body, config)
    clock.total = _work(begin, setting, problem)

    def report(stage: str, costs: dict[str, float], now: FitState, units: float) -> FitProgress:
        fraction, remaining = clock.advance(units)
        motion, camera = results.motion_and_camera(begin, problem, on(now, "cpu"), body)
        return FitProgress(stage, fraction, remaining, costs, motion, camera)

    yield report("Starting", {}, state, 0.0)
    unknown = _unknown(begin, problem)
    anew = unknown or not setting.only_poses or stages.doubtful(setting, hypotheses)
    if anew:
        state, setting = yield from stages.choose(setting, hypotheses, report)
    asked = problem.initial is None and unknown
    look = prior_stage.look(begin.told, begin.K, setting) if asked else None
    setting = setting.with_width(config.robust_widths[2 if anew else 3])
    state = yield from stages.attract(setting, state, report)
    # Bodies that pictures have moved are not moved back first to where keypoints alone want them.
    at_once = not anew and appearance_stage.knows_everybody(problem, config.appearance)
    if anew or (setting.labels.of_kind("contact") and not at_once):
        steps = config.joint_steps if anew else config.refit_steps
        state, setting = yield from prior_stage.fit(setting, state, steps, look, report)
    evidence = standing_evidence(setting.evidence, state, setting.body, setting.anchor)
    setting = replace(setting, evidence=evidence).with_width(config.robust_widths[3])
    # People do not grow thin, nor the room tilt, so that bodies fit into each other.
    setting = replace(setting, shape_free=False, focal_free=False, up_free=False, floor_free=False)
    if unknown:
        setting = replace(setting, config=_as_a_whole(config))
    seen, outcome = yield from _settled(
        problem, begin, setting, state, report, anew=anew, at_once=at_once
    )
    motion, camera = results.motion_and_camera(begin, problem, on(seen.state, "cpu"), body)
    pictures = {} if seen.evidence is None else {begin.frames.start: seen.evidence}
    return results.Solved(motion, camera, outcome, begin.notes + seen.notes, seen.avatars, pictures)


def _settled(
    problem: FitProblem,
    begin: start.Start,
    setting: Setting,
    state: FitState,
    report: Report,
    *,
    anew: bool,
    at_once: bool,
) -> Steps[tuple[appearance_stage.Refined, Outcome]]:
    """Bodies out of each other, and as the pictures show them; `at_once` both together."""
    config, surfaces = setting.config, None
    if len(state.betas) > 1 and config.weights.penetration > 0:
        skin = BodyModel.load(setting.body.name, SKIN_DENSITY).to(setting.body.v_template.device)
        begun = partial(Surfaces, skin, begin.labels, config, setting.step_seconds)
        surfaces = yield from aside(begun)  # kernels are loaded, and may have to be compiled
    if anew:
        state = yield from stages.part(setting, state, surfaces, report)
    seen = appearance_stage.Refined(state)
    if at_once:
        quick = replace(setting, config=_as_waited_for(config))
        seen = yield from appearance_stage.refine(problem, begin, quick, state, surfaces, report)
    if seen.outcome is not None:
        return seen, seen.outcome
    state, outcome = yield from stages.resolve(setting, state, surfaces, report)
    if at_once or config.appearance is None:
        return replace(seen, state=state), outcome
    seen = yield from appearance_stage.refine(problem, begin, setting, state, surfaces, report)
    return seen, seen.outcome or outcome


def _placed(
    begin: start.Start, body: BodyModel, config: FitConfig
) -> tuple[Setting, FitState, Hypotheses]:
    """What is moved and what it is compared with, on the device that computes."""
    there, body = on(begin, config.device), on(body, config.device)
    setting = Setting(
        body=body,
        evidence=there.evidence,
        anchor=there.scene.anchor,
        movable=there.movable,
        config=config,
        labels=Labels(body, begin.labels, there.movable),
        shape_free=begin.shape_free,
        up_free=begin.scene.up_free,
        floor_free=begin.scene.floor_free,
        focal_free=begin.focal_free,
    )
    return setting, there.state, there.hypotheses


def _as_a_whole(config: FitConfig) -> FitConfig:
    """How long contact is resolved where there were no bodies: they err by more than the rest."""
    rounds = min(config.contact_rounds, config.whole_rounds)
    return replace(config, contact_rounds=rounds, settled=max(config.settled, config.whole_settled))


def _as_waited_for(config: FitConfig) -> FitConfig:
    """Fewer pictures for somebody who waits for a re-fit."""
    look = config.appearance
    return replace(config, appearance=look and replace(look, stride=look.refit_stride))


def _unknown(begin: start.Start, problem: FitProblem) -> bool:
    """Whether most of the frames that may move have no bodies yet."""
    warm = problem.warm_start
    if warm is None:
        return True
    made = warm.provenance[:, begin.frames.as_slice()][:, begin.movable.numpy()]
    return bool((made == Provenance.MISSING).mean() > 0.5)


def _work(begin: start.Start, setting: Setting, problem: FitProblem) -> float:
    """Iterations weighted by what they cost."""
    config, people = setting.config, len(begin.state.betas)
    most = min(config.contact_rounds, config.whole_rounds), config.parting_rounds
    rounds = tuple(zip(most, USUAL_ROUNDS, strict=True))
    load = begin.hypotheses.count / people
    return (
        load * (config.placement_steps + config.hypothesis_steps)
        + (config.label_rounds * config.label_steps if setting.labels else 0)
        + (config.refit_steps if setting.only_poses else config.joint_steps)
        + (config.deep_steps if config.prior == "deep" and begin.shape_free else 0)
        + sum(min(most, usual) * config.contact_steps for most, usual in rounds if people > 1)
        + appearance_stage.work(problem, config.appearance)
    )
