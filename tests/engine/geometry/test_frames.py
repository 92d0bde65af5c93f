"""A change of frame moves the bodies rigidly, and there and back is where one was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from engine.body.data import load_body_data
from engine.body.display import DisplayBody
from engine.geometry.frames import motion_to_camera, motion_to_world
from engine.structures import BodyMotion

PEOPLE, FRAMES = 2, 3


def motion(seed: int) -> BodyMotion:
    generator = np.random.default_rng(seed)
    return BodyMotion(
        body="open-body",
        betas=generator.normal(size=(PEOPLE, 10)),
        global_orient=generator.normal(size=(PEOPLE, FRAMES, 3)),
        body_pose=0.3 * generator.normal(size=(PEOPLE, FRAMES, 23, 3)),
        transl=generator.normal(size=(PEOPLE, FRAMES, 3)),
        valid=np.ones((PEOPLE, FRAMES), bool),
        provenance=np.full((PEOPLE, FRAMES), 2, np.uint8),
        time=np.arange(FRAMES) / 30,
    )


def transforms(seed: int) -> np.ndarray:
    """A moving camera: another place in every frame."""
    generator = np.random.default_rng(seed)
    T_camera_world = np.tile(np.eye(4), (FRAMES, 1, 1))
    T_camera_world[:, :3, :3] = Rotation.random(FRAMES, rng=generator).as_matrix()
    T_camera_world[:, :3, 3] = generator.normal(size=(FRAMES, 3))
    return T_camera_world


def joints(of: BodyMotion) -> np.ndarray:
    body = DisplayBody.load("open-body", "1k2")
    return np.stack(
        [
            body.joints(of.betas[p], of.global_orient[p], of.body_pose[p], of.transl[p])
            for p in range(PEOPLE)
        ]
    )


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_there_and_back_is_where_one_was(seed):
    body, there = load_body_data(density="1k2"), motion(seed)
    T = transforms(seed + 1)
    back = motion_to_world(motion_to_camera(there, T, body), T, body)
    np.testing.assert_allclose(back.transl, there.transl, atol=1e-9)
    turn = Rotation.from_rotvec(there.global_orient.reshape(-1, 3)).inv()
    rest = turn * Rotation.from_rotvec(back.global_orient.reshape(-1, 3))
    assert rest.magnitude().max() < 1e-9


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_every_joint_moves_with_the_frame(seed):
    """The pelvis is not at `transl`: only with J0 in the formula do the joints agree."""
    there, T = motion(seed), transforms(seed + 1)
    moved = joints(motion_to_camera(there, T, load_body_data(density="1k2")))
    expected = np.einsum("fij,pfkj->pfki", T[:, :3, :3], joints(there)) + T[:, None, :3, 3]
    np.testing.assert_allclose(moved, expected, atol=1e-5)


def test_gaps_stay_gaps():
    there = motion(0)
    there.global_orient[0, 1] = np.nan
    there.transl[0, 1] = np.nan
    moved = motion_to_camera(there, transforms(1), load_body_data(density="1k2"))
    assert np.isnan(moved.global_orient[0, 1]).all() and np.isnan(moved.transl[0, 1]).all()
    assert np.isfinite(moved.global_orient[0, [0, 2]]).all()


def test_precision_is_kept():
    there = motion(0)
    single = BodyMotion(
        **{
            **there.__dict__,
            "transl": there.transl.astype(np.float32),
            "global_orient": there.global_orient.astype(np.float32),
        }
    )
    moved = motion_to_camera(single, transforms(1), load_body_data(density="1k2"))
    assert moved.transl.dtype == moved.global_orient.dtype == np.float32


@pytest.mark.parametrize("field", ["betas", "body_pose", "valid", "time"])
def test_what_does_not_depend_on_the_frame_is_the_same_object(field):
    there = motion(0)
    moved = motion_to_camera(there, transforms(1), load_body_data(density="1k2"))
    assert getattr(moved, field) is getattr(there, field)
