"""Pictures in the fit: on where they are asked for and there, and never more than they may."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch

from engine.appearance.avatar import Avatar, avatar_to_bytes
from engine.appearance.branch import learn_avatars
from engine.appearance.evidence import PictureEvidence
from engine.appearance.footage import Footage
from engine.body.smpl import BodyModel
from engine.config import AppearanceConfig, FitConfig
from engine.errors import InputError
from engine.fit import appearance_stage, results
from engine.fit.appearance_stage import Refined
from engine.fit.interaction import Surfaces
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.fit.stages import Report, Setting
from engine.fit.start import Start
from engine.fit.state import FitState
from engine.structures import (
    Constraints,
    ContactLabel,
    FitProgress,
    FitResult,
    FrameRange,
    MaskEdit,
    Outcome,
    RunLengthMask,
    SwapProposal,
)
from engine.video import probe
from tests.engine.fit.conftest import Scene, project_world, run, two_people

LOOK = AppearanceConfig(
    size=64, density="1k2", epochs=2, learning_frames=4, turns=1, rounds=2, steps=3, stride=2
)
FRAMES = 8
COLORS = (200, 60, 40), (40, 80, 210)
SHORT = FitConfig(placement_steps=10, hypothesis_steps=5, joint_steps=20, contact_rounds=2)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> FitProblem:
    """A red and a blue person before a grey wall, with their masks: a folder of pictures."""
    scene = two_people(frames=FRAMES, noise=2.0)
    folder = tmp_path_factory.mktemp("pictures")
    masks = _draw(scene, folder)
    observations = replace(scene.observations, masks=masks, times=probe(folder).times)
    return FitProblem(observations, camera=scene.camera, video=probe(folder))


def _draw(scene: Scene, folder: Path) -> tuple[tuple[RunLengthMask, ...], ...]:
    """Flat colours inside the outlines of thick skeletons; the second person hides the first."""
    width, height = scene.camera.image_size
    bones = [(p, j) for j, p in enumerate(BodyModel.load("open-body", "1k2").parents) if j]
    pixels = project_world(scene.joints, scene.camera)
    masks: list[list[RunLengthMask]] = [[], []]
    for frame in range(FRAMES):
        picture = np.full((height, width, 3), 128, np.uint8)
        for person in range(2):
            mask = np.zeros((height, width), np.uint8)
            for a, b in bones:
                ends = np.rint(pixels[person, frame, [a, b]]).astype(int).tolist()
                cv2.line(mask, ends[0], ends[1], 1, 34)
            picture[mask > 0] = COLORS[person]
            masks[person].append(RunLengthMask.encode(mask > 0))
        cv2.imwrite(str(folder / f"{frame:03}.png"), picture[..., ::-1])
    return tuple(map(tuple, masks))


@dataclass(frozen=True)
class Entry:
    """Where the stage begins: bodies that explain the keypoints."""

    begin: Start
    setting: Setting
    state: FitState
    surfaces: Surfaces | None


@pytest.fixture(scope="module")
def entry(filmed: FitProblem) -> Entry:
    """What the solver hands to the stage, which then does nothing."""
    kept: list[Entry] = []

    def instead(
        problem: FitProblem, begin: Start, setting: Setting, *rest: Any
    ) -> Generator[None, None, Refined]:
        kept.append(Entry(begin, setting, rest[0], rest[1]))
        return Refined(rest[0])
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.fit.appearance_stage.refine", instead)
        run(solve(filmed, replace(SHORT, appearance=LOOK)))
    return kept[0]


Told = list[tuple[str, dict[str, float], float]]


def refined(
    problem: FitProblem,
    entry: Entry,
    look: AppearanceConfig = LOOK,
    told: Told | None = None,
    **weights: float,
) -> Refined:
    """The stage alone. `told`: stage, costs and units of every report."""

    def report(
        stage: str, costs: dict[str, float], now: FitState, units: float
    ) -> FitProgress | None:
        if told is not None:
            told.append((stage, costs, units))
        return None

    config = replace(entry.setting.config, appearance=look)
    config = replace(config, weights=replace(config.weights, **weights))
    setting = replace(entry.setting, config=config)
    surfaces = entry.surfaces if config.weights.penetration else None
    return run(
        appearance_stage.refine(
            problem, entry.begin, setting, entry.state, surfaces, cast(Report, report)
        )
    )


@pytest.fixture(scope="module")
def told() -> Told:
    return []


@pytest.fixture(scope="module")
def seen(filmed: FitProblem, entry: Entry, told: Told) -> Refined:
    return refined(filmed, entry, told=told)


def rotation(found: Refined) -> np.ndarray:
    return found.state.rotation.numpy()


def test_bodies_move_a_little_and_avatars_are_learnt(seen: Refined, entry: Entry) -> None:
    assert set(seen.avatars) == {0, 1}
    assert seen.outcome in (Outcome.CONVERGED, Outcome.STEP_LIMIT)
    moved = (entry.setting.posed(seen.state).joints - entry.setting.posed(entry.state).joints).norm(
        dim=-1
    )
    assert 1e-4 < moved.max() < 0.5


def test_the_appearance_branch_runs_alone(filmed: FitProblem, entry: Entry) -> None:
    """No rounds: avatars are learnt on bodies that stay exactly as they were."""
    found = refined(filmed, entry, replace(LOOK, rounds=0))
    assert set(found.avatars) == {0, 1} and found.outcome is None
    assert found.state is entry.state


def test_the_motion_branch_runs_alone(filmed: FitProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the other is called, also with a video and avatars within reach."""
    monkeypatch.delattr("engine.fit.appearance_stage.refine")
    monkeypatch.delattr("engine.fit.appearance_stage.known_avatars")
    result = run(solve(filmed, SHORT))
    assert result.appearance == {}
    assert result.provenance["solver"] == "motion branch"


