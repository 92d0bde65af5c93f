"""obs.npz and fit.npz: what is written is read back, what is wrong is refused in one sentence."""

from __future__ import annotations

import io
import os
import pickle
import re
import resource
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InputError, UnsafeFileError
from engine.files import (
    FitFile,
    ObservationsFile,
    boxes_of,
    read_fit,
    read_observations,
    write_fit,
    write_observations,
)
from engine.structures import (
    BodyMotion,
    Camera,
    Diagnostics,
    Observations,
    Outcome,
    RunLengthMask,
)

PEOPLE, FRAMES, SIZE = 2, 5, (64, 48)
K = np.array([[80.0, 0, 32], [0, 80, 24], [0, 0, 1]])


def arrays(**changes) -> dict[str, np.ndarray]:
    """A correct obs.npz with some arrays replaced; None takes one away."""
    generator = np.random.default_rng(0)
    keypoints = np.concatenate(
        [
            generator.uniform(0, 48, (PEOPLE, FRAMES, 17, 2)),
            generator.uniform(0.1, 1, (PEOPLE, FRAMES, 17, 1)),
        ],
        axis=-1,
    )
    content = {
        "keypoints2d": keypoints,
        "layout": np.array("coco17"),
        "K": K,
        "image_size": np.array(SIZE),
        "fps": np.array(30.0),
    }
    content.update(changes)
    return {name: value for name, value in content.items() if value is not None}


@pytest.fixture
def saved(tmp_path):
    def save(**changes):
        path = tmp_path / "obs.npz"
        np.savez(path, **arrays(**changes))
        return path

    return save


class TestReadingObservations:
    def test_a_minimal_file_is_enough(self, saved):
        read = read_observations(saved())
        observations = read.observations
        assert observations.keypoints2d.shape == (PEOPLE, FRAMES, 17, 2)
        assert observations.layout == "coco17" and observations.image_size == SIZE
        np.testing.assert_allclose(observations.times, np.arange(FRAMES) / 30)
        assert (read.T_camera_world, read.betas, read.heights) == (None, None, ())

    def test_single_precision_and_integers_are_welcome(self, saved):
        keypoints = arrays()["keypoints2d"].astype(np.float32)
        read = read_observations(saved(keypoints2d=keypoints, K=K.astype(int), fps=np.array(25)))
        assert read.fps == 25 and read.observations.keypoints2d.dtype == np.float64

    def test_stated_times_count_more_than_the_rate(self, saved):
        times = np.array([0, 0.1, 0.15, 0.4, 0.5])
        observations = read_observations(saved(times=times)).observations
        np.testing.assert_array_equal(observations.times, times)

    def test_nothing_is_invented_where_the_confidence_is_zero_or_a_place_is_missing(self, saved):
        keypoints = arrays()["keypoints2d"]
        keypoints[0, 1, 3, 2] = 0
        keypoints[1, 2, 4, :2] = np.nan
        keypoints[1, 2, 5, 2] = np.nan
        observations = read_observations(saved(keypoints2d=keypoints)).observations
        for index in ((0, 1, 3), (1, 2, 4), (1, 2, 5)):
            assert np.isnan(observations.keypoints2d[index]).all()
            assert observations.confidence[index] == 0

    def test_boxes_are_a_tenth_larger_than_the_keypoints_and_stay_inside(self):
        points = np.full((1, 2, 17, 2), np.nan)
        points[0, 0, :2] = [[10, 20], [30, 40]]
        boxes = boxes_of(points, (31, 100))
        np.testing.assert_allclose(boxes[0, 0], [8, 18, 31, 42])
        assert np.isnan(boxes[0, 1]).all()

    def test_masks_become_run_lengths_and_empty_ones_are_gaps(self, saved):
        masks = np.zeros((PEOPLE, FRAMES, SIZE[1], SIZE[0]), bool)
        masks[1, 2, 10:20, 5:9] = True
        observations = read_observations(saved(masks=masks)).observations
        np.testing.assert_array_equal(observations.masks[1][2].decode(), masks[1, 2])
        assert observations.masks[0] == (None,) * FRAMES

    def test_other_people_come_with_boxes_and_without_masks(self, saved):
        others = arrays()["keypoints2d"][:1].copy()
        others[0, 2] = np.nan
        masks = np.ones((PEOPLE, FRAMES, SIZE[1], SIZE[0]), bool)
        read = read_observations(saved(others=others, masks=masks)).observations
        assert read.person_count == PEOPLE and read.others.person_count == 1
        np.testing.assert_array_equal(read.others.boxes[0, 1], read.boxes[0, 1])
        assert np.isnan(read.others.boxes[0, 2]).all() and (read.others.confidence[0, 2] == 0).all()
        assert read.others.masks is None and read.others.others is None

    def test_cuts_and_distortion_are_read_where_they_are_there(self, saved):
        plain = read_observations(saved())
        assert plain.observations.cuts == () and plain.distortion is None
        told = read_observations(saved(cuts=np.array([2, 4]), distortion=np.full(5, 0.1)))
        assert told.observations.cuts == (2, 4) and told.distortion.tolist() == [0.1] * 5
        assert read_observations(saved(cuts=np.array([]))).observations.cuts == ()

    def test_unknown_heights_are_nan(self, saved):
        read = read_observations(saved(heights=np.array([1.8, np.nan])))
        assert read.heights == (1.8, None)

    def test_arrays_stored_by_columns_are_read_the_same(self, saved):
        keypoints = np.asfortranarray(arrays()["keypoints2d"])
        read = read_observations(saved(keypoints2d=keypoints)).observations
        np.testing.assert_array_equal(read.keypoints2d, keypoints[..., :2])

    def test_other_arrays_are_left_alone(self, saved):
        read_observations(saved(comment=np.array("from my tracker")))


