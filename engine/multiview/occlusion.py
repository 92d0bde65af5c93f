"""Which joints of two bodies can be seen from a camera, from capsules around their skeletons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from engine.multiview.cameras import centre, project
from engine.perception.truth import Visibility
from engine.structures import Camera

LIMBS = (
    (5, 7, 0.05), (7, 9, 0.04), (6, 8, 0.05), (8, 10, 0.04), (11, 13, 0.075), (13, 15, 0.05),
    (12, 14, 0.075), (14, 16, 0.05), (5, 11, 0.11), (6, 12, 0.11), (5, 6, 0.07), (11, 12, 0.10),
)  # fmt: skip
"""Joints of COCO-17 and radius in metres."""
_HEAD_RADIUS, _HEAD_UP = 0.085, 0.06
_SPINE_RADIUS = 0.11
_HAND = 0.14
"""Metres from the wrist to the knuckles."""
_FOOT_RADIUS = 0.10
"""Of a ball around the ankle: where the toes point is not known."""
_COVER_M = 0.03
"""A joint is hidden behind this much of a body."""
_HEAD_COVER_M = 0.10
"""Of the own head a joint of the face is always close to some, so it takes more to hide one."""
_SKIN_M = 0.04
"""Joints lie about this deep in the limb: what is in front by less does not hide them."""
_STEPS = 48
_FACE = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Capsules:
    """Rounded cylinders around a skeleton in one frame."""

    ends: Float[np.ndarray, "C 2 3"]
    radius: Float[np.ndarray, "C"]
    joints: tuple[frozenset[int], ...]
    """Joints that each one holds: it does not hide them."""


def capsules(points: Float[np.ndarray, "K 3"]) -> Capsules:
    """Limbs, trunk, head, hands and feet around COCO-17 joints in metres."""
    parts = [(points[a], points[b], r, frozenset({a, b})) for a, b, r in LIMBS]
    neck, ears = points[[5, 6]].mean(axis=0), points[[3, 4]].mean(axis=0)
    hips = points[[11, 12]].mean(axis=0)
    up = _unit(ears - neck)
    parts.append((ears, ears + _HEAD_UP * up, _HEAD_RADIUS, frozenset()))
    parts.append((neck, hips, _SPINE_RADIUS, frozenset({5, 6, 11, 12})))
    for elbow, wrist in ((7, 9), (8, 10)):
        tip = points[wrist] + _HAND * _unit(points[wrist] - points[elbow])
        parts.append((points[wrist], tip, 0.035, frozenset({wrist})))
    for ankle in (15, 16):
        parts.append((points[ankle], points[ankle], _FOOT_RADIUS, frozenset({ankle})))
    ends = np.array([[a, b] for a, b, _, _ in parts])
    return Capsules(ends, np.array([p[2] for p in parts]), tuple(p[3] for p in parts))


_HEAD = len(LIMBS)


def visibility(
    camera: Camera, people: Float[np.ndarray, "P K 3"], in_front: Sequence[int] = ()
) -> UInt8[np.ndarray, "P K"]:
    """How each joint of P people can be seen in one frame.

    `in_front` are people who were laid over the picture: they hide others wherever they overlap
    and nobody hides them.
    """
    width, height = camera.image_size
    bodies = [capsules(points) for points in people]
    result = np.full(people.shape[:2], Visibility.VISIBLE, np.uint8)
    for p, points in enumerate(people):
        rays, far = _rays(camera, points)
        own = _hidden_by_self(bodies[p], centre(camera), rays, far)
        result[p, own] = Visibility.SELF_OCCLUDED
        for q, body in enumerate(bodies):
            if q == p or p in in_front:
                continue
            reach = np.full_like(far, np.inf) if q in in_front else far
            covered = _covered(body, centre(camera), rays, reach).sum(axis=1) > _COVER_M
            result[p, covered] = Visibility.OCCLUDED
        pixels, depth = project(camera, points)
        inside = (pixels >= 0).all(-1) & (pixels < (width, height)).all(-1) & (depth > 0)
        result[p, ~inside] = Visibility.OUTSIDE
        result[p, ~np.isfinite(points).all(axis=-1)] = Visibility.UNKNOWN
    return result


def body_box(camera: Camera, points: Float[np.ndarray, "K 3"]) -> Float[np.ndarray, "4"]:
    """Box of a person's capsules in pixels, clipped to the picture; NaN outside it."""
    body = capsules(points)
    pixels, depth = project(camera, body.ends)
    margin = (body.radius[:, None] * camera.K[0, 0] / depth)[..., None]
    low, high = np.nanmin(pixels - margin, axis=(0, 1)), np.nanmax(pixels + margin, axis=(0, 1))
    box = np.clip(np.concatenate([low, high]), 0, np.tile(camera.image_size, 2))
    return box if (box[2:] > box[:2]).all() else np.full(4, np.nan)


def _rays(
    camera: Camera, points: Float[np.ndarray, "K 3"]
) -> tuple[Float[np.ndarray, "K 3"], Float[np.ndarray, "K"]]:
    toward = points - centre(camera)
    far = np.linalg.norm(toward, axis=-1)
    return toward / far[:, None], far


def _hidden_by_self(
    body: Capsules,
    eye: Float[np.ndarray, "3"],
    rays: Float[np.ndarray, "K 3"],
    far: Float[np.ndarray, "K"],
) -> np.ndarray:
    cover = _covered(body, eye, rays, far - _SKIN_M)
    holds = np.array([[k in joints for joints in body.joints] for k in range(len(rays))])
    face = list(_FACE)
    head = _covered(body, eye, rays[face], far[face] - 0.02)[:, _HEAD] > _HEAD_COVER_M
    cover[face, _HEAD] = np.where(head, 1.0, 0.0)
    return np.asarray(np.where(holds, 0.0, cover).max(axis=1) > _COVER_M)


def _covered(
    body: Capsules,
    eye: Float[np.ndarray, "3"],
    rays: Float[np.ndarray, "K 3"],
    reach: Float[np.ndarray, "K"],
) -> Float[np.ndarray, "K C"]:
    """Metres of each ray, up to `reach`, that lie inside each capsule."""
    a, b = body.ends[:, 0], body.ends[:, 1]
    along, half = b - a, np.linalg.norm(b - a, axis=-1) / 2 + body.radius
    middle = ((a + b) / 2 - eye) @ rays.T
    steps = np.linspace(-1, 1, _STEPS)
    distance = middle.T[..., None] + half[None, :, None] * steps
    at = eye + distance[..., None] * rays[:, None, None]
    share = ((at - a[:, None]) * along[:, None]).sum(axis=-1)
    share = np.clip(share / np.maximum((along**2).sum(-1), 1e-9)[:, None], 0, 1)
    off = np.linalg.norm(at - a[:, None] - share[..., None] * along[:, None], axis=-1)
    inside = (off < body.radius[:, None]) & (distance < reach[:, None, None])
    return np.asarray(inside.sum(axis=-1) * 2 * half / _STEPS)


def _unit(vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))
