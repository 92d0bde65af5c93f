"""Capsules hide what bodies hide."""

from __future__ import annotations

import numpy as np
import torch

from engine.body.joints import HALPE26
from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix
from engine.prior.hiding import IN_SIGHT, OWN_BODY, PARTNER, levels

FACING_CAMERA = (0.0, np.pi, np.pi)
"""Heading, then the turn from y up to y down."""
AT = {name: index for index, name in enumerate(HALPE26)}


def standing(*people: tuple[float, float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Keypoints (1, P, 1, 26, 3) and joints of people at (x, z) who look away from the camera for
    a heading of 0, towards it for pi; arms hang."""
    body = BodyModel.load(density="1k2")
    count = len(people)
    pose = torch.zeros(count, 1, 24, 3)
    pose[:, :, 16, 2], pose[:, :, 17, 2] = -1.2, 1.2
    rotations = axis_angle_to_matrix(pose)
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    transl = torch.zeros(count, 1, 3)
    for index, (heading, x, z) in enumerate(people):
        turn = axis_angle_to_matrix(torch.tensor([0.0, heading, 0.0]))
        rotations[index, 0, 0] = flip @ turn
        transl[index, 0] = torch.tensor([x, 0.0, z])
    posed = body.pose(torch.zeros(count, 10), rotations, transl)
    return posed.keypoints("halpe26")[None], posed.joints[None]


def named(level: torch.Tensor, person: int = 0) -> dict[str, int]:
    return dict(zip(HALPE26, level[0, person, 0].tolist(), strict=True))


def test_somebody_who_faces_the_camera_hides_little_but_his_heels() -> None:
    seen = named(levels(*standing((0.0, 0.0, 4.0))))
    hidden = {name for name, level in seen.items() if level != IN_SIGHT}
    assert hidden <= {"left_heel", "right_heel", "left_ear", "right_ear"}


def test_a_face_that_is_turned_away_is_behind_its_own_head() -> None:
    seen = named(levels(*standing((np.pi, 0.0, 4.0))))
    assert {seen[name] for name in ("nose", "left_eye", "right_eye")} == {OWN_BODY}
    assert {seen[name] for name in ("left_shoulder", "left_knee", "head")} == {IN_SIGHT}


def test_in_profile_the_far_side_is_hidden() -> None:
    seen = named(levels(*standing((np.pi / 2, 0.0, 4.0))))
    sides = {side: {seen[f"{side}_{part}"] for part in ("elbow", "wrist", "ear")}
             for side in ("left", "right")}  # fmt: skip
    assert sorted(sides.values(), key=min) == [{IN_SIGHT}, {OWN_BODY}]


def test_the_nearer_of_two_hides_the_one_behind() -> None:
    level = levels(*standing((0.0, 0.0, 4.0), (0.0, 0.05, 4.6)))
    nearer, further = named(level, 0), named(level, 1)
    assert PARTNER not in nearer.values()
    torso = ("left_shoulder", "right_shoulder", "left_hip", "right_hip", "neck", "hip", "nose")
    assert sum(further[name] == PARTNER for name in torso) >= 6


def test_people_side_by_side_hide_nothing_of_each_other() -> None:
    level = levels(*standing((0.0, -0.6, 4.0), (0.0, 0.6, 4.0)))
    assert not (level == PARTNER).any()


def test_who_hides_whom_does_not_depend_on_who_is_called_first() -> None:
    keypoints, joints = standing((0.5, 0.0, 4.0), (2.0, 0.2, 4.4))
    level = levels(keypoints, joints)
    assert torch.equal(levels(keypoints.flip(1), joints.flip(1)).flip(1), level)
    assert (level == PARTNER).any()


def test_every_second_frame_answers_for_the_next() -> None:
    keypoints, joints = standing((0.0, 0.0, 4.0), (0.0, 0.1, 4.6))
    away = torch.tensor([3.0, 0.0, 0.0])
    keypoints = torch.cat([keypoints, keypoints, keypoints + away, keypoints + away], dim=2)
    joints = torch.cat([joints, joints, joints + away, joints + away], dim=2)
    assert torch.equal(levels(keypoints, joints, 2), levels(keypoints, joints))
    assert levels(keypoints[:, :, :3], joints[:, :, :3], 2).shape == (1, 2, 3, 26)
