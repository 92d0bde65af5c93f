"""Cameras of other tools arrive in OpenCV's axes, on the clip's frames and in its pixels."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from annotations.importers import ImportOptions, detect, read
from engine.errors import InputError
from tests.annotations.importers import writers
from tests.annotations.importers.scene import FRAMES, SIZE, make_video

K = [[400.0, 0.0, 160.0], [0.0, 400.0, 120.0], [0.0, 0.0, 1.0]]
CENTRES = np.stack([0.1 * np.arange(FRAMES), np.zeros(FRAMES), np.full(FRAMES, -2.5)], axis=-1)


@pytest.fixture
def video():
    return make_video()


def rotation(frame: int) -> np.ndarray:
    return cv2.Rodrigues(np.array([0.0, 0.02 * frame, 0.1]))[0]


def poses() -> np.ndarray:
    """T_camera_world of a camera that moves and turns."""
    made = np.tile(np.eye(4), (FRAMES, 1, 1))
    for frame in range(FRAMES):
        made[frame, :3, :3] = rotation(frame)
        made[frame, :3, 3] = -rotation(frame) @ CENTRES[frame]
    return made


class TestOpenCv:
    @pytest.mark.parametrize("kind", ["yml", "xml", "json"])
    def test_what_opencv_writes_is_read_to_the_digit(self, tmp_path, video, kind):
        path = writers.calibration(tmp_path, kind)
        assert detect(path) == "opencv-intrinsics"
        camera = read(path, video).camera
        assert camera.K.tolist() == [[412.5, 0, 161.25], [0, 411.0, 118.5], [0, 0, 1]]
        assert camera.distortion.tolist() == [-0.21, 0.04, 0.001, -0.0005, -0.003]
        assert camera.image_size == SIZE and camera.focal_source == "file"
        assert (camera.T_camera_world == np.eye(4)).all()
        assert camera.T_camera_world.shape == (FRAMES, 4, 4)

    def test_the_form_of_ros_is_the_same_without_a_tag(self, tmp_path, video):
        path = tmp_path / "camera.yaml"
        path.write_text(
            "image_width: 320\nimage_height: 240\ncamera_name: head\ncamera_matrix:\n  rows: 3\n"
            "  cols: 3\n  data: [412.5, 0, 161.25, 0, 411.0, 118.5, 0, 0, 1]\n"
            "distortion_model: plumb_bob\ndistortion_coefficients:\n  rows: 1\n  cols: 5\n"
            "  data: [-0.21, 0.04, 0.001, -0.0005, 0]\n"
        )
        assert read(path, video).camera.distortion.tolist() == [-0.21, 0.04, 0.001, -0.0005, 0]

    def test_a_calibration_at_another_resolution_is_scaled_when_asked(self, tmp_path, video):
        path = writers.calibration(tmp_path)
        large = replace(video, width=640, height=480)
        with pytest.raises(InputError, match="expected 640 x 480, received 320 x 240"):
            read(path, large)
        camera = read(path, large, ImportOptions(resolution=SIZE)).camera
        assert camera.K[0].tolist() == [825.0, 0.0, 322.5]

    @pytest.mark.parametrize(
        "old, new, sentence",
        [
            ("rows: 5\n   cols: 1", "rows: 8\n   cols: 1", "8 x 1 numbers, received 5"),
            ("412.5", ".Inf", "finite numbers"),
            ("412.5", ".Nan", "finite numbers"),
            ("412.5", "-412.5", "camera matrix"),
            ("161.25", "2000.0", "principal point"),
            ("image_width: 320", "image_width: 240", "received 240 x 240"),
            ("camera_matrix", "matrix_of_the_camera", "no known format"),
        ],
    )
    def test_what_is_no_camera_of_this_clip_is_refused(self, tmp_path, video, old, new, sentence):
        path = writers.calibration(tmp_path)
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(InputError, match=sentence):
            read(path, video)

    @pytest.mark.parametrize(
        "extra, sentence",
        [
            ("distortion_model: equidistant\n", "equidistant"),
            ("distortion_model: rational_polynomial\n", "rational_polynomial"),
            ("fisheye_model: 1\n", "fisheye"),
        ],
    )
    def test_distortions_that_five_numbers_cannot_say_are_named(
        self, tmp_path, video, extra, sentence
    ):
        path = writers.calibration(tmp_path)
        path.write_text(path.read_text() + extra)
        with pytest.raises(InputError, match=sentence) as refused:
            read(path, video)
        assert "Undistort the video" in str(refused.value)

    def test_yaml_is_not_evaluated(self, tmp_path, video):
        path = writers.calibration(tmp_path)
        bomb = "a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]\nd: !!python/object/apply:os.abort []\n"
        path.write_text(path.read_text() + bomb)
        assert read(path, video).camera.K[0, 0] == 412.5

    def test_xml_entities_are_refused(self, tmp_path, video):
        path = writers.calibration(tmp_path, "xml")
        text = path.read_text().replace(
            "<opencv_storage>", '<!DOCTYPE x [<!ENTITY a "aaaa">]>\n<opencv_storage>', 1
        )
        path.write_text(text)
        with pytest.raises(InputError, match="entities"):
            read(path, video)

    def test_broken_xml_is_one_sentence(self, tmp_path, video):
        path = writers.calibration(tmp_path, "xml")
        path.write_text(path.read_text()[:-20])
        with pytest.raises(InputError, match="not readable XML"):
            read(path, video)


class TestColmap:
    def test_poses_are_world_to_camera_by_image_name(self, tmp_path, video):
        path = writers.colmap(tmp_path)
        assert detect(path) == detect(path / "images.txt") == "colmap"
        found = read(path, video)
        camera = found.camera
        assert found.offset == 1
        # COLMAP's pixel centres lie at halves.
        assert camera.K.tolist() == [[400.5, 0, 159.5], [0, 400.5, 119.5], [0, 0, 1]]
        assert camera.distortion.tolist() == [-0.0218531, 0, 0, 0, 0]
        for frame in range(FRAMES):
            expected = cv2.Rodrigues(np.array([0, 0.02 * frame, 0]))[0]
            assert np.allclose(camera.T_camera_world[frame, :3, :3], expected)
            assert np.allclose(camera.T_camera_world[frame, :3, 3], [0.1 * frame, 0, 2.5])
        assert any("metres" in note for note in found.notes)

    def test_the_unit_of_its_world_can_be_stated(self, tmp_path, video):
        found = read(writers.colmap(tmp_path), video, ImportOptions(metres_per_unit=2.0))
        assert np.allclose(found.camera.T_camera_world[3, :3, 3], [0.6, 0, 5.0])
        assert not any("metres-per-unit" in note for note in found.notes)

    def test_frames_between_are_interpolated(self, tmp_path, video):
        found = read(writers.colmap(tmp_path, step=3), video, ImportOptions(offset=1))
        T = found.camera.T_camera_world
        assert np.allclose(T[4, :3, :3], cv2.Rodrigues(np.array([0, 0.08, 0]))[0], atol=1e-9)
        assert np.allclose(T[9], T[11])
        assert any("8 frames without a pose are interpolated" in note for note in found.notes)

    def test_with_gaps_it_is_not_clear_which_frame_is_the_first(self, tmp_path, video):
        with pytest.raises(InputError, match=r"4 frames numbered 1 to 10.*--offset 0 or"):
            read(writers.colmap(tmp_path, step=3), video)

    def test_long_gaps_are_refused(self, tmp_path):
        video = make_video(200)
        with pytest.raises(InputError, match=r"poses are missing for 188 of the clip's 200"):
            read(writers.colmap(tmp_path), video, ImportOptions(offset=1))

    @pytest.mark.parametrize(
        "line, expected",
        [
            ("1 SIMPLE_PINHOLE 320 240 400 160 120", ([400, 400], [0, 0, 0, 0, 0])),
            ("1 PINHOLE 320 240 400 410 160 120", ([400, 410], [0, 0, 0, 0, 0])),
            ("1 RADIAL 320 240 400 160 120 -0.1 0.02", ([400, 400], [-0.1, 0.02, 0, 0, 0])),
            (
                "1 OPENCV 320 240 400 410 160 120 -0.1 0.02 0.001 0.002",
                ([400, 410], [-0.1, 0.02, 0.001, 0.002, 0]),
            ),
        ],
    )
    def test_lens_models(self, tmp_path, video, line, expected):
        camera = read(writers.colmap(tmp_path, line), video).camera
        assert camera.K[[0, 1], [0, 1]].tolist() == expected[0]
        assert camera.distortion.tolist() == expected[1]

    @pytest.mark.parametrize(
        "line, sentence",
        [
            ("1 OPENCV_FISHEYE 320 240 400 400 160 120 0 0 0 0", "OPENCV_FISHEYE"),
            ("1 FULL_OPENCV 320 240 1 1 1 1 1 1 1 1 1 1 1 1", "FULL_OPENCV"),
            ("1 PINHOLE 320 240 400 160 120", "4 parameters of PINHOLE, received 3"),
            ("1 PINHOLE 320 240 400 nan 160 120", "4 parameters of PINHOLE"),
            ("1 PINHOLE 0 240 400 400 160 120", "1 to 16384 pixels"),
            (f"1 PINHOLE {'9' * 400} 240 400 400 160 120", "1 to 16384 pixels"),
            ("1 PINHOLE wide 240 400 400 160 120", "line 4"),
            ("7 PINHOLE 320 240 400 400 160 120", "one of cameras.txt, received '?1"),
            ("1 PINHOLE 640 480 400 400 320 240", "expected 320 x 240, received 640 x 480"),
        ],
    )
    def test_other_lenses_are_refused_by_name(self, tmp_path, video, line, sentence):
        with pytest.raises(InputError, match=sentence):
            read(writers.colmap(tmp_path, line), video)

    @pytest.mark.parametrize("end", ["1 0 0", "1 0.9 0 0.9 0 0 0 0 1 frame_00001.jpg"])
    def test_broken_lines_are_named(self, tmp_path, video, end):
        path = writers.colmap(tmp_path)
        (path / "images.txt").write_text(end + "\n\n")
        with pytest.raises(InputError, match=r"images.txt: line 1"):
            read(path, video)

    def test_a_binary_model_is_asked_for_as_text(self, tmp_path, video):
        (tmp_path / "cameras.bin").write_bytes(b"\0")
        with pytest.raises(InputError, match="Export the model as text"):
            read(tmp_path, video, format="colmap")


def save(folder, content) -> object:
    path = folder / "cameras.json"
    path.write_text(json.dumps(content))
    return path


class TestPerFrame:
    def frames(self, kind: str) -> list[dict]:
        made = []
        for frame, T in enumerate(poses()):
            R, t = T[:3, :3], T[:3, 3]
            entry = {
                "R|t": {"R": R.tolist(), "t": t.tolist()},
                "rvec": {"rvec": cv2.Rodrigues(R)[0].ravel().tolist(), "tvec": t.tolist()},
                "extrinsics": {"extrinsics": T[:3].tolist()},
                "w2c": {"w2c": T.tolist()},
                "nerf": {
                    "transform_matrix": (
                        np.linalg.inv(T) @ np.diag([1.0, -1.0, -1.0, 1.0])
                    ).tolist()
                },
            }[kind]
            name = {"file_path": f"./images/frame_{frame + 1:05d}.jpg"}
            made.append(entry | (name if kind == "nerf" else {"frame": frame}))
        return made

    @pytest.mark.parametrize("kind", ["R|t", "rvec", "extrinsics", "w2c", "nerf"])
    def test_every_way_to_write_a_pose_is_the_same_pose(self, tmp_path, video, kind):
        top = (
            {"fl_x": 400.0, "fl_y": 400.0, "cx": 160.0, "cy": 120.0, "w": 320, "h": 240, "k1": -0.1}
            if kind == "nerf"
            else {"K": K, "dist": [-0.1, 0, 0, 0, 0], "width": 320, "height": 240}
        )
        path = save(tmp_path, top | {"frames": self.frames(kind)})
        assert detect(path) == "camera-frames"
        camera = read(path, video).camera
        assert np.allclose(camera.T_camera_world, poses(), atol=1e-9)
        assert camera.K.tolist() == K and camera.distortion[0] == -0.1

    def test_a_bare_list_of_frames_will_do(self, tmp_path, video):
        frames = [frame | {"K": K} for frame in self.frames("R|t")]
        path = save(tmp_path, frames)
        assert detect(path) == "camera-frames"
        assert np.allclose(read(path, video).camera.T_camera_world, poses(), atol=1e-9)

    @pytest.mark.parametrize("kind", ["extrinsics", "R and t", "rvecs", "SLAHMR"])
    def test_npz(self, tmp_path, video, kind):
        T = poses()
        arrays = {
            "extrinsics": {"K": np.array(K), "extrinsics": T[:, :3]},
            "R and t": {"intrinsics": np.tile(K, (FRAMES, 1, 1)), "R": T[:, :3, :3],
                        "t": T[:, :3, 3]},
            "rvecs": {"K": np.array(K), "tvecs": T[:, :3, 3:],
                      "rvecs": np.stack([cv2.Rodrigues(R)[0] for R in T[:, :3, :3]])},
            "SLAHMR": {"intrins": np.array([400.0, 400.0, 160.0, 120.0]),
                       "cam_R": np.stack([T[:, :3, :3]] * 2), "cam_t": np.stack([T[:, :3, 3]] * 2)},
        }[kind]  # fmt: skip
        np.savez(tmp_path / "cameras.npz", **arrays)
        camera = read(tmp_path / "cameras.npz", video).camera
        assert np.allclose(camera.T_camera_world, T, atol=1e-9) and np.allclose(camera.K, K)

    def test_one_camera_of_a_rig_is_named(self, tmp_path, video):
        path = tmp_path / "rgb_cameras.npz"
        np.savez(
            path,
            ids=np.array([4, 16]),
            intirnsics=np.stack([np.array(K), 1.1 * np.array(K) + np.diag([0, 0, -0.1])]),
            extrinsics=poses()[:2, :3],
            dist_coeffs=np.array([[0.1, 0, 0, 0, 0], [0.2, 0, 0, 0, 0]]),
        )
        with pytest.raises(InputError, match="--sequence with one of 4, 16"):
            read(path, video)
        camera = read(path, video, ImportOptions(sequence="16")).camera
        assert np.allclose(camera.T_camera_world, poses()[1])
        assert camera.K[0, 0] == pytest.approx(440) and camera.distortion[0] == 0.2

    def test_an_archive_of_an_unknown_version(self, tmp_path, video):
        path = tmp_path / "cameras.npz"
        np.savez(path, K=np.array(K))
        data = bytearray(path.read_bytes())
        data[data.rindex(b"PK\x01\x02") + 6] = 99  # the version that is needed to read it
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"no \.npz archive"):
            read(path, video)

    def test_a_pickle_is_not_opened(self, tmp_path, video):
        np.savez(tmp_path / "cameras.npz", K=np.array([{"hostile": 1}], dtype=object))
        with pytest.raises(InputError, match="Python objects"):
            read(tmp_path / "cameras.npz", video)

    @pytest.mark.parametrize(
        "change, sentence",
        [
            ({"R": (2 * np.eye(3)).tolist()}, "rotation of frame 0"),
            ({"R": np.diag([1.0, 1.0, -1.0]).tolist()}, "rotation of frame 0"),
            ({"R": [[1, 0], [0, 1]]}, "9 numbers, received 4"),
            ({"R": "identity"}, "list of numbers"),
            ({"t": [0, 0, float("inf")]}, "finite numbers"),
            ({"t": [0, 0, None]}, "finite numbers"),
            ({"t": [0, 0, "1"]}, "numbers"),
            ({"t": None}, "R and t"),
            ({"frame": 1}, "12 different ones, received 11"),
            ({"frame": 1.5}, "whole number"),
            ({"frame": -40}, "frames within the clip|number of frames|--offset"),
        ],
    )
    def test_what_is_no_pose_is_refused(self, tmp_path, video, change, sentence):
        frames = self.frames("R|t")
        frames[0].update(change)
        with pytest.raises(InputError, match=sentence):
            read(save(tmp_path, {"K": K, "frames": frames}), video)

    @pytest.mark.parametrize(
        "top, sentence",
        [
            ({}, "intrinsics"),
            ({"K": K, "camera_model": "OPENCV_FISHEYE"}, "OPENCV_FISHEYE"),
            ({"K": K, "k1": 0.1, "k4": 0.2}, "k4"),
            ({"K": K, "dist": [0.1] * 8}, "8 coefficients"),
            ({"K": [[400, 5, 160], [0, 400, 120], [0, 0, 1]]}, "camera matrix"),
            ({"K": [[1, 0, 160], [0, 1, 120], [0, 0, 1]]}, "focal length"),
            ({"K": K, "width": 0, "height": 240}, "image size|size of its images"),
            ({"K": K, "width": 1920, "height": 1080}, "received 1920 x 1080"),
        ],
    )
    def test_what_is_no_lens_is_refused(self, tmp_path, video, top, sentence):
        with pytest.raises(InputError, match=sentence):
            read(save(tmp_path, top | {"frames": self.frames("R|t")}), video)

    def test_a_zoom_is_refused(self, tmp_path, video):
        frames = self.frames("R|t")
        for index, frame in enumerate(frames):
            frame["K"] = (np.array(K) * [[1 + 0.01 * index]] * 1.0).tolist()
            frame["K"][2] = [0, 0, 1]
        with pytest.raises(InputError, match="focal lengths from 400 to"):
            read(save(tmp_path, {"frames": frames}), video)

    def test_counts_that_do_not_fit_are_both_named(self, tmp_path, video):
        frames = [*self.frames("R|t"), self.frames("R|t")[0] | {"frame": 40}]
        with pytest.raises(InputError, match=r"clip's 12 frames, received 13 frames.* 0 to 40"):
            read(save(tmp_path, {"K": K, "frames": frames}), video)
