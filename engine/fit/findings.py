"""What is measured of fitted bodies beside what was seen: the ground for every reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Bool, Float

from engine.body.joints import HALPE26, SMPL_JOINTS, SMPL_PARENTS
from engine.body.smpl import BodyModel, PosedBody
from engine.fit import reasons
from engine.fit.evidence import PERSON_SIZE
from engine.fit.hands import hands_unsaid
from engine.fit.interaction import body_parts
from engine.fit.label_gaps import label_gaps
from engine.fit.objective import KEYPOINT_TRUST, keypoints_as_tensors
from engine.fit.second_look import LIMBS, SecondLook, look_in, offset_deviation
from engine.fit.silhouettes import agreement
from engine.fit.window import shots_apart
from engine.geometry.camera import project, undistorted_pixels
from engine.geometry.proximity import penetration_depth
from engine.structures import BodyMotion, Camera, Constraints, FrameRange, Observations

LEAST_WEIGHT = 0.5
"""Sum of the weights of keypoints from which a frame says something of a person."""
NEAREST = 0.2
"""Metres in front of the camera that anybody is taken to be at least, where sizes are divided by
depths."""

NOT_SHOWN = 0.5
"""Confidence where no keypoint shows a joint or a parent of it."""
SHOWN_BY = {
    **{f"{side}_{name}": f"{side}_{name}" for side in ("left", "right")
       for name in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")},
    **{f"{side}_foot": f"{side}_big_toe" for side in ("left", "right")},
    "pelvis": "hip", "neck": "neck", "head": "nose",
}  # fmt: skip
"""Halpe-26 keypoints that lie at or near joints of SMPL."""

Pairs = dict[tuple[int, int], Float[np.ndarray, "F"]]


@dataclass(frozen=True)
class Findings:
    """P people over F frames. Metres in the camera frame unless said otherwise."""

    times: Float[np.ndarray, "F"]
    """Seconds, with a long pause before every other shot."""
    valid: Bool[np.ndarray, "P F"]
    joints: Float[np.ndarray, "P F 24 3"]
    world: Float[np.ndarray, "P F 24 3"]
    """The joints in the world."""
    miss_px: Float[np.ndarray, "P F"]
    """Confidence-weighted mean distance of projected joints to keypoints; NaN without evidence."""
    size_px: Float[np.ndarray, "P F"]
    """Of a standing person at that depth."""
    unsure: Float[np.ndarray, "P F"]
    """1 - mean confidence of shoulders, elbows, wrists, hips, knees and ankles."""
    sure: Float[np.ndarray, "P F 24"]
    """Confidence of the keypoint that shows each joint, or of that of its parent."""
    covered: Float[np.ndarray, "P F"]
    """Share of a person's box that lies in that of somebody else; 1 where somebody has no box."""
    penetration: Pairs
    """Metres, by pair of people."""
    rotmats: Float[np.ndarray, "P F 24 3 3"]
    """Relative to the parents; the root's in the camera frame."""
    look: SecondLook | None
    """What the prior says; None without its weights."""
    agreement: Float[np.ndarray, "P F"] | None
    """Of silhouettes with masks; None where there are no masks."""
    hands: Pairs
    """Metres between a hand of one of two people and the other of whom nobody said whether they
    touch, the least; infinite where there is none."""
    gaps: tuple[list[reasons.Gap], list[reasons.Gap]]
    """Of contact labels, and of "no contact"."""
    cuts: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return self.valid.shape[0], self.valid.shape[1]

    def along_view(self, pair: tuple[int, int]) -> Float[np.ndarray, "F 3"]:
        """Unit vectors from the camera to the middle of two people."""
        a, b = pair
        ray = self.joints[a, :, 0] + self.joints[b, :, 0]
        return np.asarray(ray / np.maximum(np.linalg.norm(ray, axis=-1, keepdims=True), 1e-9))


