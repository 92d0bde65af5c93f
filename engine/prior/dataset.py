"""Motion to train and judge the prior: clips, windows of them, and how often each kind comes.

Motion is read from prepared files (engine.motion.prepared). A clip is a stretch of frames in which
everybody's capture is valid and each frame follows from the one before. Windows are drawn from
clips that are long enough, so that nobody stands still because a recording ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.errors import InputError
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_6d, sixd_to_matrix
from engine.motion.prepared import MotionKind, PreparedMotion, Split, read_prepared
from engine.prior.skeleton import chained
from engine.prior.timing import KEY_SECONDS, Times, even_times, keyed_times, spline_shares, uniform
from engine.prior.windows import RATE

KINDS: tuple[MotionKind, ...] = get_args(MotionKind)
"""A window's kind is an index into these."""
FASTER, SLOWER = 1.25, 0.8
"""Between these times its own speed a recording is played."""
EVEN_KEY_SECONDS = 0.7
"""Between key poses where nothing is drawn at random."""
_WALKING = ("cmueval_walking", "cmueval_running", "cmu_07_", "cmu_08_")


@dataclass(frozen=True)
class Clip:
    """A stretch of valid frames of one motion."""

    name: str
    """Of the prepared motion."""
    kind: MotionKind
    first: int
    """Frame of the prepared motion in which it begins."""
    length: int
    """Frames, or key poses."""
    fps: float
    """Of the frames; without meaning for key poses."""
    tracks: tuple[int, ...]
    """Of its people, in the library."""

    @property
    def group(self) -> str:
        """A field of `SamplingWeights`."""
        walking = self.kind == "single" and self.name.startswith(_WALKING)
        return "walking" if walking else self.kind

    @property
    def posed(self) -> bool:
        """Key poses without timing."""
        return self.kind == "grappling"


@dataclass(frozen=True)
class MotionLibrary:
    """Motions of T tracks (one person in one clip), one after another in N rows.

    World: y up, floor at y = 0, metres.
    """

    sixd: Float[Tensor, "N 24 6"]
    """Orientation of every joint in the world."""
    pelvis: Float[Tensor, "N 3"]
    """The pelvis joint."""
    rows: Int[Tensor, "T"]
    """First row of each track."""
    betas: Float[Tensor, "T 10"]
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class WorldWindows:
    """B windows of F frames at `RATE` of P people, world with y up, metres."""

    rotations: Float[Tensor, "B P F 24 3 3"]
    """Orientation of every joint in the world."""
    pelvis: Float[Tensor, "B P F 3"]
    betas: Float[Tensor, "B P 10"]
    kinds: Int[Tensor, "B"]
    """Index into `KINDS`."""
    clips: Int[Tensor, "B"]
    """Index into the library's clips."""
    first: Float[Tensor, "B"]
    """Frame of the clip (of its key poses) at which the window begins."""

    def select(self, pick: Callable[[Tensor], Tensor]) -> WorldWindows:
        """`pick` done to every tensor: windows chosen, say, by `lambda v: v[index]`."""
        return WorldWindows(
            pick(self.rotations),
            pick(self.pelvis),
            pick(self.betas),
            pick(self.kinds),
            pick(self.clips),
            pick(self.first),
        )


@dataclass(frozen=True)
class SamplingWeights:
    """How often a training window comes from each kind of motion: shares, of those there are."""

    captured: float = 0.3
    """Couples recorded together: few people, real timing."""
    grappling: float = 0.2
    """Key poses by hand: closest contact, invented timing."""
    generated: float = 0.3
    """Single people brought together: many kinds of contact and many bodies."""
    single: float = 0.2
    """People recorded alone; only where windows of one person are drawn."""
    walking: float = 0.03
    """People recorded alone who only walk or run: there are many such recordings."""

    def of(self, clip: Clip) -> float:
        """Of all clips of that group together."""
        return float(getattr(self, clip.group))


