"""Plugins are found without being imported, and whatever they do wrong is one sentence."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pytest

from engine.errors import EngineError
from engine.perception.plugins import (
    GROUPS,
    FoundPeople,
    InitialBodies,
    PluginError,
    available,
    load,
    names,
    require,
)
from engine.structures import FrameRange, Observations, VideoInfo

IMAGE = np.zeros((48, 64, 3), np.uint8)
BOXES = np.array([[4.0, 5, 30, 40], [20, 5, 60, 44]])
VIDEO = VideoInfo("clip.mp4", 64, 48, np.arange(3) / 30, "0" * 64)

CALLS = """
import numpy as np
from engine.perception.plugins import FoundPeople, InitialBodies

class Says:
    layout = "coco17"
    def detect(self, images): return ANSWER(images)
    def estimate(self, image, boxes): return ANSWER(image, boxes)
    def track(self, found, times): return ANSWER(found, times)
    def segment(self, image, boxes, keypoints): return ANSWER(image, boxes, keypoints)
    def initialize(self, video, observations, K): return ANSWER(video, observations, K)
"""


@pytest.fixture
def plugin(install):
    """Installs a plugin of every kind that answers with an expression, and loads one."""
    numbers = iter(range(100))

    def loaded(kind, answer: str):
        module = f"plugin_{next(numbers)}"
        source = f"{CALLS}\nANSWER = lambda *given: {answer}\n"
        install(module, source, {group: {module: f"{module}:Says"} for group in GROUPS.values()})
        return load(kind, module)

    return loaded


class TestDiscovery:
    def test_what_is_installed_is_found_without_being_imported(self, install):
        detectors = {"dyad.detectors": {"rtm": "broken_inside:D", "det": "broken_inside:E"}}
        install("broken_inside", "raise SystemError", detectors, distribution="dyad-rtm")
        found = available("detector")
        assert [(i.name, i.distribution, i.version) for i in found] == [
            ("det", "dyad-rtm", "0.3.1"),
            ("rtm", "dyad-rtm", "0.3.1"),
        ]
        assert names("detector") == ("dyad", "det", "rtm")
        assert available("tracker") == () and names("tracker") == ("dyad",)
        assert "broken_inside" not in sys.modules

    def test_a_name_that_nobody_has_is_refused_with_those_that_are_known(self, install):
        install("some", "", {"dyad.detectors": {"rtmdet": "some:D"}})
        expected = r"no detector called 'rtmpose'; expected 'dyad' or 'rtmdet'.*pip install"
        for ask in (require, load):
            with pytest.raises(PluginError, match=expected):
                ask("detector", "rtmpose")

    def test_what_is_built_in_or_installed_may_be_chosen(self, install):
        install("some", "", {"dyad.detectors": {"rtmdet": "some:D"}})
        require("detector", "dyad")
        require("detector", "rtmdet")

    def test_nobody_takes_the_place_of_the_built_in_part(self, install):
        install("impostor", "", {"dyad.detectors": {"dyad": "impostor:D"}})
        assert names("detector") == ("dyad",)
        with pytest.raises(PluginError, match="no detector called 'dyad'"):
            load("detector", "dyad")

    def test_the_damaged_records_of_one_distribution_hide_no_other(self, install, tmp_path):
        install("some", "", {"dyad.detectors": {"rtmdet": "some:D"}})
        install("damaged", "", {"dyad.detectors": {"gone": "damaged:D"}})
        (records,) = tmp_path.glob("site-*/damaged-*.dist-info/entry_points.txt")
        records.write_text("[dyad.detectors]\nno equals sign\n")
        assert names("detector") == ("dyad", "rtmdet")

    def test_two_plugins_of_one_name_are_not_guessed_between(self, install):
        for number in ("1", "2"):
            install(f"same{number}", "", {"dyad.trackers": {"byte": f"same{number}:T"}})
        with pytest.raises(PluginError, match=r"Several tracker plugins.*same1 0.3.1.*same2"):
            load("tracker", "byte")


class TestLoading:
    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("import rtmlib_that_is_missing\n", "ModuleNotFoundError: No module named 'rtmlib_th"),
            ("class Other: pass\n", "AttributeError: .*has no attribute 'Plugin'"),
            ("def Plugin(:\n", "SyntaxError"),
            ("raise SystemExit(3)\n", "SystemExit: 3"),
            ("\n\ndef Plugin():\n    raise OSError('no weights')\n", r"OSError: no weights \(.*wr"
             r"ong.py, line 4\)"),
            ("def Plugin(mode): pass\n", "TypeError: .*missing 1 required positional argument"),
        ],
    )  # fmt: skip
    def test_a_plugin_that_cannot_be_made_is_named_with_the_reason(self, install, source, said):
        entry = {"dyad.segmenters": {"sam": "wrong:Plugin"}}
        install("wrong", source, entry, distribution="dyad-sam")
        with pytest.raises(PluginError, match=rf"segmenter plugin 'sam' could not be.*{said}") as e:
            load("segmenter", "sam")
        assert "Reinstall dyad-sam 0.3.1" in e.value.advice
        assert isinstance(e.value, EngineError) and "\n" not in str(e.value)

    def test_an_object_of_another_kind_is_refused(self, install):
        install("wrong", "class D: estimate = print", {"dyad.detectors": {"d": "wrong:D"}})
        with pytest.raises(PluginError, match="expected an object with a method 'detect'"):
            load("detector", "d")

    def test_a_pose_estimator_says_which_keypoints_it_finds(self, install):
        source = "class P:\n    layout = 'coco133'\n    estimate = print"
        install("wrong", source, {"dyad.pose_estimators": {"p": "wrong:P"}})
        with pytest.raises(PluginError, match="'coco17' or 'halpe26', received 'coco133'"):
            load("pose_estimator", "p")


class TestARun:
    SOURCE = """
