"""A clip's keypoints on the prior's 30 Hz, cut into windows that overlap, and the way back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from engine.body.joints import HALPE26, KEYPOINT_NAMES
from engine.errors import InputError
from engine.geometry.rotations import matrix_to_6d, sixd_to_matrix
from engine.prior.windows import KEYPOINT_COUNT, RATE, PairWindows, Seen
from engine.structures import Layout

WINDOWS = 16, 32, 64
"""Frames that the network was trained on; a clip is looked at in the shortest that holds it, a
longer one in the longest."""

LONGEST = 7200.0
"""Seconds of a clip."""


@dataclass(frozen=True)
class Windowing:
    """G frames at 30 Hz in windows of `size`, `stride` apart; the last ones are padded."""

    frames: int
    size: int
    stride: int

    @classmethod
    def of(cls, frames: int) -> Windowing:
        size = next((w for w in WINDOWS if w >= frames), WINDOWS[-1])
        return cls(frames, size, size // 4)

    @property
    def padded(self) -> int:
        over = max(self.frames - self.size, 0)
        return math.ceil(over / self.stride) * self.stride + self.size

    def cut(self, values: Float[Tensor, "G *rest"]) -> Float[Tensor, "W T *rest"]:
        """Windows of values along the first axis; 0 past the end."""
        rest = [0, 0] * (values.ndim - 1)
        full = F.pad(values, [*rest, 0, self.padded - self.frames])
        return full.unfold(0, self.size, self.stride).movedim(-1, 1)

    def blend(
        self, windows: Float[Tensor, "W T *rest"], trust: Sequence[float] | None = None
    ) -> Float[Tensor, "G *rest"]:
        """One value per frame: the windows' mean, each fading towards its ends; of windows that
        are not trusted alike, weighted by that."""
        fade = torch.sin((torch.arange(self.size) + 0.5) * math.pi / self.size) ** 2 + 1e-3
        fade = fade.to(windows.device)
        shape = self.size, *[1] * (windows.ndim - 2)
        total = windows.new_zeros(self.padded, *windows.shape[2:])
        weight = windows.new_zeros(self.padded, *[1] * (windows.ndim - 2))
        for index, window in enumerate(windows):
            part = slice(index * self.stride, index * self.stride + self.size)
            share = fade.view(shape) * (1.0 if trust is None else trust[index])
            total[part] += window * share
            weight[part] += share
        # Not 0 / 0, whose gradient is no number either.
        nowhere = torch.full_like(total, torch.nan)
        mean = torch.where(weight > 0, total / weight.clamp_min(1e-12), nowhere)
        return mean[: self.frames]


def check_clip(
    confidence: Float[np.ndarray, "P F K"],
    K: Float[np.ndarray, "3 3"],
    times: Float[np.ndarray, "F"],
    heights: Sequence[float | None],
) -> None:
    """Raise InputError for a clip without people or frames, times that do not increase or span
    more than an hour or two, intrinsics that map nothing, or another number of heights."""
    people, frames = confidence.shape[:2]
    if not people or not frames:
        raise InputError(
            "There is nobody to estimate", received=f"{people} people, {frames} frames"
        )
    finite = len(times) == frames and np.isfinite(times).all()
    if not finite or (np.diff(times) <= 0).any():
        raise InputError("The times of the frames are not increasing seconds, one for each frame")
    if times[-1] - times[0] > LONGEST:
        raise InputError(
            "The frames are too far apart in time",
            expected=f"at most {LONGEST:.0f} s from the first to the last",
            received=f"{times[-1] - times[0]:.3g} s",
        )
    if not np.isfinite(K).all() or abs(np.linalg.det(K)) < 1e-9:
        raise InputError("The intrinsics are no camera's", received=str(K.tolist())[:120])
    if len(heights) not in (0, people):
        raise InputError(
            "Heights are given by person", expected=str(people), received=str(len(heights))
        )


def grid_of(times: Float[np.ndarray, "F"]) -> Float[np.ndarray, "G"]:
    """30 frames a second over the clip."""
    return np.arange(times[0], times[-1] + 0.5 / RATE, 1.0 / RATE)


def seen_on_grid(
    rays: Float[np.ndarray, "P F 26 2"],
    confidence: Float[np.ndarray, "P F 26"],
    times: Float[np.ndarray, "F"],
) -> tuple[Float[Tensor, "G P 26 2"], Float[Tensor, "G P 26"]]:
    """The keypoints at `grid_of(times)`, time first."""
    there, seen = resample_keypoints(rays, confidence, times, grid_of(times))
    return (
        torch.from_numpy(there).float().transpose(0, 1),
        torch.from_numpy(seen).float().transpose(0, 1),
    )


def windows_of(
    rays: Float[Tensor, "G P 26 2"], confidence: Float[Tensor, "G P 26"], cut: Windowing
) -> Seen:
    """The windows of a clip as a batch."""
    return Seen(cut.cut(rays).transpose(1, 2), cut.cut(confidence).transpose(1, 2))


def blended_as_seen(
    values: Float[Tensor, "W P T *rest"], cut: Windowing, seen: Seen
) -> Float[Tensor, "G P *rest"]:
    """Values of windows as one per frame of the clip. A window counts for as much as is seen in it;
    what is only in windows in which nobody is seen lies between its neighbours."""
    trust = seen.confidence.sum((1, 2, 3))
    trust = trust / trust.max() if bool(trust.max() > 0) else torch.ones_like(trust)
    values = cut.blend(values.transpose(1, 2), trust.tolist())
    found = torch.nonzero(~values.flatten(1).isnan().any(1))[:, 0]
    if len(found) == len(values):
        return values
    place = torch.arange(len(values), device=values.device)
    after = torch.searchsorted(found, place)
    low, high = (found[v.clamp(0, len(found) - 1)] for v in (after - 1, after))
    part = ((place - low) / (high - low).clamp_min(1)).clamp(0, 1)
    return torch.lerp(values[low], values[high], part.view(-1, *[1] * (values.ndim - 1)))


def blended(windows: PairWindows, cut: Windowing, seen: Seen) -> PairWindows:
    """The one window, as long as the clip, that overlapping ones tell of: orientations blended in
    6D, places as rays and logarithms of depth; shapes and gravity as the windows in which most is
    seen say."""
    sixd = blended_as_seen(matrix_to_6d(windows.rotations), cut, seen)
    z = windows.pelvis[..., 2:].clamp_min(0.05)
    place = torch.cat([windows.pelvis[..., :2] / z, z.log()], dim=-1)
    place = blended_as_seen(place, cut, seen)
    pelvis = torch.cat([place[..., :2], torch.ones_like(place[..., :1])], -1) * place[..., 2:].exp()
    weight = seen.confidence.sum((2, 3)) + 1e-6
    betas = (windows.betas * weight[..., None]).sum(0) / weight.sum(0)[:, None]
    up = F.normalize((windows.up * weight.sum(1, keepdim=True)).sum(0), dim=-1)
    rotations = sixd_to_matrix(sixd).transpose(0, 1)[None]
    return PairWindows(rotations, pelvis.transpose(0, 1)[None], betas[None], up[None])


def side_by_side(
    parts: Sequence[PairWindows], confidence: Float[np.ndarray, "P F 26"]
) -> PairWindows:
    """People who were looked at apart; gravity as those say who are seen best."""
    if len(parts) == 1:
        return parts[0]
    weight = torch.from_numpy(confidence.sum((1, 2))).float() + 1e-6
    up = torch.stack([part.up[0] for part in parts])
    return PairWindows(
        torch.cat([part.rotations for part in parts], dim=1),
        torch.cat([part.pelvis for part in parts], dim=1),
        torch.cat([part.betas for part in parts], dim=1),
        F.normalize((up * weight[:, None]).sum(0), dim=-1)[None],
    )


def at_times(
    values: Float[Tensor, "G *rest"], times: Float[np.ndarray, "F"]
) -> Float[Tensor, "F *rest"]:
    """Linear interpolation of values on the 30 Hz grid at the video's own times."""
    position = torch.from_numpy((times - times[0]) * RATE).float().clamp(0, len(values) - 1)
    position = position.to(values.device)
    low = position.floor().long().clamp_max(max(len(values) - 2, 0))
    high = (low + 1).clamp_max(len(values) - 1)
    part = (position - low).view(-1, *[1] * (values.ndim - 1))
    return values[low] * (1 - part) + values[high] * part


