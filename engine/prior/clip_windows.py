"""A clip's keypoints and bodies in the prior's windows, and what is said of windows by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.device import on
from engine.geometry.rotations import matrix_to_6d, sixd_to_matrix
from engine.prior.clip import (
    Windowing,
    at_times,
    blended,
    blended_as_seen,
    grid_of,
    seen_on_grid,
    windows_of,
)
from engine.prior.proxemics import Proxemics, stated
from engine.prior.skeleton import relative
from engine.prior.windows import PairWindows, Seen
from engine.structures import ProxemicsStatement


@dataclass(frozen=True)
class ClipBodies:
    """P people in the F frames of a clip, camera frame, metres."""

    rotations: Float[Tensor, "P F 24 3 3"]
    """Of every joint in the camera's frame."""
    pelvis: Float[Tensor, "P F 3"]
    betas: Float[Tensor, "P 10"]

    @property
    def local_rotations(self) -> Float[Tensor, "P F 24 3 3"]:
        """Relative to the parents; the root's in the camera's frame."""
        return relative(self.rotations)


@dataclass(frozen=True)
class ClipWindows:
    """The windows that a clip of F frames is looked at in."""

    times: Float[np.ndarray, "F"]
    """Seconds, increasing."""
    cut: Windowing
    seen: Seen

    @classmethod
    def of(
        cls,
        rays: Float[np.ndarray, "P F 26 2"],
        confidence: Float[np.ndarray, "P F 26"],
        times: Float[np.ndarray, "F"],
        *,
        overlap: int = 4,
    ) -> ClipWindows:
        """Of rays and confidences as `rays_in_halpe26` gives them. `overlap`: how many windows see
        a frame in the middle of a long clip."""
        seen, sure = seen_on_grid(rays, confidence, times)
        cut = Windowing.of(len(seen))
        cut = replace(cut, stride=cut.size // overlap)
        return cls(times, cut, windows_of(seen, sure, cut))

    @property
    def count(self) -> int:
        return len(self.seen.rays)

    def of_bodies(self, bodies: ClipBodies) -> PairWindows:
        """The bodies at 30 Hz; past the clip's end as in its last frame. Nothing is said of which
        way is up."""
        rotations = self._windows(matrix_to_6d(bodies.rotations))
        up = bodies.pelvis.new_full((self.count, 3), torch.nan)
        betas = bodies.betas.expand(self.count, -1, -1)
        return PairWindows(sixd_to_matrix(rotations), self._windows(bodies.pelvis), betas, up)

    def bodies(self, windows: PairWindows) -> ClipBodies:
        """One motion at the clip's own times, windows blended as `blended` does."""
        up = windows.pelvis.new_ones(self.count, 3)  # not asked for
        clip = blended(replace(windows, up=up), self.cut, self.seen)
        sixd = at_times(matrix_to_6d(clip.rotations[0]).transpose(0, 1), self.times)
        pelvis = at_times(clip.pelvis[0].transpose(0, 1), self.times)
        rotations = sixd_to_matrix(sixd).transpose(0, 1)
        return ClipBodies(rotations, pelvis.transpose(0, 1), clip.betas[0])

    def by_frame(self, values: Float[Tensor, "W P T *rest"]) -> Float[Tensor, "P F *rest"]:
        """Values of windows at the clip's own times, blended."""
        clip = blended_as_seen(values, self.cut, self.seen)
        return at_times(clip, self.times).transpose(0, 1)

    def told(self, statements: Sequence[ProxemicsStatement]) -> Proxemics:
        """What was said of the clip's two people, in the windows; nothing past the clip's end."""
        count, people = self.seen.confidence.shape[:2]
        if people != 2 or not statements:
            return Proxemics.nothing(count, people, self.cut.size, self.seen.rays.device)
        said = stated(statements, len(self.times))
        grid = grid_of(self.times)
        near = np.abs(np.searchsorted((self.times[1:] + self.times[:-1]) / 2, grid))
        place = self.cut.cut(torch.from_numpy(near).float() + 1).long()
        return on(said.at(place - 1), self.seen.rays.device)

    def _windows(self, values: Float[Tensor, "P F *rest"]) -> Float[Tensor, "W P T *rest"]:
        grid = np.interp(grid_of(self.times), self.times, np.arange(len(self.times)))
        place = torch.from_numpy(grid).to(values.device)
        low = place.long().clamp_max(max(len(self.times) - 2, 0))
        high = (low + 1).clamp_max(len(self.times) - 1)
        part = (place.float() - low).view(-1, *[1] * (values.ndim - 1))
        values = values.transpose(0, 1)
        on_grid = torch.lerp(values[low], values[high], part)
        more = on_grid[-1:].expand(self.cut.padded - len(on_grid), *on_grid.shape[1:])
        full = torch.cat([on_grid, more])
        pieces = full.unfold(0, self.cut.size, self.cut.stride).movedim(-1, 1)
        return pieces.transpose(1, 2)
