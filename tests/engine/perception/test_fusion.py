"""Made-up witnesses of people whose joints are known."""

from __future__ import annotations

import numpy as np
import pytest

from engine.body.joints import COCO17, mirrored
from engine.perception import fusion
from engine.perception.fusion import Fused, fuse_window, smooth_sizes
from engine.perception.looks import Source, Witnesses
from tests.engine.perception.made_up import LOOKS, SIZE, heard, standing, walking

FPS = 30.0
FRAMES = 24
MIRROR = np.array(mirrored(COCO17))
NOSE = COCO17.index("nose")
WRIST, ELBOW, OTHER_WRIST = (COCO17.index(n) for n in ("left_wrist", "left_elbow", "right_wrist"))


def fuse(*people: list[Witnesses | None], cuts: tuple[int, ...] = ()) -> list[Fused]:
    times = np.arange(len(people[0])) / FPS
    return fuse_window([fusion.Testimony.of(row) for row in people], times, cuts)


def off(fused: Fused, truth: np.ndarray) -> np.ndarray:
    """Distance (F, 17) of each joint from where it is, in parts of the body's size."""
    return np.linalg.norm(fused.xy - truth[..., :2], axis=-1) / SIZE


def say(row: list[Witnesses | None], witness: int, frames, joint: int, at) -> None:
    """Let one witness say of a joint that it is somewhere else."""
    for frame in frames:
        row[frame].points[witness, joint, :2] = at


def test_witnesses_who_agree_are_believed():
    truth = walking(FRAMES)
    (fused,) = fuse(heard(truth))
    assert off(fused, truth).max() < 0.01
    assert fused.support.min() > 0.7
    assert not fused.hidden.any()
    assert fused.leap.max() < 0.02


def test_together_they_are_nearer_than_any_alone():
    truth = walking(FRAMES)
    row = heard(truth, noise=6.0)
    (fused,) = fuse(row)
    alone = np.stack([w.points[..., :2] for w in row]) - truth[:, None, :, :2]
    each = np.linalg.norm(alone, axis=-1).mean(axis=(0, 2)) / SIZE
    assert off(fused, truth).mean() < 0.6 * each.min()


def test_one_witness_who_errs_is_outvoted():
    truth = walking(FRAMES)
    row = heard(truth)
    say(row, 1, range(FRAMES), WRIST, (500.0, 100.0))
    (fused,) = fuse(row)
    assert off(fused, truth)[:, WRIST].max() < 0.01
    assert (fused.rival[:, WRIST] > 0.2).all()
    assert (fused.support[:, WRIST] < fused.support[:, OTHER_WRIST] - 0.1).all()


def test_the_detector_s_scales_count_as_one():
    truth = standing()
    sources = (Source.THUNDER, *[Source.MULTIPOSE] * 6)
    row = heard(np.stack([truth] * 4), sources=sources)
    for frame in row:
        frame.points[1:, WRIST, :2] += (0.0, -200.0)
    (fused,) = fuse(row)
    weights = 1.5 / (1.3 + 1.5)
    np.testing.assert_allclose(fused.support[:, WRIST], 0.9 * weights, atol=0.02)


@pytest.mark.parametrize("frames", [range(9, 13), [0], [22, 23]])
def test_a_run_in_which_most_take_left_for_right_is_put_right(frames):
    truth = walking(FRAMES)
    row = heard(truth)
    for frame in frames:
        row[frame].points[1:] = row[frame].points[1:, MIRROR]
    (fused,) = fuse(row)
    assert off(fused, truth)[:, 5:].max() < 0.01


def test_a_joint_that_all_guess_apart_is_hidden():
    truth = walking(FRAMES)
    row = heard(truth)
    rng = np.random.default_rng(2)
    for frame in range(8, 16):
        row[frame].points[:, WRIST, :2] = truth[frame, WRIST, :2] + rng.uniform(-150, 150, (5, 2))
        row[frame].points[:, WRIST, 2] = 0.15
    (fused,) = fuse(row)
    assert fused.hidden[9:15, WRIST].all()
    assert fused.support[8:16, WRIST].max() < 0.15
    assert not fused.hidden[:7, WRIST].any() and not fused.hidden[17:, WRIST].any()
    others = np.delete(fused.hidden, WRIST, axis=1)
    assert not others.any()


def test_after_a_hidden_stretch_the_joint_is_found_at_its_new_place():
    truth = walking(FRAMES)
    truth[12:, WRIST, :2] += (60.0, -140.0)  # moved while it could not be seen
    truth[12:, ELBOW, :2] += (40.0, -40.0)
    row = heard(truth)
    for frame in range(8, 12):
        row[frame].points[:, WRIST, 2] = 0.02
    (fused,) = fuse(row)
    assert fused.hidden[9:11, WRIST].all()
    assert off(fused, truth)[[*range(8), *range(12, FRAMES)], WRIST].max() < 0.01
    assert not fused.hidden[13:, WRIST].any()


