"""The least costly way to name two people in every frame: as they are, or exchanged.

Viterbi over two states. What people leave from frame to frame is where their joints were last seen,
and that depends on who was called who before; so each of the two surviving paths carries its own
memory (per-survivor processing: Raheli et al., "Per-Survivor Processing", IEEE Trans. Comm. 1995).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

MEMORY_SECONDS = 0.6
"""How long a joint that is not seen is remembered."""
NOISE, SPEED = 0.035, 0.35
"""Standard deviation of a keypoint, and of its speed in a second, in heights of the person."""
CAP = 4.5
"""Nats that a single joint can speak at most: detectors put joints anywhere."""
INDEPENDENT = 6.0
"""Joints of a person that err independently of each other, as many as count at most."""
LEAST_JOINTS = 4
NEUTRAL = 0.25
"""Share of `CAP` that is taken for who cannot be compared."""
SWITCH = 8.0
"""Nats that every change of names costs."""


@dataclass(frozen=True)
class Sights:
    """Two rows of keypoints over F frames, and what they say."""

    points: Float[np.ndarray, "2 F K 2"]
    """Pixels; NaN where nothing was seen."""
    sizes: Float[np.ndarray, "F"]
    """Height of the people, pixels."""
    times: Float[np.ndarray, "F"]
    evidence: Float[np.ndarray, "F"]
    """Nats for the two being exchanged, from looks and bodies, in each frame."""
    may_switch: Bool[np.ndarray, "F"]
    """Whether names may change between the frame before and this one."""
    broken: Bool[np.ndarray, "F"]
    """Whether nothing is continuous into the frame: a cut."""


@dataclass(frozen=True)
class _Memory:
    """Where the joints of two identities were last seen."""

    points: Float[np.ndarray, "2 K 2"]
    seen_at: Float[np.ndarray, "2 K"]

    def after(self, points: Float[np.ndarray, "2 K 2"], time: float) -> _Memory:
        known = np.isfinite(points).all(-1)
        return _Memory(
            np.where(known[..., None], points, self.points), np.where(known, time, self.seen_at)
        )


def decode(sights: Sights) -> Bool[np.ndarray, "F"]:
    """Frames in which the two are exchanged, by the least costly path; never more than half
    of those in which anybody is seen.

    Who somebody is, is what most frames call them.
    """
    count = len(sights.times)
    nothing = _nothing(sights)
    total = np.zeros(2)
    memories = [nothing, nothing]
    back = np.zeros((count, 2), np.int8)
    for frame in range(count):
        if frame == 0 or sights.broken[frame]:
            memories = [nothing, nothing]
        step = np.array(
            [[_step(sights, frame, memories[was], was, now) for now in (0, 1)] for was in (0, 1)]
        )
        if frame == 0:
            step[1 - np.eye(2, dtype=int) > 0] = np.inf
        through = total[:, None] + step
        back[frame] = through.argmin(axis=0)
        total = through.min(axis=0)
        time = float(sights.times[frame])
        memories = [
            memories[back[frame, now]].after(_named(sights.points[:, frame], now), time)
            for now in (0, 1)
        ]
    path = np.zeros(count, bool)
    state = int(total.argmin())
    for frame in range(count - 1, -1, -1):
        path[frame] = bool(state)
        state = int(back[frame, state])
    seen = np.isfinite(sights.points).any((0, 2, 3))
    return ~path if path[seen].sum() > 0.5 * seen.sum() else path


def cost_of(sights: Sights, path: Bool[np.ndarray, "F"]) -> Float[np.ndarray, "F"]:
    """Nats of each frame along a path, without what changes of names cost."""
    free = replace(sights, may_switch=np.ones(len(path), bool))
    memory, costs = _nothing(sights), np.zeros(len(path))
    for frame, now in enumerate(path.astype(int).tolist()):
        if sights.broken[frame]:
            memory = _nothing(sights)
        costs[frame] = _step(free, frame, memory, now, now)
        memory = memory.after(_named(sights.points[:, frame], now), float(sights.times[frame]))
    return costs


def _nothing(sights: Sights) -> _Memory:
    """Nobody was seen yet."""
    people, _, keypoints, _ = sights.points.shape
    return _Memory(np.full((people, keypoints, 2), np.nan), np.full((people, keypoints), -np.inf))


def _step(sights: Sights, frame: int, memory: _Memory, was: int, now: int) -> float:
    """What it costs to come from state `was`, whose memory it is, into `now`."""
    if was != now and not sights.may_switch[frame]:
        return float("inf")
    here = _named(sights.points[:, frame], now)
    links = _links(memory, here, float(sights.times[frame]), float(sights.sizes[frame]))
    said = float(sights.evidence[frame])
    looks = max(0.0, said) if now == 0 else max(0.0, -said)
    return links + looks + (SWITCH if was != now else 0.0)


def _named(points: Float[np.ndarray, "2 K 2"], state: int) -> Float[np.ndarray, "2 K 2"]:
    """The rows by identity."""
    return points[::-1] if state else points


def _links(memory: _Memory, here: Float[np.ndarray, "2 K 2"], time: float, size: float) -> float:
    """Nats of both people being here after they were last seen where they were."""
    age = time - memory.seen_at
    known = np.isfinite(here).all(-1) & (age < MEMORY_SECONDS)
    distance = np.where(known, np.linalg.norm(here - memory.points, axis=-1), 0.0) / size
    deviation = np.hypot(NOISE, SPEED * np.where(known, age, 0.0))
    nats = np.minimum(0.5 * (distance / deviation) ** 2, CAP)
    count = known.sum(axis=1)
    mean = np.where(known, nats, 0.0).sum(axis=1) / np.maximum(count, 1)
    each = np.minimum(count, INDEPENDENT) * mean
    return float(np.where(count >= LEAST_JOINTS, each, NEUTRAL * CAP * INDEPENDENT).sum())
