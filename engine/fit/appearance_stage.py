"""The stage in which pictures speak: avatars are learnt, then bodies are moved to look right.

It begins with bodies that explain the keypoints and are out of each other. Penetration and labels
count in it as they do before it, so that what the pictures say cannot push bodies into each other.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from engine.appearance.avatar import Avatar, avatar_from_bytes, avatar_to_bytes, gaussians_of
from engine.appearance.branch import LearningProgress, PictureTerm, learn_avatars
from engine.appearance.crop import Lens, crops_around
from engine.appearance.evidence import PictureEvidence, evidence_of
from engine.appearance.footage import Filming, Footage, film
from engine.appearance.gaussians import Anchors
from engine.aside import aside
from engine.config import AppearanceConfig
from engine.errors import InputError, VideoError
from engine.fit import stages
from engine.fit.identity import propose_swaps
from engine.fit.interaction import Surfaces
from engine.fit.problem import FitProblem
from engine.fit.stages import Report, Search, Setting
from engine.fit.start import Start
from engine.fit.state import FitState, Posed
from engine.fit.window import only
from engine.geometry.camera import project
from engine.structures import (
    FitProgress,
    FrameRange,
    MaskEdit,
    Observations,
    Outcome,
    RunLengthMask,
)

LEARNING_UNITS, READING_UNITS = 60.0, 10.0
"""What learning avatars and reading the video cost, in iterations of the motion branch."""
LEARNT_FROM = 8
"""Fewest pictures that avatars are learnt from where people may be exchanged in the others."""
MOVING_UNITS = 12.0
"""The same of an iteration in which pictures are looked at."""

COMPARING = "Comparing with the pictures"


@dataclass(frozen=True)
class Refined:
    """A window after the pictures were looked at."""

    state: FitState
    outcome: Outcome | None = None
    """None where there were no pictures to look at."""
    avatars: Mapping[int, bytes] = field(default_factory=dict)
    evidence: PictureEvidence | None = None
    notes: tuple[str, ...] = ()


def known_avatars(problem: FitProblem, config: AppearanceConfig) -> dict[int, Avatar]:
    """Those that an earlier fit learnt, of this body. Raises InputError for bytes that are none."""
    avatars = {}
    for person, content in problem.avatars.items():
        avatar = avatar_from_bytes(content)
        if not 0 <= person < problem.observations.person_count:
            raise InputError(
                "An avatar is of somebody who is not there",
                expected=f"people 0 to {problem.observations.person_count - 1}",
                received=str(person),
            )
        if (avatar.body, avatar.density) == (problem.body, config.density):
            avatars[person] = avatar
    return avatars


def knows_everybody(problem: FitProblem, config: AppearanceConfig | None) -> bool:
    """Whether there are pictures, and an avatar of everybody to compare them with."""
    if config is None or problem.video is None:
        return False
    return len(known_avatars(problem, config)) == problem.observations.person_count


def work(problem: FitProblem, config: AppearanceConfig | None) -> float:
    """Iterations of the motion branch that the stage costs about as much as."""
    if config is None:
        return 0.0
    moving = config.rounds * config.steps * MOVING_UNITS
    turns = 1 if knows_everybody(problem, config) else config.turns
    return READING_UNITS + turns * (LEARNING_UNITS + moving)


def refine(
    problem: FitProblem,
    begin: Start,
    setting: Setting,
    state: FitState,
    surfaces: Surfaces | None,
    report: Report,
) -> Generator[FitProgress | None, None, Refined]:
    """Learn those avatars that are not known, and move the bodies by what they show.

    Without a video, or where it shows nothing, the state comes back as it was, with a note.
    """
    config = setting.config.appearance
    assert config is not None
    footage = yield from _footage(problem, begin, setting, state, report)
    if isinstance(footage, str):
        return Refined(state, notes=(footage,))
    known = known_avatars(problem, config)
    # Avatars that are known are not learnt again, so one turn does.
    sure, turns = footage, 1
    if len(known) < problem.observations.person_count:
        sure = yield from aside(partial(_sure, footage, problem, begin.frames))
        turns = config.turns
    avatars: Mapping[int, Avatar] = known
    outcome = None
    for _ in range(turns):
        still = _still(setting, state).body
        learning = learn_avatars(sure, still, config, avatars, frozenset(known))
        people = yield from _learnt(learning, state, report)
        avatars = dict(enumerate(people))
        seen = footage, people, begin.frames.start
        moved = yield from _moved(setting, state, surfaces, report, seen)
        state, outcome = moved
    look = gaussians_of(people).detach()
    anchors = Anchors.load(problem.body, config.density, state.up.device)
    evidence = yield from evidence_of(footage, _still(setting, state).body, look, anchors)
    files = {person: avatar_to_bytes(avatar) for person, avatar in avatars.items()}
    return Refined(state, outcome, files, evidence, _notes(footage))


def _sure(footage: Footage, problem: FitProblem, frames: FrameRange) -> Footage:
    """The pictures in which people are probably who they are called: from those in which they may
    be exchanged an avatar would learn both. All pictures where too few would be left."""
    shown = only(problem.observations, frames)
    doubted = np.zeros(shown.frame_count, bool)
    for swap in propose_swaps(shown, problem.video):
        doubted[swap.frames.as_slice()] = True
    rows = np.flatnonzero(~doubted[frames.start + footage.frames])
    return footage.part(rows) if LEARNT_FROM <= len(rows) < len(footage) else footage


def _moved(
    setting: Setting,
    state: FitState,
    surfaces: Surfaces | None,
    report: Report,
    seen: tuple[Footage, tuple[Avatar, ...], int],
) -> Generator[FitProgress | None, None, tuple[FitState, Outcome | None]]:
    """`seen`: pictures, who is in them, and the frame of the clip that the window begins with."""
    footage, people, first = seen
    config = setting.config.appearance
    assert config is not None
    with torch.no_grad():
        look = gaussians_of(people)
    term = PictureTerm(
        footage, look, config,
        body=setting.body.name, movable=setting.movable, time=setting.evidence.frame_weight,
        first=first,
    )  # fmt: skip
    if not term or not config.rounds:
        return state, None
    paced = replace(
        setting.config,
        contact_rounds=config.rounds,
        contact_steps=config.steps,
        settled=max(setting.config.settled, config.settled),
    )
    return (
        yield from stages.resolve(
            replace(setting, config=paced), state, surfaces, report,
            more=(_search(term),), stage=COMPARING,
        )
    )  # fmt: skip


def _search(term: PictureTerm) -> Search:
    def search(_: Posed) -> Callable[[Posed], dict[str, Tensor]]:
        return lambda now: {"appearance": term(now.body)}

    return search


def _learnt(
    learning: Generator[LearningProgress, None, tuple[Avatar, ...]], state: FitState, report: Report
) -> Generator[FitProgress | None, None, tuple[Avatar, ...]]:
    """The progress of learning as that of the fit; nothing is learnt where everybody is known."""
    stage, done = COMPARING, 0.0
    while True:
        try:
            progress = next(learning)
        except StopIteration as stop:
            yield report(stage, {}, state, LEARNING_UNITS - done)
            people: tuple[Avatar, ...] = stop.value
            return people
        stage = "Learning how people look"
        units = LEARNING_UNITS * progress.fraction - done
        if units < 1.0:
            yield None
            continue
        done += units
        yield report(stage, {"appearance": progress.cost}, state, units)


@torch.no_grad()
def _still(setting: Setting, state: FitState) -> Posed:
    return setting.posed(state)


def _footage(
    problem: FitProblem, begin: Start, setting: Setting, state: FitState, report: Report
) -> Generator[FitProgress | None, None, Footage | str]:
    """What the window's pictures show, or a sentence that says why there is nothing."""
    config = setting.config.appearance
    assert config is not None
    if problem.video is None:
        return "No video was given, so how people look was not compared."
    K, zoom = begin.evidence.K.clone(), state.log_focal.exp().cpu()
    K[0, 0], K[1, 1] = K[0, 0] * zoom, K[1, 1] * zoom
    skins = _still(setting, state).surfaces(torch.arange(len(begin.movable)).to(state.up.device))
    pixels = project(skins, K[:2].to(skins)).cpu()
    low, high = pixels.amin(2).numpy().astype(np.float64), pixels.amax(2).numpy().astype(np.float64)
    crops = crops_around(low.min(0), high.max(0), problem.observations.image_size, config.size)
    distortion = np.zeros(5) if problem.camera is None else problem.camera.distortion
    filming = Filming(
        problem.video,
        _with_drawn(problem.observations, problem.constraints.mask_edits),
        frozenset((edit.person, edit.frame) for edit in problem.constraints.mask_edits),
        Lens(K.numpy().astype(np.float64), distortion),
        static=setting.anchor.rotation is None,
    )
    seen = np.flatnonzero(begin.seen.all(axis=0))
    boxes = np.concatenate([low, high], axis=-1).transpose(1, 0, 2)
    reading = film(filming, crops, boxes, seen, begin.frames.start)
    done = 0.0
    while True:
        try:
            share = next(reading)
        except StopIteration as stop:
            footage: Footage = stop.value
            break
        except VideoError as error:
            return f"The video could not be read, so how people look was not compared: {error}"
        units = READING_UNITS * share - done
        if units < 1.0:
            yield None
            continue
        done += units
        yield report("Reading the video", {}, state, units)
    if not len(footage):
        return "No picture shows everybody, so how people look was not compared."
    return footage


def _with_drawn(observations: Observations, edits: tuple[MaskEdit, ...]) -> Observations:
    """The observations with the masks that people drew in place of those that were found."""
    if not edits:
        return observations
    people, frames = observations.person_count, observations.frame_count
    masks: list[list[RunLengthMask | None]] = (
        [[None] * frames for _ in range(people)]
        if observations.masks is None
        else [list(row) for row in observations.masks]
    )
    for edit in edits:
        if edit.person < people and edit.frame < frames:
            masks[edit.person][edit.frame] = edit.mask
    return replace(observations, masks=tuple(tuple(row) for row in masks))


def _notes(footage: Footage) -> tuple[str, ...]:
    notes = []
    if not footage.mask_known.any():
        notes.append("There are no masks, so outlines were compared by colour alone.")
    if not footage.behind_known.any():
        notes.append(
            "Nothing is known of what is behind the people (the camera moves, or they never leave "
            "their places), so only what their masks cover was compared."
        )
    return tuple(notes)
