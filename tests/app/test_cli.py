"""Every window action has a twin on the command line; bad input is one sentence and exit code 2."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from annotations.store import Store
from app import cli, cli_progress, cli_project
from engine.files import ObservationsFile, read_fit, write_observations
from engine.structures import Constraints
from tests.app.people import FPS, camera, seen, standing_pair, write_video

FRAMES = 8


@pytest.fixture
def run(capsys):
    """Runs a command line in this process: exit code, stdout, stderr."""

    def command(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return command


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("clip") / "hello.mp4", FRAMES)


@pytest.fixture(scope="session")
def detected_template(tmp_path_factory, clip) -> Path:
    """A project with one clip, detected perfectly."""
    path = tmp_path_factory.mktemp("detected") / "study.dyad"
    assert cli.main(["import", str(clip), "--project", str(path)]) == 0
    with Store.open(path) as store:
        observed = seen(standing_pair(FRAMES), camera(FRAMES))
        observed = replace(observed, times=store.clips()[0].video.times)
        store.set_observations(1, observed, {"by": "test"})
    return path


@pytest.fixture(scope="session")
def fitted_template(tmp_path_factory, detected_template) -> Path:
    path = tmp_path_factory.mktemp("fitted") / "study.dyad"
    shutil.copy(detected_template, path)
    assert cli.main(["fit", "--project", str(path)]) == 0
    return path


@pytest.fixture
def project(tmp_path, detected_template) -> Path:
    return Path(shutil.copy(detected_template, tmp_path / "study.dyad"))


@pytest.fixture
def fitted(tmp_path, fitted_template) -> Path:
    return Path(shutil.copy(fitted_template, tmp_path / "study.dyad"))


@pytest.fixture
def observations(tmp_path) -> Path:
    by = camera(FRAMES)
    content = ObservationsFile(seen(standing_pair(FRAMES), by, "coco17"), by.K, FPS)
    write_observations(tmp_path / "obs.npz", content)
    return tmp_path / "obs.npz"


class TestTheLoop:
    def test_from_a_video_to_an_accepted_export(self, fitted, run, tmp_path):
        """Swap, contact, re-fit, undo and redo, accept, split, render, export."""
        on = ("--project", fitted)
        assert "Swap people, frames 2-4" in run("swap", *on, "--frames", "2:5").out
        assert run("undo", *on).out == "Undone: Swap people, frames 2-4\n"
        mark = run("contact", "1:left_palm", "2:right_palm", *on, "--frames", "4:7")
        assert mark.code == 0, mark.err
        assert "1:left_palm touches 2:right_palm  4:7" in run("contact", *on).out
        assert run("height", *on, "--person", 1, 1.8).code == 0
        again = run("fit", *on, "--frames", "3:7")
        assert again.code == 0 and "outcome:" in again.out
        assert "Undone: Fit" in run("undo", *on).out
        assert "Done again: Fit" in run("redo", *on).out
        assert run("review", "accepted", *on, "--frames", "1:8").code == 0
        assert run("split", *on, "--seed", 3).out.split()[1] == "hello"
        out = tmp_path / "export"
        assert run("export", *on, "--format", "smpl-npz", "--out", out).code == 0
        manifest = json.loads((out / "manifest.json").read_text())
        assert manifest["counts"] == {"clips": 1, "frames": 7, "people": 2}
        assert run("render", *on, "--out", tmp_path / "sheet.png", "--rows", 1).code == 0
        assert (tmp_path / "sheet.png").stat().st_size > 10_000

    def test_an_accepted_frame_is_not_changed_by_a_fit(self, fitted, run):
        on = ("--project", fitted)
        run("review", "accepted", *on, "--frames", "0:4")
        with Store.open(fitted) as store:
            before = store.state(1).motion
        assert run("fit", *on).code == 0
        with Store.open(fitted) as store:
            after = store.state(1).motion
        np.testing.assert_array_equal(after.transl[:, :4], before.transl[:, :4])

    def test_joints_and_depth_order_are_stated_and_taken_back(self, project, run):
        on = ("--project", project)
        place = ("joint", "left_wrist", *on, "--person", 2, "--frame", 3)
        assert run(*place, "--x", 40.5, "--y", 60).code == 0
        assert run("depth", *on, "--front", 2, "--back", 1, "--frames", "2:5").code == 0
        with Store.open(project) as store:
            said = store.state(1).constraints
        edit = said.keypoint_edits[0]
        assert (edit.person, edit.frame, edit.keypoint, edit.x, edit.y) == (1, 3, 9, 40.5, 60)
        assert (said.depth_orders[0].front, said.depth_orders[0].back) == (1, 0)
        assert run(*place).code == 0
        assert run("depth", *on, "--front", 2, "--back", 1, "--frames", ":", "--off").code == 0
        with Store.open(project) as store:
            assert store.state(1).constraints == Constraints()

    def test_show_says_how_far_each_clip_is(self, fitted, run):
        assert "fitted" in run("show", "--project", fitted).out

    def test_what_is_odd_about_a_clip_is_shown(self, project, run):
        with Store.open(project) as store:
            observed = store.state(1).observations
            assert observed is not None
            store.set_observations(1, replace(observed, notes=("The camera moves.",)), {})
        assert run("show", "--project", project).out.endswith("\n      The camera moves.\n")

    def test_who_was_found_is_said_with_the_notes(self):
        observed = seen(standing_pair(FRAMES), camera(FRAMES))
        boxes = observed.boxes.copy()
        boxes[1, 2:4] = np.nan
        others = replace(observed, masks=None)
        observed = replace(observed, boxes=boxes, others=others, notes=("The camera moves.",))
        assert cli_project.found_lines(observed) == [
            "person 1: found in 8 of 8 frames",
            "person 2: found in 6 of 8 frames",
            "others in view: 2 (`assign` lists them)",
            "The camera moves.",
        ]

    def test_clips_are_chosen_by_name_or_number(self, project, run, clip):
        run("import", clip, "--project", project, "--name", "other")
        refused = run("undo", "--project", project)
        assert refused.code == 2 and "--clip with one of hello, other" in refused.err
        for wanted in ("hello", "1"):
            assert run("freeze", "--project", project, "--clip", wanted, "--frames", 1).code == 0
        assert run("undo", "--project", project, "--clip", "missing").code == 2


def bent_by(lens: np.ndarray, pixels: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Pixels of a picture without distortion as a lens of radial k1, k2 would show them."""
    x, y = np.moveaxis((pixels - K[:2, 2]) / [K[0, 0], K[1, 1]], -1, 0)
    square = x**2 + y**2
    factor = 1 + lens[0] * square + lens[1] * square**2
    return np.stack([x * factor, y * factor], -1) * [K[0, 0], K[1, 1]] + K[:2, 2]


