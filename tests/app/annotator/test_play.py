"""A curator at work: where it looks, what it may know, and a whole game on a project file."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace

import numpy as np
import pytest

from app.annotator import starting
from app.annotator.curator import STRIDE, Curator
from app.annotator.desk import Desk
from app.annotator.gestures import Freeze, PlaceJoint
from app.annotator.hand import Hand, Slips
from app.annotator.play import Game, Played, play
from app.annotator.report import curve_rows, gain_rows, measured, step_rows
from app.annotator.sight import watch
from engine.body.data import load_body_data
from engine.body.joints import HALPE26
from engine.config import FitConfig, TermWeights
from engine.geometry.frames import motion_to_world
from engine.metrics import METRICS, bodies_of
from engine.motion.prepared import PreparedMotion, write_prepared
from engine.structures import ContactLabel, FrameRange
from engine.synthesis.cases import make_case
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.visibility import Visibility
from tests.app.annotator.conftest import FRAMES, moved
from tests.app.people import FPS, standing_pair

WRIST = HALPE26.index("left_wrist")
LENGTH = 8


def curator(sight, looking="ranked", seed=0):
    hand = Hand(Slips(), np.random.default_rng(seed), FRAMES)
    return Curator(sight, hand, looking, np.random.default_rng(seed))


def off(sight, state, errors):
    """The video has a wrist elsewhere in some frames, and the fit says how badly it fits there."""
    pixels = sight.pixels.copy()
    pixels[0, list(errors), WRIST] += 20
    reprojection = state.diagnostics.reprojection_px.copy()
    reprojection[0, list(errors)] = list(errors.values())
    diagnostics = replace(state.diagnostics, reprojection_px=reprojection)
    return replace(sight, pixels=pixels), replace(state, diagnostics=diagnostics)


def test_the_frame_that_the_tool_ranks_worst_is_looked_at_first(sight, state):
    sight, wrong = off(sight, state, {3: 60.0, 17: 100.0})
    decision = curator(sight).decide(Desk(wrong))
    assert (decision.frame, decision.found) == (17, "list")
    assert decision.gesture.kind == "drag" and decision.gesture.edit.frame == 17


def test_what_the_list_does_not_name_is_found_by_going_through_the_clip(sight, state):
    sight, _ = off(sight, state, {2 * STRIDE: 0.0})
    decision = curator(sight).decide(Desk(state))
    assert (decision.frame, decision.found) == (2 * STRIDE, "stepping")


def test_a_gesture_is_not_made_twice_and_then_the_frame_is_frozen(sight, state):
    sight, wrong = off(sight, state, {3: 100.0})
    one = curator(sight)
    assert isinstance(one.decide(Desk(wrong)).gesture, PlaceJoint)
    assert isinstance(one.decide(Desk(wrong)).gesture, Freeze)


def test_touch_is_said_anywhere_before_joints_are_placed(sight, state):
    sight, wrong = off(sight, state, {3: 100.0})
    label = ContactLabel(0, "left_palm", 1, "right_palm", FrameRange(18, 24))
    touching = replace(sight, contacts=(label,))
    one = curator(touching)
    first, second = one.decide(Desk(wrong)), one.decide(Desk(wrong))
    assert (first.gesture.kind, first.frame) == ("contact", 20)
    assert (second.gesture.kind, second.frame) == ("drag", 3)


def test_what_looks_worse_than_before_is_regretted(sight, state):
    one, whole = curator(sight), FrameRange(0, FRAMES)
    right, wrong = Desk(state), Desk(moved(state, 0, (0.3, 0.0, 0.0)))
    assert one.regrets(right, wrong, whole)
    assert not one.regrets(wrong, right, whole) and not one.regrets(right, right, whole)


def test_a_curator_who_looks_at_random_uses_no_ranking(sight, state):
    frames = {curator(sight, "random", seed).decide(Desk(state)).frame for seed in range(8)}
    assert len(frames) > 3


def noisy(clean):
    """Joints a little off, and one wrist far off in two frames."""
    points = clean.keypoints2d + np.random.default_rng(0).normal(0, 2, clean.keypoints2d.shape)
    points[0, 2:4, WRIST] += 60
    return replace(clean, keypoints2d=points, masks=None, others=None)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Played:
    """Two people close together, seen askance, so that much of one is hidden."""
    motion = standing_pair(LENGTH)
    motion.transl[:, :, 0] *= 0.3
    prepared = PreparedMotion(
        motion=motion,
        fps=FPS,
        name="close",
        source="made up",
        notice="",
        split="validation",
        kind="generated",
        starts=(),
        error_m=np.zeros((2, LENGTH)),
        moved_m=np.zeros((2, LENGTH)),
        labels=(),
    )
    path = tmp_path_factory.mktemp("motion") / "close.npz"
    write_prepared(path, prepared)
    work = make_case(SynthesisOrder(motion=path, out=path.parent, seed=2))
    while True:
        try:
            next(work)
        except StopIteration as stop:
            case = stop.value
            return Played(case.name, case.truth, noisy(case.clean), case.clean, case.K)


def shown(clip):
    """The clip with bodies in it that stand too far from each other."""
    from tests.app.annotator.conftest import state_of

    camera = clip.truth.fit.camera
    motion = motion_to_world(clip.truth.fit.motion, camera.T_camera_world, load_body_data())
    motion.transl[0, :, 0] -= 0.12
    state = state_of(motion)
    return replace(state, observations=clip.observations, camera=camera)


def test_what_cannot_be_seen_changes_no_gesture(clip):
    """Truth that differs where nobody looks: hidden joints, vertices, the bodies' depths."""
    truth = clip.truth
    pixels = truth.keypoints2d.copy()
    hidden = truth.visibility != Visibility.VISIBLE
    assert 0.1 < hidden.mean() < 0.9
    pixels[hidden] += 300
    joints = truth.fit.joints.copy()
    joints[..., 1:, :] += 1.0
    secret = replace(
        truth,
        keypoints2d=pixels,
        contact_vertices=~truth.contact_vertices,
        skin_offsets=truth.skin_offsets + 0.1,
        fit=replace(truth.fit, joints=joints, keypoints2d_reprojected=pixels),
    )
    desk = Desk(shown(clip))
    for looking in ("ranked", "random"):
        known, guessed = (
            curator(watch(t, np.random.default_rng(0)), looking) for t in (truth, secret)
        )
        made = [(known.decide(desk), guessed.decide(desk)) for _ in range(8)]
        assert all(a == b for a, b in made)
        assert len({a.gesture.kind for a, _ in made}) > 1


