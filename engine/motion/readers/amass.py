"""Motion laid out like AMASS: an .npz of one person with SMPL's rotations, z up, metres.

    poses            (F, 72), (F, 156) or (F, 165)   SMPL, SMPL-H or SMPL-X, axis-angle, radians
    trans            (F, 3)                          added to the pelvis of the rest pose
    mocap_framerate  ()                              or mocap_frame_rate: frames per second

(amass.is.tue.mpg.de; Mahmood et al. 2019). Its betas belong to SMPL, whose shapes may not be passed
on and are not needed here: the skeleton is the open body's, as large as lets its feet stand on the
floor. Fingers, jaw and eyes are left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from engine.body.data import OPEN_BODY, load_body_data
from engine.body.joints import SMPL_PARENTS
from engine.errors import EngineError
from engine.file_checks import Checks
from engine.motion.captured import FRAME_LIMIT, USUAL_WEIGHTS, CapturedMotion, walked
from engine.motion.readers.reader import Reader, ReadOptions
from engine.npz import NpzArchive

KIND = "an AMASS file"
WIDTHS = {72: "SMPL", 156: "SMPL-H", 165: "SMPL-X"}
_RATES = ("mocap_framerate", "mocap_frame_rate")
_BODY = 22
"""Joints that all three have in common; SMPL's hands follow, which the others give fingers."""
_FEET = (7, 8, 10, 11)
_FOOT_HEIGHT = 0.02
"""Metres of the lowest foot joint over the floor."""
_SMALLEST, _LARGEST = 0.75, 1.25
_Y_UP = Rotation.from_euler("x", -90, degrees=True)


def read_amass(path: Path, scale: float | None = None) -> CapturedMotion:
    """Raises InputError. `scale` is the size of the skeleton relative to the open body's."""
    with NpzArchive(path, KIND) as archive:
        checks = Checks(archive, KIND)
        rate = next((name for name in _RATES if name in archive), _RATES[0])
        checks.expect_names(required=("poses", "trans", rate))
        width = archive.headers["poses"].shape[-1] if archive.headers["poses"].shape else 0
        if width not in WIDTHS:
            wanted = " or ".join(map(str, WIDTHS))
            raise checks.refusal("the width of poses", wanted, str(width))
        checks.at_most("frames", archive.headers["poses"].shape[0], FRAME_LIMIT)
        poses = checks.floats("poses", ("F", width))
        trans = checks.floats("trans", (len(poses), 3))
        fps = checks.number(rate, 0.1, 1000.0)
    local = np.zeros((1, len(poses), 24, 3))
    joints = 24 if width == 72 else _BODY
    local[0, :, :joints] = poses[:, : 3 * joints].reshape(len(poses), joints, 3)
    upright = _Y_UP * Rotation.from_rotvec(local[0, :, 0])
    local[0, :, 0] = upright.as_rotvec()
    rest = load_body_data(OPEN_BODY).J_template
    offsets = rest - np.where(np.array(SMPL_PARENTS)[:, None] < 0, 0, rest[list(SMPL_PARENTS)])
    # The rest pose's pelvis is added to `trans` as it is, without a turn to z up.
    relative = walked(local, np.zeros((1, len(poses), 3)), offsets[None])
    notes: tuple[str, ...] = ()
    if scale is None:
        scale = _size(trans[:, 2] + rest[0, 2], relative[0])
        notes = (f"{path.name}: {100 * scale:.0f} % of the open body's size, from the floor.",)
    place = _Y_UP.apply(trans + rest[0])
    weights = USUAL_WEIGHTS.copy()
    if width != 72:
        weights[[22, 23]] = 0
    return CapturedMotion(
        poses=local,
        joints=relative * scale + place[None, :, None],
        valid=np.ones(len(poses), bool),
        fps=fps,
        name=path.name,
        weights=weights,
        source=f"{WIDTHS[width]} motion file {path.name}.",
        notes=notes,
    )


def _size(height: Float[np.ndarray, "F"], joints: Float[np.ndarray, "F 24 3"]) -> float:
    """At which the feet stand on the floor, by the frames in which they reach furthest down."""
    reach = -joints[:, _FEET, 1].min(axis=1)
    standing = reach >= np.quantile(reach, 0.5)
    size = float(np.median((height[standing] - _FOOT_HEIGHT) / reach[standing]))
    return size if _SMALLEST < size < _LARGEST else 1.0


def _read(path: Path, part: int, options: ReadOptions) -> CapturedMotion:
    return read_amass(path, options.metres)


def _parts(path: Path) -> tuple[str, ...]:
    return (path.stem,)


def _takes(path: Path) -> bool:
    if path.suffix.lower() != ".npz":
        return False
    try:
        with NpzArchive(path, KIND) as archive:
            has_rate = any(name in archive for name in _RATES)
            return has_rate and "poses" in archive and "trans" in archive
    except EngineError:
        return False


READER = Reader("AMASS", ".npz (poses, trans, mocap_framerate)", _takes, _parts, _read)