class TestFileToFile:
    def test_observations_become_bodies_in_the_camera_frame(self, observations, run, tmp_path):
        done = run("fit", "--observations", observations, "--out", tmp_path / "fit.npz")
        assert done.code == 0 and "outcome:" in done.out, done.err
        fit = read_fit(tmp_path / "fit.npz")
        truth, by = standing_pair(FRAMES), camera(FRAMES)
        pixels = seen(truth, by, "coco17").keypoints2d
        error = np.linalg.norm(fit.keypoints2d_reprojected - pixels, axis=-1)
        assert np.median(error) < 4  # px; a person is 160 px tall
        assert (fit.joints[..., 2] > 1).all()  # in front of the camera, y down
        assert (fit.joints[:, :, 15, 1] < fit.joints[:, :, 10, 1]).all()  # heads above feet
        image = fit.joints @ fit.camera.K.T
        hips = (image[..., :2] / image[..., 2:])[:, :, [1, 2]].mean(axis=2)
        assert np.linalg.norm(hips - pixels[:, :, [11, 12]].mean(axis=2), axis=-1).max() < 25

    def test_a_known_shape_and_a_known_camera_are_kept(self, tmp_path, run):
        by = camera(FRAMES)
        given = ObservationsFile(
            seen(standing_pair(FRAMES), by),
            by.K,
            FPS,
            T_camera_world=by.T_camera_world,
            betas=np.full((2, 10), 0.1),
        )
        write_observations(tmp_path / "obs.npz", given)
        run("fit", "--observations", tmp_path / "obs.npz", "--out", tmp_path / "fit.npz")
        fit = read_fit(tmp_path / "fit.npz")
        np.testing.assert_array_equal(fit.motion.betas, given.betas)
        np.testing.assert_allclose(fit.camera.T_camera_world, by.T_camera_world, atol=1e-6)

    @pytest.mark.parametrize("placed", [True, False], ids=["camera placed", "camera somewhere"])
    def test_a_lens_may_distort(self, tmp_path, run, placed):
        """The pixels that come back are those of the picture, bent as the lens bends them."""
        by = camera(FRAMES)
        straight = seen(standing_pair(FRAMES), by, "coco17")
        lens = np.array([-0.6, 0.3, 0, 0, 0])
        bent = bent_by(lens, straight.keypoints2d, by.K)
        far = np.linalg.norm(bent - straight.keypoints2d, axis=-1) > 3
        assert far.any()
        given = ObservationsFile(
            replace(straight, keypoints2d=bent),
            by.K,
            FPS,
            T_camera_world=by.T_camera_world if placed else None,
            distortion=lens,
        )
        write_observations(tmp_path / "obs.npz", given)
        run("fit", "--observations", tmp_path / "obs.npz", "--out", tmp_path / "fit.npz")
        fit = read_fit(tmp_path / "fit.npz")
        np.testing.assert_array_equal(fit.camera.distortion, lens)
        error = np.linalg.norm(fit.keypoints2d_reprojected - bent, axis=-1)
        unbent = np.linalg.norm(fit.keypoints2d_reprojected - straight.keypoints2d, axis=-1)
        assert np.median(error) < 4 and error[far].mean() < 0.6 * unbent[far].mean()

    def test_people_who_are_never_seen_cannot_be_fitted(self, tmp_path, run):
        by = camera(FRAMES)
        observed = seen(standing_pair(FRAMES), by)
        observed.confidence[1] = 0
        write_observations(tmp_path / "obs.npz", ObservationsFile(observed, by.K, FPS))
        done = run("fit", "--observations", tmp_path / "obs.npz", "--out", tmp_path / "fit.npz")
        assert done.code == 3 and done.err.count("\n") == 1 and "Person 2" in done.err
        assert not (tmp_path / "fit.npz").exists()

    def test_one_person_alone_is_refused(self, tmp_path, run):
        by = camera(FRAMES)
        pair = seen(standing_pair(FRAMES), by)
        alone = replace(
            pair,
            keypoints2d=pair.keypoints2d[:1],
            confidence=pair.confidence[:1],
            boxes=pair.boxes[:1],
        )
        write_observations(tmp_path / "obs.npz", ObservationsFile(alone, by.K, FPS))
        done = run("fit", "--observations", tmp_path / "obs.npz", "--out", tmp_path / "fit.npz")
        assert done.code == 2 and done.err.count("\n") == 1 and "one person" in done.err

    def test_a_place_that_cannot_be_written_is_said_before_the_work(
        self, observations, run, tmp_path
    ):
        for out in (tmp_path, tmp_path / "absent" / "fit.npz"):
            done = run("fit", "--observations", observations, "--out", out)
            assert (done.code, done.err.count("\n"), done.out) == (2, 1, "")

    def test_a_gpu_that_is_not_there_is_said(self, observations, run, tmp_path, monkeypatch):
        monkeypatch.setattr("engine.device.cuda_trouble", lambda: "torch finds no GPU")
        out = tmp_path / "fit.npz"
        done = run("fit", "--observations", observations, "--out", out, "--device", "cuda")
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "CUDA was asked for and cannot be used: torch finds no GPU." in done.err

    def test_the_video_must_be_the_observations_own(self, observations, run, tmp_path):
        other = write_video(tmp_path / "other.mp4", FRAMES - 2)
        done = run(
            "fit", "--observations", observations, "--video", other, "--out", tmp_path / "f.npz"
        )
        assert done.code == 2 and "expected 6 frames of 320 x 240, received 8 frames" in done.err


