"""What a person sees in a video of two people, and nothing more.

A case's truth knows everything. `watch` keeps of it what can be judged by looking: where joints
are that can be seen, who is who, which skin visibly touches or is visibly apart, who stands before
whom, and roughly how tall people are. The curator knows the truth through a `Sight` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int

from engine.body.display import DisplayBody
from engine.body.joints import HALPE26
from engine.body.regions import region_names
from engine.structures import BodyMotion, ContactLabel
from engine.synthesis.truth import Truth
from engine.synthesis.visibility import Visibility

DENSITY = "2k5"
"""Of the bodies whose distances are judged by eye."""
APART = 0.10
"""Metres between two regions from which anybody sees that they do not touch."""
CLEARLY_IN_FRONT = 0.15
"""Metres between two pelvises from which a person can tell who is nearer."""
DISTANCE_KNOWN_TO = 0.15
"""Share (standard deviation) of a distance between two people to which a person judges it."""
HEIGHT_KNOWN_TO = 0.02
"""Metres (standard deviation) to which a curator knows how tall somebody is."""

Gaps = Float[np.ndarray, "R R"]
"""Least distance of each region of person 0 to each of person 1, metres, at most `FAR`."""
FAR = 0.4


@dataclass(frozen=True)
class Sight:
    """A video of two people over F frames, as a person sees it who may scrub through it."""

    pixels: Float[np.ndarray, "2 F 26 2"]
    """Where joints are that can be seen; NaN elsewhere."""
    concealed: Bool[np.ndarray, "2 F 26"]
    """Joints that somebody or something visibly covers."""
    front: Int[np.ndarray, "F"]
    """Who is nearer to the camera; -1 where that cannot be told."""
    distance: Float[np.ndarray, "F"]
    """How far apart the pelvises are taken to be, metres."""
    heights: Float[np.ndarray, "2"]
    """How tall the curator takes people to be, metres."""
    contacts: tuple[ContactLabel, ...]
    """Touching regions of person 0 and person 1, over all frames in which they touch."""
    visible_regions: Bool[np.ndarray, "2 F R"]
    """Regions beside a joint that can be seen."""
    apart: Callable[[int], Bool[np.ndarray, "R R"]]
    """Of a frame: pairs of regions that are seen to be apart."""

    @property
    def frame_count(self) -> int:
        return int(self.pixels.shape[1])

    def sees_pair(self, frame: int, region_a: int, region_b: int) -> bool:
        """Whether at least one of two regions is in sight, so that touch can be judged."""
        seen = self.visible_regions[:, frame]
        return bool(seen[0, region_a] or seen[1, region_b])


def watch(truth: Truth, generator: np.random.Generator) -> Sight:
    """What there is to see of the first two people of a clip."""
    visible = truth.visibility[:2] == Visibility.VISIBLE
    hidden = np.isin(truth.visibility[:2], (Visibility.OCCLUDED, Visibility.SELF_OCCLUDED))
    regions = visible[:, :, _joint_beside_region()]
    pelvis = truth.fit.joints[:2, :, 0]

    @cache
    def apart(frame: int) -> Bool[np.ndarray, "R R"]:
        seen = regions[0, frame][:, None] | regions[1, frame][None]
        return (region_gaps(truth.fit.motion, frame) > APART) & seen

    heights = truth.heights[:2] + generator.normal(0, HEIGHT_KNOWN_TO, 2)
    misjudged = float(np.exp(generator.normal(0, DISTANCE_KNOWN_TO)))
    return Sight(
        pixels=np.where(visible[..., None], truth.keypoints2d[:2], np.nan),
        concealed=hidden,
        front=_front(pelvis[..., 2], truth.in_front[0, 1]),
        distance=misjudged * np.linalg.norm(pelvis[0] - pelvis[1], axis=-1),
        heights=heights,
        contacts=tuple(c for c in truth.contacts if (c.person_a, c.person_b) == (0, 1)),
        visible_regions=regions,
        apart=apart,
    )


def _front(
    pelvis: Float[np.ndarray, "2 F"], covering: Float[np.ndarray, "F"]
) -> Int[np.ndarray, "F"]:
    """By who covers whom, where that agrees with who stands nearer by more than a little."""
    nearer = np.where(pelvis[0] < pelvis[1], 0, 1)
    covers = np.where(covering > 0.5, 0, 1)
    told = np.isfinite(covering) & (abs(pelvis[0] - pelvis[1]) > CLEARLY_IN_FRONT)
    return np.where(told & (nearer == covers), nearer, -1)


def region_gaps(motion: BodyMotion, frame: int) -> Gaps:
    """Least distances between the regions of the first two people in a frame.

    Between vertices, so too large by up to half their spacing, which is about a centimetre.
    """
    body = DisplayBody.load(motion.body, DENSITY)
    count = len(region_names())
    gaps = np.full((count, count), FAR)
    vertices = [
        body.vertices(
            motion.betas[p],
            motion.global_orient[p, frame],
            motion.body_pose[p, frame],
            motion.transl[p, frame],
        )
        for p in (0, 1)
    ]
    near = [_within(vertices[p], vertices[1 - p]) for p in (0, 1)]
    if not near[0].any() or not near[1].any():
        return gaps
    (first, of_first), (second, of_second) = (
        _by_region(vertices[p][near[p]], body.vertex_regions[near[p]]) for p in (0, 1)
    )
    squared = np.square(first).sum(1)[:, None] + np.square(second).sum(1) - 2 * first @ second.T
    at_first, at_second = (np.unique(of, return_index=True) for of in (of_first, of_second))
    least = np.minimum.reduceat(squared, at_first[1], axis=0)
    least = np.minimum.reduceat(least, at_second[1], axis=1)
    found = np.sqrt(np.maximum(least, 0))
    gaps[np.ix_(at_first[0], at_second[0])] = np.minimum(found, FAR)
    return gaps


def _within(points: np.ndarray, of: np.ndarray) -> Bool[np.ndarray, "V"]:
    """Points within `FAR` of the box around others."""
    return ((points > of.min(0) - FAR) & (points < of.max(0) + FAR)).all(1)


def _by_region(points: np.ndarray, regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(regions, kind="stable")
    return points[order], regions[order]


@cache
def _joint_beside_region() -> Int[np.ndarray, "R"]:
    """The Halpe-26 joint nearest to each region's middle, standing in the rest pose."""
    body = DisplayBody.load(density=DENSITY)
    rest = np.zeros(10), np.zeros(3), np.zeros((23, 3)), np.zeros(3)
    vertices, joints = body.vertices(*rest), body.keypoints(*rest)
    assert len(joints) == len(HALPE26)
    middles = np.stack(
        [vertices[body.vertex_regions == r].mean(0) for r in range(len(region_names()))]
    )
    return np.asarray(np.linalg.norm(middles[:, None] - joints, axis=-1).argmin(1))
