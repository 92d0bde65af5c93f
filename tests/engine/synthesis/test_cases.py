"""A case that is not drawn knows what the drawn clip knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.body.data import OPEN_BODY
from engine.errors import InputError
from engine.files import read_observations
from engine.motion.prepared import PreparedMotion, write_prepared
from engine.structures import BodyMotion, Provenance
from engine.synthesis.cameras import CameraOrder
from engine.synthesis.cases import Case, make_case
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.truth import Truth
from tests.engine.synthesis.conftest import FRAMES, small_order, write_motion

Clip = tuple[Path, Truth]


def case_of(order: SynthesisOrder, drawn: bool = False) -> Case:
    work = make_case(order, drawn=drawn)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            case: Case = stop.value
            return case


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Case]:
    """The same order, three people half behind each other, drawn and not drawn."""
    folder = tmp_path_factory.mktemp("both")
    places = np.array([[0.0, 0, 0.4], [0.3, 0, -0.1], [-0.35, 0, -0.5]])
    motion = write_motion(folder / "motion.npz", places, frames=2)
    camera = CameraOrder(640, 480, azimuth=20.0, elevation=5.0)
    order = SynthesisOrder(motion, folder / "clip", 5, camera=camera)
    return case_of(order, drawn=True), case_of(replace(order, out=None))


def test_the_bodies_the_camera_and_the_contacts_are_those_of_the_drawn_clip(
    both: tuple[Case, Case],
) -> None:
    drawn, quick = both
    np.testing.assert_array_equal(quick.truth.fit.joints, drawn.truth.fit.joints)
    np.testing.assert_array_equal(quick.truth.keypoints2d, drawn.truth.keypoints2d)
    np.testing.assert_array_equal(quick.truth.contact_vertices, drawn.truth.contact_vertices)
    np.testing.assert_array_equal(quick.K, drawn.K)
    assert quick.truth.contacts == drawn.truth.contacts
    assert quick.name == drawn.name == "motion seed 5"


def test_the_same_joints_are_hidden_as_in_the_drawn_clip(both: tuple[Case, Case]) -> None:
    drawn, quick = both
    assert len(np.unique(drawn.truth.visibility)) >= 3
    assert (quick.truth.visibility == drawn.truth.visibility).mean() >= 0.97


def test_masks_are_those_of_the_drawn_clip_but_for_their_edges(both: tuple[Case, Case]) -> None:
    drawn, quick = both
    for person in range(3):
        a, b = (case.truth.masks[person][1].decode() for case in (drawn, quick))
        assert a.shape == b.shape
        edge = cv2.morphologyEx(a.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((5, 5))) > 0
        assert not ((a != b) & ~edge).any()


def test_whoever_is_in_front_there_is_in_front_here(both: tuple[Case, Case]) -> None:
    drawn, quick = (case.truth.in_front[0, 1] for case in both)
    np.testing.assert_allclose(quick, drawn, atol=0.05)


def test_a_drawn_case_observes_what_its_files_hold(tmp_path: Path) -> None:
    motion = write_motion(tmp_path / "motion.npz", np.array([[-0.6, 0, 0], [0.6, 0, 0]]))
    case = case_of(small_order(motion, tmp_path / "clip"), drawn=True)
    clean = read_observations(tmp_path / "clip/observations-clean.npz").observations
    noisy = read_observations(tmp_path / "clip/observations-detector.npz").observations
    np.testing.assert_array_equal(case.clean.keypoints2d, clean.keypoints2d)
    np.testing.assert_array_equal(case.detector.confidence, noisy.confidence)
    assert case.clean.masks == clean.masks


def test_an_undrawn_case_writes_nothing(tmp_path: Path) -> None:
    motion = write_motion(tmp_path / "motion.npz", np.array([[-0.6, 0, 0], [0.6, 0, 0]]))
    case_of(replace(small_order(motion, tmp_path), out=None))
    assert list(tmp_path.iterdir()) == [motion]


def test_a_drawn_case_needs_a_folder(tmp_path: Path) -> None:
    motion = write_motion(tmp_path / "motion.npz", np.array([[-0.6, 0, 0], [0.6, 0, 0]]))
    with pytest.raises(InputError, match="needs a folder"):
        case_of(replace(small_order(motion, tmp_path), out=None), drawn=True)


class TestTime:
    """A clip shows the same motion at any rate."""

    FRAMES = 31

    def case(self, tmp_path: Path, **options: object) -> Case:
        places = np.array([[-0.6, 0, 0], [0.6, 0, 0]])
        motion = write_motion(tmp_path / "motion.npz", places, frames=self.FRAMES)
        order = replace(small_order(motion, tmp_path), out=None, **options)  # type: ignore[arg-type]
        return case_of(order)

    @pytest.mark.parametrize(("fps", "frames"), [(15.0, 16), (25.0, 26), (60.0, 61)])
    def test_a_second_has_as_many_frames_as_asked(
        self, tmp_path: Path, fps: float, frames: int
    ) -> None:
        truth = self.case(tmp_path, fps=fps).truth
        assert truth.fit.motion.frame_count == frames
        assert truth.fps == pytest.approx(fps)
        np.testing.assert_allclose(truth.fit.motion.time, np.arange(frames) / fps)

    def test_joints_are_where_they_are_at_that_time(self, tmp_path: Path) -> None:
        own, slow = (self.case(tmp_path, fps=fps).truth for fps in (30.0, 15.0))
        np.testing.assert_allclose(slow.fit.joints, own.fit.joints[:, ::2], atol=1e-3)

    def test_a_phones_frames_are_not_evenly_spaced(self, tmp_path: Path) -> None:
        time = self.case(tmp_path, variable_rate=True).truth.fit.motion.time
        steps = np.diff(time)
        assert time[0] == 0 and time[-1] <= 1.0
        assert (steps > 0).all()
        assert steps.std() > 0.001
        assert np.median(steps) == pytest.approx(1 / 30, rel=0.3)

    def test_a_rate_that_no_camera_has_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="expected 1 to 240 frames a second"):
            self.case(tmp_path, fps=0.5)


def test_a_video_is_shown_at_the_times_of_its_truth(tmp_path: Path) -> None:
    from engine.video import probe

    places = np.array([[-0.6, 0, 0], [0.6, 0, 0]])
    motion = write_motion(tmp_path / "motion.npz", places, frames=10)
    order = small_order(motion, tmp_path / "clip", variable_rate=True, fps=25.0)
    truth = case_of(order, drawn=True).truth
    np.testing.assert_allclose(
        probe(tmp_path / "clip/video.mp4").times, truth.fit.motion.time, atol=1e-6
    )
    assert np.diff(truth.fit.motion.time).std() > 0


class TestPreparedMotion:
    """It is used as it is."""

    def prepared(self, tmp_path: Path, apart: float) -> Path:
        shape = (2, FRAMES)
        transl = np.zeros((*shape, 3))
        transl[..., 1] = 1.21
        transl[1, :, 0] = apart
        motion = BodyMotion(
            OPEN_BODY, np.zeros((2, 10)), np.zeros((*shape, 3)), np.zeros((*shape, 23, 3)),
            transl, np.ones(shape, bool), np.full(shape, Provenance.EDITED, np.uint8),
            np.arange(FRAMES) / 30, "known",
        )  # fmt: skip
        content = PreparedMotion(
            motion, 30.0, "two", "made here", "", "validation", "generated", (),
            np.zeros(shape), np.full(shape, 0.004),
        )  # fmt: skip
        path = tmp_path / "two.npz"
        write_prepared(path, content)
        return path

    def test_it_is_neither_solved_nor_moved_nor_given_other_skins(self, tmp_path: Path) -> None:
        path = self.prepared(tmp_path, apart=2.0)
        truth = case_of(replace(small_order(path, tmp_path), out=None)).truth
        T = truth.fit.camera.T_camera_world[0]
        pelvis = (truth.fit.joints[:, 0, 0] - T[:3, 3]) @ T[:3, :3]
        np.testing.assert_allclose(pelvis[1] - pelvis[0], [2.0, 0, 0], atol=1e-5)
        assert not truth.skin_offsets.any()
        np.testing.assert_allclose(truth.separation_m, 0.004)

    def test_skins_of_their_own_can_be_asked_for(self, tmp_path: Path) -> None:
        path = self.prepared(tmp_path, apart=2.0)
        order = replace(small_order(path, tmp_path), out=None, shape_residual=True)
        assert case_of(order).truth.skin_offsets.any()

    def test_bodies_that_interpenetrate_are_taken_out_of_each_other(self, tmp_path: Path) -> None:
        path = self.prepared(tmp_path, apart=1.5)
        order = replace(small_order(path, tmp_path), out=None)
        left = case_of(replace(order, separate=False)).truth
        before = left.fit.diagnostics.penetration_m.max()
        assert before > 0.014
        assert (left.separation_m == np.float32(0.004)).all()
        parted = case_of(order).truth
        assert parted.fit.diagnostics.penetration_m.max() < 0.9 * before
        assert (parted.separation_m > 0.0041).all()