@torch.no_grad()
def findings_of(
    motion: BodyMotion,
    camera: Camera,
    observations: Observations,
    constraints: Constraints,
    body: BodyModel,
    part: FrameRange | None = None,
) -> Findings:
    """Measure a fit. `observations` as detected, in pixels of the picture.

    What takes time (the prior, meshes, masks) is looked at in the frames of `part` only, by default
    in all; elsewhere it is NaN.
    """
    part = part or FrameRange(0, motion.frame_count)
    posed = body.pose_of(motion)
    T = camera.T_camera_world
    world = posed.joints.numpy().astype(np.float64)
    joints = np.einsum("fij,pfkj->pfki", T[:, :3, :3], world) + T[:, None, :3, 3]
    root = np.einsum("fij,pfjk->pfik", T[:, :3, :3], posed.rotmats[:, :, 0].numpy())
    some = _part_of(posed, part).vertices().numpy()
    pinhole = replace(
        observations,
        keypoints2d=undistorted_pixels(observations.keypoints2d.astype(np.float64), camera),
    )
    betas = torch.tensor(motion.betas, dtype=torch.float32)
    return Findings(
        times=shots_apart(observations).times.astype(np.float64),
        valid=motion.valid,
        joints=joints,
        world=world,
        miss_px=_miss(posed, camera, observations, constraints),
        size_px=camera.K[0, 0] * PERSON_SIZE / np.maximum(joints[:, :, 0, 2], NEAREST),
        unsure=1 - np.nan_to_num(observations.confidence)[:, :, 5:17].mean(axis=-1),
        sure=_sure(np.nan_to_num(observations.confidence)),
        covered=_covered(observations.boxes),
        penetration=_penetration(some, motion.valid, body, part),
        rotmats=np.concatenate([root[:, :, None], posed.rotmats[:, :, 1:].numpy()], axis=2),
        look=look_in(pinhole, constraints, camera, body, betas, part),
        agreement=agreement(motion, camera, observations, constraints, part),
        hands=hands_unsaid(some, motion.valid, body, constraints.contacts, part),
        gaps=label_gaps(some, body, constraints.contacts, part),
        cuts=observations.cuts,
    )


def _part_of(posed: PosedBody, part: FrameRange) -> PosedBody:
    span = part.as_slice()
    return replace(
        posed,
        rotmats=posed.rotmats[:, span],
        transforms=posed.transforms[:, span],
        joints=posed.joints[:, span],
    )


@torch.no_grad()
def project_keypoints(
    motion: BodyMotion, camera: Camera, body: BodyModel
) -> Float[np.ndarray, "P F 26 2"]:
    """Halpe-26 keypoints of the bodies in undistorted pixels."""
    return _projected(body.pose_of(motion), camera)


def _projected(posed: PosedBody, camera: Camera) -> Float[np.ndarray, "P F 26 2"]:
    T = torch.tensor(camera.T_camera_world, dtype=torch.float32)
    world = posed.keypoints("halpe26")
    seen = torch.einsum("fij,pfkj->pfki", T[:, :3, :3], world) + T[:, None, :3, 3]
    return np.asarray(project(seen, torch.tensor(camera.K, dtype=torch.float32)).numpy())


def _miss(
    posed: PosedBody, camera: Camera, observations: Observations, constraints: Constraints
) -> Float[np.ndarray, "P F"]:
    observed, weight, _ = keypoints_as_tensors(observations, constraints)
    flat = undistorted_pixels(observed.numpy().astype(np.float64), camera)
    trusted = weight.numpy() * (KEYPOINT_TRUST > 0.9)
    distance = np.linalg.norm(_projected(posed, camera) - flat, axis=-1)
    total = trusted.sum(-1)
    error = (distance * trusted).sum(-1) / np.maximum(total, 1e-6)
    return np.where(total > LEAST_WEIGHT, error, np.nan).astype(np.float64)


def _sure(confidence: Float[np.ndarray, "P F K"]) -> Float[np.ndarray, "P F 24"]:
    keypoints = confidence.shape[2]
    result = np.full((*confidence.shape[:2], len(SMPL_JOINTS)), NOT_SHOWN)
    for joint, parent in enumerate(SMPL_PARENTS):
        shown = SHOWN_BY.get(SMPL_JOINTS[joint])
        if shown is not None and HALPE26.index(shown) < keypoints:
            result[:, :, joint] = confidence[:, :, HALPE26.index(shown)]
        elif parent >= 0:
            result[:, :, joint] = result[:, :, parent]
    return result


