"""Where each joint is, decided over the whole window from what all witnesses say.

Every look of every model at a person is a witness (`engine.perception.looks`). A joint's
places in a frame are the clusters of its witnesses; which of them is right is decided over time,
as the path of least cost through all frames (Viterbi): many witnesses, no leaps, limbs that keep
their length, not where the other person's joint is, and "hidden" as a possible answer. The place
itself is then the mean of the witnesses around the path, those of the neighbouring frames too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from engine.body.joints import COCO17, mirrored
from engine.perception.keypoints import AGREE, agree_on_sides, side_order
from engine.perception.looks import Source, Witnesses

_WEIGHT = {
    Source.MULTIPOSE: 1.5, Source.THUNDER: 1.3, Source.BLAZEPOSE: 0.7,
    Source.CROWDED_BLAZEPOSE: 0.3,
}  # fmt: skip
_MIRROR = np.array(mirrored(COCO17))
_PLACES = 6
"""Clusters of a joint that are considered in a frame."""
_OTHER_SIDE = 0.25
"""What a witness of the left joint counts for the right one."""
_CONTESTED, _OPPOSITE = 0.5, 0.5
"""What the other person's, and the own other side's, witnesses count against a place."""
_HIDDEN_COST, _APPEAR_COST = 3.0, 1.5
_LEAP_LIMIT = 6.0
_REACH = 2
"""Frames before and after whose witnesses help to place a joint."""
_FADE = 0.5
"""Their weight, per frame of distance."""
_PARENT = {7: 5, 8: 6, 9: 7, 10: 8, 13: 11, 14: 12, 15: 13, 16: 14}
"""The joint that a limb's joint hangs on."""
_STAGES = (
    (0, 1, 2, 3, 4, 5, 6, 11, 12),
    (7, 8, 13, 14),
    (9, 10, 15, 16),
)
"""Joints whose parents are decided before them."""


@dataclass(frozen=True)
class Testimony:
    """The witnesses of one person over F frames, padded to W a frame."""

    xy: Float[np.ndarray, "F W 17 2"]
    """Pixels; 0 where there is no witness."""
    votes: Float[np.ndarray, "F W 17"]
    """Weight times the model's own confidence; 0 where there is no witness."""
    size: Float[np.ndarray, "F"]
    """The person's size in pixels, smooth in time."""
    present: Bool[np.ndarray, "F"]
    """Whether anybody looked for the person."""
    total: Float[np.ndarray, "F"]
    """Weight of all witnesses of the frame: votes cannot be more."""

    @classmethod
    def of(cls, heard: Sequence[Witnesses | None]) -> Testimony:
        """Left and right of the witnesses of a frame are made to agree by majority."""
        frames = len(heard)
        width = max((len(w.points) for w in heard if w is not None), default=1)
        xy = np.zeros((frames, width, 17, 2))
        votes = np.zeros((frames, width, 17))
        total = np.zeros(frames)
        sizes = np.full(frames, np.nan)
        for frame, witnesses in enumerate(heard):
            if witnesses is None:
                continue
            weights = _weights(witnesses)
            stack = agree_on_sides(witnesses.points, weights)
            count = len(stack)
            finite = np.isfinite(stack).all(axis=-1)
            xy[frame, :count] = np.nan_to_num(stack[..., :2])
            said = np.where(finite, np.nan_to_num(stack[..., 2]), 0.0)
            votes[frame, :count] = said * weights[:, None]
            total[frame] = weights.sum()
            sizes[frame] = witnesses.size
        present = total > 0
        testimony = cls(xy, votes, smooth_sizes(sizes), present, np.maximum(total, 1e-9))
        return testimony._untangled()

    def _untangled(self) -> Testimony:
        """Left and right exchanged in the frames where the motion is continuous only that way."""
        weight = self.votes.sum(axis=1)
        at = (self.votes[..., None] * self.xy).sum(axis=1) / np.maximum(weight, 1e-9)[..., None]
        points = np.concatenate([at, weight[..., None] / self.total[:, None, None]], axis=-1)
        points[weight <= 0, :2] = np.nan
        xy, votes = self.xy.copy(), self.votes.copy()
        for frame, joints in enumerate(side_order(points, self.size)):
            xy[frame] = self.xy[frame][:, joints]
            votes[frame] = self.votes[frame][:, joints]
        return replace(self, xy=xy, votes=votes)


