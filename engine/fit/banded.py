"""Cholesky factors of matrices whose unknowns are coupled over three frames in a row.

Second differences in time couple a frame with the two before it. The factor has no more bands than
the matrix, so that a window costs what its frames cost, not the cube of their number (Golub and Van
Loan, 4.3.5, by blocks of a frame each).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor


def by_frame(
    frame: Int[Tensor, "N"], rows: Float[Tensor, "N n"]
) -> Iterator[tuple[int, Float[Tensor, "K n"]]]:
    """The frames that rows look at, in turn, and the rows of each."""
    order = torch.argsort(frame, stable=True)
    frames, counts = torch.unique_consecutive(frame[order], return_counts=True)
    yield from zip(frames.tolist(), torch.split(rows[order], counts.tolist()), strict=True)


@dataclass
class Bands:
    """A symmetric matrix over F frames of n unknowns: what couples a frame with itself, with the
    next one, and with the one after."""

    here: Float[Tensor, "F n n"]
    next: Float[Tensor, "F1 n n"]
    after: Float[Tensor, "F2 n n"]

    @classmethod
    def zeros(cls, frames: int, size: int, device: torch.device | None = None) -> Bands:
        counts = frames, max(0, frames - 1), max(0, frames - 2)
        return cls(*(torch.zeros(count, size, size, device=device) for count in counts))

    def of(self, unknowns: Int[Tensor, "m"]) -> Bands:
        """The matrix of some of the unknowns of each frame, in ascending order."""
        if len(unknowns) == self.here.shape[-1]:
            return self
        bands = self.here, self.next, self.after
        return Bands(*(band[:, unknowns[:, None], unknowns] for band in bands))

    def freed(self, free: Float[Tensor, "F n"], damping: Float[Tensor, "n"]) -> Bands:
        """With the identity for unknowns that are not free (0), and `damping` added to the rest."""
        diagonal = torch.diag_embed(free * damping + (1 - free))
        if bool(free.all()):
            return replace(self, here=self.here + diagonal)
        bands = self.here, self.next, self.after
        here, *later = (
            band * free[: len(band), :, None] * free[lag:, None] for lag, band in enumerate(bands)
        )
        return Bands(here + diagonal, *later)

    def plus(self, frame: Int[Tensor, "N"], rows: Float[Tensor, "N n"]) -> Bands:
        """With R^T R of rows that look at one frame each."""
        here = self.here.clone()
        for at, part in by_frame(frame, rows):
            here[at].addmm_(part.T, part)
        return replace(self, here=here)


@dataclass(frozen=True)
class Factor:
    """L of A = L L^T, frame by frame."""

    diagonal: tuple[Float[Tensor, "n n"], ...]
    before: tuple[Float[Tensor, "_ n"], ...]
    """Transposed: what couples each frame with the two before it, the earlier one first."""

    @classmethod
    def of(cls, bands: Bands) -> Generator[None, None, Factor]:
        """In steps. Raises RuntimeError (LinAlgError) where it is not positive definite."""
        diagonal: list[Tensor] = []
        before: list[Tensor] = [bands.here[0, :0]]
        for index, block in enumerate(bands.here):
            if index:
                right, found = bands.next[index - 1], []
                if index > 1:
                    found = [_solved(diagonal[index - 2], bands.after[index - 2])]
                    right = right - before[-1][-len(block) :].T @ found[0]
                before.append(torch.cat([*found, _solved(diagonal[-1], right)]))
                block = block - before[-1].T @ before[-1]
            diagonal.append(torch.linalg.cholesky(block))
            if index % 16 == 15:
                yield None
        return cls(tuple(diagonal), tuple(before))

    def forward_solve(self, values: Float[Tensor, "F n"]) -> Float[Tensor, "F n"]:
        """L^-1 of values."""
        found: list[Tensor] = []
        for value, block, before in zip(values, self.diagonal, self.before, strict=True):
            if found:
                value = value - before.T @ torch.cat(found[-2:])
            found.append(_solved(block, value[:, None])[:, 0])
        return torch.stack(found)

    def backward_solve(self, values: Float[Tensor, "F n"]) -> Float[Tensor, "F n"]:
        """L^-T of values."""
        right, found = list(values), []
        for index in reversed(range(len(right))):
            upper = self.diagonal[index].mT
            found.append(torch.linalg.solve_triangular(upper, right[index][:, None], upper=True))
            for lag, part in enumerate(self._before(index, found[-1][:, 0])):
                right[index - 1 - lag] = right[index - 1 - lag] - part
        return torch.stack([one[:, 0] for one in reversed(found)])

    def forward(self, values: Float[Tensor, "F n"]) -> Float[Tensor, "F n"]:
        """L^T of values: what `backward_solve` takes back."""
        found = [block.mT @ row for block, row in zip(self.diagonal, values, strict=True)]
        for index, value in enumerate(values):
            for lag, part in enumerate(self._before(index, value)):
                found[index - 1 - lag] = found[index - 1 - lag] + part
        return torch.stack(found)

    def _before(self, index: int, value: Float[Tensor, "n"]) -> Float[Tensor, "_ n"]:
        """What L^T makes of a frame's value in the frames before it, the nearer first."""
        both: Tensor = (self.before[index] @ value).unflatten(0, (-1, len(value)))
        return both.flip(0)


def _solved(lower: Float[Tensor, "n n"], right: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
    found: Tensor = torch.linalg.solve_triangular(lower, right, upper=False)
    return found
