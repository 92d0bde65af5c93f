"""Who is where in one frame: people found at several scales, merged, each with its colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from engine.body.joints import COCO_SIGMAS
from engine.perception.runtime import PoseModels, Region
from engine.perception.segmentation import cover, limb_mask

Image = UInt8[np.ndarray, "H W 3"]
Points = Float[np.ndarray, "17 3"]

PERSON_HEIGHTS = (130.0, 170.0)
"""Pixels that a person should be tall in MultiPose's input: it misses or doubles people outside."""
SEARCH_SIDES = (256, 320, 384, 448, 544)
"""Longer sides of the whole frame where people of unknown size are looked for."""
FINE_SIDES = (960, 1600)
"""Longer sides for small people in large frames, tried where fewer than two were found."""
MIN_SCORE = 0.2
"""A person whom one scale sees has at least this score."""
_AGREED_SCORE, _AGREED_SUM = 0.12, 0.32
"""Or at least the first of these at two scales, which come to the second one together."""
_CROWD = 5
"""With so many people in the frame, its parts are searched as well: the network tells six."""
_SOMEBODY_ELSE = 0.3
"""Poses less alike (OKS) are of two people."""
_GHOST_IOU = 0.8
"""A box so like that of somebody painted over is the silhouette that was left."""
_BEHIND_SCORE, _BEHIND_JOINTS = 0.25, 0.28
"""Least score, and mean confidence of the joints, of somebody behind others."""
_BEHIND = 0.8
_KEYPOINT_SEEN = 0.2
# Body parts as quadrilaterals or lines of COCO-17 joints: what clothes and skin look like there.
PARTS: tuple[tuple[int, ...], ...] = (
    (0, 1, 2, 3, 4), (5, 6, 12, 11), (5, 7), (6, 8), (7, 9), (8, 10), (11, 13), (12, 14),
    (13, 15), (14, 16),
)  # fmt: skip


@dataclass(frozen=True)
class Detections:
    """The N people found in one frame, best first."""

    keypoints: Float[np.ndarray, "N 17 3"]
    """COCO-17: x, y in pixels of the frame and confidence, of the scale that saw them best."""
    boxes: Float[np.ndarray, "N 4"]
    """x0, y0, x1, y1 in pixels."""
    scores: Float[np.ndarray, "N"]
    colors: Float[np.ndarray, "N 10 4"]
    """Mean CIE L*a*b* of ten body parts, and how surely the part was seen."""
    variants: tuple[Float[np.ndarray, "_ 17 3"], ...]
    """All keypoints that were merged into each detection, one per scale."""

    def __len__(self) -> int:
        return len(self.scores)

    def only(self, kept: Sequence[int]) -> Detections:
        """Some of them."""
        rows = list(kept)
        return Detections(
            self.keypoints[rows],
            self.boxes[rows],
            self.scores[rows],
            self.colors[rows],
            tuple(self.variants[row] for row in rows),
        )


NOBODY = Detections(
    np.zeros((0, 17, 3)), np.zeros((0, 4)), np.zeros(0), np.zeros((0, len(PARTS), 4)), ()
)


def search(models: PoseModels, image: Image, least: int = 2) -> Detections:
    """People of any size anywhere in the frame; `least` people are expected."""
    longest = max(image.shape[:2])
    found = [_people(models, image, side / longest) for side in SEARCH_SIDES]
    for side in FINE_SIDES:
        if len(merge(image, np.concatenate(found))) < 2 and side <= longest:
            found.append(_people(models, image, side / longest))
    first = merge(image, np.concatenate(found))
    if len(first) >= _CROWD:
        found += _search_parts(models, image)
        first = merge(image, np.concatenate(found))
    if not len(first):
        return first
    if len(first) < least:
        covered = without(image, first)
        behind = [_people(models, covered, side / longest) for side in SEARCH_SIDES[::2]]
        return joined(first, merge(image, np.concatenate(behind)))
    # People far smaller or larger than what those scales suit are looked at once more.
    height = float(np.median(box_heights(first.boxes)))
    wanted = PERSON_HEIGHTS[-1] / height
    if wanted > 1.3 * max(SEARCH_SIDES) / longest and wanted < 2.0:
        found.append(look(models, image, pad_box(union(first.boxes), 0.4), height))
    return merge(image, np.concatenate(found))


