"""The trained prior at work: bodies from 2D, hidden frames, motion from nothing, and how likely.

prior = Prior.load()
bodies = prior.estimate(keypoints2d, confidence, "halpe26", K, times)
filled = prior.infill(windows, known)
drawn = prior.sample(8, 64, proxemics=wanted, generator=generator)
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from engine.aside import pause
from engine.body.joints import KEYPOINT_NAMES, SMPL_JOINTS, mirrored
from engine.device import on
from engine.errors import InputError
from engine.geometry.rotations import matrix_to_6d, matrix_to_axis_angle, sixd_to_matrix
from engine.prior.clip import (
    WINDOWS,
    at_times,
    blended,
    blended_as_seen,
    check_clip,
    rays_in_halpe26,
    side_by_side,
)
from engine.prior.clip_windows import ClipWindows
from engine.prior.condition import Condition, Told, condition
from engine.prior.denoiser import FRAMES_PER_TOKEN, Denoised, Denoiser
from engine.prior.diffusion import ddim, level_of, noised
from engine.prior.motion_code import (
    GROUPS,
    MEAN_LOG_EXTENT,
    OFFSET,
    ROTATION,
    SIZE,
    View,
    pack,
    unpack,
    view_of,
    view_of_seen,
    view_of_windows,
)
from engine.prior.pieces import infilled_in_pieces
from engine.prior.proxemics import Proxemics
from engine.prior.skeleton import Skeleton
from engine.prior.weight_file import read_weights
from engine.prior.windows import PairWindows, Seen
from engine.structures import Layout, ProxemicsStatement
from engine.weights import find

LOSS_STEPS = 10, 25, 40, 55, 70
"""Steps of noise at which `Prior.denoising_loss` is measured."""
INFORMATION_STEPS = 10, 25, 40, 55, 70, 85, 99
"""Those of `Prior.information`; at the last one nothing is left of the person."""
GUIDANCE = 2.0
"""Times that a wish counts in samples: of heads wished within 0.45 m 83 % of frames are, of heads
wished 1.2 to 3.6 m apart 61 %; with 1 they are 58 and 33 % (`bench prior`)."""
SAMPLE_DISTANCE = 4.0
"""Metres between the camera and the people of a sample, about."""
_JOINT_MIRROR = list(mirrored(SMPL_JOINTS))


@dataclass(frozen=True)
class EstimatedMotion:
    """P people over F frames in the camera frame (OpenCV axes), metres and radians."""

    global_orient: Float[np.ndarray, "P F 3"]
    body_pose: Float[np.ndarray, "P F 23 3"]
    transl: Float[np.ndarray, "P F 3"]
    """Added after skinning: pelvis in the camera frame minus its place at rest."""
    betas: Float[np.ndarray, "P 10"]
    up_camera: Float[np.ndarray, "3"]
    """Unit vector against gravity, one for the clip (the camera is taken to stand still)."""
    log_variance: Float[np.ndarray, "P F 24"]
    """Logarithm of the expected squared rotation error in rad^2."""
    evidence: Float[np.ndarray, "P F"]
    """Share of keypoints seen, weighted by confidence, 0..1; 0 means the frame was guessed."""


@dataclass(frozen=True)
class WindowEstimate:
    """Bodies of windows with what is said about them."""

    windows: PairWindows
    log_variance: Float[Tensor, "B P F 24"]
    """Logarithm of the expected squared rotation error in rad^2."""


class Prior:
    """The network with everything around it: windows, sampling, blending."""

    def __init__(self, network: Denoiser, skeleton: Skeleton) -> None:
        self._network, self._skeleton = network.eval(), skeleton

    @classmethod
    def load(cls, path: Path | str | None = None) -> Prior:
        """The shipped prior, or the one in a file.

        Raises WeightError where the shipped file is missing or altered, InputError where a file
        given by the caller is no prior, of another architecture or of another body.
        """
        return cls(*read_weights(find("prior").path if path is None else Path(path)))

    @property
    def skeleton(self) -> Skeleton:
        """Of the body that it was trained on."""
        return self._skeleton

    def copy(self) -> Prior:
        """Another one of the same weights, to be changed without changing this one."""
        return Prior(deepcopy(self._network), self._skeleton)

    def on(self, device: torch.device) -> Prior:
        """This one where it lies there, else another one of the same weights that does."""
        skeleton = on(self._skeleton, device)
        if skeleton is self._skeleton:
            return self
        return Prior(deepcopy(self._network).to(device), skeleton)

    def parameters(self) -> list[torch.nn.Parameter]:
        """The network's weights."""
        return list(self._network.parameters())

    @torch.no_grad()
    def estimate(
        self,
        keypoints2d: Float[np.ndarray, "P F K 2"],
        confidence: Float[np.ndarray, "P F K"],
        layout: Layout,
        K: Float[np.ndarray, "3 3"],
        times: Float[np.ndarray, "F"],
        *,
        heights: Sequence[float | None] = (),
        proxemics: Sequence[ProxemicsStatement] = (),
    ) -> EstimatedMotion:
        """Everybody's motion in the camera frame.

        `keypoints2d` in undistorted pixels, NaN where nothing was seen; `times` in seconds,
        increasing, at any rate; `heights` standing, in metres, where they are known, and what was
        said of how two people stand to each other. Two people are seen together; one, or more than
        two, each alone. A person who is never seen is guessed
        from the partner, with `evidence` 0. Raises InputError for keypoints of another layout, and
        where there are no people, frames, times or intrinsics to speak of.
        """
        check_clip(confidence, K, times, heights)
        rays, seen = rays_in_halpe26(keypoints2d, confidence, layout, K)
        people = len(rays)
        known = [np.nan if h is None else h for h in heights] or [np.nan] * people
        height = torch.tensor(known, dtype=torch.float32)
        together = [slice(None)] if people == 2 else [slice(p, p + 1) for p in range(people)]
        parts = [
            self._clip(ClipWindows.of(rays[rows], seen[rows], times), height[rows], proxemics)
            for rows in together
        ]
        motion = side_by_side([part for part, _ in parts], seen)
        log_variance = torch.cat([value for _, value in parts], dim=1)
        pelvis = at_times(motion.pelvis[0].transpose(0, 1), times).transpose(0, 1)
        sixd = matrix_to_6d(motion.local_rotations[0]).transpose(0, 1)
        pose = matrix_to_axis_angle(sixd_to_matrix(at_times(sixd, times))).transpose(0, 1).numpy()
        rest = self._skeleton.rest(motion.betas[0])[:, None, 0]
        return EstimatedMotion(
            global_orient=pose[:, :, 0],
            body_pose=pose[:, :, 1:],
            transl=(pelvis - rest).numpy(),
            betas=motion.betas[0].numpy(),
            up_camera=motion.up[0].numpy(),
            log_variance=at_times(log_variance, times).transpose(0, 1).numpy(),
            evidence=(seen.sum(-1) / len(KEYPOINT_NAMES[layout])).astype(np.float32),
        )

    def _clip(
        self,
        clip: ClipWindows,
        heights: Float[Tensor, "P"],
        proxemics: Sequence[ProxemicsStatement],
    ) -> tuple[PairWindows, Float[Tensor, "G P 24"]]:
        """One window as long as the clip, at 30 Hz."""
        cut, seen = clip.cut, clip.seen
        told = clip.told(proxemics)
        answer = self.estimate_windows(seen, heights.expand(clip.count, -1), told)
        return blended(answer.windows, cut, seen), blended_as_seen(answer.log_variance, cut, seen)

    @torch.no_grad()
    def estimate_windows(
        self, seen: Seen, heights: Float[Tensor, "B P"], proxemics: Proxemics | None = None
    ) -> WindowEstimate:
        """Bodies from 2D, in the camera's frame: what the network says of the windows, and of them
        in a mirror, averaged. `heights` in metres, NaN where unknown."""
        first = self.see(seen, heights, proxemics)
        second = self.see(seen.mirrored(), heights, proxemics)
        turned = second.windows.mirrored()
        return WindowEstimate(
            _mean(first.windows, turned),
            (first.log_variance + second.log_variance[..., _JOINT_MIRROR]) / 2,
        )

    def see(
        self, seen: Seen, heights: Float[Tensor, "W P"], proxemics: Proxemics | None = None
    ) -> WindowEstimate:
        """Bodies from 2D, as `estimate_windows` but for the mirror. Gradients reach the weights."""
        count, people, frames = seen.confidence.shape[:3]
        view = view_of_seen(seen)
        told = replace(Told.nothing(view, people, frames), seen=seen, heights=heights)
        if proxemics is not None:
            told = replace(told, proxemics=proxemics)
        nothing = seen.rays.new_zeros(count, people, frames, SIZE)
        answer = self._ask(nothing, 1.0, condition(told))
        up = (view.R_virtual_camera.mT @ answer.up[..., None])[..., 0]
        return WindowEstimate(unpack(answer.state, view, up), answer.log_variance)

    @torch.no_grad()
    def denoise(
        self,
        windows: PairWindows,
        seen: Seen,
        step: int,
        *,
        generator: torch.Generator,
        heights: Float[Tensor, "B P"] | None = None,
        proxemics: Proxemics | None = None,
        partner: bool = True,
    ) -> WindowEstimate:
        """What the network makes of the windows after `step` steps of noise (0 to `STEPS` - 1),
        being told what is seen; at the last step that alone counts.

        One answer for one draw of noise: answers for several spread about as much as the motion
        is uncertain. Without `partner` everybody is looked at alone. Raises InputError for an odd
        number of frames.
        """
        count, people, frames = windows.pelvis.shape[:3]
        _check_even(frames)
        view = view_of(seen, windows)
        told = replace(_told(view, people, frames, partner), seen=seen)
        if heights is not None:
            told = replace(told, heights=heights)
        if proxemics is not None:
            told = replace(told, proxemics=proxemics)
        noise = torch.randn(1, people, frames, SIZE, generator=generator)
        state = pack(windows, view)
        noise, steps = noise.to(state), torch.full((count,), step, device=state.device)
        noisy = noised(state, noise.expand_as(state), steps)
        answer = self._ask(noisy, float(level_of(steps)[0]), condition(told))
        up = (view.R_virtual_camera.mT @ answer.up[..., None])[..., 0]
        return WindowEstimate(unpack(answer.state, view, up), answer.log_variance)

    @torch.no_grad()
    def infill(
        self,
        windows: PairWindows,
        known: Bool[Tensor, "B P F"],
        *,
        seen: Seen | None = None,
        partner: bool = True,
        steps: int = 1,
    ) -> PairWindows:
        """The windows with what is not known filled in; what stands there is not looked at.

        With one step, the mean of all motion that fits; with more, one that is likely. Without
        `partner` everybody is filled in alone. Gravity and shape are those of `windows`; of people
        who are hidden throughout the shape is not looked at. More frames than the network looks at
        are filled in by overlapping windows that are blended. Raises InputError for an odd number
        of frames, and where nothing is known within so many frames of a hidden one.
        """
        count, people, frames = known.shape
        if frames > WINDOWS[-1]:
            fill = partial(self.infill, partner=partner, steps=steps)
            return infilled_in_pieces(fill, windows, known, seen)
        if not known.flatten(1).any(1).all():
            raise InputError("Nothing is known of a window that is to be filled in")
        _check_even(frames)
        shown = _hidden_replaced(windows, known)
        seen = seen or Seen.nothing(count, people, frames)
        view = view_of(seen, shown)
        groups = known[..., None].expand(-1, -1, -1, GROUPS).float().clone()
        groups[..., 24] = known.any(2, keepdim=True).float()
        told = _told(view, people, frames, partner)
        told = replace(told, seen=seen, state=pack(shown, view), known=groups, up=windows.up)
        state = self._sampled(shown.pelvis.new_zeros(count, people, frames, SIZE), told, steps)
        filled = unpack(state, view, windows.up)
        keep = known[..., None]
        return PairWindows(
            torch.where(keep[..., None, None], windows.rotations, filled.rotations),
            torch.where(keep, windows.pelvis, filled.pelvis),
            windows.betas,
            windows.up,
        )

    @torch.no_grad()
    def sample(
        self,
        count: int,
        frames: int,
        *,
        people: int = 2,
        proxemics: Proxemics | None = None,
        generator: torch.Generator,
        steps: int = 50,
        guidance: float = GUIDANCE,
    ) -> PairWindows:
        """Motion from noise, before a level camera some metres away; obeys `proxemics`.

        `guidance` is how many times what the wish changes in an answer is counted (Ho and Salimans
        2022, "Classifier-Free Diffusion Guidance"): 1 as the network says, more obeys better and
        varies less. Raises InputError for an odd number of frames.
        """
        _check_even(frames)
        up = torch.tensor([0.0, -1.0, 0.0]).expand(count, 3)
        view = View(
            torch.eye(3).expand(count, 3, 3),
            torch.full((count,), MEAN_LOG_EXTENT - float(np.log(SAMPLE_DISTANCE))),
        )
        free = replace(Told.nothing(view, people, frames), up=up)
        noise = torch.randn(count, people, frames, SIZE, generator=generator)
        if proxemics is None:
            return unpack(self._sampled(noise, free, steps), view, up)
        unasked, asked = condition(free), condition(replace(free, proxemics=proxemics))

        def predict(noisy: Tensor, step: int) -> Tensor:
            plain, wished = (self._at(noisy, step, told) for told in (unasked, asked))
            return plain + guidance * (wished - plain)

        return unpack(ddim(predict, noise, steps), view, up)

    @torch.no_grad()
    def denoising_loss(
        self, windows: PairWindows, *, partner: bool = True, generator: torch.Generator
    ) -> Float[Tensor, "B"]:
        """How far the network's answers are from the truth, mean square over the state without
        the metric offsets, over several levels of noise: small for likely motion.

        The noise comes from `generator` alone, so that windows can be compared under the same.
        Without `partner` everybody is looked at alone.
        """
        count, people, frames = windows.pelvis.shape[:3]
        view = view_of_windows(windows)
        state = pack(windows, view)
        told = condition(replace(_told(view, people, frames, partner), up=windows.up))
        total = state.new_zeros(count)
        for step in LOSS_STEPS:
            noise = torch.randn(1, people, frames, SIZE, generator=generator).to(state)
            noise, steps = noise.expand_as(state), torch.full((count,), step, device=state.device)
            answer = self._ask(noised(state, noise, steps), float(level_of(steps)[0]), told)
            wrong = (answer.state - state)[..., :-OFFSET].square()
            total += wrong.mean((1, 2, 3)) / len(LOSS_STEPS)
        return total

    @torch.no_grad()
    def information(
        self, windows: PairWindows, *, generator: torch.Generator
    ) -> Float[Tensor, "B"]:
        """How much knowing the partner helps to take the noise off each of two people: large for
        people who belong together.

        The logarithm of the denoising loss of a person's orientations with the partner cut over
        that with the partner's motion given, summed over levels of noise and the two people: up to
        a factor the pointwise mutual information, for errors that are Gaussian and of unknown size
        (Kong et al. 2024, "Interpretable Diffusion via Information Decomposition").
        """
        count, people, frames = windows.pelvis.shape[:3]
        view = view_of_windows(windows)
        state = pack(windows, view)
        total = state.new_zeros(count)
        told = replace(_told(view, people, frames, True), state=state, up=windows.up)
        alone = condition(replace(told, partner=torch.zeros_like(told.partner)))
        given = []
        for person in range(people):
            known = torch.ones_like(told.known)
            known[:, person] = 0
            given.append(condition(replace(told, known=known)))
        for step in INFORMATION_STEPS:
            noise = torch.randn(1, people, frames, SIZE, generator=generator).to(state)
            noise, steps = noise.expand_as(state), torch.full((count,), step, device=state.device)
            noisy, level = noised(state, noise, steps), float(level_of(steps)[0])
            apart = _rotation_loss(self._ask(noisy, level, alone).state, state)
            for person, partner in enumerate(given):
                together = _rotation_loss(self._ask(noisy, level, partner).state, state)
                total += (apart[:, person] / together[:, person]).log()
        return total

    def _sampled(self, noise: Tensor, told: Told, steps: int) -> Tensor:
        ready = condition(told)

        return ddim(lambda noisy, step: self._at(noisy, step, ready), noise, steps)

    def _at(self, noisy: Tensor, step: int, told: Condition) -> Tensor:
        return self._ask(noisy, float(level_of(torch.tensor([step]))[0]), told).state

    def _ask(self, noisy: Tensor, level: float, told: Condition) -> Denoised:
        pause()
        answer: Denoised = self._network(noisy, noisy.new_full((len(noisy),), level), told)
        return answer


