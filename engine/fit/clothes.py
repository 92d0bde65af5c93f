"""What people look like: colours of body parts in the video, and what a frame says of who is who.

A person's own colours are learnt from body parts outside the other's box. Where people overlap, a
part may show the other person; what speaks against the one then speaks against the other as well,
so that only the comparison of the two ways to name them counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from engine.perception.detection import PARTS, part_colors
from engine.structures import Observations, VideoInfo
from engine.video import VideoReader

SIDE = 640
"""Pixels of the longer side of the picture in which colours are looked at, at least."""
DARK = 12.0
"""Mean lightness of a frame (of 255) in which no colour can be told."""
SPREAD = np.array([14.0, 5.0, 5.0])
"""Least standard deviation of a part's L*, a*, b* (8 bit): shading and noise."""
CAP = 4.5
"""Nats that a part of one person can speak at most: it may be hidden, or be no part at all."""
CORRELATED = 0.12
"""Share of a frame's nats that counts: frames of a third of a second say the same thing."""
SURE = 0.2
"""Least confidence of the joints of a part."""
LEARNT_FROM = 8
"""Frames that a part must have been seen in."""
MEETING = 0.06
"""Parts of the two people nearer than this share of their height show the same pixels."""

Colors = Float[np.ndarray, "P F 10 4"]


@dataclass(frozen=True)
class Look:
    """A person's typical colours."""

    mean: Float[np.ndarray, "10 3"]
    deviation: Float[np.ndarray, "10 3"]
    known: Bool[np.ndarray, "10"]


def colors_of(observations: Observations, video: VideoInfo) -> Colors:
    """L*, a*, b* (8 bit) of everybody's ten body parts in every frame, and how surely they were
    seen: 0 where they were not, and in frames that are dark.

    Raises VideoError where the video cannot be read.
    """
    people, frames = observations.confidence.shape[:2]
    found = np.zeros((people, frames, len(PARTS), 4))
    points = np.concatenate([observations.keypoints2d, observations.confidence[..., None]], -1)
    points = points[:, :, :17]  # the COCO joints, of every layout the first
    anybody = (observations.confidence > SURE).any((0, 2))
    reduction = max(1, max(video.image_size) // SIDE)
    with VideoReader(video) as reader:
        for frame in np.flatnonzero(anybody).tolist():
            picture = reader.frame(frame, reduction)
            lab = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2LAB)
            if float(lab[..., 0].mean()) < DARK:
                continue
            scale = picture.shape[1] / video.width
            for person in range(people):
                placed = points[person, frame] * [scale, scale, 1.0]
                found[person, frame] = part_colors(lab, placed, SURE)
    return found


def look_of(colors: Float[np.ndarray, "F 10 4"], clear: Bool[np.ndarray, "F 10"]) -> Look:
    """Typical colours of one person over the frames in which a part is clear."""
    mean, deviation = np.zeros((len(PARTS), 3)), np.ones((len(PARTS), 3))
    known = np.zeros(len(PARTS), bool)
    for part in range(len(PARTS)):
        seen = colors[clear[:, part] & (colors[:, part, 3] > 0), part, :3]
        if len(seen) < LEARNT_FROM:
            continue
        mean[part] = np.median(seen, axis=0)
        spread = 1.4826 * np.median(np.abs(seen - mean[part]), axis=0)
        deviation[part] = np.hypot(spread, SPREAD)
        known[part] = True
    return Look(mean, deviation, known)


def nats_for_exchange(
    colors: Float[np.ndarray, "2 F 10 4"],
    looks: tuple[Look, Look],
    apart: Bool[np.ndarray, "F 10"],
) -> Float[np.ndarray, "F"]:
    """By how much each frame looks more like the two exchanged: a log-likelihood ratio, tempered.

    `apart`: the part of the one is not where that of the other is.
    """
    known = looks[0].known & looks[1].known
    total = np.zeros(colors.shape[1])
    for row in (0, 1):
        own, other = (_misfit(colors[row], looks[who]) for who in (row, 1 - row))
        counted = (colors[row, :, :, 3] > 0) & known & apart
        total += np.where(counted, own - other, 0.0).sum(axis=1)
    return CORRELATED * total


def _misfit(colors: Float[np.ndarray, "F 10 4"], look: Look) -> Float[np.ndarray, "F 10"]:
    """Nats by which the parts differ from somebody's, at most `CAP`."""
    squared = ((colors[..., :3] - look.mean) / look.deviation) ** 2
    return np.asarray(np.minimum(0.5 * squared.sum(-1) / 3, CAP))


def parts_clear(
    points: Float[np.ndarray, "F K 2"], other: Float[np.ndarray, "F 4"]
) -> Bool[np.ndarray, "F 10"]:
    """Whether all joints of a part lie outside the box of somebody else; so where there is none."""
    low, high = other[:, None, :2], other[:, None, 2:]
    inside = np.asarray(((points > low) & (points < high)).all(axis=-1))
    return np.stack([~inside[:, list(part)].any(axis=1) for part in PARTS], axis=1)


def parts_apart(
    points: Float[np.ndarray, "2 F K 2"], sizes: Float[np.ndarray, "F"]
) -> Bool[np.ndarray, "F 10"]:
    """Whether the middles of the same part of two people are at different places."""
    result = np.ones((points.shape[1], len(PARTS)), bool)
    for index, part in enumerate(PARTS):
        middle = points[:, :, list(part)].mean(axis=2)
        distance = np.linalg.norm(middle[0] - middle[1], axis=-1)
        result[:, index] = ~(distance < MEETING * sizes)  # where one is unknown: apart
    return result
