"""Files as the tools' own documentation shows them, or as they write them, kept as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from annotations.importers import detect, read
from tests.annotations.importers.scene import box, joint, make_video, mask

EXAMPLES = Path(__file__).resolve().parents[2] / "golden" / "imports"
FORMATS = {
    "alphapose-results.json": "alphapose",
    "coco-rle.json": "coco",
    "colmap": "colmap",
    "cvat-person_keypoints_default.json": "coco",
    "mmpose-inferencer.json": "mmpose",
    "mot-challenge.txt": "mot",
    "opencv-2.xml": "opencv-intrinsics",
    "opencv-2.yml": "opencv-intrinsics",
    "openpose": "openpose",
    "ros-camera-info.yaml": "opencv-intrinsics",
}


def test_all_examples_are_told_apart_by_their_content():
    assert {path.name: detect(path) for path in EXAMPLES.iterdir()} == FORMATS


@pytest.mark.parametrize(
    "name",
    [
        "alphapose-results.json",
        "cvat-person_keypoints_default.json",
        "mmpose-inferencer.json",
        "openpose",
    ],
)
def test_people_are_where_they_were(name):
    found = read(EXAMPLES / name, make_video(3)).observations()
    for person in range(2):
        for frame in range(3):
            for k, joint_name in ((0, "nose"), (9, "left_wrist"), (16, "right_ankle")):
                seen = found.keypoints2d[person, frame, k]
                assert np.abs(seen - joint(person, frame, joint_name)).max() < 2e-3


def test_masks_are_pixel_for_pixel():
    found = read(EXAMPLES / "coco-rle.json", make_video(3))
    assert (found.masks()[1][2].decode() == mask(1, 2)).all()
    assert np.allclose(found.tracks[0].boxes[0], box(0, 0), atol=0.02)


def test_the_example_of_motchallenge():
    video = replace(make_video(2), width=1920, height=1080)
    found = read(EXAMPLES / "mot-challenge.txt", video)
    assert [track.name for track in found.tracks] == ["8", "3", "6"]
    assert found.tracks[1].boxes[0].tolist() == pytest.approx([794.27, 247.59, 865.515, 422.47])
    assert [found.tracks[i].name for (i,) in found.people] == ["3", "8"]


@pytest.mark.parametrize("name", ["opencv-2.yml", "opencv-2.xml"])
def test_calibrations_of_older_opencv(name):
    camera = read(EXAMPLES / name, replace(make_video(), width=640, height=480)).camera
    assert camera.K[0, 0] == 594.12507311046729 and camera.K[1, 2] == 238.71590442836651
    assert camera.distortion[4] == 0.088041927630512947


def test_the_example_of_ros():
    video = replace(make_video(), width=800, height=600)
    camera = read(EXAMPLES / "ros-camera-info.yaml", video).camera
    assert camera.K[0].tolist() == [1411.27, 0, 402.518]
    assert camera.distortion.tolist() == [-0.1042715, 0.0833691, -0.0014482, 0.00061937, 0]


def test_the_example_of_colmap():
    video = replace(make_video(2), width=3072, height=2304)
    found = read(EXAMPLES / "colmap", video)
    assert found.offset == 1180141 and found.camera.K[0].tolist() == [2559.81, 0, 1535.5]
    T = found.camera.T_camera_world[0]
    assert T[:3, 3].tolist() == [-0.737434, 1.02973, 3.74354]
    # R of the quaternion (w, x, y, z), by another way: v + 2w(q x v) + 2q x (q x v).
    q = np.array([0.851773, 0.0165051, 0.503764, -0.142941])
    q /= np.linalg.norm(q)
    for axis in np.eye(3):
        turned = (
            axis + 2 * q[0] * np.cross(q[1:], axis) + 2 * np.cross(q[1:], np.cross(q[1:], axis))
        )
        assert np.allclose(T[:3, :3] @ axis, turned)