def _covered(boxes: Float[np.ndarray, "P F 4"]) -> Float[np.ndarray, "P F"]:
    result = np.zeros(boxes.shape[:2])
    for a in range(len(boxes)):
        for b in range(len(boxes)):
            if a == b:
                continue
            low = np.maximum(boxes[a, :, :2], boxes[b, :, :2])
            high = np.minimum(boxes[a, :, 2:], boxes[b, :, 2:])
            both = np.clip(high - low, 0, None).prod(-1)
            area = (boxes[a, :, 2:] - boxes[a, :, :2]).prod(-1)
            share = np.nan_to_num(both / np.maximum(area, 1e-9), nan=1.0)
            result[a] = np.maximum(result[a], share)
    return result


def _penetration(
    vertices: Float[np.ndarray, "P S V 3"],
    valid: Bool[np.ndarray, "P F"],
    body: BodyModel,
    part: FrameRange,
) -> Pairs:
    """`vertices` are those of the frames of `part`."""
    found: Pairs = {}
    faces, parts = np.asarray(body.faces), body_parts(body)
    for a, b in combinations(range(len(vertices)), 2):
        both = (valid[a] & valid[b])[part.as_slice()]
        depth = np.full(len(part), np.nan)
        depth[both] = penetration_depth(vertices[a][both], vertices[b][both], faces, parts)
        found[a, b] = np.full(valid.shape[1], np.nan)
        found[a, b][part.as_slice()] = depth
    return found


def flips(found: Findings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `reasons.depth_flip` is given: order, limbs, approach; (P, F) each."""
    shape, look = found.shape, found.look
    order: Pairs = {}
    approach: Pairs = {}
    for a, b in combinations(range(shape[0]), 2):
        ray = found.along_view((a, b))
        apart = found.joints[b, :, 0] - found.joints[a, :, 0]
        depth = (apart * ray).sum(-1)
        approach[a, b] = _speed(depth, found.times)
        if look is not None and look.together:
            seen = look.joints[b, :, 0] - look.joints[a, :, 0]
            variance = np.square(offset_deviation(np.linalg.norm(seen, axis=-1)))
            order[a, b] = reasons.flip_cost(depth, (seen * ray).sum(-1), variance)
    limbs = np.full(shape, np.nan) if look is None else limb_flips(found, look)
    ordered, nearing = (reasons.worst_of_pairs(pairs, shape) for pairs in (order, approach))
    return ordered, limbs, nearing


def limb_flips(found: Findings, look: SecondLook) -> Float[np.ndarray, "P F"]:
    """Metres by which the end of the doubtful-most limb may be off: the other way in depth."""
    root = found.joints[:, :, 0]
    ray = root / np.maximum(np.linalg.norm(root, axis=-1, keepdims=True), 1e-9)
    worst = np.zeros(found.shape)
    for joint in LIMBS:
        parent = SMPL_PARENTS[joint]
        bone, seen = (x[:, :, joint] - x[:, :, parent] for x in (found.joints, look.joints))
        length = np.square(bone).sum(-1)
        cost = reasons.flip_cost(
            (bone * ray).sum(-1), (seen * ray).sum(-1), length * look.variance[:, :, parent] / 2
        )
        worst = np.maximum(worst, cost)
    return worst


def offset_deviations(found: Findings) -> Float[np.ndarray, "P F"]:
    """How far the depth between people is from the prior's, in its standard deviations."""
    pairs: Pairs = {}
    look = found.look
    if look is not None and look.together:
        for a, b in combinations(range(found.shape[0]), 2):
            ray = found.along_view((a, b))
            mine, seen = (x[b, :, 0] - x[a, :, 0] for x in (found.joints, look.joints))
            deviation = offset_deviation(np.linalg.norm(seen, axis=-1))
            pairs[a, b] = np.abs(((mine - seen) * ray).sum(-1)) / deviation
    return reasons.worst_of_pairs(pairs, found.shape)


def _speed(metres: Float[np.ndarray, "F"], times: Float[np.ndarray, "F"]) -> np.ndarray:
    """m/s into and out of each frame, the larger."""
    if len(times) < 2:
        return np.zeros(len(times))
    rate = np.abs(np.diff(metres) / np.diff(times))
    return np.asarray(np.maximum(np.concatenate([[0.0], rate]), np.concatenate([rate, [0.0]])))