def _search_parts(models: PoseModels, image: Image) -> list[Float[np.ndarray, "N 56"]]:
    """People of three overlapping parts of the frame, side by side along its longer side."""
    height, width = image.shape[:2]
    found = []
    for start in (0.0, 0.25, 0.5):
        x0, y0 = (int(start * width), 0) if width >= height else (0, int(start * height))
        part = image[y0:, x0 : x0 + width // 2] if width >= height else image[y0 : y0 + height // 2]
        for side in SEARCH_SIDES[:3:2]:
            people = _people(models, part, side / max(part.shape[:2]))
            found.append(_moved(people, x0, y0))
    return found


def _moved(people: Float[np.ndarray, "N 56"], x: int, y: int) -> Float[np.ndarray, "N 56"]:
    """People found in a part of the frame that begins at x, y."""
    people[:, 0:51:3] += x
    people[:, 1:51:3] += y
    people[:, [51, 53]] += x
    people[:, [52, 54]] += y
    return people


def look(
    models: PoseModels, image: Image, window: Float[np.ndarray, "4"], height: float
) -> Float[np.ndarray, "N 56"]:
    """People of a known height in pixels inside a window of the frame, at each good scale."""
    x0, y0, x1, y1 = clip_box(window, image.shape[1], image.shape[0]).astype(int)
    if x1 - x0 < 8 or y1 - y0 < 8:
        return np.zeros((0, 56))
    view = image[y0:y1, x0:x1]
    # However large the window, the network sees at most about 640 x 640 pixels.
    limit = 640.0 / np.sqrt(view.shape[0] * view.shape[1])
    people = np.concatenate(
        [_people(models, view, min(tall / height, limit, 4.0)) for tall in PERSON_HEIGHTS]
    )
    return _moved(people, int(x0), int(y0))


def _people(models: PoseModels, image: Image, scale: float) -> Float[np.ndarray, "N 56"]:
    people = models.multipose(image, scale)
    return np.asarray(people[people[:, 55] > _AGREED_SCORE])


def without(image: Image, found: Detections) -> Image:
    """The image with people painted over: whoever they hide is seen better."""
    size = image.shape[1], image.shape[0]
    for points, height in zip(found.keypoints, box_heights(found.boxes).tolist(), strict=True):
        image = cover(image, limb_mask(points, size, height))
    return image


def joined(found: Detections, behind: Detections) -> Detections:
    """The people found, and those behind them who are somebody else, a little less sure."""
    fresh = [index for index in range(len(behind)) if _is_behind(found, behind, index)]
    new = behind.only(fresh)
    return Detections(
        keypoints=np.concatenate([found.keypoints, new.keypoints]),
        boxes=np.concatenate([found.boxes, new.boxes]),
        scores=np.concatenate([found.scores, _BEHIND * new.scores]),
        colors=np.concatenate([found.colors, new.colors]),
        variants=found.variants + new.variants,
    )


def _is_behind(found: Detections, behind: Detections, index: int) -> bool:
    """Whether one of those seen with the others painted over is somebody else."""
    points = behind.keypoints[index]
    sure = behind.scores[index] > _BEHIND_SCORE and points[:, 2].mean() > _BEHIND_JOINTS
    return bool(sure) and all(
        oks(points, other) < _SOMEBODY_ELSE and iou(behind.boxes[index], box) < _GHOST_IOU
        for other, box in zip(found.keypoints, found.boxes, strict=True)
    )


def merge(image: Image, people: Float[np.ndarray, "N 56"]) -> Detections:
    """One detection per person from what several scales saw of them."""
    order = np.argsort(-people[:, 55], kind="stable")
    points, scores = people[order, :51].reshape(-1, 17, 3), people[order, 55]
    groups: list[list[int]] = []
    for index in range(len(points)):
        for group in groups:
            if _same_person(points[group[0]], points[index]):
                group.append(index)
                break
        else:
            groups.append([index])
    groups = [group for group in groups if _is_somebody(scores[group])]
    if not groups:
        return NOBODY
    best = [group[0] for group in groups]
    # Two scales that agree are worth more than one that is sure.
    support = np.array([np.sum(scores[group]) for group in groups])
    ranked = np.argsort(-support, kind="stable")
    best = [best[i] for i in ranked]
    lab = np.asarray(cv2.cvtColor(_small(image), cv2.COLOR_RGB2LAB))
    shrink = lab.shape[1] / image.shape[1]
    return Detections(
        keypoints=points[best],
        boxes=np.stack([keypoint_box(points[i]) for i in best]),
        scores=np.minimum(1.0, support[ranked] / 1.2),
        colors=np.stack([part_colors(lab, points[i] * (shrink, shrink, 1.0)) for i in best]),
        variants=tuple(points[groups[i]] for i in ranked),
    )


def _is_somebody(scores: Float[np.ndarray, "N"]) -> bool:
    """What one scale is sure of, or several say less surely."""
    return bool(scores.max() > MIN_SCORE or (len(scores) > 1 and scores.sum() > _AGREED_SUM))


def with_drawn_box(
    models: PoseModels, image: Image, found: Detections, box: Float[np.ndarray, "4"]
) -> Detections:
    """The detections, with one that fits a drawn box: the detector's own, or looked for inside."""
    fits = [iou(box, other) for other in found.boxes]
    if fits and max(fits) > 0.6:
        return found
    points = models.thunder(image, Region.of_box(box, 1.15))
    person = np.concatenate([points.ravel(), box, [1.0]])
    drawn = merge(image, person[None])
    keep = [i for i in range(len(found)) if oks(found.keypoints[i], points) < 0.5]
    return Detections(
        keypoints=np.concatenate([drawn.keypoints, found.keypoints[keep]]),
        boxes=np.concatenate([box[None], found.boxes[keep]]),
        scores=np.concatenate([np.ones(1), found.scores[keep]]),
        colors=np.concatenate([drawn.colors, found.colors[keep]]),
        variants=(*drawn.variants, *(found.variants[i] for i in keep)),
    )


def _same_person(a: Points, b: Points) -> bool:
    similarity = oks(a, b)
    return similarity > 0.5 or (similarity > 0.3 and iou(keypoint_box(a), keypoint_box(b)) > 0.6)


def _small(image: Image) -> UInt8[np.ndarray, "h w 3"]:
    """At most 640 pixels wide or high: enough to tell colours apart."""
    scale = min(1.0, 640.0 / max(image.shape[:2]))
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST))


