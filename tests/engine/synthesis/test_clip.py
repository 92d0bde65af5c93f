"""A synthetic clip knows its truth: what is drawn is where the truth says it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.body.joints import HALPE26
from engine.errors import InputError
from engine.files import read_fit, read_observations
from engine.structures import FrameRange
from engine.synthesis.cameras import CameraOrder
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.truth import Truth, body_vertices, read_truth, write_truth
from engine.synthesis.visibility import Visibility
from engine.video import VideoReader
from tests.engine.synthesis.conftest import FRAMES, finished, small_order, write_motion

Clip = tuple[Path, Truth]
FILES = ("video.mp4", "truth.npz", "observations-clean.npz", "observations-detector.npz")


def test_a_clip_is_four_files(side_by_side: Clip) -> None:
    folder, _ = side_by_side
    assert {path.name for path in folder.iterdir()} == {*FILES, "motion.npz"}


def test_the_video_has_the_frames_and_times_of_the_motion(side_by_side: Clip) -> None:
    folder, truth = side_by_side
    with VideoReader(folder / "video.mp4") as reader:
        assert reader.info.frame_count == FRAMES
        assert reader.info.image_size == truth.fit.camera.image_size
        np.testing.assert_allclose(reader.info.times, truth.fit.motion.time, atol=1e-4)


def test_joints_that_nothing_hides_lie_on_their_persons_mask(side_by_side: Clip) -> None:
    _, truth = side_by_side
    limbs = [i for i, name in enumerate(HALPE26) if "knee" in name or "elbow" in name]
    for person in range(2):
        for frame in range(FRAMES):
            mask = truth.masks[person][frame].decode()
            columns, rows = truth.keypoints2d[person, frame, limbs].astype(int).T
            assert mask[rows, columns].all()


def test_masks_of_people_do_not_overlap(one_behind_the_other: Clip) -> None:
    _, truth = one_behind_the_other
    for frame in range(FRAMES):
        first, second = (truth.masks[p][frame].decode() for p in range(2))
        assert first.any() and second.any()
        assert not (first & second).any()


def test_nobody_is_in_front_where_nobody_overlaps(side_by_side: Clip) -> None:
    _, truth = side_by_side
    assert np.isnan(truth.in_front).all()


def test_the_nearer_person_is_in_front_and_first_in_depth_order(
    one_behind_the_other: Clip,
) -> None:
    _, truth = one_behind_the_other
    pelvis = truth.fit.joints[:, :, 0, 2]
    assert (pelvis[0] < pelvis[1]).all()
    assert (truth.depth_order == [0, 1]).all()
    assert (truth.in_front[0, 1] > 0.99).all()
    assert (truth.in_front[1, 0] < 0.01).all()


def test_who_stands_behind_has_hidden_joints(one_behind_the_other: Clip) -> None:
    _, truth = one_behind_the_other
    middle = [HALPE26.index(name) for name in ("right_hip", "nose", "neck")]
    assert (truth.visibility[1][:, middle] == Visibility.OCCLUDED).all()
    front = [HALPE26.index(name) for name in ("left_elbow", "right_knee", "nose", "left_shoulder")]
    assert (truth.visibility[0][:, front] == Visibility.VISIBLE).all()


def test_from_the_side_ones_own_body_hides_the_far_arm(tmp_path: Path) -> None:
    motion = write_motion(tmp_path / "motion.npz", np.array([[0, 0, 0.8], [0, 0, -0.8]]), frames=1)
    order = small_order(motion, tmp_path)
    camera = CameraOrder(192, 144, focal=1.0, elevation=0.0, azimuth=90.0, roll=0.0)
    truth = finished(SynthesisOrder(order.motion, order.out, 3, camera=camera))
    far = [HALPE26.index(f"right_{joint}") for joint in ("shoulder", "ear", "hip")]
    near = [HALPE26.index(f"left_{joint}") for joint in ("shoulder", "elbow", "knee")]
    assert (truth.visibility[:, 0, far] == Visibility.SELF_OCCLUDED).all()
    assert (truth.visibility[:, 0, near] == Visibility.VISIBLE).all()


def test_projected_joints_are_the_true_keypoints(side_by_side: Clip) -> None:
    _, truth = side_by_side
    seen = truth.fit.joints @ truth.fit.camera.K.T
    pixels = seen[..., :2] / seen[..., 2:]
    knee = HALPE26.index("left_knee")
    np.testing.assert_allclose(truth.keypoints2d[:, :, knee], pixels[:, :, 4], atol=0.01)


def test_the_world_of_the_camera_is_that_of_the_motion(side_by_side: Clip) -> None:
    """Feet on the floor at y = 0, the first person at x = -0.6."""
    _, truth = side_by_side
    T = truth.fit.camera.T_camera_world[0]
    rotation, offset = T[:3, :3], T[:3, 3]
    vertices = (body_vertices(truth, 0, FrameRange(0, 1))[0] - offset) @ rotation
    assert abs(vertices[:, 1].min()) < 0.02
    pelvis = (truth.fit.joints[0, 0, 0] - offset) @ rotation
    np.testing.assert_allclose(pelvis[[0, 2]], [-0.6, 0], atol=0.02)


def test_truth_is_read_back_as_it_was_written(side_by_side: Clip, tmp_path: Path) -> None:
    folder, truth = side_by_side
    read = read_truth(folder / "truth.npz")
    np.testing.assert_array_equal(read.keypoints2d, truth.keypoints2d)
    np.testing.assert_array_equal(read.contact_vertices, truth.contact_vertices)
    assert read.masks == truth.masks
    assert read.contacts == truth.contacts
    write_truth(tmp_path / "again.npz", read)
    again = read_truth(tmp_path / "again.npz")
    np.testing.assert_array_equal(again.fit.joints, truth.fit.joints)


def test_vertices_are_written_where_they_are_asked_for(side_by_side: Clip, tmp_path: Path) -> None:
    folder, truth = side_by_side
    assert "vertices" not in np.load(folder / "truth.npz")
    write_truth(tmp_path / "truth.npz", truth, vertices=True)
    vertices = np.load(tmp_path / "truth.npz")["vertices"]
    np.testing.assert_array_equal(vertices[1], body_vertices(truth, 1, FrameRange(0, FRAMES)))
    assert read_truth(tmp_path / "truth.npz").contacts == truth.contacts


def test_truth_is_a_fit_file_too(side_by_side: Clip) -> None:
    folder, truth = side_by_side
    fit = read_fit(folder / "truth.npz")
    np.testing.assert_array_equal(fit.motion.betas, truth.fit.motion.betas)


def test_a_truth_with_a_wrong_level_is_refused(side_by_side: Clip, tmp_path: Path) -> None:
    folder, _ = side_by_side
    arrays = dict(np.load(folder / "truth.npz"))
    arrays["visibility"][0, 0, 0] = 7
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match="visibility is wrong; expected 0 to 3"):
        read_truth(tmp_path / "bad.npz")


def test_clean_observations_are_the_truth(side_by_side: Clip) -> None:
    folder, truth = side_by_side
    clean = read_observations(folder / "observations-clean.npz")
    shown = truth.visibility != Visibility.OUTSIDE
    assert shown.mean() > 0.95
    np.testing.assert_array_equal(clean.observations.keypoints2d[shown], truth.keypoints2d[shown])
    assert clean.observations.masks == truth.masks
    np.testing.assert_array_equal(clean.T_camera_world, truth.fit.camera.T_camera_world)


def test_detections_know_neither_camera_place_nor_masks(side_by_side: Clip) -> None:
    folder, truth = side_by_side
    noisy = read_observations(folder / "observations-detector.npz")
    assert noisy.T_camera_world is None
    assert noisy.observations.masks is None
    error = np.linalg.norm(noisy.observations.keypoints2d - truth.keypoints2d, axis=-1)
    assert 0 < np.nanmedian(error) < 15


def test_the_same_seed_gives_the_same_bytes(side_by_side: Clip, tmp_path: Path) -> None:
    folder, _ = side_by_side
    again = tmp_path / "again"
    finished(small_order(folder / "motion.npz", again))
    for name in FILES:
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_another_seed_dresses_people_anew(side_by_side: Clip, tmp_path: Path) -> None:
    folder, _ = side_by_side
    order = small_order(folder / "motion.npz", tmp_path)
    finished(SynthesisOrder(order.motion, tmp_path, seed=4, camera=order.camera))
    with VideoReader(folder / "video.mp4") as a, VideoReader(tmp_path / "video.mp4") as b:
        assert np.abs(a.frame(0).astype(int) - b.frame(0)).mean() > 5


def test_people_look_different_from_what_is_behind_them(side_by_side: Clip) -> None:
    folder, truth = side_by_side
    mask = truth.masks[0][0].decode()
    with VideoReader(folder / "video.mp4") as reader:
        picture = reader.frame(0).astype(float)
    border = np.roll(mask, 12, axis=1) & ~mask & ~truth.masks[1][0].decode()
    assert np.abs(picture[mask].mean(axis=0) - picture[border].mean(axis=0)).max() > 10


def test_passers_by_a_cut_and_a_person_who_leaves(tmp_path: Path) -> None:
    motion = write_motion(tmp_path / "motion.npz", np.array([[-0.5, 0, 0], [0.5, 0, 0]]), frames=8)
    order = small_order(motion, tmp_path, others=2, others_motion=motion, cut=True, leaving=True)
    truth = finished(order)
    assert truth.others_keypoints2d.shape == (2, 8, 26, 2)
    assert truth.cuts == (4,)
    places = truth.fit.camera.T_camera_world
    assert np.abs(places[3] - places[4]).max() > 0.1
    clean = read_observations(tmp_path / "observations-clean.npz").observations
    assert clean.cuts == (4,)
    assert clean.others is not None and clean.others.person_count == 2
    assert truth.present[0].all()
    assert truth.present[1, 0] and not truth.present[1, 3] and truth.present[1, -1]
    assert np.isnan(clean.keypoints2d[1, 3]).all()


def test_a_fit_can_be_the_motion(side_by_side: Clip, tmp_path: Path) -> None:
    folder, truth = side_by_side
    again = finished(small_order(folder / "truth.npz", tmp_path, frames=FrameRange(1, 3)))
    assert again.fit.motion.frame_count == 2
    np.testing.assert_allclose(
        np.diff(again.fit.joints[:, :, 0], axis=0), np.diff(truth.fit.joints[:, 1:, 0], axis=0),
        atol=0.02,
    )  # fmt: skip


def test_an_order_that_cannot_be_met_leaves_nothing(tmp_path: Path) -> None:
    motion = write_motion(tmp_path / "motion.npz", np.array([[-0.5, 0, 0], [0.5, 0, 0]]))
    out = tmp_path / "out"
    with pytest.raises(InputError, match="Passers-by need a motion"):
        finished(small_order(motion, out, others=1))
    with pytest.raises(InputError, match="expected A:B with 0 <= A < B <= 3, received 1:9"):
        finished(small_order(motion, out, frames=FrameRange(1, 9)))
    with pytest.raises(InputError, match="no picture that can be read"):
        finished(small_order(motion, out, picture=motion))
    assert not out.exists()
