"""What the 2D models say of people whom several cameras see: the witnesses of multi-view truth.

Two rounds. In the first MultiPose finds people in every view; matched across views and put into
space they say where to look. In the second BlazePose and Thunder look exactly there, also in views
where the detector lost somebody.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
from jaxtyping import Float, Int, UInt8

from engine.body.joints import COCO17, mirrored
from engine.errors import InputError
from engine.multiview.cameras import centre, consensus, midpoints, project, sight
from engine.multiview.trajectories import Evidence
from engine.perception.keypoints import COCO_OF_BLAZE
from engine.perception.runtime import BlazePose, PoseModels, Region
from engine.structures import Camera

Image = UInt8[np.ndarray, "H W 3"]
Sighting = Float[np.ndarray, "S 17 3"]
"""One person in one view as each witness sees them: x, y, confidence of COCO-17, NaN if silent."""
SIDES = (384, 544)
"""Longer sides of the frame that MultiPose sees."""
SLOTS = ("multipose", "multipose", "blazepose", "blazepose", "thunder", "thunder")
_TRUST = {"multipose": 1.0, "blazepose": 0.7, "thunder": 0.9}
_COUNT = len(COCO17)
_MIRROR = np.array(mirrored(COCO17))
_ARMS, _LEGS = np.arange(5, 11), np.arange(11, 17)
_MIN_SCORE, _SMALLEST = 0.2, 0.12
"""A detection counts from this score and this share of the frame's longer side."""
_SAME_SHARE = 0.06
"""Two scales see the same person where their joints are this close, as a share of the body."""
_LOST_M = 0.25
"""Cost of not seeing a person in a view, in metres of misfit."""
_SETTLED, _SURE = 0.03, 0.2
"""Cameras are corrected by joints on which a view's witnesses agree within this share of the body's
size, and together weigh this much."""


def find_people(models: PoseModels, image: Image) -> list[Sighting]:
    """Everybody whom MultiPose sees in one view, at two scales."""
    longest = max(image.shape[:2])
    found: list[np.ndarray] = []
    for slot, side in enumerate(SIDES):
        people = models.multipose(image, side / longest)
        for person in people[people[:, 55] > _MIN_SCORE]:
            points = person[:51].reshape(17, 3)
            if _size(points) < _SMALLEST * longest:
                continue
            same = [s for s in found if _apart(s[0], points) < _SAME_SHARE * _size(points)]
            if not same:
                found.append(np.full((len(SLOTS), _COUNT, 3), np.nan))
                same = found[-1:]
                same[0][:2] = points  # until another scale says otherwise
            same[0][slot] = points
    return found


def look(models: PoseModels, image: Image, guess: Float[np.ndarray, "17 2"]) -> Sighting:
    """What BlazePose and Thunder see where a person is known to be; MultiPose's slots are empty."""
    seen = np.full((len(SLOTS), _COUNT, 3), np.nan)
    known = guess[np.isfinite(guess).all(axis=1)]
    box = np.concatenate([known.min(axis=0), known.max(axis=0)])
    first = models.blazepose(image, [Region.of_box(box, 1.3)])[0]
    second = models.blazepose(image, [first.next_region])[0]
    seen[2], seen[3] = _landmarks(first), _landmarks(second)
    for slot, scale in ((4, 1.15), (5, 1.35)):
        seen[slot] = models.thunder(image, Region.of_box(box, scale))
    return np.stack([_turned(points, guess) for points in seen])


def _landmarks(blaze: BlazePose) -> Float[np.ndarray, "17 3"]:
    points = blaze.landmarks[list(COCO_OF_BLAZE)]
    points[:, 2] *= blaze.presence
    return np.asarray(points)


def _turned(points: Float[np.ndarray, "17 3"], guess: Float[np.ndarray, "17 2"]) -> np.ndarray:
    """Arms, and legs, with left and right exchanged where that is clearly more like the guess."""
    points = points.copy()
    for group in (_ARMS, _LEGS):
        swapped = points[_MIRROR]
        plain = np.linalg.norm(points[group, :2] - guess[group], axis=-1)
        other = np.linalg.norm(swapped[group, :2] - guess[group], axis=-1)
        if np.isfinite(plain).any() and np.nanmean(other) < 0.6 * np.nanmean(plain):
            points[group] = swapped[group]
    return points


