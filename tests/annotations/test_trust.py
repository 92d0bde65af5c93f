"""How far detections are believed, as people say it."""

from __future__ import annotations

import numpy as np
import pytest

from annotations import edits, fitted, observed, trust
from annotations.errors import EditError
from annotations.records import ClipState
from engine.structures import Constraints, FrameRange, Trust
from tests.annotations.builders import make_fit, make_observations

WINDOW = FrameRange(40, 60)


@pytest.fixture
def state(video) -> ClipState:
    state = ClipState(edits.default_identities(2))
    state = observed.set_observations(state, make_observations(video), video)
    return fitted.apply_fit(state, make_fit(video), FrameRange(0, 150), video.times)


def test_the_newest_word_counts(state):
    after = trust.set_trust(state, Trust(0, WINDOW, 0.0))
    after = trust.set_trust(after, Trust(0, FrameRange(50, 70), 0.5))
    assert after.constraints.trust == (
        Trust(0, FrameRange(40, 50), 0.0), Trust(0, FrameRange(50, 70), 0.5),
    )  # fmt: skip
    believed = trust.weights(after.constraints.trust, 0, 150)
    assert believed[[39, 40, 49, 50, 69, 70]].tolist() == [1, 0, 0, 0.5, 0.5, 1]
    assert (trust.weights(after.constraints.trust, 1, 150) == 1).all()


def test_stretches_that_touch_are_one(state):
    after = trust.set_trust(state, Trust(1, WINDOW, 0.0))
    after = trust.set_trust(after, Trust(1, FrameRange(60, 70), 0.0))
    assert after.constraints.trust == (Trust(1, FrameRange(40, 70), 0.0),)


def test_full_trust_takes_back_what_was_said(state):
    after = trust.set_trust(state, Trust(1, WINDOW, 0.0))
    assert trust.set_trust(after, Trust(1, WINDOW, 1.0)).constraints == Constraints()
    assert trust.set_trust(state, Trust(1, WINDOW, 1.0)) is state


def test_the_frames_of_this_person_are_due_for_a_fit(state):
    after = trust.set_trust(state, Trust(1, WINDOW, 0.0))
    assert after.edited_of(1) == (WINDOW,) and after.edited_of(0) == ()


@pytest.mark.parametrize("weight", [-0.1, 1.1, np.nan])
def test_a_weight_is_a_share(state, weight):
    with pytest.raises(EditError, match="share"):
        trust.set_trust(state, Trust(0, WINDOW, weight))


def test_it_is_of_a_person_of_the_clip(state):
    with pytest.raises(EditError, match="no such person"):
        trust.set_trust(state, Trust(2, WINDOW, 0.0))