def load_library(
    directory: Path, split: Split, kinds: Collection[MotionKind] | None = None
) -> MotionLibrary:
    """Prepared motion of a split in a folder and those inside it, of some kinds or of all.

    Raises InputError where there is none, or where a file is no prepared motion.
    """
    sixd: list[Tensor] = []
    pelvis: list[Tensor] = []
    rows: list[int] = []
    betas: list[Tensor] = []
    clips: list[Clip] = []
    length = 0
    for file in sorted(directory.rglob("*.npz")):
        prepared = read_prepared(file)
        if prepared.split != split or (kinds is not None and prepared.kind not in kinds):
            continue
        turned, places = _orientations(prepared)
        shapes = torch.from_numpy(prepared.motion.betas.astype(np.float32))
        for start, stop in _valid_stretches(prepared):
            people = range(len(places))
            tracks = tuple(len(rows) + person for person in people)
            clips.append(
                Clip(prepared.name, prepared.kind, start, stop - start, prepared.fps, tracks)
            )
            for person in people:
                rows.append(length)
                length += stop - start
                betas.append(shapes[person])
                sixd.append(turned[person, start:stop])
                pelvis.append(places[person, start:stop])
    if not clips:
        raise InputError(
            f"There is no motion to read in {directory}",
            expected=f"prepared motion (.npz) of the split {split}",
        )
    return MotionLibrary(
        torch.cat(sixd), torch.cat(pelvis), torch.tensor(rows), torch.stack(betas), tuple(clips)
    )


def _orientations(prepared: PreparedMotion) -> tuple[Tensor, Tensor]:
    """6D orientations (P, F, 24, 6) and pelvis (P, F, 3); NaN where the capture failed."""
    motion = prepared.motion
    pose = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)
    world = chained(axis_angle_to_matrix(torch.from_numpy(pose.astype(np.float32))))
    rest = BodyModel.load(density="1k2").rest_joints(torch.from_numpy(motion.betas).float())
    pelvis = torch.from_numpy(motion.transl.astype(np.float32)) + rest[:, None, 0]
    return matrix_to_6d(world), pelvis


def _valid_stretches(prepared: PreparedMotion) -> list[tuple[int, int]]:
    """Frames A to B of at least two that follow each other and in which everybody is valid."""
    valid = np.asarray(prepared.motion.valid.all(axis=0))
    edges = {0, prepared.frame_count, *prepared.starts}
    edges |= set((np.flatnonzero(np.diff(valid)) + 1).tolist())
    return [(a, b) for a, b in pairwise(sorted(edges)) if valid[a] and b - a >= 2]


