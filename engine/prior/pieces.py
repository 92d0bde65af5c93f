"""Hidden frames of motion longer than the network looks at: overlapping windows, blended."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.errors import InputError
from engine.geometry.rotations import matrix_to_6d, sixd_to_matrix
from engine.prior.clip import Windowing
from engine.prior.windows import PairWindows, Seen


@runtime_checkable
class Fill(Protocol):
    """`Prior.infill` for windows that are short enough."""

    def __call__(
        self, windows: PairWindows, known: Bool[Tensor, "B P F"], *, seen: Seen | None
    ) -> PairWindows: ...


def infilled_in_pieces(
    fill: Fill, windows: PairWindows, known: Bool[Tensor, "B P F"], seen: Seen | None
) -> PairWindows:
    """The windows with what is not known filled in; see `Prior.infill`.

    Pieces of which more is known count for more where they overlap. Raises InputError where
    frames are hidden of which no piece knows a neighbour.
    """
    sixd, pelvis = matrix_to_6d(windows.rotations), windows.pelvis.clone()
    cut = Windowing.of(known.shape[2])
    for row in range(len(known)):
        shown = _pieces(cut, known[row].float()) > 0.5
        some = shown.flatten(1).any(1)
        trust = shown.float().mean((1, 2)) * some
        _check_covered(cut, trust)
        pieces = PairWindows(
            _pieces(cut, windows.rotations[row])[some],
            _pieces(cut, windows.pelvis[row])[some],
            windows.betas[row].expand(int(some.sum()), -1, -1),
            windows.up[row].expand(int(some.sum()), -1),
        )
        hints = None
        if seen is not None:
            rays, confidence = (_pieces(cut, v[row])[some] for v in (seen.rays, seen.confidence))
            hints = Seen(rays, confidence)
        filled = fill(pieces, shown[some], seen=hints)
        for target, answer in ((sixd, matrix_to_6d(filled.rotations)), (pelvis, filled.pelvis)):
            every = answer.new_zeros(len(some), *answer.shape[1:])
            every[some] = answer
            blended = cut.blend(every.transpose(1, 2), trust.tolist()).transpose(0, 1)
            target[row] = torch.where(
                known[row].view(*known.shape[1:], *[1] * (blended.ndim - 2)), target[row], blended
            )
    rotations = torch.where(known[..., None, None, None], windows.rotations, sixd_to_matrix(sixd))
    return PairWindows(rotations, pelvis, windows.betas, windows.up)


def _pieces(cut: Windowing, values: Float[Tensor, "P F *rest"]) -> Float[Tensor, "W P T *rest"]:
    return cut.cut(values.transpose(0, 1)).transpose(1, 2)


def _check_covered(cut: Windowing, trust: Float[Tensor, "W"]) -> None:
    ones = torch.ones(len(trust), cut.size, 1)
    covered = cut.blend(ones, (trust > 0).float().tolist()).nan_to_num() > 0
    if not covered.all():
        raise InputError(
            "Too many frames in a row are hidden",
            expected=f"a known one in every {cut.size}",
            received=f"none around frame {int((~covered[:, 0]).nonzero()[0])}",
        )