def test_a_fit_returns_the_avatars_that_the_stage_learnt(
    filmed: FitProblem, seen: Refined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And reports so that its progress never falls back."""

    def instead(*given: Any) -> Generator[FitProgress, None, Refined]:
        yield given[-1]("Looking", {}, given[3], appearance_stage.work(filmed, LOOK))
        return replace(seen, state=given[3])

    monkeypatch.setattr("engine.fit.appearance_stage.refine", instead)
    work = solve(filmed, replace(SHORT, appearance=LOOK))
    fractions = []
    while True:
        try:
            fractions.append(next(work).fraction)
        except StopIteration as stop:
            result: FitResult = stop.value
            break
    assert result.appearance == seen.avatars
    assert result.provenance["solver"] == "both branches"
    assert fractions == sorted(fractions) and fractions[-1] > 0.8


@pytest.fixture(scope="module")
def fitted(filmed: FitProblem) -> FitResult:
    return run(solve(filmed, SHORT))


class TestRefits:
    """Of six frames of a clip whose people were fitted before."""

    def stages(self, filmed: FitProblem, fitted: FitResult, **changes: Any) -> list[str]:
        part = replace(
            filmed,
            warm_start=fitted.motion,
            camera=fitted.camera,
            frames=FrameRange(1, 7),
            **changes,
        )
        told = [progress.stage for progress in solve(part, replace(SHORT, appearance=LOOK))]
        return list(dict.fromkeys(told))

    def test_known_people_are_compared_with_the_pictures_at_once(
        self, filmed: FitProblem, fitted: FitResult, seen: Refined
    ) -> None:
        """Without pictures they would go back to where keypoints alone want them."""
        stages = self.stages(filmed, fitted, avatars=seen.avatars)
        assert "Comparing with the pictures" in stages
        assert "Resolving contact" not in stages

    def test_somebody_who_waits_has_fewer_pictures_looked_at(
        self,
        filmed: FitProblem,
        fitted: FitResult,
        seen: Refined,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        strides: list[int] = []

        def instead(*given: Any) -> Generator[FitProgress, None, Refined]:
            strides.append(given[2].config.appearance.stride)
            return Refined(given[3])
            yield

        monkeypatch.setattr("engine.fit.appearance_stage.refine", instead)
        self.stages(filmed, fitted, avatars=seen.avatars)
        self.stages(filmed, fitted)
        assert strides == [LOOK.refit_stride, LOOK.stride]

    def test_also_where_a_contact_is_stated(
        self, filmed: FitProblem, fitted: FitResult, seen: Refined
    ) -> None:
        said = ContactLabel(0, "left_palm", 1, "right_palm", FrameRange(2, 5))
        stages = self.stages(
            filmed, fitted, avatars=seen.avatars, constraints=Constraints(contacts=(said,))
        )
        assert "Comparing with the pictures" in stages
        assert not {"Bringing together", "Fitting", "Resolving contact"} & set(stages)

    def test_where_somebody_is_not_known_bodies_are_resolved_before_people_are_learnt(
        self, filmed: FitProblem, fitted: FitResult, seen: Refined
    ) -> None:
        stages = self.stages(filmed, fitted, avatars={0: seen.avatars[0]})
        order = ["Resolving contact", "Learning how people look", "Comparing with the pictures"]
        assert [stage for stage in stages if stage in order] == order

    def test_known_people_without_a_video_are_resolved_all_the_same(
        self, filmed: FitProblem, fitted: FitResult, seen: Refined, tmp_path: Path
    ) -> None:
        assert filmed.video is not None
        gone = replace(filmed.video, path=str(tmp_path / "gone.mp4"))
        for video in (None, gone):
            stages = self.stages(filmed, fitted, avatars=seen.avatars, video=video)
            assert "Resolving contact" in stages


def test_the_same_input_gives_the_same_output(
    filmed: FitProblem, entry: Entry, seen: Refined
) -> None:
    again = refined(filmed, entry)
    np.testing.assert_array_equal(rotation(again), rotation(seen))
    assert again.avatars == seen.avatars


def test_avatars_that_are_known_are_kept_as_they_are(
    filmed: FitProblem, entry: Entry, seen: Refined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.optim.Adam.step", None)  # nothing may be learnt
    said: Told = []
    known = replace(filmed, avatars=seen.avatars)
    again = refined(known, entry, replace(LOOK, rounds=0), said)
    assert again.avatars == seen.avatars
    assert not any(stage.startswith("Learning") for stage, _, _ in said)


def test_people_are_learnt_anew_from_bodies_that_moved(
    filmed: FitProblem, entry: Entry, seen: Refined
) -> None:
    said: Told = []
    refined(filmed, entry, replace(LOOK, turns=2), said)
    stages = [stage for stage, _, _ in said if not stage.startswith("Reading")]
    learning = "Learning how people look"
    begun = [stage for stage, _ in groupby(stages)]
    assert begun.count(learning) == 2
    known = replace(filmed, avatars=seen.avatars)
    once, twice = (appearance_stage.work(one, replace(LOOK, turns=2)) for one in (known, filmed))
    assert once == appearance_stage.work(filmed, LOOK) < twice


def test_frozen_frames_stay_exactly_as_they_were(
    filmed: FitProblem, entry: Entry, seen: Refined
) -> None:
    movable = torch.ones(FRAMES, dtype=torch.bool)
    movable[2:5] = False
    held = replace(entry, setting=replace(entry.setting, movable=movable))
    found = refined(replace(filmed, avatars=seen.avatars), held)
    before, after = (entry.setting.posed(one).joints for one in (entry.state, found.state))
    assert torch.allclose(after[:, 2:5], before[:, 2:5], atol=1e-5)
    assert not torch.allclose(after[:, 5:], before[:, 5:], atol=1e-4)


def test_the_stage_says_what_it_does(seen: Refined, told: Told) -> None:
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == [
        "Reading the video",
        "Learning how people look",
        "Comparing with the pictures",
    ]
    learning = [units for stage, _, units in told if stage.startswith("Learning")]
    assert sum(learning) == pytest.approx(appearance_stage.LEARNING_UNITS)


def test_the_other_terms_count_while_pictures_speak(
    filmed: FitProblem, entry: Entry, seen: Refined, told: Told
) -> None:
    costs = [costs for stage, costs, _ in told if stage == "Comparing with the pictures"]
    assert costs and all("appearance" in one and "reprojection" in one for one in costs)


def test_pictures_say_who_is_who(seen: Refined) -> None:
    assert seen.evidence is not None
    assert (seen.evidence.cost_as_is < seen.evidence.cost_exchanged).all()
    assert seen.evidence.silhouette_error.shape == (2, FRAMES)


def test_avatars_are_not_learnt_where_people_may_be_exchanged(
    filmed: FitProblem, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would look like both; all pictures are compared all the same."""
    learnt: list[list[int]] = []

    def recorded(footage: Footage, *rest: Any) -> Any:
        learnt.append(footage.frames.tolist())
        return learn_avatars(footage, *rest)

    swap = SwapProposal(0, 1, FrameRange(3, 5), 60.0, 10.0)
    monkeypatch.setattr("engine.fit.appearance_stage.propose_swaps", lambda *_: (swap,))
    monkeypatch.setattr("engine.fit.appearance_stage.learn_avatars", recorded)
    monkeypatch.setattr("engine.fit.appearance_stage.LEARNT_FROM", 4)
    found = refined(filmed, entry, replace(LOOK, rounds=0))
    assert learnt == [[0, 1, 2, 5, 6, 7]]
    assert found.evidence is not None and np.isfinite(found.evidence.cost_as_is).all()
    monkeypatch.setattr("engine.fit.appearance_stage.LEARNT_FROM", 7)
    refined(filmed, entry, replace(LOOK, rounds=0))
    assert learnt[1] == list(range(FRAMES)), "too few would be left"


def test_pictures_speak_of_bodies_and_so_of_rows_by_the_keypoints_those_are_at(
    filmed: FitProblem, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies stayed with the people while the rows were exchanged: that they look right there says
    that the rows are wrong."""
    asked: list[np.ndarray] = []

    def recorded(_: Any, __: Any, *, evidence: Any) -> tuple[SwapProposal, ...]:
        asked.append(evidence[0, 1])
        return ()

    monkeypatch.setattr("engine.fit.results.propose_swaps", recorded)
    body = BodyModel.load("open-body", "1k2")
    motion, camera = results.motion_and_camera(entry.begin, filmed, entry.state, body)
    right = np.full(FRAMES, 100.0)
    said = PictureEvidence(np.zeros(FRAMES), right, np.zeros((2, FRAMES)))
    solved = results.Solved(motion, camera, Outcome.CONVERGED, (), pictures={0: said})
    results.result(filmed, body, solved, 0.0)
    rows = filmed.observations
    points = rows.keypoints2d.copy()
    points[:, 3:6] = points[::-1, 3:6].copy()
    mistaken = replace(filmed, observations=replace(rows, keypoints2d=points))
    results.result(mistaken, body, solved, 0.0)
    as_named, exchanged = asked
    assert (as_named < -5).all()
    np.testing.assert_allclose(exchanged[3:6], -as_named[3:6], rtol=0.01)
    np.testing.assert_allclose(exchanged[[0, 1, 2, 6, 7]], as_named[[0, 1, 2, 6, 7]])


class TestWhatIsMissing:
    def test_no_video(self, filmed: FitProblem, entry: Entry) -> None:
        found = refined(replace(filmed, video=None), entry)
        assert any("No video" in note for note in found.notes)
        assert found.avatars == {} and found.state is entry.state

    def test_a_video_that_is_gone(self, filmed: FitProblem, entry: Entry, tmp_path: Path) -> None:
        assert filmed.video is not None
        gone = replace(filmed.video, path=str(tmp_path / "gone.mp4"))
        found = refined(replace(filmed, video=gone), entry)
        assert any("could not be read" in note for note in found.notes)
        assert found.state is entry.state

    def test_no_masks(self, filmed: FitProblem, entry: Entry) -> None:
        blind = replace(filmed, observations=replace(filmed.observations, masks=None))
        found = refined(blind, entry, replace(LOOK, rounds=0))
        assert any("no masks" in note for note in found.notes)
        assert set(found.avatars) == {0, 1}
        assert found.evidence is not None and np.isnan(found.evidence.silhouette_error).all()

    def test_masks_that_a_person_drew_do_without_others(
        self, filmed: FitProblem, entry: Entry
    ) -> None:
        masks = filmed.observations.masks
        assert masks is not None and masks[0][3] is not None
        edit = MaskEdit(0, 3, masks[0][3])
        blind = replace(
            filmed,
            observations=replace(filmed.observations, masks=None),
            constraints=Constraints(mask_edits=(edit,)),
        )
        found = refined(blind, entry, replace(LOOK, rounds=0))
        assert not any("no masks" in note for note in found.notes)
        assert found.evidence is not None
        told = np.isfinite(found.evidence.silhouette_error)
        assert told[0, 3] and told.sum() == 1

    def test_black_frames_say_nothing(
        self, filmed: FitProblem, entry: Entry, tmp_path: Path
    ) -> None:
        _darkened(filmed, tmp_path, range(FRAMES))
        found = refined(replace(filmed, video=probe(tmp_path)), entry)
        assert found.avatars == {}
        assert any("No picture shows" in note for note in found.notes)
        _darkened(filmed, tmp_path, range(3, 5))
        found = refined(replace(filmed, video=probe(tmp_path)), entry, replace(LOOK, rounds=0))
        assert found.evidence is not None
        assert np.isnan(found.evidence.cost_as_is[3:5]).all()
        assert np.isfinite(found.evidence.cost_as_is[5:]).all()

    def test_frames_in_which_somebody_is_not_seen_are_not_compared(
        self, filmed: FitProblem, entry: Entry
    ) -> None:
        there = entry.begin.seen.copy()
        there[1, 3:6] = False
        away = replace(entry, begin=replace(entry.begin, seen=there))
        found = refined(filmed, away, replace(LOOK, rounds=0))
        assert found.evidence is not None
        assert np.isfinite(found.evidence.cost_as_is).tolist() == (there.all(axis=0)).tolist()

    def test_each_shot_has_its_own_background(self, filmed: FitProblem, entry: Entry) -> None:
        cut = replace(filmed, observations=replace(filmed.observations, cuts=(4,)))
        found = refined(cut, entry, replace(LOOK, rounds=0))
        assert set(found.avatars) == {0, 1}


def _darkened(filmed: FitProblem, folder: Path, frames: range) -> None:
    """The pictures, some of them black."""
    assert filmed.video is not None
    for path in Path(filmed.video.path).iterdir():
        picture = cv2.imread(str(path))
        assert picture is not None
        black = int(path.stem) in frames
        cv2.imwrite(str(folder / path.name), 0 * picture if black else picture)


class TestAvatarsFromOutside:
    def test_bytes_that_are_no_avatar_are_refused_before_anything_is_done(
        self, filmed: FitProblem
    ) -> None:
        with pytest.raises(InputError, match="not an avatar"):
            next(solve(replace(filmed, avatars={0: b"x" * 99}), FitConfig(appearance=LOOK)))

    def test_somebody_who_is_not_there(self, filmed: FitProblem) -> None:
        known = Avatar.new("open-body", "1k2", torch.Generator())
        problem = replace(filmed, avatars={7: avatar_to_bytes(known)})
        with pytest.raises(InputError, match="somebody who is not there"):
            next(solve(problem, FitConfig(appearance=LOOK)))

    def test_one_of_another_density_is_not_used(self, filmed: FitProblem) -> None:
        known = avatar_to_bytes(Avatar.new("open-body", "2k5", torch.Generator()))
        assert appearance_stage.known_avatars(replace(filmed, avatars={0: known}), LOOK) == {}
