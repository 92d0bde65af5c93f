"""Named regions of the skin for contact labels: the same 77 names on every body and density.

A vertex's region follows from its own skinning weights and rest position relative to the joints
and landmarks, never from its neighbours. So a coarser mesh of the same vertices has the same
regions, and so has a user's SMPL body. The right side is classified as the mirror image of the
left. Imports no torch.

Arms and hands are named as if they hung at the sides, palms to the thighs: the upper side of an
arm stretched out in the rest pose is its outer side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from engine.body.data import BodyData
from engine.body.joints import SMPL_JOINTS, mirrored
from engine.errors import InputError

_MIDDLE = ("forehead", "chin", "head_top", "head_back", "neck_front", "neck_back", "groin")
_SIDED = (
    "face", "head_side", "shoulder", "chest", "ribs", "upper_back", "belly", "waist",
    "lower_back", "hip", "buttock",
    "upper_arm_front", "upper_arm_back", "upper_arm_outer", "upper_arm_inner", "elbow",
    "lower_arm_front", "lower_arm_back", "lower_arm_outer", "lower_arm_inner", "wrist",
    "palm", "hand_back", "thumb", "fingers",
    "thigh_front", "thigh_back", "thigh_outer", "thigh_inner", "knee", "shin", "calf",
    "foot_top", "foot_sole", "toes",
)  # fmt: skip
_NAMES = (*_MIDDLE, *(f"{side}_{name}" for name in _SIDED for side in ("left", "right")))

_COUNTERPARTS = mirrored(_NAMES)

_SEGMENTS = {
    "torso": ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar"),
    "neck": ("neck",),
    "head": ("head",),
    "upper arm": ("left_shoulder",),
    "lower arm": ("left_elbow",),
    "hand": ("left_wrist", "left_hand"),
    "thigh": ("left_hip",),
    "lower leg": ("left_knee",),
    "foot": ("left_ankle", "left_foot"),
}
"""Joints whose weights together claim a vertex (of the left side)."""


@runtime_checkable
class HasBodyData(Protocol):
    """A body model for computing or for display."""

    @property
    def data(self) -> BodyData: ...


def region_names() -> tuple[str, ...]:
    """All names; their order is the numbering of `vertex_regions`."""
    return _NAMES


def mirror_region(name: str) -> str:
    """The region's counterpart on the other side (itself in the middle)."""
    return _NAMES[_COUNTERPARTS[_index(name)]]


def vertex_regions(body: BodyData | HasBodyData) -> Int[np.ndarray, "V"]:
    """Index into `region_names()` for each vertex."""
    return _regions_of(body if isinstance(body, BodyData) else body.data)


def region_vertices(body: BodyData | HasBodyData, name: str) -> Int[np.ndarray, "S"]:
    """Indices of a region's vertices. Raises `InputError` for an unknown name."""
    return np.flatnonzero(vertex_regions(body) == _index(name))


def face_regions(body: BodyData | HasBodyData) -> Int[np.ndarray, "T"]:
    """Index into `region_names()` for each face: that of two of its corners, else of the first."""
    data = body if isinstance(body, BodyData) else body.data
    first, second, third = vertex_regions(data)[data.faces.T]
    return np.asarray(np.where(second == third, second, first))


@lru_cache(maxsize=16)
def _regions_of(data: BodyData) -> np.ndarray:
    regions = _Classifier(data).regions()
    regions.setflags(write=False)
    return regions


def _index(name: str) -> int:
    if name not in _NAMES:
        raise InputError(f"No region of the body is called {name!r}")
    return _NAMES.index(name)


@dataclass(frozen=True)
class _Along:
    """Vertices relative to a bone: share of the way along it, and metres away from it."""

    share: Float[np.ndarray, "V"]
    away: Float[np.ndarray, "V 3"]


