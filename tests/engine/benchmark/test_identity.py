"""Exchanges are put where boxes overlap, and counted as found where a proposal covers them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine.benchmark import identity
from engine.benchmark.identity import (
    Clip,
    Judged,
    Trial,
    bench_clips,
    drawn,
    exchanged,
    iou,
    judged,
    row_of,
    small_orders,
    trials_of,
)
from engine.benchmark.suites import Suite
from engine.config import FitConfig
from engine.fit.identity import overlap, propose_swaps
from engine.fit.problem import FitProblem
from engine.structures import FitProgress, FrameRange, RunLengthMask, SwapProposal
from engine.synthesis.detector import PairNoise, detector_observations
from tests.engine.fit.test_identity import meeting


@pytest.fixture(scope="module")
def small(tiny: Suite) -> Suite:
    """Pictures that take no time to draw."""
    orders = (replace(o, camera=replace(o.camera, width=96, height=72)) for o in tiny.orders)
    return replace(tiny, orders=tuple(orders))


@pytest.fixture(scope="module")
def rows(small: Suite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list, Path]]:
    folder = tmp_path_factory.mktemp("clips")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.benchmark.identity.SIDE", 96)
        yield _returned(bench_clips(small, folder)), folder


@pytest.fixture(scope="module")
def clip(rows: tuple[list, Path], small: Suite) -> Clip:
    return _returned(drawn(small_orders(small)[0], rows[1]))


def _returned(work):
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


def trial(clip, spans, proposals) -> Judged:
    ranges = tuple(FrameRange(*span) for span in spans)
    found = tuple(SwapProposal(0, 1, FrameRange(*p), 30.0, 0.0) for p in proposals)
    return Judged(Trial(clip, meeting(), ranges), found)


def test_frames_in_common_over_frames_of_either():
    assert iou(FrameRange(0, 10), FrameRange(5, 15)) == pytest.approx(5 / 15)
    assert iou(FrameRange(0, 10), FrameRange(10, 20)) == 0


def test_a_proposal_that_covers_too_little_finds_nothing_and_is_wrong(clip):
    good = trial(clip, [(10, 20)], [(11, 22)])
    poor = trial(clip, [(10, 20)], [(10, 14)])
    assert (good.found, good.right) == (1, 1)
    assert (poor.found, poor.right) == (0, 0)


def test_false_alarms_in_calm_clips_count_against_what_is_right(clip):
    results = [
        trial(clip, [(10, 20)], [(10, 20)]),
        trial(clip, [], [(3, 9)]),
        trial(clip, [], []),
    ]
    found = row_of(results)
    assert (found["found"], found["right"], found["false_in_calm"]) == (1.0, 0.5, 1)
    assert (found["trials"], found["without_exchange"]) == (3, 2)


def test_an_exchange_only_changes_who_is_called_who():
    plain = meeting()
    span = FrameRange(22, 34)
    swapped = exchanged(plain, [span], np.random.default_rng(8))
    expected = plain.boxes.copy()
    expected[:, 22:34] = plain.boxes[::-1, 22:34]
    known = np.isfinite(swapped.boxes[..., 0])  # somebody may be lost where names change
    assert known.mean() > 0.6
    np.testing.assert_array_equal(swapped.boxes[known], expected[known])


def test_masks_go_with_the_people(clip):
    plain = replace(
        detector_observations(clip.truth, 0, pair_noise=PairNoise(mistaken=0.0, exchanged=0.0)),
        masks=clip.truth.masks,
    )
    swapped = exchanged(plain, [FrameRange(1, 3)], np.random.default_rng(0))
    there = [(p, f) for p in range(2) for f in range(4) if swapped.masks[p][f] is not None]
    assert there
    for person, frame in there:
        owner = 1 - person if frame in (1, 2) else person
        assert swapped.masks[person][frame] is clip.truth.masks[owner][frame]
        assert np.isfinite(swapped.boxes[person, frame]).all()


def test_a_third_of_the_clips_is_of_people_in_the_same_clothes(tiny):
    suite = replace(tiny, orders=tiny.orders * 3)
    orders = small_orders(suite)
    assert [order.similar for order in orders] == [False, False, True] * 2
    sides = {max(order.camera.width, order.camera.height) for order in orders}
    assert sides == {identity.SIDE}


def test_clips_are_drawn_once_and_judged_with_and_without_clothes(rows, small):
    found, folder = rows
    assert [(row["evidence"], row["clips"]) for row in found] == [
        ("joints", "all"),
        ("joints", "different clothes"),
        ("joints and clothes", "all"),
        ("joints and clothes", "different clothes"),
    ]
    assert found[0]["without_exchange"] == 2
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.mp4")}
    assert len(kept) == 2
    assert _returned(bench_clips(small, folder)) == found
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.mp4")} == kept


def test_exchanges_begin_and_end_where_boxes_overlap(monkeypatch, clip):
    plain = meeting()
    monkeypatch.setattr("engine.benchmark.identity.detector_observations", lambda *_, **__: plain)
    nothing = RunLengthMask.encode(np.zeros(plain.image_size[::-1], bool))
    unseen = ((nothing,) * plain.frame_count,) * 2
    clip = replace(clip, truth=replace(clip.truth, masks=unseen))
    made = [t for seed in range(6) for t in trials_of(clip, seed)]
    meets = overlap(plain.boxes) > 0
    spans = [span for one in made for span in one.exchanged]
    assert len(spans) > 8 and sum(not one.exchanged for one in made) == 6
    for span in spans:
        assert meets[span.start]
        assert span.stop == plain.frame_count or meets[span.stop]
    results = [judged(one, looks=False) for one in made]
    assert row_of(results)["found"] > 0.8 and row_of(results)["false_in_calm"] == 0


def test_with_avatars_what_the_fit_of_each_trial_proposes_is_judged(rows, small, monkeypatch):
    """Only the fit itself is left out here, which takes a minute."""
    asked: list[FitProblem] = []

    def instead(problem: FitProblem, config: FitConfig) -> Iterator[FitProgress]:
        assert config.appearance is not None
        asked.append(problem)
        yield FitProgress("Fitting", 0.5, None)
        return SimpleNamespace(swaps=propose_swaps(problem.observations))

    monkeypatch.setattr("engine.benchmark.identity.SIDE", 96)
    monkeypatch.setattr("engine.benchmark.identity.solve", instead)
    found = _returned(bench_clips(small, rows[1], avatars=True))
    joints, avatars = found[0], found[4]
    assert found[:4] == rows[0] and len(found) == 6
    assert avatars["evidence"] == "joints, clothes and avatars"
    assert [avatars[name] for name in avatars if name != "evidence"] == [
        joints[name] for name in joints if name != "evidence"
    ]
    assert len(asked) == joints["trials"]
    for problem in asked:
        assert problem.video is not None and problem.observations.masks is not None