def part_colors(
    lab: Image, points: Points, seen: float = _KEYPOINT_SEEN
) -> Float[np.ndarray, "10 4"]:
    """Median L*a*b* along each body part and its confidence; 0 where the part was not seen."""
    colors = np.zeros((len(PARTS), 4))
    limits = np.array([lab.shape[1] - 1, lab.shape[0] - 1])
    for index, part in enumerate(PARTS):
        corners = points[list(part)]
        sure = float(corners[:, 2].min() if len(part) < 5 else corners[:, 2].mean())
        if sure <= seen or not np.isfinite(corners).all():
            continue
        at = np.rint(_SAMPLES[len(part)] @ corners[:, :2]).astype(int)
        at = at[((at >= 0) & (at <= limits)).all(axis=1)]
        if len(at):
            colors[index, :3] = np.median(lab[at[:, 1], at[:, 0]].astype(np.float64), axis=0)
            colors[index, 3] = sure
    return colors


def _sample_weights(corners: int) -> Float[np.ndarray, "S C"]:
    """Weights that place samples inside a body part of that many joints."""
    along = np.linspace(0.25, 0.75, 7)
    if corners == 2:
        return np.stack([1 - along, along], axis=1)
    if corners == 4:
        u, v = (g.ravel() for g in np.meshgrid(along, along))
        return np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], axis=1)
    return np.eye(corners)


