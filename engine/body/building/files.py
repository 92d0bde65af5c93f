"""Values on exact binary grids, in SMPL's keys, in a file that is the same byte for byte.

On a grid of 2^-17 m (8 micrometres) the low bits of a float32 are zero, which compresses, and
halving or mirroring stays exact, which decimal rounding would not give.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from engine.body.joints import SMPL_JOINTS

POSITION_GRID = 2.0**-17
"""Metres."""
DIRECTION_GRID = 2.0**-16
"""Metres per unit of betas."""
WEIGHT_GRID = 2.0**-10
REGRESSOR_GRID = 2.0**-24
_MIDDLE_JOINTS = [k for k, name in enumerate(SMPL_JOINTS) if "left" not in name and "right" not in name]  # fmt: skip  # noqa: E501


def on_grid(values: np.ndarray, grid: float) -> np.ndarray:
    return np.asarray(np.round(values / grid) * grid)


def weights_on_grid(weights: Float[np.ndarray, "V 24"]) -> Float[np.ndarray, "V 24"]:
    """Skinning weights as whole multiples of the grid whose rows sum to exactly one.

    What rounding leaves over goes to a joint of the middle where one takes part (so that vertices
    on the plane of symmetry stay symmetric), else to the strongest joint.
    """
    rounded = on_grid(weights, WEIGHT_GRID)
    left_over = 1 - rounded.sum(1)
    middle = rounded[:, _MIDDLE_JOINTS]
    takes = np.where(
        middle.max(1) > 0, np.array(_MIDDLE_JOINTS)[middle.argmax(1)], rounded.argmax(1)
    )
    rounded[np.arange(len(rounded)), takes] += left_over
    return rounded


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """An .npz file without times or names of machines in it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.getvalue(), compresslevel=9)
