"""From two recordings of single people to a handshake, and what is thrown away."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.body.data import OPEN_BODY
from engine.body.regions import region_vertices
from engine.body.smpl import BodyModel
from engine.errors import InputError
from engine.geometry.touching import find_touch
from engine.motion.contact import generator as generating
from engine.motion.contact.bases import FEET, bases, stretches
from engine.motion.contact.catalogue import Interaction, Meeting, Span, Standing
from engine.motion.contact.generator import Attempt, attempt, generate
from engine.motion.contact.making import GenerateOrder, make
from engine.motion.contact.plausibility import DEEPEST_HANDS, Kept, Refused, judge
from engine.motion.prepared import read_prepared, write_prepared
from tests.engine.motion.contact.people import standing

REACH = Meeting(0, "right_palm", "left_chest", Span(0.9, 1.6))


@pytest.fixture(scope="module")
def available():
    return stretches([standing()])


@pytest.fixture(scope="module")
def made(available) -> Attempt:
    """One person lays a hand on the other's chest."""
    asked = Interaction("test", Standing(0.0, 0.5, np.pi), 2.2, (REACH,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generating, "ROUNDS", 6)  # simple enough, and twice as fast
        patch.setattr(generating, "draw", lambda kind, generator: asked)
        return attempt(available, "validation", "grip", 0)


@pytest.fixture(scope="module")
def skins(made) -> np.ndarray:
    return BodyModel.load(OPEN_BODY, "2k5").pose_of(made.result.motion).vertices().numpy()


class TestAttempt:
    def test_brings_the_hand_to_the_chest_while_it_should_be_there(self, made, skins):
        (label,) = made.result.labels
        assert (label.region_a, label.region_b) == ("right_palm", "left_chest")
        model = BodyModel.load(OPEN_BODY, "2k5")
        frame = (label.frames.start + label.frames.stop) // 2
        palm = torch.from_numpy(skins[0, frame, region_vertices(model, "right_palm")])
        chest = torch.from_numpy(skins[1, frame, region_vertices(model, "left_chest")])
        assert float(torch.cdist(palm, chest).min()) < 0.02

    def test_goes_through_nobody(self, made, skins):
        touch = find_touch(skins[0], skins[1], BodyModel.load(OPEN_BODY, "2k5").data)
        assert touch.penetration_m.max() <= DEEPEST_HANDS

    def test_leaves_the_feet_where_they_stood(self, made):
        motion = made.result.motion
        feet = BodyModel.load(OPEN_BODY, "1k2").pose_of(motion).joints[:, :, FEET]
        assert float((feet - feet[:, :1]).norm(dim=-1).max()) < 0.05

    def test_says_that_it_is_generated_from_whom_and_for_which_split(self, made):
        assert made.result.kind == "generated"
        assert made.result.split == "validation"
        assert "stander" in made.result.source
        assert "mocap.cs.cmu.edu" in made.result.notice


class TestJudge:
    @pytest.fixture
    def judged(self, made, available):
        """What the attempt was judged by, and how to judge a change of it."""
        motion = made.result.motion
        asked = Interaction(
            "test", Standing(0.0, 0.5, np.pi), (motion.frame_count - 1) / 30, (REACH,)
        )
        found = bases(asked, available, motion.betas, np.random.default_rng(0))
        model = BodyModel.load(OPEN_BODY, "1k2")
        posed = model.pose_of(motion)
        found = replace(
            found, rotmats=posed.rotmats, joints=posed.joints,
            transl=torch.from_numpy(motion.transl.astype(np.float32)),
        )  # fmt: skip
        spans = (made.result.labels[0].frames.start / 30, made.result.labels[0].frames.stop / 30)
        asked = replace(asked, meetings=(replace(REACH, span=Span(*spans)),))
        return lambda changed: judge(changed, found, asked)

    def test_keeps_what_the_attempt_kept(self, judged, made):
        assert isinstance(judged(made.result.motion), Kept)

    def test_refuses_bodies_in_each_other(self, judged, made):
        motion = made.result.motion
        transl = motion.transl.copy()
        transl[1] += (transl[0] - transl[1]) * [0.7, 0, 0.7]
        refused = judged(replace(motion, transl=transl))
        assert isinstance(refused, Refused) and refused.reason.startswith("bodies in each other")

    def test_refuses_feet_that_slide(self, judged, made):
        motion = made.result.motion
        transl = motion.transl.copy()
        transl[1, :, 2] += np.linspace(0, 0.4, motion.frame_count)
        refused = judged(replace(motion, transl=transl))
        assert isinstance(refused, Refused) and refused.reason.startswith("feet moved")

    def test_refuses_knees_that_bend_forwards(self, judged, made):
        pose = made.result.motion.body_pose.copy()
        pose[0, :, 3, 0] = -0.6
        refused = judged(replace(made.result.motion, body_pose=pose))
        assert isinstance(refused, Refused)

    def test_refuses_where_nobody_touches(self, judged, made):
        transl = made.result.motion.transl.copy()
        transl[1, :, 2] += 0.4
        refused = judged(replace(made.result.motion, transl=transl))
        assert refused == Refused("0 of 1 contacts came about")


class TestGenerate:
    def test_refuses_an_unknown_kind(self, available):
        with pytest.raises(InputError, match="No interaction is called cuddle"):
            next(generate(available, "train", ("cuddle",)))

    def test_refuses_recordings_without_anyone_who_stands_or_walks(self):
        with pytest.raises(InputError, match="stands or walks upright"):
            next(generate([], "train"))

    def test_says_where_no_recording_is_long_enough(self, available):
        with_walking = attempt(available, "train", "body-lock", 0)
        assert with_walking.result is None
        assert with_walking.reason == "no recording is long enough"


class TestMake:
    def test_writes_files_of_the_split_that_was_asked_for(self, tmp_path, made, monkeypatch):
        for name, split in (("a", "train"), ("b", "validation")):
            single = dataclasses.replace(standing(name=name), split=split)
            write_prepared(tmp_path / f"{name}.npz", single)
        given: list[str] = []

        def attempts(singles, split, kinds, first_seed):
            given.extend(stretch.source for stretch in singles)
            yield Attempt("grip", 0, None, "feet moved in 9 of 70 frames")
            yield Attempt("grip", 1, made.result)

        monkeypatch.setattr("engine.motion.contact.making.generate", attempts)
        work = make(GenerateOrder(tmp_path, tmp_path / "out", 1, "validation"))
        said = []
        while True:
            try:
                said.append(next(work).stage)
            except StopIteration as stop:
                result = stop.value
                break
        assert given == ["b"]
        assert result.refused == {"feet moved": 1}
        assert read_prepared(result.files[0]).kind == "generated"
        assert said == ["grip, seed 0: feet moved in 9 of 70 frames", "grip, seed 1: kept"]

    def test_refuses_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(InputError, match="There is no folder"):
            next(make(GenerateOrder(tmp_path / "none", tmp_path, 1)))
