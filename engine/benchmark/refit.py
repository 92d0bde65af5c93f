"""Re-fits as the window asks for them: `python3 main.py bench refit`.

A clip is fitted whole from detector-like 2D. Then one thing is said of the 32 frames in its middle,
and these are fitted again from the bodies that they have, everything around them held. Measured is
what a person waits for: until the bodies have visibly moved, and until they stay.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from engine.benchmark.perceived import filmed
from engine.benchmark.running import BenchmarkProgress
from engine.benchmark.suites import Suite
from engine.body.joints import HALPE26
from engine.body.smpl import BodyModel
from engine.config import FitConfig, longer
from engine.errors import WeightError
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.geometry.proximity import MeshQuery
from engine.perception.initialization import shipped_prior
from engine.structures import (
    BodyMotion,
    Constraints,
    ContactLabel,
    DepthOrder,
    FitResult,
    FrameRange,
    KeypointEdit,
    Observations,
    Outcome,
    VideoInfo,
)
from engine.synthesis.cases import Case, make_case
from engine.synthesis.order import SynthesisOrder

FRAMES = 32
"""Of a re-fit."""
REACH = 6
"""Frames on each side of the middle for which something is said of touch or depth."""
SETTLED = 0.002
"""Metres from where ten times as many steps lead within which 95 % of all joints must be."""
TIMES_AS_LONG = 10
QUICK_CASES = 2
Value = str | int | float | None
Result = TypeVar("Result")


@dataclass(frozen=True)
class Situation:
    """A clip with bodies, and something that was just said of the frames in its middle."""

    case: str
    gesture: str
    problem: FitProblem


@dataclass(frozen=True)
class Trace:
    """A re-fit as somebody saw it who iterated it."""

    result: FitResult
    previews: tuple[BodyMotion, ...]
    cpu: Float[np.ndarray, "S"]
    """Seconds of the processor, from the beginning to each preview."""
    wall: Float[np.ndarray, "S"]
    cpu_seconds: float
    wall_seconds: float
    stages: tuple[str, ...]
    """Of each yield, and of the result."""
    gaps: tuple[float, ...]
    """Seconds of the processor before each of them."""


def bench_refit(
    suite: Suite,
    config: FitConfig | None = None,
    *,
    cases: int | None = None,
    profile: bool = False,
) -> Generator[BenchmarkProgress, None, list[dict[str, Value]]]:
    """A row for each case and gesture.

    half: seconds until a preview lies, in the mean over joints, at most half as far from the result
    as the bodies did when the re-fit began. settled: seconds until all further previews and the
    result are within 2 mm (95th percentile over people, frames and joints) of a run that takes ten
    times as many steps; None where the result is not, or the re-fit ran out of steps. first:
    seconds until the first preview that differs from the bodies that were there. moved_mm: mean way
    of the joints. off_mm: that 95th percentile of the result. longest_gap: between two yields,
    which is how long a cancel may take. With `config.appearance` the cases are filmed, and avatars
    are those that the whole fit learnt. Seconds are the processor's, but for `_wall`. `profile`
    adds a row for each stage.

    The prior is loaded and kernels are compiled when the window's worker gets its first job; here
    the first fits do it, so the rows are of a warm process. `cold_seconds` is what that took.
    """
    config = config or FitConfig()
    orders = suite.orders[:cases]
    rows: list[dict[str, Value]] = []
    cold = warm_up()
    for index, order in enumerate(orders):
        yield BenchmarkProgress(f"Fitting case {index + 1} of {len(orders)}", index / len(orders))
        case = _returned(make_case(order))
        asked = situations(case, config, shown(order, case) if config.appearance else None)
        for number, situation in enumerate(asked):
            share = (index + (number + 1) / (len(asked) + 1)) / len(orders)
            yield BenchmarkProgress(f"{situation.case}: {situation.gesture}", share)
            trace = traced(situation.problem, config)
            reference = traced(situation.problem, longer(config, TIMES_AS_LONG))
            rows.append(row_of(situation, trace, reference) | {"cold_seconds": cold})
            if profile:
                rows += stage_rows(situation, trace)
    return rows


def warm_up() -> float:
    """Load the body and the prior, and compile the kernels; seconds of the processor."""
    began = time.process_time()
    body = BodyModel.load(density="1k2")
    MeshQuery(body.faces.numpy(), body.vertex_count).move(body.v_template.numpy())
    with contextlib.suppress(WeightError):
        shipped_prior()
    return time.process_time() - began


def stage_rows(situation: Situation, trace: Trace) -> list[dict[str, Value]]:
    """Seconds, yields and the longest silence of each stage."""
    rows: list[dict[str, Value]] = []
    for name in dict.fromkeys(trace.stages):
        gaps = [gap for stage, gap in zip(trace.stages, trace.gaps, strict=True) if stage == name]
        rows.append(
            {
                "case": situation.case,
                "gesture": situation.gesture,
                "stage": name,
                "seconds": sum(gaps),
                "share": sum(gaps) / trace.cpu_seconds,
                "yields": len(gaps),
                "longest_gap_seconds": max(gaps),
            }
        )
    return rows


def shown(order: SynthesisOrder, case: Case) -> tuple[VideoInfo, Observations]:
    """The drawn video of a case, and its keypoints with masks as rough as a segmenter's."""
    return _returned(filmed(order, case.detector, case.truth.masks))