def test_heights_are_known_to_a_few_centimetres_only(clip):
    errors = np.array(
        [
            watch(clip.truth, np.random.default_rng(s)).heights - clip.truth.heights
            for s in range(99)
        ]
    )
    assert 0.015 < errors.std() < 0.025


def test_a_game_goes_from_the_first_fit_through_gestures_and_refits(clip):
    """Short fits: what is tested is the way from one to the next."""
    quick = FitConfig(
        placement_steps=2,
        hypothesis_steps=2,
        joint_steps=2,
        refit_steps=2,
        contact_rounds=1,
        contact_steps=2,
        label_rounds=1,
        label_steps=2,
    )
    game = Game(2, start=quick, refit=quick)
    steps, again = list(play(clip, game)), list(play(clip, replace(game, gestures=1)))
    assert [s.gestures for s in steps] == [0, 1, 2]
    assert steps[0].kind is None and steps[0].cpu_seconds > 0
    assert all(s.kind is not None and s.frame is not None for s in steps[1:])
    for first, second in zip(steps, again, strict=False):
        assert (first.kind, first.frame, first.found) == (second.kind, second.frame, second.found)
        np.testing.assert_array_equal(first.state.motion.transl, second.state.motion.transl)
    said = steps[-1].state.constraints
    assert (
        len(said.keypoint_edits)
        + len(said.contacts)
        + len(said.depth_orders)
        + sum(h is not None for h in said.heights)
        + len(said.frozen)
        > 0
    )
    truth = bodies_of(clip.truth.fit)
    points = [measured(clip, truth, "ranked", s, float(s.gestures)) for s in steps]
    check_rows(points)


def check_rows(points):
    rows = step_rows(points)
    assert [row["gestures"] for row in rows] == [0, 1, 2]
    assert set(METRICS) <= set(rows[0])
    curve = curve_rows(points)
    assert [row["gestures_per_100_frames"] for row in curve] == list(range(26))
    assert curve[0]["pair_pa_mpjpe_mm"] == rows[0]["pair_pa_mpjpe_mm"]
    assert curve[-1]["pair_pa_mpjpe_mm"] == rows[-1]["pair_pa_mpjpe_mm"]
    gains = gain_rows(points)
    assert sum(row["made"] for row in gains) == 2
    whole = sum(row["made"] * row["pair_pa_mpjpe_mm"] for row in gains)
    assert whole == pytest.approx(rows[-1]["pair_pa_mpjpe_mm"] - rows[0]["pair_pa_mpjpe_mm"])


def test_the_start_does_not_follow_the_defaults():
    """Terms that are not named there are off, whatever their default."""
    named = starting._WEIGHTS
    assert named["reprojection"] == 1.0 and named["penetration"] == 20.0
    for field in fields(TermWeights):
        assert getattr(starting.START_WEIGHTS, field.name) == named.get(field.name, 0.0)
    assert starting.START.weights is starting.START_WEIGHTS
    source = inspect.getsource(starting)
    missing = [f.name for f in fields(FitConfig) if f"{f.name}=" not in source]
    assert not missing, "a new setting: name it at the value that leaves the start as it is"