def test_a_place_that_two_witnesses_share_for_three_frames_is_not_followed():
    truth = walking(FRAMES)
    row = heard(truth, sources=LOOKS[:4])
    for witness in (1, 2):  # of the nose, which no limb's length holds in its place
        say(row, witness, range(10, 13), NOSE, truth[11, NOSE, :2] + (90.0, -30.0))
    said = fusion.Testimony.of(row)
    assert said.votes[11, 1:3, NOSE].sum() > said.votes[11, [0, 3], NOSE].sum()
    (fused,) = fuse(row)
    assert off(fused, truth)[:, NOSE].max() < 0.02


def test_fast_steady_motion_is_followed():
    truth = walking(FRAMES)
    truth[:, WRIST, 0] += 10.0 * np.arange(FRAMES) - 120  # a hand's 10 m/s at 2 m height
    row = heard(truth)
    (fused,) = fuse(row)
    assert off(fused, truth)[:, WRIST].max() < 0.02


def test_the_other_person_s_wrist_is_not_taken():
    hers, his = walking(FRAMES, 300.0, 0.0), walking(FRAMES, 490.0, 0.0)
    her_row, his_row = heard(hers), heard(his, 5)
    for frame in range(FRAMES):  # the heavier half of her witnesses sees his wrist for hers
        say(her_row, slice(1, 3), [frame], WRIST, his[frame, OTHER_WRIST, :2])
    (alone,) = fuse(her_row)
    assert off(alone, hers)[:, WRIST].min() > 0.1
    hers_fused, his_fused = fuse(her_row, his_row)
    assert off(hers_fused, hers)[:, WRIST].max() < 0.03
    assert off(his_fused, his).max() < 0.02


def test_what_is_claimed_by_both_is_contested():
    hers, his = walking(FRAMES, 300.0, 0.0), walking(FRAMES, 470.0, 0.0)
    her_row, his_row = heard(hers), heard(his, 5)
    for frame in range(FRAMES):
        say(her_row, slice(None), [frame], WRIST, his[frame, OTHER_WRIST, :2])
    fused, _ = fuse(her_row, his_row)
    assert (fused.contested[:, WRIST] > 0.5).all()
    assert fused.contested[:, ELBOW].max() < 0.1


def test_a_limb_keeps_its_length():
    truth = walking(40, 300.0, 0.0)
    row = heard(truth)
    # A steady error that the heavier half shares: only the length of the forearm betrays it.
    far = truth[0, ELBOW, :2] + (0.0, 150.0)
    for witness in (1, 2):
        say(row, witness, range(6, 40), WRIST, far)
    (fused,) = fuse(row)
    assert off(fused, truth)[:, WRIST].max() < 0.02


class TestCuts:
    def moved(self) -> np.ndarray:
        """A person who is somewhere else, and turned round, after frame 12."""
        return np.concatenate(
            [walking(12, 200.0, 3.0), walking(12, 900.0, -3.0)[:, MIRROR]], axis=0
        )

    def test_nothing_is_continuous_across_a_cut(self):
        truth = self.moved()
        fused = fuse(heard(truth), cuts=(12,))[0]
        assert off(fused, truth)[:, :5].max() < 0.01
        assert fused.leap.max() < 0.02
        assert not fused.hidden.any()

    def test_without_a_cut_that_would_be_a_leap(self):
        fused = fuse(heard(self.moved()))[0]
        assert fused.leap[11:13].min() > 0.3

    def test_left_and_right_are_not_carried_across_a_cut(self):
        truth = self.moved()
        fused = fuse(heard(truth), cuts=(12,))[0]
        assert off(fused, truth)[:, 5:].max() < 0.01


def test_frames_that_nobody_was_looked_for_in_are_empty():
    truth = walking(FRAMES)
    row = heard(truth)
    row[5:9] = [None] * 4
    (fused,) = fuse(row)
    assert np.isnan(fused.xy[5:9]).all() and fused.hidden[5:9].all()
    assert (fused.support[5:9] == 0).all() and np.isfinite(fused.leap).all()
    assert off(fused, truth)[[*range(5), *range(9, FRAMES)]].max() < 0.01


def test_a_single_frame_is_enough():
    truth = walking(1)
    (fused,) = fuse(heard(truth))
    assert off(fused, truth).max() < 0.02
    assert (fused.leap == 0).all()


def test_joints_do_not_depend_on_the_scale_of_the_picture():
    truth = walking(6)
    row = heard(truth)
    (fused,) = fuse(row)
    for w in row:
        w.points[..., :2] *= 3
        w.box[:] *= 3
    (larger,) = fuse(row)
    np.testing.assert_allclose(larger.xy, 3 * fused.xy, atol=1e-6)
    np.testing.assert_allclose(larger.support, fused.support, atol=1e-9)


def test_sizes_are_smooth_and_known_everywhere():
    sizes = np.full(30, 400.0)
    sizes[10] = 900.0
    sizes[20:] = np.nan
    np.testing.assert_array_equal(smooth_sizes(sizes), np.full(30, 400.0))
    np.testing.assert_array_equal(smooth_sizes(np.full(3, np.nan)), np.ones(3))
