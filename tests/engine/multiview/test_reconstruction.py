"""From people in space to what is true in each view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.multiview.cameras import project
from engine.multiview.reconstruction import (
    Reconstruction,
    error_report,
    known_joints,
    main,
    reconstruct,
    truth_of_view,
    view_change,
)
from engine.perception.truth import Visibility
from engine.structures import VideoInfo
from tests.engine.multiview.scene import SIZE, cameras, person

FRAMES = 6


def scene() -> Reconstruction:
    """Two people apart, on whom all views agree with or without each other."""
    points = np.stack([person(x=-0.7, frames=FRAMES), person(x=0.7, frames=FRAMES)])
    support = np.full((*points.shape[:3], 4), 0.8)
    return Reconstruction(tuple(cameras()), points, support, np.stack([points] * 4))


def test_the_truth_of_a_view_is_the_people_drawn_into_it():
    truth = truth_of_view(scene(), 1, ())
    np.testing.assert_allclose(truth.keypoints2d, project(cameras()[1], scene().points)[0])
    assert truth.image_size == SIZE
    assert (truth.boxes[..., 0] < truth.keypoints2d[..., 0].min(axis=-1)).all()
    assert (truth.visibility != Visibility.UNKNOWN).all()


def test_a_joint_on_which_the_other_views_do_not_agree_is_unknown_in_this_one():
    support = scene().support.copy()
    support[0, 2, 9, [2, 3]] = 0.0
    lonely = replace(scene(), support=support)
    # Views 1 and 2 agree: neither has two others, but views 3 and 4 have.
    unknown = [not known_joints(lonely, view)[0, 2, 9] for view in range(4)]
    assert unknown == [True, True, False, False]
    assert truth_of_view(lonely, 0, ()).visibility[0, 2, 9] == Visibility.UNKNOWN
    assert not truth_of_view(lonely, 0, ()).scored[0, 2, 9]


def test_a_joint_that_only_the_view_itself_holds_in_place_is_unknown_there():
    left_out = scene().left_out.copy()
    left_out[1, 0, 3, 9] += (0.3, 0.2, 0.3)
    held = replace(scene(), left_out=left_out)
    assert not known_joints(held, 1)[0, 3, 9]
    assert known_joints(held, 0)[0, 3, 9]
    assert known_joints(held, 1).sum() == known_joints(held, 0).sum() - 1


def test_the_change_without_a_view_is_a_share_of_the_box():
    left_out = scene().left_out.copy()
    sideways = cameras()[0].T_camera_world[0, 0, :3]
    left_out[0, 1, :, 15] += 0.05 * sideways
    change = view_change(replace(scene(), left_out=left_out), 0)
    # 5 cm at 4 m and a focal length of 900 px, of a body of about 1.75 m.
    np.testing.assert_allclose(change[1, :, 15], 0.05 / 1.75, rtol=0.2)
    assert change[0].max() < 1e-9
    report = error_report(scene(), [truth_of_view(scene(), 0, ())])
    assert report["view 1"]["known"] == 1.0


def test_videos_that_do_not_fit_the_cameras_are_refused():
    videos = [
        VideoInfo(f"{i}.mp4", *SIZE, np.arange(FRAMES) / 30, "0" * 64) for i in range(4)
    ]  # fmt: skip
    with pytest.raises(InputError, match="one video for each"):
        reconstruct(videos[:2], cameras()[:2], 2, print)
    with pytest.raises(InputError, match=r"2\.mp4 does not fit"):
        reconstruct([*videos[:2], replace(videos[2], width=7), videos[3]], cameras(), 2, print)


def test_the_command_refuses_a_folder_without_videos(tmp_path: Path):
    calibration = tmp_path / "calibration.qca.txt"
    calibration.write_text("<calibration><cameras/></calibration>")
    with pytest.raises(InputError):
        main([str(tmp_path), str(calibration), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