def _size(points: Float[np.ndarray, "K _"]) -> float:
    return float(np.nanmax(np.ptp(points[:, :2], axis=0)))


def _apart(a: Float[np.ndarray, "K 3"], b: Float[np.ndarray, "K 3"]) -> float:
    weight = np.minimum(a[:, 2], b[:, 2]) + 1e-6
    return float((weight * np.linalg.norm(a[:, :2] - b[:, :2], axis=1)).sum() / weight.sum())


# --- who is who ----------------------------------------------------------------------------------


def match(
    cameras: Sequence[Camera], found: Sequence[Sequence[Sequence[Sighting]]], count: int
) -> Int[np.ndarray, "P F V"]:
    """found[v][f] are the people of a view and frame; which of them is each of `count` people.

    The first frame is matched by lines of sight that meet, the others by where the person was;
    -1 where nobody in a view is near. People are ordered from left to right in the first view.
    """
    frames = len(found[0])
    chosen = np.full((count, frames, len(cameras)), -1)
    chosen[:, 0] = _meet(cameras, [rows[0] for rows in found], count)
    where = [_place(cameras, [rows[0] for rows in found], row) for row in chosen[:, 0]]
    for f in range(1, frames):
        now = [rows[f] for rows in found]
        for v, camera in enumerate(cameras):
            chosen[:, f, v] = _follow(camera, now[v], where)
        places = [_place(cameras, now, row) for row in chosen[:, f]]
        where = [
            np.where(np.isfinite(new), new, old) for new, old in zip(places, where, strict=True)
        ]
    return chosen


def _meet(
    cameras: Sequence[Camera], now: Sequence[Sequence[Sighting]], count: int
) -> Int[np.ndarray, "P V"]:
    """The `count` groups, one person of each view, whose lines of sight meet best."""
    views = range(len(cameras))
    gaps = {
        (a, i, b, j): _gap((cameras[a], now[a][i]), (cameras[b], now[b][j]))
        for a, b in combinations(views, 2)
        for i, j in product(range(len(now[a])), range(len(now[b])))
    }
    groups = []
    for members in product(*(range(-1, len(people)) for people in now)):
        pairs = [(a, members[a], b, members[b]) for a, b in combinations(views, 2)]
        cost = [gaps.get(pair, _LOST_M) for pair in pairs]
        groups.append((float(np.mean(cost)), members))
    taken: list[tuple[int, ...]] = []
    for _, members in sorted(groups):
        free = all(m < 0 or all(t[v] != m for t in taken) for v, m in enumerate(members))
        if free and max(members) >= 0 and len(taken) < count:
            taken.append(members)
    if len(taken) < count:
        raise InputError(
            "The people are not seen in the first frame",
            expected=f"{count} whose lines of sight meet",
            received=f"{len(taken)}",
        )
    left = [_left(now[0][m[0]]) if m[0] >= 0 else np.inf for m in taken]
    order = sorted(range(len(taken)), key=left.__getitem__)
    return np.asarray([taken[i] for i in order], int)


def _left(person: Sighting) -> float:
    return float(np.nanmean(person[:, 5:17, 0]))


def _gap(a: tuple[Camera, Sighting], b: tuple[Camera, Sighting]) -> float:
    """Median metres by which the sight lines to two people's joints pass each other."""
    points = [np.nanmean(person[:2], axis=0) for _, person in (a, b)]
    sure = np.minimum(points[0][:, 2], points[1][:, 2]) > 0.4
    if sure.sum() < 5:
        return _LOST_M
    rays = [sight(camera, p[sure, :2]) for (camera, _), p in zip((a, b), points, strict=True)]
    _, gap = midpoints((centre(a[0]), centre(b[0])), (rays[0], rays[1]))
    return float(min(np.median(gap), 10.0))