class _Classifier:
    """Rest positions folded onto the left side, and the rules in order of precedence."""

    def __init__(self, data: BodyData) -> None:
        self._data = data
        right = data.v_template[:, 0] < 0
        self.right = right
        self.points = data.v_template * np.where(right[:, None], [-1.0, 1.0, 1.0], 1.0)
        swapped = data.weights[:, list(mirrored(SMPL_JOINTS))]
        self.weights = np.where(right[:, None], swapped, data.weights)

    def regions(self) -> Int[np.ndarray, "V"]:
        rules = {
            "torso": self._torso, "neck": self._neck, "head": self._head,
            "upper arm": self._upper_arm, "lower arm": self._lower_arm, "hand": self._hand,
            "thigh": self._thigh, "lower leg": self._lower_leg, "foot": self._foot,
        }  # fmt: skip
        result = np.zeros(len(self.points), np.int64)
        for segment, rule in rules.items():
            mine = self._segment == list(_SEGMENTS).index(segment)
            names = rule()[mine]
            sides = np.where(self.right[mine], "right_", "left_")
            result[mine] = [
                _NAMES.index(name if name in _MIDDLE else side + name)
                for name, side in zip(names.tolist(), sides.tolist(), strict=True)
            ]
        return result

    @cached_property
    def _segment(self) -> Int[np.ndarray, "V"]:
        claims = [
            self.weights[:, [SMPL_JOINTS.index(joint) for joint in joints]].sum(1)
            for joints in _SEGMENTS.values()
        ]
        return np.asarray(np.argmax(claims, axis=0))

    def _joint(self, name: str) -> Float[np.ndarray, "3"]:
        """A joint of the middle or left side."""
        return np.asarray(self._data.J_template[SMPL_JOINTS.index(name)])

    def _landmark(self, name: str) -> Float[np.ndarray, "3"]:
        return np.asarray(self._data.v_template[self._data.vertex_ids[name]])

    def _along(self, start: str, end: str) -> _Along:
        origin, bone = self._joint(start), self._joint(end) - self._joint(start)
        offset = self.points - origin
        share = offset @ bone / (bone @ bone)
        return _Along(share, offset - share[:, None] * bone)

    def _torso(self) -> np.ndarray:
        """By height and by direction from the spine; the depth of a trunk is 0.7 of its width."""
        x, y, z = self.points.T
        pelvis, spine, hip = self._joint("pelvis"), self._joint("spine2"), self._joint("left_hip")
        shoulder = self._joint("left_shoulder")
        middle = (pelvis[2] + self._joint("spine3")[2]) / 2
        azimuth = np.degrees(np.arctan2((z - middle) / 0.7, x))
        low, high = y < pelvis[1] + 0.02, y > spine[1]
        # Above the armpits there is no side, only front and back.
        above_armpit = y > shoulder[1] - 0.08
        front = (azimuth > 35) | (above_armpit & (azimuth > 0))
        back = (azimuth < -35) | (above_armpit & (azimuth <= 0))
        on_neck = (y > shoulder[1] + 0.005) & (x < 0.42 * shoulder[0])
        on_shoulder = (y > shoulder[1] + 0.01) | (
            (x > 0.9 * shoulder[0]) & (y > shoulder[1] - 0.06)
        )
        return np.select(
            [
                on_neck,
                on_shoulder,
                low & (z < hip[2] - 0.02),
                low & front & (x < 0.8 * hip[0]),
                low & ~front,
                low & (y < hip[1] + 0.02),
                high & front, high & back, high,
                front, back,
            ],
            [
                self._neck(),
                "shoulder", "buttock", "groin", "hip", "hip",
                "chest", "upper_back", "ribs",
                "belly", "lower_back",
            ],
            "waist",
        )  # fmt: skip

    def _neck(self) -> np.ndarray:
        middle = (self._joint("neck")[2] + self._joint("head")[2]) / 2
        return np.where(self.points[:, 2] > middle, "neck_front", "neck_back")

    def _head(self) -> np.ndarray:
        """By direction from the axis between the ears, and by height against eyes and nose."""
        x, y, z = self.points.T
        eye, nose, ear = (self._landmark(name) for name in ("leye", "nose", "lear"))
        crown = self._landmark("crown")
        above_eyes = crown[1] - eye[1]
        azimuth = np.degrees(np.arctan2(z - ear[2], x))
        front = azimuth > 30
        below_jaw = y < nose[1] - 1.0 * (eye[1] - nose[1])
        return np.select(
            [
                y > crown[1] - 0.4 * above_eyes,
                front & (y > eye[1] + 0.15 * above_eyes),
                front & below_jaw,
                front,
                azimuth < -25,
            ],
            ["head_top", "forehead", "chin", "face", "head_back"],
            "head_side",
        )

    def _arm_sector(self, along: _Along, name: str) -> np.ndarray:
        _, up, forwards = along.away.T
        return _sector(
            forwards, up, (f"{name}_front", f"{name}_back"), (f"{name}_outer", f"{name}_inner")
        )

    def _upper_arm(self) -> np.ndarray:
        along = self._along("left_shoulder", "left_elbow")
        return np.select(
            [along.share > 0.88, (along.share < 0.1) & (along.away[:, 1] > -0.02)],
            ["elbow", "shoulder"],
            self._arm_sector(along, "upper_arm"),
        )

    def _lower_arm(self) -> np.ndarray:
        along = self._along("left_elbow", "left_wrist")
        return np.select(
            [along.share < 0.12, along.share > 0.86],
            ["elbow", "wrist"],
            self._arm_sector(along, "lower_arm"),
        )

    def _hand(self) -> np.ndarray:
        along = self._along("left_wrist", "left_hand")
        length = np.linalg.norm(self._joint("left_hand") - self._joint("left_wrist"))
        tip, wrist = self._landmark("lthumb"), self._joint("left_wrist")
        base = wrist + 0.4 * (tip - wrist)
        near_thumb = _distance_to_segment(self.points, base, tip) < 0.28 * length
        return np.select(
            [along.share < 0.08, near_thumb, along.share > 1.2, along.away[:, 1] > 0],
            ["wrist", "thumb", "fingers", "hand_back"],
            "palm",
        )

    def _thigh(self) -> np.ndarray:
        along = self._along("left_hip", "left_knee")
        sideways, _, forwards = along.away.T
        top = along.share < 0.14
        sector = _sector(
            forwards, sideways, ("thigh_front", "thigh_back"), ("thigh_outer", "thigh_inner")
        )
        return np.select(
            [
                along.share > 0.89,
                top & (forwards < -0.02),
                top & (sideways < -0.03),
                top & (along.share < 0.08),
            ],
            ["knee", "buttock", "groin", "hip"],
            sector,
        )

    def _lower_leg(self) -> np.ndarray:
        along = self._along("left_knee", "left_ankle")
        return np.select([along.share < 0.1, along.away[:, 2] > -0.01], ["knee", "shin"], "calf")

    def _foot(self) -> np.ndarray:
        ankle, ball = self._joint("left_ankle"), self._joint("left_foot")
        _, y, z = self.points.T
        low = y < ankle[1] + 0.85 * (ball[1] - ankle[1])
        return np.select([z > ball[2] + 0.01, low], ["toes", "foot_sole"], "foot_top")


def _sector(
    first: Float[np.ndarray, "V"],
    second: Float[np.ndarray, "V"],
    first_names: tuple[str, str],
    second_names: tuple[str, str],
) -> np.ndarray:
    """The quarter around a bone that a vertex lies in; names for the positive and negative end."""
    along_first: Bool[np.ndarray, "V"] = np.abs(first) > np.abs(second)
    return np.where(
        along_first, np.where(first > 0, *first_names), np.where(second > 0, *second_names)
    )


def _distance_to_segment(
    points: Float[np.ndarray, "V 3"], start: np.ndarray, end: np.ndarray
) -> Float[np.ndarray, "V"]:
    along = end - start
    share = np.clip((points - start) @ along / (along @ along), 0, 1)
    return np.asarray(np.linalg.norm(points - start - share[:, None] * along, axis=1))