def situations(
    case: Case, config: FitConfig, film: tuple[VideoInfo, Observations] | None = None
) -> list[Situation]:
    """Every gesture on a case. The identities are exchanged in the middle before the fit to which
    the exchange is undone. With a `film` the whole fit learns avatars of it, which re-fits keep."""
    video, observations = film or (None, case.detector)
    count = observations.frame_count
    middle = count // 2
    part = FrameRange(max(0, middle - FRAMES // 2), min(count, middle + FRAMES // 2))
    about = FrameRange(middle - REACH, middle + REACH)
    whole = FitProblem(observations, K=case.K, focal_source="file", video=video)
    mixed_up = replace(whole, observations=exchanged(observations, about))
    right, wrong = (_returned(solve(problem, config)) for problem in (whole, mixed_up))
    found = []
    for gesture, say in GESTURES.items():
        start = wrong if gesture == "swap" else right
        problem = replace(
            whole,
            K=None,
            camera=start.camera,
            warm_start=start.motion,
            frames=part,
            constraints=say(case, about, start),
            avatars=start.appearance,
        )
        found.append(Situation(case.name, gesture, problem))
    return found


def exchanged(observations: Observations, frames: FrameRange) -> Observations:
    """The first two people taken for each other over some frames."""

    def swapped(values: np.ndarray) -> np.ndarray:
        result = values.copy()
        result[:2, frames.as_slice()] = values[1::-1, frames.as_slice()]
        return result

    masks = observations.masks
    if masks is not None:
        first, second, *others = (list(row) for row in masks)
        part = frames.as_slice()
        first[part], second[part] = second[part], first[part]
        masks = tuple(map(tuple, (first, second, *others)))
    return replace(
        observations,
        keypoints2d=swapped(observations.keypoints2d),
        confidence=swapped(observations.confidence),
        boxes=swapped(observations.boxes),
        masks=masks,
    )


# -- what is said --------------------------------------------------------------------------------


def _place_joint(case: Case, frames: FrameRange, start: FitResult) -> Constraints:
    """The wrist that is furthest from where it truly is goes there, in one frame."""
    middle = (frames.start + frames.stop) // 2
    wrists = [HALPE26.index(f"{side}_wrist") for side in ("left", "right")]
    true = case.truth.keypoints2d[:2, middle]
    off = np.linalg.norm(case.detector.keypoints2d[:, middle] - true, axis=-1)[:, wrists]
    person, which = np.unravel_index(np.nanargmax(np.nan_to_num(off)), off.shape)
    x, y = true[person, wrists[which]]
    edit = KeypointEdit(int(person), middle, wrists[which], float(x), float(y))
    return Constraints(keypoint_edits=(edit,))


def _say_contact(case: Case, frames: FrameRange, start: FitResult) -> Constraints:
    """The touch that lasts longest within the frames; hands that meet where there is none."""
    label = ContactLabel(0, "right_palm", 1, "left_palm", frames)
    best = 0
    for true in case.truth.contacts:
        low, high = max(true.frames.start, frames.start), min(true.frames.stop, frames.stop)
        if high - low > best:
            best, label = high - low, replace(true, frames=FrameRange(low, high))
    return Constraints(contacts=(label,))


def _say_apart(case: Case, frames: FrameRange, start: FitResult) -> Constraints:
    """Two regions that touch do not."""
    label = _say_contact(case, frames, start).contacts[0]
    return Constraints(contacts=(replace(label, kind="no_contact"),))


def _say_in_front(case: Case, frames: FrameRange, start: FitResult) -> Constraints:
    """Who is further away as fitted is said to be nearer: there is something to do."""
    T = start.camera.T_camera_world[frames.as_slice()]
    depth = (T[:, 2, :3] * start.motion.transl[:, frames.as_slice()]).sum(-1).mean(axis=1)
    front, back = int(depth.argmax()), int(depth.argmin())
    return Constraints(depth_orders=(DepthOrder(front, back, frames),))


def _undo_swap(case: Case, frames: FrameRange, start: FitResult) -> Constraints:
    """Nothing more: the observations are those of the right people."""
    return Constraints()


GESTURES: Mapping[str, Callable[[Case, FrameRange, FitResult], Constraints]] = MappingProxyType(
    {
        "keypoint": _place_joint,
        "contact": _say_contact,
        "no contact": _say_apart,
        "depth order": _say_in_front,
        "swap": _undo_swap,
    }
)

# -- what is measured ----------------------------------------------------------------------------


def traced(problem: FitProblem, config: FitConfig) -> Trace:
    """Run a re-fit and note when each preview came; looking at them costs no time."""
    cpu, wall = time.process_time, time.perf_counter
    previews, at_cpu, at_wall, gaps, stages = [], [], [], [], []
    work = solve(problem, config)
    spent_cpu = spent_wall = 0.0
    while True:
        before_cpu, before_wall = cpu(), wall()
        try:
            progress, result = next(work), None
        except StopIteration as stop:
            progress, result = None, stop.value
        gaps.append(cpu() - before_cpu)
        spent_cpu, spent_wall = spent_cpu + gaps[-1], spent_wall + wall() - before_wall
        stages.append("Result" if progress is None else progress.stage)
        if result is not None:
            break
        if progress is not None and progress.motion is not None:
            previews.append(progress.motion)
            at_cpu.append(spent_cpu)
            at_wall.append(spent_wall)
    times = np.array(at_cpu), np.array(at_wall)
    return Trace(result, tuple(previews), *times, spent_cpu, spent_wall, tuple(stages), tuple(gaps))


def row_of(situation: Situation, trace: Trace, reference: Trace) -> dict[str, Value]:
    """The numbers of one re-fit; see `bench_refit`."""
    problem = situation.problem
    assert problem.frames is not None and problem.warm_start is not None
    part = problem.frames.as_slice()
    body = BodyModel.load(problem.body, "1k2")

    def joints(motion: BodyMotion) -> Float[np.ndarray, "P F 24 3"]:
        return body.pose_of(motion).joints.numpy()[:, part]

    start, end = joints(problem.warm_start), joints(trace.result.motion)
    far = joints(reference.result.motion)
    shown = [joints(motion) for motion in trace.previews]
    way = np.array([_mean(each, end) for each in shown])
    off = np.array([*(_most(each, far) for each in shown), _most(end, far)])
    moved = np.array([_mean(each, start) > 1e-6 for each in shown])
    half = way <= 0.5 * _mean(start, end)
    restless = np.flatnonzero(off > SETTLED)
    settled = int(restless[-1]) + 1 if len(restless) else 0
    if trace.result.outcome is not Outcome.CONVERGED:
        settled = len(off)
    cpu = np.append(trace.cpu, trace.cpu_seconds)
    wall = np.append(trace.wall, trace.wall_seconds)
    return {
        "case": situation.case,
        "gesture": situation.gesture,
        "outcome": str(trace.result.outcome),
        "first_seconds": _first(moved, cpu),
        "half_seconds": _first(half, cpu),
        "half_wall_seconds": _first(half, wall),
        "settled_seconds": float(cpu[settled]) if settled < len(cpu) else None,
        "settled_wall_seconds": float(wall[settled]) if settled < len(wall) else None,
        "seconds": trace.cpu_seconds,
        "longest_gap_seconds": max(trace.gaps),
        "moved_mm": 1000 * _mean(start, end),
        "off_mm": 1000 * float(off[-1]),
        "penetration_mm": 1000 * float(trace.result.diagnostics.penetration_m[part].max()),
        "reference_outcome": str(reference.result.outcome),
    }


def _mean(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b, axis=-1).mean())


def _most(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.percentile(np.linalg.norm(a - b, axis=-1), 95))


def _first(happened: np.ndarray, seconds: np.ndarray) -> float:
    """When it first happened; at the end of all where it never did."""
    found = np.flatnonzero(happened)
    return float(seconds[found[0]] if len(found) else seconds[-1])


def _returned(work: Generator[object, None, Result]) -> Result:
    while True:
        try:
            next(work)
        except StopIteration as stop:
            result: Result = stop.value
            return result
