"""Cholesky factors of matrices whose unknowns are coupled over three frames in a row.

Second differences in time couple a frame with the two before it. Two frames taken together are a
block; blocks are coupled with their neighbours only, so that the factor of a window costs what its
frames cost, not the cube of their number (Golub and Van Loan, 4.3.5).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


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

    def held(self, free: Float[Tensor, "F n"], damping: Float[Tensor, "n"]) -> Bands:
        """With the identity for unknowns that are not free (0), and `damping` added to the rest."""
        keep = [free[lag:, :, None] for lag in range(3)]
        diagonal = free * damping + (1 - free)
        return Bands(
            self.here * free[:, :, None] * free[:, None] + torch.diag_embed(diagonal),
            self.next * free[:-1, :, None] * keep[1].mT,
            self.after * free[:-2, :, None] * keep[2].mT if len(free) > 2 else self.after,
        )


@dataclass(frozen=True)
class Factor:
    """L of A = L L^T, in blocks of two frames."""

    diagonal: tuple[Float[Tensor, "m m"], ...]
    below: tuple[Float[Tensor, "m m"], ...]
    shape: tuple[int, int]

    @classmethod
    def of(cls, bands: Bands) -> Generator[None, None, Factor]:
        """In steps. Raises RuntimeError (LinAlgError) where it is not positive definite."""
        frames, size = bands.here.shape[:2]
        diagonal: list[Tensor] = []
        below: list[Tensor] = []
        for index in range(-(-frames // 2)):
            block = _block(bands, index)
            if index:
                solved = torch.linalg.solve_triangular(
                    diagonal[-1], _coupling(bands, index - 1), upper=False
                )
                below.append(solved.mT)
                block = block - solved.mT @ solved
            diagonal.append(torch.linalg.cholesky(block))
            if index % 8 == 7:
                yield None
        return cls(tuple(diagonal), tuple(below), (frames, size))

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

    def _rows(self, values: Tensor) -> Float[Tensor, "B m 1"]:
        frames, size = self.shape
        padded = torch.nn.functional.pad(values, (0, 0, 0, frames % 2))
        return padded.reshape(-1, 2 * size, 1)

    def _frames(self, found: list[Tensor]) -> Float[Tensor, "F n"]:
        frames, size = self.shape
        return torch.stack(found).reshape(-1, size)[:frames]


def _block(bands: Bands, index: int) -> Float[Tensor, "m m"]:
    """What couples the two frames of a block with each other; a last one without a partner is put
    together with one that nothing is coupled with."""
    first, size = 2 * index, bands.here.shape[1]
    if first + 1 == len(bands.here):
        alone: Tensor = torch.block_diag(bands.here[first], torch.eye(size).to(bands.here))
        return alone
    inside = bands.next[first]
    top = torch.cat([bands.here[first], inside], dim=1)
    return torch.cat([top, torch.cat([inside.mT, bands.here[first + 1]], dim=1)])


def _coupling(bands: Bands, index: int) -> Float[Tensor, "m m"]:
    """What couples the frames of a block with those of the one after it."""
    first = 2 * index
    none = torch.zeros_like(bands.here[0])
    last = bands.after[first + 1] if first + 1 < len(bands.after) else none
    top = torch.cat([bands.after[first], none], dim=1)
    return torch.cat([top, torch.cat([bands.next[first + 1], last], dim=1)])


class Whitened(torch.autograd.Function):
    """L^-T y, differentiable in y: the change of variables that makes a matrix the identity."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, factor: Factor) -> Tensor:
        ctx.factor = factor
        return factor.backward_solve(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.factor.forward_solve(gradient), None
