"""More people than the clip is about: who is told, and what people say of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.body.joints import HALPE26
from engine.perception import pipeline
from engine.structures import BoxEdit, Observations, VideoInfo
from engine.video import probe
from tests.engine.perception.conftest import run, write_folder

PASTED = (579.0, 390.0, 818.0, 886.0)
MIDDLES = {"man": 203, "woman": 359, "pasted": 699}


def three_people(sample_frames: dict[int, np.ndarray]) -> np.ndarray:
    """The woman's mirror image stands to the right of her."""
    small = cv2.resize(sample_frames[0], (544, 960), interpolation=cv2.INTER_AREA)
    return np.hstack([small, small[:, 520:230:-1]])


@pytest.fixture(scope="module")
def three(tmp_path_factory, sample_frames) -> VideoInfo:
    """Three people in two frames."""
    folder = tmp_path_factory.mktemp("three") / "clip"
    return probe(write_folder(folder, [three_people(sample_frames)] * 2))


@pytest.fixture(scope="module")
def without_pasted(three) -> Observations:
    """What is found where the mirror image was said not to be a person."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_STILL", 1)
        return run(three, box_edits=(BoxEdit(1, PASTED, "not_a_person"),))[0]


class TestThree:
    """The pair that is seen best is the woman and her mirror image."""

    @pytest.fixture(autouse=True)
    def no_photograph(self, monkeypatch):
        monkeypatch.setattr(pipeline, "_STILL", 1)

    def names(self, observations: Observations | None, frame: int = 1) -> list[str]:
        """Who is in each row, the bystander left out."""
        if observations is None:
            return []
        middles = observations.boxes[:, frame, ::2].mean(axis=-1)
        near = [next((n for n, x in MIDDLES.items() if abs(x - m) < 40), "") for m in middles]
        return [name for name in near if name]

    def test_the_third_is_told_and_may_be_chosen_by_a_box(self, three):
        observations, _ = run(three)
        assert self.names(observations) == ["woman", "pasted"]
        assert self.names(observations.others) == ["man"]
        row = [self.names(observations.others, f) for f in range(2)]
        assert row == [["man"]] * 2

        box = tuple(observations.others.boxes[0, 1].tolist())
        chosen, _ = run(three, box_edits=(BoxEdit(1, box, "person", 1),))
        assert self.names(chosen)[1] == "man" and len(self.names(chosen)) == 2
        np.testing.assert_array_equal(chosen.boxes[1, 1], box)
        assert set(self.names(chosen) + self.names(chosen.others)) == {"man", "woman", "pasted"}

    def test_in_a_photograph_everybody_is_looked_at_closely(self, three, tmp_path, sample_frames):
        video = probe(write_folder(tmp_path / "one", [three_people(sample_frames)]))
        observations, _ = run(video)
        assert self.names(observations, 0) == ["woman", "pasted"]
        assert self.names(observations.others, 0) == ["man"]
        heel = HALPE26.index("left_heel")
        assert observations.others.confidence[0, 0, heel] > 0.3, "the detector sees no feet"

    def test_somebody_else_is_none_of_the_pair_in_any_frame(self, three):
        observations, _ = run(three, box_edits=(BoxEdit(1, PASTED, "someone_else"),))
        for frame in range(2):
            assert self.names(observations, frame) == ["man", "woman"]
            assert self.names(observations.others, frame) == ["pasted"]

    def test_what_is_not_a_person_is_nowhere_in_any_frame(self, without_pasted):
        for frame in range(2):
            assert self.names(without_pasted, frame) == ["man", "woman"]
            assert self.names(without_pasted.others, frame) == []

    def test_a_drawn_person_is_one_whatever_was_marked_there(self, three):
        """Boxes of people who embrace share most of their area with each other's marks."""
        near = tuple(v + d for v, d in zip(PASTED, (30, 40, -20, 0), strict=True))
        said = (BoxEdit(1, PASTED, "person", 1), BoxEdit(1, near, "not_a_person"))
        observations, _ = run(three, box_edits=said)
        assert self.names(observations)[1] == "pasted"

    def test_identity_pins_outlive_the_next_run(self, three, without_pasted):
        man, woman = without_pasted.boxes
        pins = tuple(
            BoxEdit(frame, tuple((boxes[i] + 3).tolist()), "identity", person)
            for person, boxes in enumerate((woman, man))
            for i, frame in enumerate((0, 1))
        )
        pinned, _ = run(three, box_edits=pins)
        for frame in range(2):
            assert self.names(pinned, frame) == ["woman", "man"]
        # A pin says who it is; the box is the detector's.
        np.testing.assert_allclose(pinned.boxes[:, 0], without_pasted.boxes[::-1, 0], atol=2)