def _rotation_loss(
    answer: Float[Tensor, "B P F 160"], state: Float[Tensor, "B P F 160"]
) -> Float[Tensor, "B P"]:
    return (answer - state)[..., :ROTATION].square().mean((2, 3)) + 1e-4


def _check_even(frames: int) -> None:
    """The network takes two frames at a time."""
    if frames % FRAMES_PER_TOKEN:
        raise InputError("Windows have an even number of frames", received=str(frames))


def _told(view: View, people: int, frames: int, partner: bool) -> Told:
    """Nothing; without `partner` not even that there is one."""
    told = Told.nothing(view, people, frames)
    return told if partner else replace(told, partner=torch.zeros_like(told.partner))


def _hidden_replaced(windows: PairWindows, known: Bool[Tensor, "B P F"]) -> PairWindows:
    """With a known pelvis of the same window wherever a frame is hidden: what is there may be
    anything, and the camera is aimed at the middle of everything."""
    keep = known[..., None]
    weight = known.float()[..., None]
    middle = (torch.nan_to_num(windows.pelvis) * weight).sum((1, 2)) / weight.sum((1, 2))
    pelvis = torch.where(keep, windows.pelvis, middle[:, None, None])
    rotations = torch.where(
        keep[..., None, None], windows.rotations, torch.eye(3).to(windows.rotations)
    )
    return PairWindows(rotations, pelvis, windows.betas, windows.up)


def _mean(first: PairWindows, second: PairWindows) -> PairWindows:
    """Of two opinions; rotations are averaged in 6D."""
    return PairWindows(
        sixd_to_matrix(matrix_to_6d(first.rotations) + matrix_to_6d(second.rotations)),
        (first.pelvis + second.pelvis) / 2,
        (first.betas + second.betas) / 2,
        F.normalize(first.up + second.up, dim=-1),
    )