def rays_in_halpe26(
    keypoints2d: Float[np.ndarray, "P F K 2"],
    confidence: Float[np.ndarray, "P F K"],
    layout: Layout,
    K: Float[np.ndarray, "3 3"],
) -> tuple[Float[np.ndarray, "P F 26 2"], Float[np.ndarray, "P F 26"]]:
    """(x / z, y / z) and confidence in Halpe-26 order; missing keypoints are 0 and 0.

    A keypoint is missing where it, or its confidence, is NaN or infinite. Raises InputError for
    keypoints that are not of the layout.
    """
    names = KEYPOINT_NAMES[layout]
    if keypoints2d.shape[2] != len(names):
        raise InputError(
            f"The keypoints are not {layout}",
            expected=f"{len(names)} keypoints",
            received=str(keypoints2d.shape[2]),
        )
    found = np.isfinite(keypoints2d).all(-1) & np.isfinite(confidence)
    found &= np.where(found, confidence, 0.0) > 0
    pixels = np.where(found[..., None], keypoints2d, 0.0)
    turned = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1) @ np.linalg.inv(K).T
    shape = (*keypoints2d.shape[:2], KEYPOINT_COUNT)
    rays, seen = np.zeros((*shape, 2)), np.zeros(shape)
    slots = [HALPE26.index(name) for name in names]
    rays[:, :, slots] = np.where(found[..., None], turned[..., :2], 0.0)
    seen[:, :, slots] = np.where(found, np.clip(confidence, 0.0, 1.0), 0.0)
    return rays, seen


def resample_keypoints(
    rays: Float[np.ndarray, "P F K 2"],
    confidence: Float[np.ndarray, "P F K"],
    times: Float[np.ndarray, "F"],
    grid: Float[np.ndarray, "G"],
) -> tuple[Float[np.ndarray, "P G K 2"], Float[np.ndarray, "P G K"]]:
    """Keypoints at other times: linear between two seen frames, else the nearest if it is seen."""
    high = np.clip(np.searchsorted(times, grid), 1, max(len(times) - 1, 1)).clip(0, len(times) - 1)
    low = np.maximum(high - 1, 0)
    span = np.maximum(times[high] - times[low], 1e-9)
    part = np.clip((grid - times[low]) / span, 0.0, 1.0)[:, None]
    weight_low = (confidence[:, low] > 0) * (1 - part)
    weight_high = (confidence[:, high] > 0) * part
    total = weight_low + weight_high
    found = total >= 0.5
    share = np.where(found, weight_high / np.maximum(total, 1e-9), 0.0)
    mixed = rays[:, low] * (1 - share[..., None]) + rays[:, high] * share[..., None]
    seen = confidence[:, low] * (1 - share) + confidence[:, high] * share
    return mixed * found[..., None], seen * found