@pytest.fixture
def files(tmp_path) -> Path:
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "text.dyad").write_text("not a project")
    (tmp_path / "text.npz").write_text("not observations")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("import {0}/text.mp4 --project {0}/new.dyad", "text.mp4"),
        ("import {0}/absent.mp4 --project {0}/new.dyad", "absent.mp4"),
        ("show --project {0}/text.dyad", "text.dyad"),
        ("show --project {0}/absent.dyad", "absent.dyad"),
        ("fit --observations {0}/text.npz --out {0}/fit.npz", "not an observations file"),
        ("fit --observations {0}/absent.npz --out {0}/fit.npz", "absent.npz"),
        ("fit", "Say what to fit"),
        ("fit --observations x.npz", "Say what to fit"),
        ("swap --project x.dyad", "Missing option '--frames'"),
        ("swap --project x.dyad --frames 9", "There is no project"),
        ("swap --project x.dyad --frames later", "'later' is not a range of frames"),
        ("contact left 2:head --project x.dyad", "'left' is not PERSON:REGION"),
        ("detect --project x.dyad --box 1,2,3", "is not PERSON@FRAME"),
        ("review perhaps --project x.dyad", "perhaps"),
        ("bench nothing", "There is no such benchmark; expected body, proximity, raster, "),
        ("bench", "Missing command"),
        ("bench body --json {0}/absent/rows.json", "There is no folder"),
        ("frobnicate", "No such command 'frobnicate'"),
        ("window a.dyad b.dyad", "opens one project"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(files, run, monkeypatch, line, sentence):
    monkeypatch.setenv("DISPLAY", ":0")
    before = {path: path.read_bytes() for path in files.iterdir()}
    done = run(*line.format(files).split())
    assert done.code == 2 and sentence in done.err
    assert done.err.count("\n") == 1 and "Traceback" not in done.err
    assert {path: path.read_bytes() for path in files.iterdir()} == before


class TestOnAProject:
    @pytest.mark.parametrize(
        ("line", "sentence"),
        [
            ("swap --frames 5:50", "0 <= A < B <= 8, received 5:50"),
            ("swap --frames 5:5", "received 5:5"),
            ("contact 1:left_palm 2:right_plam", "right_palm"),
            ("contact --remove 4", "no such contact"),
            ("height --person 1 180", "metres"),
            ("height --person 3 1.8", "no such person"),
            ("render --out {0}/sheet.png", "no bodies to draw"),
            ("export --format fbx --out {0}/out", "expected smpl-npz"),
            ("export --format smpl-npz --out {0}/out", "Accept frames first"),
            ("joint elbow --person 1 --frame 2", "There is no such joint"),
            ("joint nose --person 1 --frame 2 --x 4", "expected --x and --y"),
            ("redo", "nothing to redo"),
        ],
    )
    def test_what_makes_no_sense_changes_nothing(self, project, run, tmp_path, line, sentence):
        with Store.open(project) as store:
            before = store.history(1)
        words = line.format(tmp_path).split()
        done = run(words[0], "--project", project, *words[1:])
        assert (done.code, done.err.count("\n")) == (2, 1) and sentence in done.err
        with Store.open(project) as store:
            assert store.history(1) == before

    def test_fitting_comes_after_detecting(self, tmp_path, clip, run):
        run("import", clip, "--project", tmp_path / "new.dyad")
        done = run("fit", "--project", tmp_path / "new.dyad")
        assert done.code == 2 and "python3 main.py detect" in done.err

    def test_a_project_is_not_made_on_a_body_that_is_not_there(self, tmp_path, clip, run):
        done = run("import", clip, "--project", tmp_path / "new.dyad", "--body", "nobody")
        assert done.code == 2 and "There is no body called 'nobody'" in done.err
        assert not (tmp_path / "new.dyad").exists()

    def test_where_everything_is_accepted_nothing_is_fitted(self, fitted, run):
        run("review", "--project", fitted, "accepted")
        done = run("fit", "--project", fitted)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "Every frame to fit is accepted or frozen" in done.err

    @pytest.mark.parametrize("line", ["render --out", "export --format smpl-npz --out"])
    def test_a_place_that_cannot_be_written_is_named(self, fitted, run, line):
        run("review", "--project", fitted, "accepted")
        words = line.split()
        done = run(words[0], "--project", fitted, *words[1:], "/proc/nothing/here.mp4")
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "Cannot write into /proc/nothing" in done.err

    def test_a_window_on_the_project_keeps_commands_out(self, project, run):
        with Store.open(project):
            done = run("undo", "--project", project)
        assert done.code == 2 and "open" in done.err


class TestStart:
    def test_help_answers_without_loading_what_commands_need(self):
        script = (
            "import sys; from app.cli import main; code = main(['--help']);"
            "heavy = {'torch', 'PySide6', 'sqlalchemy', 'onnxruntime', 'cv2', 'av', 'scipy'};"
            "print(sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(code)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert done.stderr.strip() == "[]"
        for command in ("import", "detect", "fit", "swap", "contact", "review", "split", "export"):
            assert f"\n  {command} " in done.stdout

    def test_without_a_command_the_window_opens(self, run, monkeypatch):
        opened = []
        monkeypatch.setenv("DISPLAY", ":7")
        window = SimpleNamespace(run_window=lambda *files: opened.append(files) or 0)
        monkeypatch.setitem(sys.modules, "app.window_start", window)
        assert run().code == 0
        assert run("window", "a.dyad", "v.mp4").code == 0
        assert opened == [(None, None), (Path("a.dyad"), Path("v.mp4"))]

    def test_without_a_display_the_sample_is_run(self, run, monkeypatch):
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        ran = []
        monkeypatch.setattr("app.headless.run_sample", ran.append)
        assert run().code == 0 and ran == [cli.SAMPLE_FOLDER]
        assert run("window", "a.dyad").code == 2

    def test_a_full_disk_is_one_sentence(self, run, monkeypatch):
        def fail():
            raise OSError(errno.ENOSPC, "No space left on device", "study.dyad")

        monkeypatch.setattr("app.doctor.examine", fail)
        done = run("doctor")
        assert (done.code, done.err) == (2, "study.dyad: No space left on device.\n")

    def test_what_is_interrupted_says_so(self, run, monkeypatch):
        def interrupt():
            raise KeyboardInterrupt

        monkeypatch.setattr("app.doctor.examine", interrupt)
        done = run("doctor")
        assert (done.code, done.err) == (130, "Stopped.\n")

    def test_what_nobody_foresaw_is_told_apart_from_bad_input(self, run, monkeypatch):
        def fail():
            raise ZeroDivisionError("division by zero")

        monkeypatch.setattr("app.doctor.examine", fail)
        done = run("doctor")
        assert done.code == 1 and "Traceback" in done.err
        assert done.err.endswith("Something unforeseen happened: division by zero\n")


class TestProgress:
    class Stream:
        def __init__(self, terminal: bool) -> None:
            self.text, self._terminal = "", terminal

        def isatty(self) -> bool:
            return self._terminal

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None:
            pass

    @staticmethod
    def work():
        for fraction in (0.1, 0.5, 0.9):
            yield SimpleNamespace(stage="Fitting", fraction=fraction, remaining_seconds=3.0)
        yield SimpleNamespace(stage="Ending", fraction=1.0, remaining_seconds=None)
        return "result"

    def test_each_stage_is_said_once_where_nobody_watches(self):
        stream = self.Stream(terminal=False)
        assert cli_progress.run(self.work(), stream) == "result"
        assert stream.text == "Fitting\nEnding\n"

    def test_a_terminal_has_one_line_that_is_gone_afterwards(self):
        stream = self.Stream(terminal=True)
        cli_progress.run(self.work(), stream)
        assert "Fitting: 10 %, 3 s left" in stream.text and "\n" not in stream.text
        assert stream.text.endswith("\r\x1b[K")

    def test_an_interruption_closes_the_work(self):
        closed = []

        def work():
            try:
                yield SimpleNamespace(stage="Fitting", fraction=0.1, remaining_seconds=None)
                raise KeyboardInterrupt
            finally:
                closed.append(True)

        with pytest.raises(KeyboardInterrupt):
            cli_progress.run(work(), self.Stream(terminal=False))
        assert closed == [True]
