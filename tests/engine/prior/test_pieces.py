"""Hidden frames of motion that is longer than the network looks at."""

from __future__ import annotations

import pytest
import torch

from engine.errors import InputError
from engine.geometry.rotations import axis_angle_to_matrix
from engine.prior.pieces import infilled_in_pieces
from engine.prior.windows import PairWindows, Seen

FRAMES = 150


@pytest.fixture
def walk() -> PairWindows:
    time = torch.arange(FRAMES) / 30
    pelvis = torch.stack([time, torch.zeros(FRAMES), 4 + 0.1 * time], dim=-1)
    bend = torch.zeros(1, 2, FRAMES, 24, 3)
    bend[..., 1] = 0.3 * time[:, None]
    return PairWindows(
        axis_angle_to_matrix(bend),
        pelvis.expand(1, 2, FRAMES, 3) + torch.tensor([[0.0], [1.0]])[:, :, None],
        torch.zeros(1, 2, 10),
        torch.tensor([[0.0, -1.0, 0.0]]),
    )


def oracle(truth: PairWindows):
    """Answers with the truth at the frames of each piece, which it finds by the known pelvises."""

    def fill(windows: PairWindows, known: torch.Tensor, *, seen: Seen | None) -> PairWindows:
        pelvis, rotations = windows.pelvis.clone(), windows.rotations.clone()
        for row in range(len(known)):
            frame = int(known[row, 0].nonzero()[0])
            start = int((truth.pelvis[0, 0, :, 0] - pelvis[row, 0, frame, 0]).abs().argmin())
            span = torch.arange(start - frame, start - frame + known.shape[2]).clamp(0, FRAMES - 1)
            pelvis[row], rotations[row] = truth.pelvis[0, :, span], truth.rotations[0, :, span]
        return PairWindows(rotations, pelvis, windows.betas, windows.up)

    return fill


def known_but(*hidden: slice) -> torch.Tensor:
    known = torch.ones(1, 2, FRAMES, dtype=torch.bool)
    for part in hidden:
        known[:, :, part] = False
    return known


def test_pieces_that_are_right_make_a_whole_that_is_right(walk: PairWindows) -> None:
    known = known_but(slice(20, 50), slice(100, 140))
    wiped = PairWindows(walk.rotations.clone(), walk.pelvis.clone(), walk.betas, walk.up)
    wiped.rotations[:, ~known[0]] = torch.nan
    wiped.pelvis[:, ~known[0]] = torch.nan
    filled = infilled_in_pieces(oracle(walk), wiped, known, None)
    torch.testing.assert_close(filled.pelvis, walk.pelvis)
    torch.testing.assert_close(filled.rotations, walk.rotations, atol=1e-5, rtol=0)


def test_known_frames_stay_to_the_last_bit(walk: PairWindows) -> None:
    known = known_but(slice(60, 90))
    filled = infilled_in_pieces(oracle(walk), walk, known, None)
    assert torch.equal(filled.rotations[known], walk.rotations[known])
    assert torch.equal(filled.pelvis[known], walk.pelvis[known])


def test_a_gap_that_no_piece_reaches_is_refused(walk: PairWindows) -> None:
    with pytest.raises(InputError, match="Too many frames in a row are hidden"):
        infilled_in_pieces(oracle(walk), walk, known_but(slice(10, 149)), None)