ROTATED = np.tile(np.eye(4), (FRAMES, 1, 1))
BAD_ROTATION = ROTATED.copy()
BAD_ROTATION[2, 0, 0] = 2.0
MIRRORED = ROTATED.copy()
MIRRORED[:, 0, 0] = -1.0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"keypoints2d": None}, r"not an observations file; expected the arrays keypoints2d"),
        ({"keypoints2d": np.zeros((2, 5, 17, 2))}, r"shape of keypoints2d .* \(P, F, 17, 3\)"),
        ({"keypoints2d": np.zeros((2, 5, 26, 3))}, r"expected \(P, F, 17, 3\), received"),
        ({"keypoints2d": np.zeros((0, 5, 17, 3))}, r"shape of keypoints2d"),
        ({"keypoints2d": np.full((2, 5, 17, 3), np.inf)}, r"value of keypoints2d .* finite"),
        ({"keypoints2d": np.full((2, 5, 17, 3), 37.0)}, r"confidence .* expected 0\.\.1.*37"),
        ({"keypoints2d": np.full((2, 5, 17, 3), "x")}, r"type of keypoints2d .* floats or int"),
        ({"keypoints2d": np.zeros((20, 1, 17, 3))}, r"number of people .* at most 16.* 20"),
        ({"layout": np.array("openpose")}, r"layout .* 'coco17' or 'halpe26', received 'openpose'"),
        ({"layout": np.array(["coco17"])}, r"shape of layout"),
        ({"K": np.eye(4)}, r"shape of K"),
        ({"K": np.array([[80, 3, 32], [0, 80, 24], [0, 0, 1.0]])}, r"K is wrong; expected \[\[fx"),
        ({"K": -np.eye(3)}, r"K is wrong"),
        ({"K": np.full((3, 3), np.nan)}, r"value of K"),
        ({"image_size": np.array([64, 0])}, r"image_size .* received 64 x 0"),
        ({"image_size": np.array([64.5, 48])}, r"image_size .* whole numbers"),
        ({"image_size": np.array([10**6, 48])}, r"image_size .* 1 to 16384"),
        ({"K": np.eye(3)}, r"a focal length in K .* 6\.4 to 6400 pixels, received 1 and 1"),
        ({"fps": np.array(0.0)}, r"fps .* expected 0\.1 to 10000, received 0"),
        ({"fps": np.array(1e-300)}, r"fps .* expected 0\.1 to 10000, received 1e-300"),
        ({"times": np.arange(FRAMES) * 1e5}, r"the length is wrong; expected at most 24 hours"),
        ({"fps": np.array([30.0])}, r"shape of fps"),
        ({"times": np.zeros(FRAMES)}, r"times .* increase"),
        ({"times": np.arange(3.0)}, r"shape of times .* \(5,\), received \(3,\)"),
        ({"masks": np.zeros((2, 5, 64, 48), bool)}, r"shape of masks .* \(2, 5, 48, 64\)"),
        ({"T_camera_world": BAD_ROTATION}, r"rotation in T_camera_world"),
        ({"T_camera_world": MIRRORED}, r"rotation in T_camera_world"),
        ({"T_camera_world": np.eye(4)}, r"shape of T_camera_world"),
        ({"betas": np.zeros((2, 16))}, r"shape of betas .* \(2, 10\)"),
        ({"betas": np.full((2, 10), -1e6)}, r"betas .* -20 to 20, received 1e\+06 in size"),
        ({"heights": np.array([180.0, 170.0])}, r"heights .* 0.4 to 2.8 metres, received 180, 170"),
        ({"others": np.zeros((3, 5, 26, 3))}, r"shape of others .* \(P, 5, 17, 3\)"),
        ({"others": np.zeros((0, 5, 17, 3))}, r"shape of others"),
        ({"others": np.zeros((300, 5, 17, 3))}, r"number of others .* at most 256.* 300"),
        ({"others": np.full((1, 5, 17, 3), 2.0)}, r"a confidence in others .* 0\.\.1"),
        ({"others": np.full((1, 5, 17, 3), -np.inf)}, r"value of others .* finite"),
        ({"cuts": np.array([0])}, r"cuts is wrong; expected frames 1 to 4 that increase"),
        ({"cuts": np.array([3, 2])}, r"cuts .* increase, received 3, 2"),
        ({"cuts": np.array([2, 5])}, r"cuts .* frames 1 to 4"),
        ({"cuts": np.array([1.5])}, r"cuts .* whole numbers"),
        ({"distortion": np.zeros(4)}, r"shape of distortion .* \(5,\)"),
        ({"distortion": np.full(5, np.nan)}, r"value of distortion .* finite"),
        ({"distortion": np.full(5, 1e9)}, r"distortion .* -1000 to 1000, received 1e\+09"),
        ({"hieghts": np.array([1.8, 1.7])}, r"'hieghts' is wrong; expected 'heights'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_expected_and_received(saved, changes, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        read_observations(saved(**changes))
    assert "\n" not in str(caught.value)


def npy(header: str, data: bytes = b"") -> bytes:
    padded = header.encode() + b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + data


class TestHostileFiles:
    def zipped(self, tmp_path, **members: bytes):
        path = tmp_path / "obs.npz"
        content = {}
        for name, value in arrays().items():
            buffer = io.BytesIO()
            np.save(buffer, value)
            content[name] = buffer.getvalue()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in {**content, **members}.items():
                archive.writestr(name if "." in name else name + ".npy", data)
        return path

    def test_a_pickle_is_never_opened(self, tmp_path):
        class Payload:
            def __reduce__(self):
                return (open, (str(tmp_path / "touched"), "w"))

        hostile = np.array([Payload()], dtype=object)
        path = tmp_path / "obs.npz"
        np.savez(path, **{**arrays(), "K": hostile})
        with pytest.raises(UnsafeFileError, match="holds Python objects under 'K'"):
            read_observations(path)
        (tmp_path / "bare.npz").write_bytes(pickle.dumps(Payload()))
        with pytest.raises(InputError, match="not an observations file"):
            read_observations(tmp_path / "bare.npz")
        assert not (tmp_path / "touched").exists()

    def test_a_header_that_promises_more_than_there_is_costs_nothing(self, tmp_path):
        promise = "{'descr': '<f8', 'fortran_order': False, 'shape': (3000000, 3000000)}"
        path = self.zipped(tmp_path, K=npy(promise, b"\0" * 72))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(InputError, match=r"size of 'K\.npy' is not what its header says"):
            read_observations(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000

    def test_an_array_that_unpacks_to_too_much_is_not_loaded(self, saved, monkeypatch):
        """Zeros pack a thousandfold, so the file's size says nothing."""
        monkeypatch.setattr("engine.npz.ARRAY_BYTES_LIMIT", 1 << 20)
        with pytest.raises(InputError, match=r"'keypoints2d' in obs\.npz is too large to load"):
            read_observations(saved(keypoints2d=np.zeros((2, 9000, 17, 3)), times=None))

    def test_more_frames_than_any_clip_has_are_refused_unread(self, saved):
        with pytest.raises(InputError, match="number of frames"):
            read_observations(saved(keypoints2d=np.zeros((1, 200_001, 17, 3), np.uint8)))

    @pytest.mark.parametrize(
        "header",
        ["{'descr': '<f8'}", "__import__('os').abort()", "{" * 500, "\0" * 40],
        ids=["incomplete", "code", "nested", "zeros"],
    )
    def test_a_header_is_data_not_code(self, tmp_path, header):
        with pytest.raises(InputError, match=r"'K\.npy' has no readable header"):
            read_observations(self.zipped(tmp_path, K=npy(header)))

    def test_members_that_are_no_arrays_are_refused(self, tmp_path):
        path = self.zipped(tmp_path, **{"../../escape.sh": b"echo"})
        with pytest.raises(InputError, match=r"holds '\.\./\.\./escape\.sh', which is no array"):
            read_observations(path)

    def test_a_damaged_archive_is_refused(self, saved):
        path = saved()
        data = bytearray(path.read_bytes())
        data[400:420] = b"\xff" * 20
        path.write_bytes(data)
        with pytest.raises(InputError, match="not an observations file"):
            read_observations(path)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x,y\n1,2\n", b"\x89PNG\r\n"])
    def test_other_files_are_refused(self, tmp_path, content):
        path = tmp_path / "obs.npz"
        path.write_bytes(content)
        with pytest.raises(InputError, match="not an observations file"):
            read_observations(path)

    def test_a_damaged_stream_is_refused(self, tmp_path):
        generator = np.random.default_rng(2)
        path = tmp_path / "obs.npz"
        np.savez_compressed(path, **arrays(keypoints2d=generator.uniform(0, 1, (2, 500, 17, 3))))
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo("keypoints2d.npy")
        data = bytearray(path.read_bytes())
        end = member.header_offset + member.compress_size
        data[end - 100_000 : end - 1000] = b"\xff" * 99_000
        path.write_bytes(data)
        with pytest.raises(InputError, match="'keypoints2d' is damaged"):
            read_observations(path)

    def test_a_device_is_not_read_to_its_end_and_a_pipe_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.npz")
        for path in ("/dev/zero", tmp_path / "pipe.npz"):
            with pytest.raises(InputError, match="no regular file"):
                read_observations(path)

    def test_a_missing_file_and_a_folder_are_refused(self, tmp_path):
        for path in (tmp_path / "absent.npz", tmp_path):
            with pytest.raises(InputError, match="Cannot open"):
                read_observations(path)


def content() -> ObservationsFile:
    generator = np.random.default_rng(1)
    points = generator.uniform(1, 47, (PEOPLE, FRAMES, 26, 2))
    confidence = generator.uniform(0.2, 1, (PEOPLE, FRAMES, 26))
    points[1, 3], confidence[1, 3] = np.nan, 0.0
    mask = np.zeros((SIZE[1], SIZE[0]), bool)
    mask[4:9, 7:20] = True
    one = RunLengthMask.encode(mask)
    found = Observations(
        keypoints2d=points,
        confidence=confidence,
        layout="halpe26",
        boxes=boxes_of(points, SIZE),
        times=np.array([0, 0.03, 0.07, 0.1, 0.2]),
        image_size=SIZE,
    )
    others = replace(
        found, keypoints2d=points[:, ::-1], confidence=confidence[:, ::-1],
        boxes=found.boxes[:, ::-1],
    )  # fmt: skip
    masks = ((one,) * FRAMES, (None, *(one,) * (FRAMES - 1)))
    return ObservationsFile(
        observations=replace(found, masks=masks, others=others, cuts=(3,)),
        K=K,
        fps=30.0,
        T_camera_world=ROTATED,
        betas=generator.normal(size=(PEOPLE, 10)),
        heights=(None, 1.7),
        distortion=np.array([0.1, -0.02, 0.001, 0, 0.5]),
    )


def motion() -> BodyMotion:
    generator = np.random.default_rng(2)
    valid = np.ones((PEOPLE, FRAMES), bool)
    valid[0, 4] = False
    return BodyMotion(
        body="open-body",
        betas=generator.normal(size=(PEOPLE, 10)),
        global_orient=generator.normal(size=(PEOPLE, FRAMES, 3)),
        body_pose=generator.normal(size=(PEOPLE, FRAMES, 23, 3)),
        transl=generator.normal(size=(PEOPLE, FRAMES, 3)),
        valid=valid,
        provenance=np.where(valid, 2, 0).astype(np.uint8),
        time=np.arange(FRAMES) / 30,
    )


def fit() -> FitFile:
    generator = np.random.default_rng(3)
    return FitFile(
        motion=motion(),
        joints=generator.normal(size=(PEOPLE, FRAMES, 24, 3)),
        keypoints2d_reprojected=generator.normal(size=(PEOPLE, FRAMES, 17, 2)),
        layout="coco17",
        camera=Camera(K, SIZE, ROTATED, "assumed"),
        outcome=Outcome.STEP_LIMIT,
        diagnostics=Diagnostics(np.ones((PEOPLE, FRAMES)), np.zeros(FRAMES)),
    )


def assert_same(a, b):
    """Equal dataclasses, arrays included."""
    assert type(a) is type(b)
    for name in a.__dataclass_fields__:
        left, right = getattr(a, name), getattr(b, name)
        if isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right, err_msg=name)
        elif hasattr(left, "__dataclass_fields__"):
            assert_same(left, right)
        else:
            assert left == right, name


class TestWriting:
    def test_observations_come_back_unchanged(self, tmp_path):
        write_observations(tmp_path / "obs.npz", content())
        assert_same(read_observations(tmp_path / "obs.npz"), content())

    def test_a_fit_comes_back_unchanged(self, tmp_path):
        write_fit(tmp_path / "fit.npz", fit())
        assert_same(read_fit(tmp_path / "fit.npz"), fit())

    def test_a_fit_keeps_the_distortion_of_its_lens(self, tmp_path):
        lens = replace(fit().camera, distortion=np.array([0.1, -0.02, 0, 0, 0.5]))
        write_fit(tmp_path / "fit.npz", replace(fit(), camera=lens))
        assert_same(read_fit(tmp_path / "fit.npz"), replace(fit(), camera=lens))

    def test_a_fit_has_the_promised_arrays_for_plain_numpy(self, tmp_path):
        write_fit(tmp_path / "fit.npz", fit())
        with np.load(tmp_path / "fit.npz", allow_pickle=False) as file:
            shapes = {name: file[name].shape for name in file.files}
            words = [str(file[name]) for name in ("body", "frame", "outcome")]
        assert words == ["open-body", "camera", "step limit"]
        promised = {
            "betas": (PEOPLE, 10),
            "global_orient": (PEOPLE, FRAMES, 3),
            "body_pose": (PEOPLE, FRAMES, 23, 3),
            "transl": (PEOPLE, FRAMES, 3),
            "joints": (PEOPLE, FRAMES, 24, 3),
            "keypoints2d_reprojected": (PEOPLE, FRAMES, 17, 2),
        }
        assert {name: shapes[name] for name in promised} == promised

    def test_observations_are_not_a_fit(self, saved):
        with pytest.raises(InputError, match="is not a fit file; expected the arrays betas"):
            read_fit(saved())

    def test_a_place_that_cannot_be_written_is_said_and_leaves_nothing(self, tmp_path):
        with pytest.raises(
            InputError, match=re.escape(f"Cannot write {tmp_path / 'no' / 'f.npz'}")
        ):
            write_fit(tmp_path / "no" / "f.npz", fit())
        assert list(tmp_path.iterdir()) == []

    def test_an_interrupted_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        write_fit(tmp_path / "fit.npz", fit())
        before = (tmp_path / "fit.npz").read_bytes()

        def full(stream, *_, **__):
            stream.write(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np.lib.format, "write_array", full)
        with pytest.raises(InputError, match="No space left on device"):
            write_fit(tmp_path / "fit.npz", fit())
        assert (tmp_path / "fit.npz").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["fit.npz"]