log = []
class D:
    def begin(self, video, frames): log.append((video.width, frames.start, frames.stop))
    def detect(self, images): raise ValueError("two\\nlines")
    def close(self): log.append("closed")
"""

    def test_a_plugin_is_told_where_a_run_begins_and_that_it_ended(self, install):
        install("logs", self.SOURCE, {"dyad.detectors": {"d": "logs:D"}})
        with (
            pytest.raises(PluginError, match=r"'d' failed: ValueError: two lines \(.*logs.py, l"),
            load("detector", "d") as detector,
        ):
            detector.begin(VIDEO, FrameRange(1, 3))
            detector.detect([IMAGE])
        assert sys.modules["logs"].log == [(64, 1, 3), "closed"]

    def test_neither_is_needed(self, plugin):
        with plugin("detector", "[]") as detector:
            detector.begin(VIDEO, FrameRange(0, 3))
            assert detector.detect([]) == []

    def test_the_line_is_the_plugins_own_not_one_of_a_library(self, plugin):
        detector = plugin("detector", "np.zeros(3).reshape(2)")
        with pytest.raises(PluginError, match=r"ValueError.*plugin_0.py, line"):
            detector.detect([IMAGE])


class TestDetectors:
    def test_results_are_copied_into_plain_arrays(self, plugin):
        detector = plugin(
            "detector",
            "[FoundPeople(np.array([[1, 2, 3, 4]], 'f4'), np.array([1.0004], 'f2'),"
            " np.full((1, 17, 3), np.nan)) for _ in given[0]]",
        )
        first, second = detector.detect([IMAGE, IMAGE])
        assert first.boxes.dtype == first.scores.dtype == np.float64
        assert first.scores[0] == 1.0 and len(second) == 1
        assert first.keypoints is not None and (first.keypoints[..., 2] == 0).all()

    def test_nobody_found_is_an_answer(self, plugin):
        answer = "[FoundPeople(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 17, 3)))]"
        assert len(plugin("detector", answer).detect([IMAGE])[0]) == 0

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ("None", r"a list of 1 FoundPeople, one per picture, received NoneType"),
            ("[]", "received 0"),
            ("[np.zeros((1, 4))]", "detections .*expected FoundPeople, received ndarray"),
            ("[FoundPeople(np.zeros((2, 5)), np.zeros(2))]", r"shape \(N, 4\), received shape \(2"),
            ("[FoundPeople(np.zeros(4), np.zeros(1))]", r"shape \(N, 4\), received shape \(4\)"),
            ("[FoundPeople(np.full((1, 4), np.nan), np.ones(1))]", "boxes .*finite pixels, rec"),
            ("[FoundPeople(np.array([[9, 1, 5, 4]]), np.ones(1))]", r"x0 < x1 .*\(9, 1, 5, 4\)"),
            ("[FoundPeople(np.array([['1', '1', '2', '2']]), np.ones(1))]", "real numbers"),
            ("[FoundPeople(np.array([[0, 0, 1, 1]]) * 1j, np.ones(1))]", "real numbers"),
            ("[FoundPeople(np.array([[0, 0, 1, 1]]), np.ones(2))]", r"scores .*shape \(1\)"),
            ("[FoundPeople(np.array([[0, 0, 1, 1]]), np.array([87]))]", r"0\.\.1, received 87"),
            ("[FoundPeople(np.array([[0, 0, 1, 1]]), np.array([np.nan]))]", "scores .*0..1, rec"),
            ("[FoundPeople(np.array([[0, 0, 1, 1]]), np.ones(1), np.ones((1, 26, 3)))]",
             r"keypoints .*shape \(1, 17, 3\), received shape \(1, 26, 3\)"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_used_is_refused(self, plugin, answer, said):
        detector = plugin("detector", answer)
        with pytest.raises(PluginError, match=f"detector plugin 'plugin_0' returned .*{said}"):
            detector.detect([IMAGE])


class TestPoseEstimators:
    def test_absent_joints_are_nan_without_confidence(self, plugin):
        answer = "np.where(np.arange(17)[:, None] < 3, np.nan, [10, 20, 0.5]) * np.ones((2, 1, 1))"
        points = plugin("pose_estimator", answer).estimate(IMAGE, BOXES)
        assert points.shape == (2, 17, 3) and np.isnan(points[:, :3, :2]).all()
        assert (points[:, :3, 2] == 0).all() and (points[:, 3:] == [10, 20, 0.5]).all()

    def test_it_is_not_asked_about_nobody(self, plugin):
        estimator = plugin("pose_estimator", "1 / 0")
        assert estimator.estimate(IMAGE, np.zeros((0, 4))).shape == (0, 17, 3)

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ("np.ones((1, 17, 3))", r"shape \(2, 17, 3\), received shape \(1, 17, 3\)"),
            ("np.ones((2, 26, 3))", r"shape \(2, 17, 3\), received shape \(2, 26, 3\)"),
            ("(np.ones((2, 17, 2)), np.ones((2, 17)))", "an array, received tuple"),
            ("np.full((2, 17, 3), 3.0)", "confidences .*0..1, received 3..3"),
            ("np.full((2, 17, 3), np.inf)", "NaN where there is nothing, received infinity"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, plugin, answer, said):
        with pytest.raises(PluginError, match=f"pose estimator plugin 'plugin_0' .*{said}"):
            plugin("pose_estimator", answer).estimate(IMAGE, BOXES)


class TestTrackers:
    FOUND: Sequence[FoundPeople] = (
        FoundPeople(BOXES, np.ones(2)),
        FoundPeople(np.zeros((0, 4)), np.zeros(0)),
    )

    def test_every_detection_has_a_track_or_none(self, plugin):
        tracks = plugin("tracker", "[np.array([7, -3]), []]").track(self.FOUND, np.arange(2.0))
        assert [row.tolist() for row in tracks] == [[7, -1], []]

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ("[[1, 2]]", "a list of 2 arrays, one per frame, received 1"),
            ("[[1], []]", r"shape \(2\), received shape \(1\)"),
            ("[[1.5, 2.0], []]", "whole numbers, received type float64"),
            ("[[4, 4], []]", "at most once in a frame, received frame 0"),
            ("[[4, 5], [6]]", r"shape \(0\), received shape \(1\)"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, plugin, answer, said):
        with pytest.raises(PluginError, match=f"tracker plugin 'plugin_0' .*{said}"):
            plugin("tracker", answer).track(self.FOUND, np.arange(2.0))


class TestSegmenters:
    KEYPOINTS = np.ones((2, 26, 3))

    def test_people_who_were_not_found_have_empty_masks(self, plugin):
        segmenter = plugin("segmenter", "np.ones((2, 48, 64), bool)")
        boxes = BOXES.copy()
        boxes[1] = np.nan
        masks = segmenter.segment(IMAGE, boxes, self.KEYPOINTS)
        assert masks[0].all() and not masks[1].any()

    def test_it_is_not_asked_about_nobody(self, plugin):
        segmenter = plugin("segmenter", "1 / 0")
        nobody = np.full_like(BOXES, np.nan)
        assert not segmenter.segment(IMAGE, nobody, self.KEYPOINTS).any()

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ("np.ones((2, 48, 64))", "booleans, received type float64"),
            ("np.ones((2, 64, 48), bool)", r"shape \(2, 48, 64\), received shape \(2, 64, 48\)"),
            ("np.ones((1, 48, 64), bool)", r"shape \(2, 48, 64\)"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, plugin, answer, said):
        with pytest.raises(PluginError, match=f"segmenter plugin 'plugin_0' .*{said}"):
            plugin("segmenter", answer).segment(IMAGE, BOXES, self.KEYPOINTS)


def observed(people: int = 2, frames: int = 3) -> Observations:
    return Observations(
        keypoints2d=np.zeros((people, frames, 17, 2)),
        confidence=np.zeros((people, frames, 17)),
        layout="coco17",
        boxes=np.zeros((people, frames, 4)),
        times=np.arange(frames) / 30,
        image_size=(64, 48),
    )


class TestBodyInitializers:
    GOOD = (
        "InitialBodies(np.zeros((2, 3, 3)), np.zeros((2, 3, 23, 3)), np.ones((2, 3, 3)),"
        " np.ones((2, 3), bool))"
    )

    def ask(self, initializer) -> InitialBodies:
        return initializer.initialize(VIDEO, observed(), np.eye(3))

    def test_bodies_cover_every_person_and_frame(self, plugin):
        bodies = self.ask(plugin("body_initializer", self.GOOD))
        assert bodies.transl.shape == (2, 3, 3) and bodies.betas is None

    def test_what_stands_where_there_is_no_body_does_not_matter(self, plugin):
        answer = self.GOOD.replace("np.ones((2, 3, 3))", "np.full((2, 3, 3), np.nan)")
        bodies = self.ask(
            plugin("body_initializer", answer.replace("np.ones((2, 3)", "np.zeros((2, 3)"))
        )
        assert not bodies.valid.any()

    @pytest.mark.parametrize(
        ("before", "after", "said"),
        [
            (GOOD, "None", "expected InitialBodies, received NoneType"),
            ("(2, 3, 23, 3)", "(2, 3, 69)", r"body_pose .*shape \(2, 3, 23, 3\)"),
            ("(2, 3, 23, 3)", "(2, 3, 21, 3)", r"body_pose .*received shape \(2, 3, 21, 3\)"),
            ("np.ones((2, 3, 3))", "np.ones((2, 2, 3))", r"transl .*shape \(2, 3, 3\)"),
            ("np.ones((2, 3, 3))", "np.full((2, 3, 3), np.nan)", "transl .*finite numbers where"),
            ("np.ones((2, 3, 3))", "-np.ones((2, 3, 3))", r"in front of the camera .*\(-1, -1, -1"),
            ("np.ones((2, 3), bool)", "np.ones((2, 3))", "valid .*booleans"),
            ("np.ones((2, 3), bool)", "np.ones((2, 3), bool), np.ones((2, 16))", r"betas .*\(2, 1"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, plugin, before, after, said):
        with pytest.raises(PluginError, match=f"body initialiser plugin 'plugin_0' .*{said}"):
            self.ask(plugin("body_initializer", self.GOOD.replace(before, after)))