class Sampler:
    """Windows of motion, resampled in time, from a library."""

    def __init__(self, library: MotionLibrary, weights: SamplingWeights | None = None) -> None:
        self._library = library
        self._weights = weights or SamplingWeights()
        clips = library.clips
        self._known: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]] = {}
        self._lengths = torch.tensor([clip.length for clip in clips])
        self._posed = torch.tensor([clip.posed for clip in clips])
        self._rates = torch.tensor([clip.fps / RATE for clip in clips])
        self._kinds = torch.tensor([KINDS.index(clip.kind) for clip in clips])

    def draw(
        self, count: int, frames: int, people: int, generator: torch.Generator
    ) -> WorldWindows:
        """Random windows: of people recorded together, or (`people` 1) of any one person.

        Recordings are played at `SLOWER` to `FASTER` times their speed; key poses follow each
        other after `KEY_SECONDS`, drawn anew for each. Raises InputError where no clip is long
        enough or has that many people.
        """
        clips, tracks, weights = self._candidates(frames, people)
        chosen = torch.multinomial(weights, count, replacement=True, generator=generator)
        clip = clips[chosen]
        times = self._timed(clip, frames, generator)
        posed = torch.nonzero(self._posed[clip])[:, 0]
        if len(posed):
            keyed = keyed_times(self._lengths[clip[posed]], frames, generator)
            for all_times, those in zip(times, keyed, strict=True):
                all_times[posed] = those
        return self._at(clip, tracks[chosen], times)

    def every(self, frames: int, stride: int, people: int) -> WorldWindows:
        """All windows `stride` frames (at `RATE`) apart, at their own speed; nothing random.

        Key poses follow each other after `EVEN_KEY_SECONDS`; clips that are a little too short
        are played more slowly, as in `draw`. Raises InputError as `draw` does.
        """
        clips, tracks, _ = self._candidates(frames, people)
        step = torch.where(self._posed, 1 / (EVEN_KEY_SECONDS * RATE), self._rates)[clips]
        step = torch.minimum(step, (self._lengths[clips] - 1) / (frames - 1))
        reach = (self._lengths[clips] - 1) / step - (frames - 1) + 1e-3
        counts = (reach / stride).floor().long() + 1
        index = torch.repeat_interleave(counts)
        within = torch.arange(len(index)) - (counts.cumsum(0) - counts)[index]
        place = (within * stride)[:, None] + torch.arange(frames)
        position = place * step[index][:, None]
        even = even_times(position, self._lengths[clips[index]])
        return self._at(clips[index], tracks[index], even)

    def _candidates(self, frames: int, people: int) -> tuple[Tensor, Tensor, Tensor]:
        """Clips (C,) that are long enough, tracks (C, P) of their people, and weights (C,)."""
        if (frames, people) not in self._known:
            self._known[frames, people] = self._looked_up(frames, people)
        return self._known[frames, people]

    def _looked_up(self, frames: int, people: int) -> tuple[Tensor, Tensor, Tensor]:
        clips = self._library.clips
        rows = [
            (index, group)
            for index, clip in enumerate(clips)
            if self._longest(clip) >= frames - 1
            for group in combinations(clip.tracks, people)
        ]
        if not rows:
            raise InputError(
                f"No motion has {people} people for {frames} frames",
                expected="longer motion, or that of more people",
            )
        totals: Counter[str] = Counter()
        for index, _ in rows:
            totals[clips[index].group] += clips[index].length
        weights = [
            self._weights.of(clips[index]) * clips[index].length / totals[clips[index].group]
            for index, _ in rows
        ]
        if not sum(weights) > 0:
            raise InputError(
                "The sampling weights leave no motion to draw",
                received=", ".join(sorted(totals)) + " at weight 0",
            )
        return (
            torch.tensor([index for index, _ in rows]),
            torch.tensor([group for _, group in rows]),
            torch.tensor(weights, dtype=torch.float64),
        )

    def _longest(self, clip: Clip) -> float:
        """Steps at `RATE` that the clip lasts when played as slowly as may be."""
        each = KEY_SECONDS[1] * RATE if clip.posed else RATE / (clip.fps * SLOWER)
        return (clip.length - 1) * each + 1e-6

    def _timed(self, clip: Tensor, frames: int, generator: torch.Generator) -> Times:
        """Of recordings, each played at one speed."""
        count = len(clip)
        speed = uniform((count,), np.log(SLOWER), np.log(FASTER), generator).exp()
        last = (self._lengths[clip] - 1).float()
        step = torch.minimum(speed * self._rates[clip], last / (frames - 1))
        first = torch.rand(count, generator=generator) * (last - step * (frames - 1)).clamp_min(0)
        position = first[:, None] + step[:, None] * torch.arange(frames)
        return even_times(position, self._lengths[clip])

    def _at(self, clip: Tensor, tracks: Tensor, times: Times) -> WorldWindows:
        last = (self._lengths[clip] - 1)[:, None]
        position = torch.minimum(times.position.clamp_min(0), last.float())
        low = torch.minimum(position.floor().long(), last - 1)
        part = (position - low)[:, None, :, None]
        row = low[:, None] + self._library.rows[tracks][..., None]
        sixd, pelvis = self._library.sixd, self._library.pelvis
        turns = torch.lerp(sixd[row], sixd[row + 1], part[..., None])
        place = torch.lerp(pelvis[row], pelvis[row + 1], part)
        posed = torch.nonzero(self._posed[clip])[:, 0]
        if len(posed):
            # Between key poses a line would turn a corner at each.
            picked = Times(*(value[posed] for value in times))
            shares = spline_shares(picked._replace(position=part[posed, 0, :, 0]))
            steps = torch.arange(-1, 3) + low[posed][..., None]
            steps = torch.minimum(steps.clamp_min(0), last[posed][..., None])
            rows = steps[:, None] + self._library.rows[tracks[posed]][..., None, None]
            turns[posed] = torch.einsum("bfk,bpfkjc->bpfjc", shares, sixd[rows])
            place[posed] = torch.einsum("bfk,bpfkc->bpfc", shares, pelvis[rows])
        return WorldWindows(
            sixd_to_matrix(turns),
            place,
            self._library.betas[tracks],
            self._kinds[clip],
            clip,
            position[:, 0],
        )
