"""Cholesky factors of matrices whose unknowns are coupled over three frames in a row.

Second differences in time couple a frame with the two before it. Two frames taken together are a
block; blocks are coupled with their neighbours only, so that the factor of a window costs what its
frames cost, not the cube of their number (Golub and Van Loan, 4.3.5).
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

    def blocks(self, free: Float[Tensor, "F n"], damping: Float[Tensor, "n"]) -> Blocks:
        """With the identity for unknowns that are not free (0), and `damping` added to the rest."""
        keep = [free[lag:, :, None] for lag in range(3)]
        diagonal = free * damping + (1 - free)
        return _paired(
            self.here * free[:, :, None] * free[:, None] + torch.diag_embed(diagonal),
            self.next * free[:-1, :, None] * keep[1].mT,
            self.after * free[:-2, :, None] * keep[2].mT if len(free) > 2 else self.after,
        )


@dataclass(frozen=True)
class Blocks:
    """The same matrix in blocks of m = 2 n: two frames each, and what couples them with the next
    two. The last block of an odd number of frames ends in an identity."""

    diagonal: Float[Tensor, "B m m"]
    beside: Float[Tensor, "B1 m m"]
    shape: tuple[int, int]
    """F and n."""

    def plus(self, frame: Int[Tensor, "N"], rows: Float[Tensor, "N n"]) -> Blocks:
        """With R^T R of rows that look at one frame each."""
        diagonal, size = self.diagonal.clone(), self.shape[1]
        for at, part in by_frame(frame, rows):
            place = slice(at % 2 * size, (at % 2 + 1) * size)
            diagonal[at // 2, place, place] += part.T @ part
        return replace(self, diagonal=diagonal)


@dataclass(frozen=True)
class Factor:
    """L of A = L L^T, in blocks of two frames."""

    diagonal: tuple[Float[Tensor, "m m"], ...]
    below: tuple[Float[Tensor, "m m"], ...]
    shape: tuple[int, int]

    @classmethod
    def of(cls, blocks: Blocks) -> Generator[None, None, Factor]:
        """In steps. Raises RuntimeError (LinAlgError) where it is not positive definite."""
        diagonal: list[Tensor] = []
        below: list[Tensor] = []
        for index, block in enumerate(blocks.diagonal):
            if index:
                solved = torch.linalg.solve_triangular(
                    diagonal[-1], blocks.beside[index - 1], upper=False
                )
                below.append(solved.mT)
                block = block - solved.mT @ solved
            diagonal.append(torch.linalg.cholesky(block))
            if index % 8 == 7:
                yield None
        return cls(tuple(diagonal), tuple(below), blocks.shape)

    def forward_solve(self, values: Float[Tensor, "F n"]) -> Float[Tensor, "F n"]:
        """L^-1 of values."""
        rows = self._rows(values)
        found: list[Tensor] = []
        for index, block in enumerate(self.diagonal):
            right = rows[index]
            if index:
                right = right - self.below[index - 1] @ found[-1]
            found.append(torch.linalg.solve_triangular(block, right, upper=False))
        return self._frames(found)

    def backward_solve(self, values: Float[Tensor, "F n"]) -> Float[Tensor, "F n"]:
        """L^-T of values."""
        rows = self._rows(values)
        found: list[Tensor] = []
        for index in reversed(range(len(self.diagonal))):
            right = rows[index]
            if found:
                right = right - self.below[index].mT @ found[-1]
            found.append(torch.linalg.solve_triangular(self.diagonal[index].mT, right, upper=True))
        return self._frames(found[::-1])

    def forward(self, values: Float[Tensor, "F n"]) -> Float[Tensor, "F n"]:
        """L^T of values: what `backward_solve` takes back."""
        rows = self._rows(values)
        found = [block.mT @ row for block, row in zip(self.diagonal, rows, strict=True)]
        for index, below in enumerate(self.below):
            found[index] = found[index] + below.mT @ rows[index + 1]
        return self._frames(found)

    def _rows(self, values: Tensor) -> Float[Tensor, "B m 1"]:
        frames, size = self.shape
        padded = torch.nn.functional.pad(values, (0, 0, 0, frames % 2))
        return padded.reshape(-1, 2 * size, 1)

    def _frames(self, found: list[Tensor]) -> Float[Tensor, "F n"]:
        frames, size = self.shape
        return torch.stack(found).reshape(-1, size)[:frames]


def _paired(
    here: Float[Tensor, "F n n"], step: Float[Tensor, "F1 n n"], jump: Float[Tensor, "F2 n n"]
) -> Blocks:
    frames, size = here.shape[:2]
    count = -(-frames // 2)
    one, none = torch.eye(size).to(here), here.new_zeros
    here = torch.cat([here, one.expand(frames % 2, -1, -1)])
    step = torch.cat([step, none(2 * count - len(step), size, size)])
    jump = torch.cat([jump, none(2 * count - len(jump), size, size)])
    inside = step[0::2]
    top = torch.cat([here[0::2], inside], dim=2)
    bottom = torch.cat([inside.mT, here[1::2]], dim=2)
    upper = torch.cat([jump[0::2], torch.zeros_like(inside)], dim=2)
    lower = torch.cat([step[1::2], jump[1::2]], dim=2)
    return Blocks(
        torch.cat([top, bottom], dim=1), torch.cat([upper, lower], dim=1)[:-1], (frames, size)
    )
