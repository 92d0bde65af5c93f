"""Pictures to judge a fit by show each body where it is."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import av
import numpy as np
import pytest

from app import system_libraries
from app.drawing import PAPER, PERSON_COLORS, draw_skeleton, rgb
from app.offscreen import Painter, Surface, View, make_renderer
from app.rendering import cropped, evenly_spaced, overlay_video, save_picture, sheet
from app.stage import Crop, Stage
from engine.errors import InputError
from engine.structures import FrameRange
from engine.video import probe
from tests.app.people import APART, SIZE, camera, seen, standing_pair, write_video

FRAMES = 4
RED, GREEN = (255, 0, 0), (0, 255, 0)
SQUARE = (200, 200)


@pytest.fixture(scope="module")
def stage():
    return Stage(standing_pair(FRAMES), camera(FRAMES), (RED, GREEN), Painter())


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return probe(write_video(tmp_path_factory.mktemp("video") / "clip.mp4", FRAMES))


def where(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Pixels in which a person's pure colour dominates."""
    channel = int(np.argmax(color))
    others = np.delete(picture.astype(int), channel, axis=2).max(axis=2)
    return picture[..., channel] > others + 60


def centre(mask: np.ndarray) -> np.ndarray:
    """x, y."""
    return np.argwhere(mask).mean(axis=0)[::-1]


@pytest.fixture(scope="module")
def bounds(stage):
    return stage.bounds(range(FRAMES))


class TestViews:
    def test_the_bounds_hold_both_people_from_the_floor_up(self, stage, bounds):
        low, high = bounds.centre - bounds.extent / 2, bounds.centre + bounds.extent / 2
        joints = stage.joints.reshape(-1, 3)
        assert (joints > low).all() and (joints < high).all() and low[1] < 0

    def test_the_overlay_covers_the_projected_joints(self, stage):
        crop = Crop(0, 0, *SIZE, SIZE)
        black = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        overlay = stage.overlay(0, black, crop)
        hips = stage.reprojected(0, 0, "coco17")[[11, 12]].mean(axis=0).round().astype(int)
        assert where(overlay, RED)[hips[1], hips[0]]
        assert centre(where(overlay, RED))[0] < SIZE[0] / 2 < centre(where(overlay, GREEN))[0]

    def test_the_reprojection_is_what_the_camera_sees(self, stage):
        observed = seen(stage.motion, stage.camera, "coco17").keypoints2d
        for person in range(2):
            for frame in range(FRAMES):
                np.testing.assert_allclose(
                    stage.reprojected(person, frame, "coco17"), observed[person, frame], atol=1e-2
                )

    def test_from_the_top_the_camera_is_below(self, stage, bounds):
        """Whoever is further from the camera is higher in the picture."""
        transl = stage.motion.transl.copy()
        transl[1, :, 2] -= 0.5  # the camera looks along -z
        apart = Stage(replace(stage.motion, transl=transl), stage.camera, (RED, GREEN), Painter())
        top = apart.top(0, SQUARE, bounds)
        first, second = centre(where(top, RED)), centre(where(top, GREEN))
        assert first[0] < second[0] and first[1] > second[1]

    def test_from_the_side_the_camera_is_on_the_left(self, stage, bounds):
        transl = stage.motion.transl.copy()
        transl[1, :, 2] -= 0.5
        apart = Stage(replace(stage.motion, transl=transl), stage.camera, (RED, GREEN), Painter())
        side = apart.side(0, SQUARE, bounds)
        assert centre(where(side, RED))[0] < centre(where(side, GREEN))[0]

    def test_from_the_side_people_stand_on_the_floor_line(self, stage, bounds):
        transl = stage.motion.transl.copy()
        transl[1, :, 2] -= 0.5  # else one hides the other from the side
        apart = Stage(replace(stage.motion, transl=transl), stage.camera, (RED, GREEN), Painter())
        side = apart.side(0, SQUARE, bounds)
        floor = SQUARE[1] / 2 + bounds.centre[1] * SQUARE[1] / bounds.extent
        for color in (RED, GREEN):
            rows = np.flatnonzero(where(side, color).any(axis=1))
            assert rows.max() == pytest.approx(floor, abs=3)

    def test_orthographic_views_keep_lengths(self, stage, bounds):
        top = stage.top(0, SQUARE, bounds)
        gap = centre(where(top, GREEN))[0] - centre(where(top, RED))[0]
        metres = gap * bounds.extent / SQUARE[0]
        assert metres == pytest.approx(APART, abs=0.12)  # arms and feet shift the centres

    def test_a_body_that_is_not_valid_is_not_drawn(self, stage):
        valid = stage.motion.valid.copy()
        valid[1] = False
        alone = Stage(replace(stage.motion, valid=valid), stage.camera, (RED, GREEN), Painter())
        top = alone.top(0, SQUARE, alone.bounds(range(FRAMES)))
        assert where(top, RED).any() and not where(top, GREEN).any()

    def test_nobody_leaves_a_picture_of_the_floor(self, stage):
        nobody = replace(stage.motion, valid=np.zeros_like(stage.motion.valid))
        empty = Stage(nobody, stage.camera, renderer=Painter())
        assert empty.side(0, SQUARE, empty.bounds([0])).shape == (200, 200, 3)


