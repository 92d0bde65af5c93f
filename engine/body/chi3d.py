"""Our contact regions and the 75 of CHI3D (Fieraru et al., CVPR 2020), which are numbers.

The numbers are defined by faces of GHUM's and SMPL-X's meshes, in `contact_regions.json` of the
dataset's tools; that file is not a part of Dyad. Who has it and an SMPL-X body measures the mapping
with `measured_regions`. Which part of the body a number stands for is public besides (it is listed
in the code of BUDDI's and ProsePose's authors), and `chi3d_regions` follows from that alone: it has
not been checked against the meshes, and some parts are listed under two numbers without saying
which is the upper one. CHI3D has front and back where we also have outer, inner and side, and it
has upper and lower where we have one: so a number stands for several of our regions, the most
likely first, and most of our regions for several numbers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.body.data import BodyData
from engine.body.regions import face_regions, region_names
from engine.errors import InputError

REGION_COUNT = 75
LEAST_SHARE = 0.1
"""Of a CHI3D region's faces that lie in a region of ours for it to be named."""
_FACES_KEY = "rid_to_smplx_fids"
_FILE_LIMIT = 16 << 20
_SIDED: tuple[tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]], ...] = (
    (("chest", "ribs"), (59, 61), (7, 58)),
    (("belly", "waist"), (0, 74), (4, 68)),
    (("upper_back", "ribs"), (41, 70), (38, 63)),
    (("upper_back", "ribs", "lower_back"), (35,), (13,)),
    (("lower_back", "waist"), (48,), (10,)),
    (("buttock", "hip"), (71,), (9,)),
    (("shoulder",), (2, 73), (29, 31)),
    (("upper_arm_front", "upper_arm_inner", "upper_arm_outer"), (49,), (37,)),
    (("upper_arm_back", "upper_arm_inner", "upper_arm_outer"), (57,), (6,)),
    (("elbow",), (11, 34), (24, 44)),
    (("lower_arm_front", "lower_arm_inner", "lower_arm_outer", "wrist"), (5,), (32,)),
    (("lower_arm_back", "lower_arm_inner", "lower_arm_outer", "wrist"), (69,), (8,)),
    (("hand_back",), (17,), (27,)),
    (("palm",), (72,), (23,)),
    (("fingers", "thumb"), (3, 33), (26, 40)),
    (("thigh_front", "thigh_inner", "thigh_outer"), (20, 45), (19, 46)),
    (("thigh_back", "thigh_inner", "thigh_outer"), (15, 53), (28, 55)),
    (("knee",), (30, 64), (12, 16)),
    (("shin",), (25, 60), (22, 62)),
    (("calf",), (21, 56), (18, 36)),
    (("foot_top", "foot_sole", "toes"), (1, 67), (42, 65)),
    (("face", "forehead", "chin", "head_top"), (66,), (51,)),
    (("head_side", "head_back", "head_top"), (39,), (52,)),
    (("neck_front",), (54,), (47,)),
    (("neck_back",), (14,), (43,)),
)
"""Regions of ours without their side, and the numbers of the left and of the right."""
_MIDDLE = {50: ("groin", "left_hip", "right_hip")}


def chi3d_regions(number: int) -> tuple[str, ...]:
    """Our regions that a number of CHI3D stands for, the likeliest first.

    Raises InputError for a number that is none.
    """
    if number not in _by_number():
        raise InputError(
            "CHI3D has no such region", expected=f"0 to {REGION_COUNT - 1}", received=str(number)
        )
    return _by_number()[number]


def chi3d_numbers(region: str) -> tuple[int, ...]:
    """The numbers of CHI3D whose places take part in a region of ours, sorted.

    Raises InputError for an unknown name.
    """
    if region not in region_names():
        raise InputError(f"No region of the body is called {region!r}")
    return tuple(sorted(n for n, names in _by_number().items() if region in names))


def measured_regions(
    contact_regions: Path | str, smplx_body: BodyData
) -> Mapping[int, tuple[str, ...]]:
    """The same as `chi3d_regions` for all numbers, from the dataset's own file.

    Counts the faces of SMPL-X that a number and a region of ours share; most first, those below
    `LEAST_SHARE` left out. `smplx_body` is an SMPL-X body at full density. Raises InputError for a
    file that is not CHI3D's contact_regions.json, or a body that has not all of its faces.
    """
    regions, names = face_regions(smplx_body), region_names()
    found = {}
    for number, faces in enumerate(_faces_of(Path(contact_regions))):
        if min(faces) < 0 or max(faces) >= len(regions):
            raise InputError(
                "The body has not the faces that CHI3D's regions are made of",
                expected="SMPL-X as its file has it",
                received=f"{smplx_body.name} of {len(regions)} faces",
            )
        counts = Counter(regions[faces].tolist())
        kept = [r for r, count in counts.most_common() if count >= LEAST_SHARE * len(faces)]
        found[number] = tuple(names[region] for region in kept)
    return found


@lru_cache(maxsize=1)
def _by_number() -> Mapping[int, tuple[str, ...]]:
    table: dict[int, tuple[str, ...]] = dict(_MIDDLE)
    middle = {name for name in region_names() if not name.startswith(("left_", "right_"))}
    for names, left, right in _SIDED:
        for side, numbers in (("left", left), ("right", right)):
            sided = tuple(name if name in middle else f"{side}_{name}" for name in names)
            table |= dict.fromkeys(numbers, sided)
    return table


def _faces_of(path: Path) -> list[list[int]]:
    """Faces of SMPL-X by number."""
    refusal = InputError(f"{path.name} is not CHI3D's contact_regions.json")
    try:
        if path.stat().st_size > _FILE_LIMIT:
            raise refusal
        content: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"Cannot open {path.name}", received=str(error.strerror)) from error
    except (ValueError, RecursionError) as error:
        raise refusal from error
    faces = content.get(_FACES_KEY) if isinstance(content, dict) else None
    if not isinstance(faces, list) or len(faces) != REGION_COUNT:
        raise refusal
    for row in faces:
        if not isinstance(row, list) or not row or not all(type(face) is int for face in row):
            raise refusal
    return faces
