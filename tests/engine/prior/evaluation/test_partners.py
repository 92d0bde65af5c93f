"""Partners are told apart by those who know them, by nobody else, and under the same noise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.prior.dataset import Clip, MotionLibrary, WorldWindows
from engine.prior.evaluation import partners
from engine.prior.evaluation.held_out import evenly, filmed
from engine.prior.evaluation.partners import Told, other_trials, same_trial, told_apart
from engine.prior.windows import PairWindows
from tests.engine.prior.evaluation.conftest import returned, walkers


@dataclass
class Judge:
    """Finds pairs worse by `dislike` for every metre that they are from the true ones."""

    truth: WorldWindows
    dislike: float
    heard: list[float] = field(default_factory=list)

    def denoising_loss(self, windows: PairWindows, *, generator: torch.Generator) -> Tensor:
        self.heard.append(float(torch.rand((), generator=generator)))
        noise = torch.rand(len(windows.pelvis), generator=generator)
        seen, _ = filmed(self.truth)
        return noise + self.dislike * (windows.pelvis - seen.pelvis).abs().mean((1, 2, 3))

    def information(self, windows: PairWindows, *, generator: torch.Generator) -> Tensor:
        return -self.denoising_loss(windows, generator=generator)


def judged(windows: WorldWindows, dislike: float) -> Told:
    everything = torch.arange(len(windows.pelvis))
    work = told_apart(Judge(windows, dislike), windows, same_trial(windows), everything)
    told: Told = returned(work)
    return told


@pytest.fixture(scope="module")
def windows() -> WorldWindows:
    return walkers(7)


@pytest.mark.parametrize(("dislike", "share"), [(1.0, 1.0), (-1.0, 0.0), (0.0, 0.5)])
def test_the_share_is_of_those_who_know_who_err_and_who_cannot_tell(
    windows: WorldWindows, dislike: float, share: float
) -> None:
    told = judged(windows, dislike)
    assert told.by_loss == told.by_information == share
    assert told.windows + told.unmatched == 2 * len(windows.pelvis)
    assert told.windows >= 10


def test_all_candidates_meet_the_same_noise(windows: WorldWindows) -> None:
    judge = Judge(windows, 1.0)
    returned(told_apart(judge, windows, same_trial(windows), torch.arange(7)))
    # True pairs and two replaced people, each with and without the partner.
    assert len(judge.heard) == 3 * 2 * partners.DRAWS
    first = judge.heard[: partners.DRAWS]
    assert judge.heard == first * 6
    assert len(set(first)) == partners.DRAWS


def test_partners_of_the_same_trial_are_one_to_two_seconds_away(windows: WorldWindows) -> None:
    table = same_trial(windows)
    for index, row in enumerate(table.tolist()):
        away = [abs(other - index) * partners.STRIDE / 30 for other in row if other >= 0]
        assert away and all(1 <= seconds <= 2 for seconds in away)
    first = table[2:5, 0] - torch.arange(2, 5)
    assert (first > 0).any() and (first < 0).any()


def test_partners_of_the_same_trial_are_of_no_other_clip(windows: WorldWindows) -> None:
    cut = replace(windows, clips=torch.tensor([0, 0, 0, 0, 1, 1, 1]))
    table = same_trial(cut)
    for index, row in enumerate(table.tolist()):
        assert all(cut.clips[other] == cut.clips[index] for other in row if other >= 0)
    assert (same_trial(replace(windows, clips=torch.arange(7))) == -1).all()


def clips(names: list[str], kind: str = "captured") -> MotionLibrary:
    rows = tuple(Clip(n, kind, 10 * i, 9, 30.0, (0, 1)) for i, n in enumerate(names))  # type: ignore[arg-type]
    return MotionLibrary(
        torch.zeros(1, 24, 6), torch.zeros(1, 3), torch.zeros(1, dtype=torch.long),
        torch.zeros(1, 10), rows,
    )  # fmt: skip


def test_partners_of_other_trials_are_of_other_recordings(windows: WorldWindows) -> None:
    cut = replace(windows, clips=torch.tensor([0, 0, 0, 1, 1, 2, 2]))
    table = other_trials(cut, clips(["a", "a", "b"]))
    assert table[:5].amin(0)[0] >= 5 and (table[:5, 2:] == -1).all()
    assert set(table[5].tolist()) == {0, 1, 2, 3, 4, -1}
    posed = other_trials(cut, clips(["a", "a", "b"], "grappling"))
    assert set(posed[0].tolist()) >= {3, 4, 5, 6}


def test_windows_are_chosen_evenly() -> None:
    assert evenly(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert evenly(101, 3).tolist() == [0, 50, 100]


def test_without_candidates_nothing_is_told(windows: WorldWindows) -> None:
    chosen, nobody = torch.tensor([1, 2]), torch.full((7, 2), -1)
    judge = Judge(windows.select(lambda v: v[chosen]), 1.0)
    work = told_apart(judge, windows, nobody, chosen)
    told = returned(work)
    assert (told.windows, told.unmatched) == (0, 4)
    assert np.isnan(told.by_loss) and np.isnan(told.by_information)
