"""Windows come from clips in which everybody is known, at about the speed of the recording."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.errors import InputError
from engine.motion.prepared import write_prepared
from engine.prior.dataset import (
    EVEN_KEY_SECONDS,
    KINDS,
    MotionLibrary,
    Sampler,
    SamplingWeights,
    chained,
    load_library,
)
from engine.prior.skeleton import Skeleton, relative
from tests.engine.prior.motions import prepared, write_folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> MotionLibrary:
    return load_library(write_folder(tmp_path_factory.mktemp("motion")), "train")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_a_library_holds_its_split_and_the_kinds_asked_for(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "deeper")

    names = Counter(clip.name for clip in load_library(tmp_path, "train").clips)
    held_out = load_library(folder, "validation").clips
    alone = load_library(folder, "train", kinds=("single",)).clips

    assert names == Counter(
        {"pair": 1, "grapple": 2, "hug": 1, "cmu_05_01": 1, "cmueval_walking_1": 1}
    )
    assert [clip.name for clip in held_out] == ["held-out"]
    assert [clip.kind for clip in alone] == ["single", "single"]


def test_a_folder_without_such_motion_is_refused(tmp_path: Path) -> None:
    write_prepared(tmp_path / "pair.npz", prepared(2, 50))
    with pytest.raises(InputError, match="no motion"):
        load_library(tmp_path, "validation")


def test_clips_end_where_a_capture_fails_and_where_another_sequence_begins(tmp_path: Path) -> None:
    content = prepared(2, 60, starts=(40,), invalid=((1, 10), (0, 11)))
    write_prepared(tmp_path / "pair.npz", content)

    clips = load_library(tmp_path, "train").clips

    assert [(c.first, c.first + c.length) for c in clips] == [(0, 10), (12, 40), (40, 60)]


def test_windows_at_their_own_speed_are_the_motion_itself(tmp_path: Path) -> None:
    content = prepared(2, 50)
    write_prepared(tmp_path / "pair.npz", content)
    body = BodyModel.load(density="1k2")

    windows = Sampler(load_library(tmp_path, "train")).every(16, 16, people=2)

    assert windows.first.tolist() == [0, 16, 32]
    truth = body.pose_of(content.motion).joints
    joints = Skeleton.of(body).joints(windows.rotations, windows.betas)
    joints = joints + windows.pelvis[..., None, :]
    for index, start in enumerate((0, 16, 32)):
        assert torch.allclose(joints[index], truth[:, start : start + 16], atol=2e-5)


def test_a_recording_of_another_rate_is_played_as_fast_as_it_was(tmp_path: Path) -> None:
    write_prepared(tmp_path / "pair.npz", prepared(2, 200, fps=60.0))
    windows = Sampler(load_library(tmp_path, "train")).every(16, 16, people=2)
    # The made-up people walk 1 cm a frame: 0.6 m/s at 60 frames a second.
    speed = windows.pelvis[..., 1:, 2] - windows.pelvis[..., :-1, 2]
    assert torch.allclose(speed * 30, torch.tensor(0.6), atol=1e-3)


def test_drawn_windows_move_at_no_other_speed_than_said(library: MotionLibrary) -> None:
    weights = SamplingWeights(captured=1.0, grappling=0.0, generated=0.0)
    windows = Sampler(library, weights).draw(64, 32, 2, generator())
    step = windows.pelvis[..., 1:, 2] - windows.pelvis[..., :-1, 2]
    speed = step.mean(-1) / 0.01
    assert 0.79 < speed.min() < 0.9 < 1.1 < speed.max() < 1.26
    assert torch.allclose(step, step[..., :1].expand_as(step), atol=1e-4)


def test_nobody_stands_still_because_a_clip_ended(library: MotionLibrary) -> None:
    windows = Sampler(library).draw(200, 48, 2, generator())
    moved = (windows.pelvis[:, :, 1:] - windows.pelvis[:, :, :-1]).norm(dim=-1)
    assert moved.min() > 1e-5


def test_windows_longer_than_any_clip_are_refused(library: MotionLibrary) -> None:
    with pytest.raises(InputError, match="400 frames"):
        Sampler(library).draw(1, 400, 2, generator())
    with pytest.raises(InputError, match="3 people"):
        Sampler(library).draw(1, 16, 3, generator())
    with pytest.raises(InputError, match="leave no motion"):
        Sampler(library, SamplingWeights(0.0, 0.0, 0.0)).draw(1, 16, 2, generator())


def test_kinds_come_as_often_as_their_weights_say(library: MotionLibrary) -> None:
    weights = SamplingWeights(0.1, 0.2, 0.3, single=0.4, walking=0.0)
    sampler = Sampler(library, weights)

    pairs = sampler.draw(3000, 16, 2, generator())
    alone = sampler.draw(3000, 16, 1, generator())

    shares = torch.bincount(pairs.kinds, minlength=len(KINDS)) / 3000
    assert torch.allclose(shares, torch.tensor([1 / 6, 2 / 6, 3 / 6, 0.0]), atol=0.03)
    shares = torch.bincount(alone.kinds, minlength=len(KINDS)) / 3000
    assert torch.allclose(shares, torch.tensor([0.1, 0.2, 0.3, 0.4]), atol=0.03)
    assert {library.clips[i].name for i in alone.clips} >= {"pair", "hug", "cmu_05_01"}
    assert not any(library.clips[i].name == "cmueval_walking_1" for i in alone.clips)


def test_key_poses_follow_each_other_smoothly_at_times_drawn_anew(library: MotionLibrary) -> None:
    weights = SamplingWeights(captured=0.0, grappling=1.0, generated=0.0)
    windows = Sampler(library, weights).draw(100, 32, 2, generator())

    # A key pose of the made-up people is 1 cm from the one before.
    step = windows.pelvis[:, 0, 1:, 2] - windows.pelvis[:, 0, :-1, 2]
    seconds = 0.01 / step / 30
    change = (step[:, 1:] - step[:, :-1]).abs().amax(1) / step.mean(1)
    # A spline is a little faster than a line where a long step follows a short one.
    assert 0.3 < seconds.min() < 0.5
    assert 0.9 < seconds.max() < 1.7
    assert (seconds.amax(1) - seconds.amin(1)).median() > 0.1
    assert change.max() < 0.35


def test_between_even_key_poses_places_lie_on_a_spline(tmp_path: Path) -> None:
    content = prepared(2, 6, kind="grappling", fps=5.0)
    places = np.array([0.0, 0.1, 0.3, 0.2, 0.0, 0.1])
    content.motion.transl[..., 0] = places
    write_prepared(tmp_path / "grapple.npz", content)

    window = Sampler(load_library(tmp_path, "train")).every(64, 64, people=2)

    pelvis = window.pelvis[0, 0, :, 0] - window.pelvis[0, 0, 0, 0]
    per_pose = EVEN_KEY_SECONDS * 30
    assert torch.allclose(pelvis[[21, 42, 63]], torch.tensor(places[1:4]).float(), atol=1e-5)
    assert per_pose == pytest.approx(21)
    # Catmull and Rom half way between the second and the third: (9 * (b + c) - a - d) / 16.
    middle = (pelvis[31] + pelvis[32]) / 2
    assert middle == pytest.approx((9 * (0.1 + 0.3) - 0.0 - 0.2) / 16, abs=2e-3)


def test_the_same_seed_draws_the_same_windows(library: MotionLibrary) -> None:
    first, second = (Sampler(library).draw(8, 16, 2, generator()) for _ in range(2))
    assert torch.equal(first.rotations, second.rotations)
    assert torch.equal(first.clips, second.clips)


def test_orientations_and_rotations_relative_to_the_parents_say_the_same() -> None:
    local = torch.linalg.qr(torch.randn(5, 24, 3, 3, generator=generator()))[0]
    assert torch.allclose(relative(chained(local)), local, atol=1e-5)
