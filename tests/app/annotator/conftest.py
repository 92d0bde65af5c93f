"""Two people who stand before a camera, as a video shows them and as the window does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from annotations.edits import default_identities
from annotations.records import ClipState
from app.annotator.desk import Desk
from app.annotator.sight import Sight
from engine.body.regions import region_names
from engine.structures import BodyMotion, Diagnostics
from tests.app.people import camera, seen, standing_pair

FRAMES = 24
REGIONS = len(region_names())


@pytest.fixture
def state() -> ClipState:
    """Fitted, and all of it right."""
    return state_of(standing_pair(FRAMES))


@pytest.fixture
def sight(state: ClipState) -> Sight:
    """The video of just these two: nobody touches, nobody stands before the other."""
    return Sight(
        pixels=state.observations.keypoints2d.copy(),
        concealed=np.zeros((2, FRAMES, 26), bool),
        front=np.full(FRAMES, -1),
        distance=np.array([Desk(state).distance(frame) for frame in range(FRAMES)]),
        heights=Desk(state).heights,
        contacts=(),
        visible_regions=np.ones((2, FRAMES, REGIONS), bool),
        apart=lambda frame: np.zeros((REGIONS, REGIONS), bool),
    )


def state_of(motion: BodyMotion) -> ClipState:
    """A motion that was fitted to exactly what is detected."""
    view = camera(motion.frame_count)
    errors = Diagnostics(np.zeros(motion.valid.shape), np.zeros(motion.frame_count))
    return ClipState(default_identities(2), seen(motion, view), motion, view, errors)


def with_joints(state: ClipState, **changes: Any) -> ClipState:
    return replace(state, observations=replace(state.observations, **changes))


def moved(state: ClipState, person: int, by: tuple[float, float, float]) -> ClipState:
    """One of the bodies stands elsewhere than the person; the detections stay."""
    transl = state.motion.transl.copy()
    transl[person] += by
    return replace(state, motion=replace(state.motion, transl=transl))