class TestCrop:
    def test_intrinsics_follow_the_pixels(self):
        crop = Crop(40, 20, 140, 220, (50, 100))
        K = camera(1).K
        point = np.array([0.3, -0.2, 3.0])
        whole, part = K @ point, crop.intrinsics(K) @ point
        np.testing.assert_allclose(crop.pixels(whole[:2] / whole[2]), part[:2] / part[2])

    def test_outside_the_frame_is_grey(self):
        white = np.full((20, 20, 3), 255, np.uint8)
        part = cropped(white, Crop(-10, 0, 10, 20, (20, 20)))
        assert (part[:, :9] == 128).all() and (part[:, 11:] == 255).all()


class TestSheet:
    def test_a_row_per_frame_with_both_people_in_every_column(self, video, stage):
        observed = seen(stage.motion, stage.camera)
        one = sheet(video, stage.motion, stage.camera, observed, [0], (RED, GREEN))
        two = sheet(video, stage.motion, stage.camera, observed, [0, 3], (RED, GREEN))
        assert two.shape[0] - one.shape[0] == one.shape[0] - 30
        quarters = np.array_split(one[40:], [one.shape[1] // 4, one.shape[1] // 2], axis=1)
        for quarter in quarters:
            assert where(quarter, RED).any() and where(quarter, GREEN).any()

    def test_without_observations_the_fit_draws_the_skeletons(self, video, stage):
        picture = sheet(video, stage.motion, stage.camera, None, [1])
        assert picture.dtype == np.uint8 and (picture[0, 0] == PAPER).all()

    def test_frames_are_spread_from_the_first_to_the_last(self):
        assert evenly_spaced(FrameRange(10, 20), 4) == (10, 13, 16, 19)
        assert evenly_spaced(FrameRange(5, 7), 6) == (5, 6)
        assert evenly_spaced(FrameRange(5, 6), 3) == (5,)

    def test_it_is_saved_by_its_suffix(self, tmp_path):
        picture = np.zeros((4, 4, 3), np.uint8)
        save_picture(tmp_path / "sheet.webp", picture)
        assert (tmp_path / "sheet.webp").read_bytes()[8:12] == b"WEBP"
        with pytest.raises(InputError, match="Cannot write the picture"):
            save_picture(tmp_path / "sheet.xyz", picture)


class TestSkeleton:
    def test_missing_joints_leave_no_line(self):
        image = np.zeros((100, 100, 3), np.uint8)
        points = np.full((17, 2), np.nan)
        points[5] = [50, 50]
        draw_skeleton(image, points, np.ones(17), "coco17", RED)
        lit = np.argwhere(image.any(axis=2))
        assert len(lit) and abs(lit - 50).max() <= 4

    def test_doubtful_joints_are_fainter(self):
        sure, unsure = (np.zeros((60, 60, 3), np.uint8) for _ in range(2))
        points = np.full((17, 2), 30.0)
        draw_skeleton(sure, points, np.ones(17), "coco17", RED)
        draw_skeleton(unsure, points, np.full(17, 0.1), "coco17", RED)
        assert sure[30, 30].tolist() == list(RED) and unsure[30, 30, 0] < 200

    def test_default_colours_are_those_of_new_projects(self):
        assert PERSON_COLORS[0] == rgb("#2b78e4") == (43, 120, 228)


class TestOverlayVideo:
    def test_it_keeps_the_frames_and_their_times(self, tmp_path, video, stage):
        out = tmp_path / "overlay.mp4"
        done = list(
            overlay_video(out, video, stage.motion, stage.camera, FrameRange(1, 4), height=120)
        )
        assert done == pytest.approx([1 / 3, 2 / 3, 1])
        with av.open(str(out)) as container:
            times = [frame.time for frame in container.decode(video=0)]
        np.testing.assert_allclose(times, video.times[1:] - video.times[1], atol=1e-4)

    def test_one_that_is_not_finished_is_removed(self, tmp_path, video, stage):
        work = overlay_video(tmp_path / "o.mp4", video, stage.motion, stage.camera, height=120)
        next(work)
        work.close()
        assert list(tmp_path.iterdir()) == []


class TestRenderers:
    def test_the_nearer_surface_hides_the_farther(self):
        corners = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
        facing = np.tile([0.0, 0, 1], (3, 1))
        near = Surface(corners + np.array([0, 0, 1]), facing, np.array([[0, 1, 2]]), RED)
        far = Surface(corners, facing, np.array([[0, 1, 2]]), GREEN)
        T = np.eye(4)
        T[:3, :3], T[2, 3] = np.diag([1.0, -1, -1]), 5.0
        for order in ([near, far], [far, near]):
            image, mask = Painter().draw(order, View(T, (64, 64), metres_per_pixel=0.05))
            assert mask[36, 32] and image[36, 32, 0] > image[36, 32, 1]

    def test_a_process_with_another_opengl_platform_gets_the_painter(self, monkeypatch):
        import OpenGL  # noqa: F401

        monkeypatch.setenv("PYOPENGL_PLATFORM", "x11")
        assert make_renderer().name == "painter"

    @pytest.mark.skipif(
        bool(
            system_libraries.missing_packages(
                system_libraries.RENDERING, system_libraries.shared_libraries()
            )
        ),
        reason="no OSMesa: install it with `apt install libosmesa6`",
    )
    def test_pyrender_and_the_painter_draw_the_same_shape(self):
        """In a process of its own, where OpenGL has no platform yet."""
        script = """
import numpy as np
from app.offscreen import Painter, View, make_renderer
from app.stage import Stage
from tests.app.people import SIZE, camera, standing_pair
pyrender = make_renderer()
assert pyrender.name.startswith("pyrender"), pyrender.name
stage = Stage(standing_pair(1), camera(1), renderer=pyrender)
views = [
    View(stage.camera.T_camera_world[0], SIZE, stage.camera.K),
    View(stage.camera.T_camera_world[0], SIZE, metres_per_pixel=0.012),
]
for view in views:
    _, one = pyrender.draw(stage.surfaces(0), view)
    _, other = Painter().draw(stage.surfaces(0), view)
    print((one & other).sum() / (one | other).sum())
"""
        environment = {k: v for k, v in os.environ.items() if k != "PYOPENGL_PLATFORM"}
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert min(map(float, done.stdout.split())) > 0.9
