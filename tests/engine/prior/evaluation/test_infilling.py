"""Errors of hidden frames and hidden people, measured on infillers whose errors are known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from engine.prior.evaluation.held_out import filmed
from engine.prior.evaluation.infilling import (
    HIDDEN,
    infilled_errors,
    interpolated_errors,
    reaction_errors,
)
from engine.prior.skeleton import Skeleton
from engine.prior.windows import PairWindows
from tests.engine.prior.evaluation.conftest import returned, walkers


@dataclass
class Oracle:
    """Knows the truth, and puts hidden people `off` metres to the side of it, twice as far where
    the partner is cut."""

    truth: PairWindows
    off: float = 0.0
    asked: list[tuple[PairWindows, Tensor, bool]] = field(default_factory=list)

    def infill(self, windows: PairWindows, known: Tensor, *, partner: bool = True) -> PairWindows:
        self.asked.append((windows, known, partner))
        shift = torch.tensor([self.off * (1 if partner else 2), 0.0, 0.0])
        pelvis = torch.where(known[..., None], windows.pelvis, self.truth.pelvis + shift)
        return replace(self.truth, pelvis=pelvis)


@pytest.fixture(scope="module")
def windows() -> PairWindows:
    return filmed(walkers(3, 64))[0]


def test_the_truth_has_no_error_and_a_shift_is_its_own_length(
    windows: PairWindows, skeleton: Skeleton
) -> None:
    names = {f"infill_{count}_mm" for count in HIDDEN}
    exact = returned(infilled_errors(Oracle(windows), windows, skeleton))
    assert set(exact) == names
    assert all(value < 1e-3 for value in exact.values())
    shifted = returned(infilled_errors(Oracle(windows, 0.05), windows, skeleton))
    assert all(value == pytest.approx(50, abs=0.01) for value in shifted.values())


def test_frames_of_both_are_hidden_in_the_middle(windows: PairWindows, skeleton: Skeleton) -> None:
    oracle = Oracle(windows)
    returned(infilled_errors(oracle, windows, skeleton))
    assert [int((~known[0, 0]).sum()) for _, known, _ in oracle.asked] == list(HIDDEN)
    for _, known, partner in oracle.asked:
        hidden = (~known).nonzero()[:, 2]
        assert partner
        assert int(hidden.min()) + int(hidden.max()) == 63
        assert (known == known[:1, :1]).all()


def test_interpolation_is_worse_the_more_is_hidden(
    windows: PairWindows, skeleton: Skeleton
) -> None:
    found = interpolated_errors(windows, skeleton)
    assert set(found) == {"linear", "spherical", "cubic"}
    for errors in found.values():
        values = list(errors.values())
        assert values == sorted(values)
        assert 0.3 < values[0] < values[-1] < 200


class TestAHiddenPerson:
    def test_is_measured_where_the_partner_stands_still(
        self, windows: PairWindows, skeleton: Skeleton
    ) -> None:
        found = returned(reaction_errors(Oracle(windows, 0.1), windows, skeleton))
        assert found["react_mm"] == pytest.approx(100, abs=0.1)
        assert found["react_cut_mm"] == pytest.approx(200, abs=0.1)
        assert found["react_change"] == pytest.approx(-0.5, abs=1e-3)
        assert found["react_pose_mm"] == pytest.approx(0, abs=1e-3)
        assert found["react_cut_pose_mm"] == pytest.approx(0, abs=1e-3)

    def test_is_not_shown_to_the_infiller(self, windows: PairWindows, skeleton: Skeleton) -> None:
        oracle = Oracle(windows)
        returned(reaction_errors(oracle, windows, skeleton))
        hidden = [int((~known[0, :, 0]).nonzero()[0, 0]) for _, known, _ in oracle.asked]
        assert hidden == [0, 0, 1, 1]
        assert [partner for _, _, partner in oracle.asked] == [True, False] * 2
        for person, (shown, known, _) in zip(hidden, oracle.asked, strict=True):
            other = 1 - person
            assert not known[:, person].any() and known[:, other].all()
            torch.testing.assert_close(shown.pelvis[:, person], windows.pelvis[:, other])
            torch.testing.assert_close(shown.pelvis[:, other], windows.pelvis[:, other])
            assert (shown.rotations[:, person] == torch.eye(3)).all()