def _place(
    cameras: Sequence[Camera], now: Sequence[Sequence[Sighting]], row: Int[np.ndarray, "V"]
) -> Float[np.ndarray, "17 3"]:
    silent = np.full((len(SLOTS), _COUNT, 3), np.nan)
    people = [now[v][m] if m >= 0 else silent for v, m in enumerate(row.tolist())]
    return np.asarray(first_points(cameras, gather([[person] for person in people]))[0])


def _follow(
    camera: Camera, people: Sequence[Sighting], where: Sequence[Float[np.ndarray, "17 3"]]
) -> list[int]:
    """Which person of a view each known one is: the assignment of least misfit."""
    misfit = np.array([[_misfit(camera, person, place) for person in people] for place in where])
    best: tuple[float, tuple[int, ...]] = (np.inf, ())
    for order in product(range(-1, len(people)), repeat=len(where)):
        used = [i for i in order if i >= 0]
        if len(set(used)) == len(used):
            cost = sum(_LOST_M if i < 0 else misfit[p, i] for p, i in enumerate(order))
            best = min(best, (float(cost), order))
    return list(best[1])


def _misfit(camera: Camera, person: Sighting, place: Float[np.ndarray, "17 3"]) -> float:
    """Median metres between where a person's joints should be seen and where they are."""
    pixels, depth = project(camera, place)
    seen = np.nanmean(person[:2], axis=0)
    off = np.linalg.norm(seen[:, :2] - pixels, axis=1) * depth / camera.K[0, 0]
    sure = np.isfinite(off) & (seen[:, 2] > 0.2)
    return float(np.median(off[sure])) if sure.sum() > 3 else 10.0


# --- evidence ------------------------------------------------------------------------------------


def gather(people: Sequence[Sequence[Sighting]]) -> Evidence:
    """Evidence of one person from people[v][f]; each view's witnesses weigh at most 1 together."""
    stack = np.stack([np.stack(row) for row in people])
    trust = np.array([_TRUST[slot] for slot in SLOTS])
    share = (trust / trust.sum())[:, None]
    spoken = np.isfinite(stack[..., :2]).all(axis=-1)
    return Evidence(stack[..., :2], np.where(spoken, np.nan_to_num(stack[..., 2]), 0.0) * share)


def first_points(cameras: Sequence[Camera], evidence: Evidence) -> Float[np.ndarray, "F 17 3"]:
    """Each joint of each frame where most views agree, on its own."""
    frames, count = evidence.pixels.shape[1], evidence.pixels.shape[3]
    points = np.full((frames, count, 3), np.nan)
    for f in range(frames):
        for k in np.flatnonzero((evidence.weight[:, f] > 0).any(axis=(0, 1))).tolist():
            points[f, k] = consensus(
                cameras, evidence.pixels[:, f, :, k], evidence.weight[:, f, :, k]
            )
    return points


def settled(evidence: Evidence) -> tuple[Float[np.ndarray, "N V 2"], Float[np.ndarray, "N V"]]:
    """Body joints on which all witnesses of a view agree: what cameras can be corrected by."""
    joints = slice(5, _COUNT)
    pixels = np.where(evidence.weight[..., None] > 0, evidence.pixels, np.nan)[..., joints, :]
    low, high = (np.nanquantile(_known(pixels), q, axis=2) for q in (0.25, 0.75))
    middle = np.nanmedian(_known(pixels), axis=2)
    size = np.ptp(middle, axis=2).max(axis=-1)[..., None]
    spread = np.linalg.norm(high - low, axis=-1)
    sure = evidence.weight[..., joints].sum(axis=2) > _SURE
    weight = np.where(sure & (spread < _SETTLED * size), 1.0, 0.0)
    views = len(middle)
    return (
        middle.transpose(1, 2, 0, 3).reshape(-1, views, 2),
        weight.transpose(1, 2, 0).reshape(-1, views),
    )


def _known(pixels: np.ndarray) -> np.ndarray:
    """Far away where nothing was said, so that a median is always of something."""
    empty = np.isnan(pixels).all(axis=2, keepdims=True)
    return np.asarray(np.where(empty, -1e6, pixels))
