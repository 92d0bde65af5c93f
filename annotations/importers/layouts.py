"""Other tools' joints as ours: which joint of a file is which of Halpe-26.

Where a joint of a file lies somewhere else on the body than ours of that name, it is left out
rather than moved: a bias that no confidence speaks of is worse than a gap.

- Neck of OpenPose (BODY_25, COCO-18) and of AlphaPose's "cmu" and "open" forms is the middle of
  the shoulders; Halpe's neck lies higher, where the neck meets the trunk. Left out: the shoulders
  say the same.
- MidHip of BODY_25 is the middle of the hips, as is Halpe's hip: taken.
- PoseTrack's head_bottom is the upper end of the neck: left out. Its head_top is Halpe's head.
- COCO-WholeBody has feet but neither head, neck nor hip; its face and hands are not used.
- Halpe-136 begins with Halpe-26.

Sources of the orders: OpenPose's doc/02_output.md, Halpe-FullBody's README, COCO-WholeBody's
data_format.md, AlphaPose's write_json, the PoseTrack 2018 categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engine.body.joints import COCO17, HALPE26
from engine.structures import Layout


@dataclass(frozen=True)
class SourceLayout:
    """A layout as a file has it."""

    name: str
    count: int
    """Joints per person in the file."""
    joints: tuple[int, ...]
    """For each joint of `layout`, its index in the file; -1 where the file has none."""
    layout: Layout

    def pick(self, points: Float[np.ndarray, "S 3"]) -> Float[np.ndarray, "K 3"]:
        """Joints (x, y, confidence) of the file in our order; NaN, NaN, 0 where there is none."""
        picked = np.full((len(self.joints), 3), [np.nan, np.nan, 0.0])
        present = np.array(self.joints) >= 0
        picked[present] = points[np.array(self.joints)[present]]
        return picked


def _by_names(name: str, names: Sequence[str | None], layout: Layout = "halpe26") -> SourceLayout:
    wanted = COCO17 if layout == "coco17" else HALPE26
    places = {joint: place for place, joint in enumerate(names) if joint}
    joints = tuple(places.get(joint, -1) for joint in wanted)
    return SourceLayout(name, len(names), joints, layout)


_LIMBS_18 = (
    "nose", None, "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist",
)  # fmt: skip
BODY_25 = _by_names(
    "OpenPose BODY_25",
    (
        *_LIMBS_18, "hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
        "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear", "left_big_toe",
        "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
    ),
)  # fmt: skip
COCO_18 = _by_names(
    "OpenPose COCO-18",
    (
        *_LIMBS_18, "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
        "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
    ),
    "coco17",
)  # fmt: skip
FEET_6 = (
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe",
    "right_heel",
)  # fmt: skip
"""COCO-WholeBody's foot_kpts."""
_COCO_17 = _by_names("COCO-17", COCO17, "coco17")
COCO_FEET = _by_names("COCO-WholeBody (body and feet)", (*COCO17, *FEET_6))
_WHOLE_BODY = _by_names("COCO-WholeBody", (*COCO17, *FEET_6, *(None,) * 110))
_HALPE_26 = _by_names("Halpe-26", HALPE26)
_HALPE_136 = _by_names("Halpe-136", (*HALPE26, *(None,) * 110))
BY_COUNT = {
    found.count: found for found in (_COCO_17, COCO_FEET, _WHOLE_BODY, _HALPE_26, _HALPE_136)
}
OPENPOSE_BY_COUNT = {25: BODY_25, 18: COCO_18}
_SYNONYMS = {"head_top": "head", "top_head": "head", "pelvis": "hip", "mid_hip": "hip"}
_KNOWN_SHARE = 0.6
"""Of the file's joint names that must be ours, for the names to be believed."""


def known_counts() -> str:
    """The numbers of joints that are understood, in words."""
    return ", ".join(f"{each.count} ({each.name})" for each in BY_COUNT.values())


def from_names(names: Sequence[str]) -> SourceLayout | None:
    """The layout that joint names (of COCO categories, of MMPose) describe; None if they do not."""
    plain = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in names]
    plain = [_SYNONYMS.get(name, name) for name in plain]
    for count, known in BY_COUNT.items():
        ours = HALPE26 if known.layout == "halpe26" else COCO17
        if count == len(plain) and tuple(plain[: len(ours)]) == ours:
            return known
    whole = len(plain) in BY_COUNT and plain[:17] == list(COCO17)
    if whole and len(plain) > len(HALPE26):
        return BY_COUNT[len(plain)]
    ours_too = [name if name in HALPE26 and name != "neck" else None for name in plain]
    if sum(name is not None for name in ours_too) < _KNOWN_SHARE * min(len(plain), 17):
        return None
    only_coco = all(name is None or name in COCO17 for name in ours_too)
    return _by_names(f"{len(plain)} named joints", ours_too, "coco17" if only_coco else "halpe26")