_SAMPLES = {count: _sample_weights(count) for count in (2, 4, 5)}


def color_distance(a: Float[np.ndarray, "10 4"], b: Float[np.ndarray, "10 4"]) -> float:
    """Mean distance of the parts that both saw, in units where 1 is clearly another garment.

    Lightness counts half: it changes with shadow, colour less so. 0.5 where nothing compares.
    """
    weight = np.minimum(a[:, 3], b[:, 3])
    total = float(weight.sum())
    if total < 0.3:
        return 0.5
    return float((weight * np.minimum(lab_distance(a, b), 1.5)).sum() / total)


def lab_distance(
    a: Float[np.ndarray, "... 4"], b: Float[np.ndarray, "... 4"]
) -> Float[np.ndarray, "..."]:
    return np.asarray(np.linalg.norm((a[..., :3] - b[..., :3]) * (0.5, 1.0, 1.0), axis=-1) / 35.0)


def oks(a: Points, b: Points) -> float:
    """Object keypoint similarity (COCO) of two poses, over the joints that both see."""
    seen = np.minimum(a[:, 2], b[:, 2]) > 0.1
    if seen.sum() < 4:
        seen = np.isfinite(a[:, 0]) & np.isfinite(b[:, 0])
    if not seen.any():
        return 0.0
    box = keypoint_box(a)
    area = max(1.0, (box[2] - box[0]) * (box[3] - box[1]) * 0.53)
    squared = ((a[seen, :2] - b[seen, :2]) ** 2).sum(axis=1)
    return float(np.exp(-squared / (2 * area * (2 * COCO_SIGMAS[seen]) ** 2)).mean())


def iou(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> float:
    """Intersection over union of two boxes; 0 where one is NaN."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if not (width > 0 and height > 0) or np.isnan(a).any() or np.isnan(b).any():
        return 0.0
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(width * height / (both - width * height))


def keypoint_box(points: Points, seen: float = _KEYPOINT_SEEN) -> Float[np.ndarray, "4"]:
    """Box of the joints that are seen, with room for the head, hands and feet around them."""
    kept = points[(points[:, 2] > seen) & np.isfinite(points[:, 0]), :2]
    if len(kept) < 3:
        kept = points[np.isfinite(points[:, 0]), :2]
    if not len(kept):
        return np.full(4, np.nan)
    low, high = kept.min(axis=0), kept.max(axis=0)
    return pad_box(np.concatenate([low, high]), 0.08)


def pad_box(box: Float[np.ndarray, "4"], share: float) -> Float[np.ndarray, "4"]:
    """The box grown on every side by a share of its longer side."""
    margin = share * max(box[2] - box[0], box[3] - box[1])
    return np.asarray(box + margin * np.array([-1.0, -1.0, 1.0, 1.0]))


def clip_box(box: Float[np.ndarray, "4"], width: int, height: int) -> Float[np.ndarray, "4"]:
    return np.asarray(np.clip(box, 0, [width, height, width, height]))


def union(boxes: Float[np.ndarray, "N 4"] | Sequence[np.ndarray]) -> Float[np.ndarray, "4"]:
    """The smallest box around boxes, NaN rows left out."""
    rows = np.asarray(boxes, np.float64).reshape(-1, 4)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        return np.full(4, np.nan)
    return np.concatenate([rows[:, :2].min(axis=0), rows[:, 2:].max(axis=0)])


def box_heights(boxes: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "N"]:
    """How tall each person is: the longer side, as people also lie and bend."""
    return np.asarray(np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]))