def _weights(witnesses: Witnesses) -> Float[np.ndarray, "W"]:
    """How much each witness counts. The detector's scales share one weight: they err alike."""
    sources = np.array(witnesses.sources)
    weights = np.array([_WEIGHT[source] for source in witnesses.sources])
    blaze = len(witnesses.presence)
    weights[:blaze] *= witnesses.presence
    scales = sources == Source.MULTIPOSE
    weights[scales] /= max(1, scales.sum())
    return weights


def smooth_sizes(sizes: Float[np.ndarray, "F"], reach: int = 5) -> Float[np.ndarray, "F"]:
    """Median over a few frames; in gaps the nearest size, 1 where there is none at all."""
    known = np.flatnonzero(np.isfinite(sizes))
    if not len(known):
        return np.ones_like(sizes)
    filled = np.interp(np.arange(len(sizes)), known, sizes[known])
    padded = np.pad(filled, reach, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    return np.asarray(np.maximum(np.median(windows, axis=1), 1.0))


@dataclass(frozen=True)
class Fused:
    """COCO-17 of one person over F frames with what speaks for and against each joint."""

    xy: Float[np.ndarray, "F 17 2"]
    """Pixels; NaN where nobody looked."""
    support: Float[np.ndarray, "F 17"]
    """Share of the witnesses' weight that lies at the joint, 0..1."""
    rival: Float[np.ndarray, "F 17"]
    """Share of the weight at the best other place, 0..1."""
    contested: Float[np.ndarray, "F 17"]
    """Weight that the other people's witnesses of such a joint have at the same place, 0..1."""
    opposite: Float[np.ndarray, "F 17"]
    """Weight of the person's own witnesses who see the other side's joint there, 0..1."""
    hidden: Bool[np.ndarray, "F 17"]
    """The path says that no place is right."""
    leap: Float[np.ndarray, "F 17"]
    """Distance from the middle of the joint's neighbours in time, in body sizes."""


def _kernel(
    offset: Float[np.ndarray, "... 2"], size: Float[np.ndarray, "..."] | float
) -> Float[np.ndarray, "..."]:
    squared = (offset**2).sum(axis=-1)
    return np.asarray(np.exp(-squared / (2 * (AGREE * np.asarray(size)) ** 2)))


def density(
    testimony: Testimony, joint: int, at: Float[np.ndarray, "F M 2"]
) -> Float[np.ndarray, "F M"]:
    """Votes for a joint around places, as a share of all weight."""
    offset = at[:, :, None] - testimony.xy[:, None, :, joint]
    near = _kernel(offset, testimony.size[:, None, None])
    return np.asarray(
        np.einsum("fmw,fw->fm", near, testimony.votes[:, :, joint]) / testimony.total[:, None]
    )


def fuse_window(
    people: Sequence[Testimony], times: Float[np.ndarray, "F"], cuts: Sequence[int] = ()
) -> list[Fused]:
    """Every person's joints over the window; nothing is continuous across a cut."""
    steps = np.diff(times, prepend=times[0] - 1.0)
    fresh = np.zeros(len(times), bool)
    fresh[[0, *cuts]] = True
    rivals: list[list[Testimony]] = [
        [other for other in people if other is not person] for person in people
    ]
    return [
        _Window(person, others, steps, fresh).solve()
        for person, others in zip(people, rivals, strict=True)
    ]


@dataclass(frozen=True)
class _Places:
    """Clusters of some joints of one person."""

    at: Float[np.ndarray, "F J M 2"]
    support: Float[np.ndarray, "F J M"]
    contested: Float[np.ndarray, "F J M"]
    opposite: Float[np.ndarray, "F J M"]
    """Weight of the witnesses who see the other side's joint there."""
    real: Bool[np.ndarray, "F J M"]


@dataclass(frozen=True)
class _Window:
    person: Testimony
    others: Sequence[Testimony]
    steps: Float[np.ndarray, "F"]
    """Seconds since the frame before."""
    fresh: Bool[np.ndarray, "F"]
    """Frames that nothing is continuous into."""

    def solve(self) -> Fused:
        frames = len(self.steps)
        xy = np.full((frames, 17, 2), np.nan)
        support, rival, contested, opposite = (np.zeros((frames, 17)) for _ in range(4))
        hidden = np.ones((frames, 17), bool)
        for stage in _STAGES:
            joints = list(stage)
            places = self._places(joints)
            cost = self._cost(places) + self._stretch(joints, places, xy, hidden)
            path = self._path(places, cost)
            # Where no place is right, the least wrong one is still told, as hidden.
            picked = np.where(path == _PLACES, cost.argmin(axis=2), path)[..., None]
            xy[:, joints] = np.take_along_axis(places.at, picked[..., None], axis=2)[:, :, 0]
            support[:, joints] = np.take_along_axis(places.support, picked, axis=2)[:, :, 0]
            contested[:, joints] = np.take_along_axis(places.contested, picked, axis=2)[:, :, 0]
            opposite[:, joints] = np.take_along_axis(places.opposite, picked, axis=2)[:, :, 0]
            rest = np.where(np.arange(_PLACES) == picked, 0.0, places.support * places.real)
            rival[:, joints] = rest.max(axis=2)
            hidden[:, joints] = path == _PLACES
        xy = self._placed(xy, hidden)
        xy[~self.person.present] = np.nan
        leap = _leaps(xy, self.person.size, self.fresh)
        return Fused(xy, support, rival, contested, opposite, hidden, leap)

    def _places(self, joints: Sequence[int]) -> _Places:
        """The strongest clusters of each joint, its own side's before the other side's."""
        person = self.person
        frames = len(person.size)
        at = np.zeros((frames, len(joints), _PLACES, 2))
        support = np.zeros((frames, len(joints), _PLACES))
        contested, opposite = np.zeros_like(support), np.zeros_like(support)
        for column, joint in enumerate(joints):
            other = int(_MIRROR[joint])
            sides = (joint,) if other == joint else (joint, other)
            candidates = np.concatenate([person.xy[:, :, side] for side in sides], axis=1)
            voted = np.concatenate([person.votes[:, :, side] > 0 for side in sides], axis=1)
            value = density(person, joint, candidates)
            if other != joint:
                value = np.maximum(value, _OTHER_SIDE * density(person, other, candidates))
            value = np.where(voted, value, 0.0)
            at[:, column], support[:, column] = _strongest(candidates, value, person.size)
            if other != joint:
                opposite[:, column] = density(person, other, at[:, column])
            for rival in self.others:
                claims = [density(rival, side, at[:, column]) for side in sides]
                contested[:, column] += np.max(claims, axis=0)
        return _Places(at, support, contested, opposite, support > 1e-3)

    def _cost(self, places: _Places) -> Float[np.ndarray, "F J M"]:
        """Of each place by itself: few witnesses, and the other person's."""
        against = _CONTESTED * places.contested + _OPPOSITE * places.opposite
        share = places.support / (places.support + against + 1e-6)
        cost = -np.log(np.maximum(places.support * share, 1e-4)) * 1.5
        return np.asarray(np.where(places.real, cost, 1e3))

    def _stretch(
        self,
        joints: Sequence[int],
        places: _Places,
        xy: Float[np.ndarray, "F 17 2"],
        hidden: Bool[np.ndarray, "F 17"],
    ) -> Float[np.ndarray, "F J M"]:
        """Cost of a limb that is longer than it ever is where everybody agrees on it."""
        cost = np.zeros(places.support.shape)
        for column, joint in enumerate(joints):
            if joint not in _PARENT:
                continue
            parent = _PARENT[joint]
            length = np.linalg.norm(places.at[:, column] - xy[:, None, parent], axis=-1)
            length /= self.person.size[:, None]
            sure = (places.support[:, column, 0] > 0.5) & ~hidden[:, parent]
            if sure.sum() < 5:
                continue
            longest = float(np.quantile(length[sure, 0], 0.9))
            excess = np.maximum(length - 1.15 * longest, 0.0) / 0.04
            cost[:, column] = np.where(hidden[:, parent, None], 0.0, np.minimum(excess**2, 8.0))
        return cost

    def _path(self, places: _Places, cost: Float[np.ndarray, "F J M"]) -> Int[np.ndarray, "F J"]:
        """Viterbi for each joint; state _PLACES is "hidden"."""
        frames, count, _ = cost.shape
        hidden = np.full((frames, count, 1), _HIDDEN_COST)
        unary = np.concatenate([cost, hidden], axis=2)
        total = unary[0].copy()
        back = np.zeros((frames, count, _PLACES + 1), np.int8)
        for frame in range(1, frames):
            through = total[:, :, None] + self._step(places, frame)
            back[frame] = through.argmin(axis=1)
            total = through.min(axis=1) + unary[frame]
            total -= total.min(axis=1, keepdims=True)
        path = np.zeros((frames, count), np.int64)
        state = total.argmin(axis=1)
        for frame in range(frames - 1, -1, -1):
            path[frame] = state
            state = back[frame, np.arange(count), state]
        return path

    def _step(self, places: _Places, frame: int) -> Float[np.ndarray, "J A B"]:
        """Cost from each state of the frame before to each of this one."""
        count = places.at.shape[1]
        step = np.full((count, _PLACES + 1, _PLACES + 1), _APPEAR_COST)
        step[:, -1, -1] = 0.0
        if self.fresh[frame]:
            return np.zeros_like(step)
        apart = places.at[frame - 1][:, :, None] - places.at[frame][:, None]
        distance = np.linalg.norm(apart, axis=-1) / self.person.size[frame]
        usual = 0.012 + 0.9 * min(float(self.steps[frame]), 0.2)
        step[:, :-1, :-1] = np.minimum(0.5 * (distance / usual) ** 2, _LEAP_LIMIT)
        return step

    def _placed(
        self, xy: Float[np.ndarray, "F 17 2"], hidden: Bool[np.ndarray, "F 17"]
    ) -> Float[np.ndarray, "F 17 2"]:
        """Mean of the witnesses around the path, those of nearby frames moved along with it."""
        person = self.person
        shot = np.cumsum(self.fresh)
        at = xy.copy()
        for _ in range(2):
            pull = np.zeros(at.shape[:2])
            moved = np.zeros_like(at)
            for shift in range(-_REACH, _REACH + 1):
                frames = np.arange(max(0, shift), min(len(at), len(at) + shift))
                near = frames - shift
                same = (shot[frames] == shot[near])[:, None] & ~hidden[near]
                same |= shift == 0
                flow = at[frames] - xy[near]
                said = person.xy[near] + flow[:, None]
                weight = person.votes[near] * _kernel(
                    said - at[frames][:, None], person.size[frames][:, None, None]
                )
                weight *= _FADE ** abs(shift) * same[:, None]
                pull[frames] += weight.sum(axis=1)
                moved[frames] += (weight[..., None] * said).sum(axis=1)
            found = pull > 1e-9
            at = np.where(found[..., None], moved / np.maximum(pull, 1e-9)[..., None], at)
        return at


def _strongest(
    candidates: Float[np.ndarray, "F C 2"],
    value: Float[np.ndarray, "F C"],
    size: Float[np.ndarray, "F"],
) -> tuple[Float[np.ndarray, "F M 2"], Float[np.ndarray, "F M"]]:
    """The best places and their values, none within 1.5 AGREE of a better one."""
    frames = np.arange(len(candidates))
    left = value.copy()
    at = np.zeros((len(candidates), _PLACES, 2))
    support = np.zeros((len(candidates), _PLACES))
    for place in range(_PLACES):
        best = left.argmax(axis=1)
        at[:, place] = candidates[frames, best]
        support[:, place] = left[frames, best]
        apart = np.linalg.norm(candidates - at[:, place, None], axis=-1)
        left[apart < 1.5 * AGREE * size[:, None]] = 0.0
    return at, support


def _leaps(
    xy: Float[np.ndarray, "F 17 2"], size: Float[np.ndarray, "F"], fresh: Bool[np.ndarray, "F"]
) -> Float[np.ndarray, "F 17"]:
    """How far each joint is from the middle of the frames before and after, in body sizes."""
    before, after = np.roll(xy, 1, axis=0), np.roll(xy, -1, axis=0)
    first, last = fresh.copy(), np.roll(fresh, -1)
    last[-1] = True
    before[first] = after[first]
    after[last] = before[last]
    off = np.linalg.norm(xy - (before + after) / 2, axis=-1) / size[:, None]
    return np.asarray(np.nan_to_num(off))
