"""Files for scripts: obs.npz (what a fit is given) and fit.npz (what it finds), NumPy archives.

Both are in the camera frame with OpenCV's axes (x right, y down, z forward), metres, radians and
pixels. Every array is checked before it is believed; nothing is unpickled.
"""

from __future__ import annotations

from engine.fit_file import FitFile, read_fit, write_fit
from engine.observations_file import (
    FRAME_LIMIT,
    PERSON_LIMIT,
    ObservationsFile,
    boxes_of,
    read_observations,
    write_observations,
)

__all__ = [
    "FRAME_LIMIT",
    "PERSON_LIMIT",
    "FitFile",
    "ObservationsFile",
    "boxes_of",
    "read_fit",
    "read_observations",
    "write_fit",
    "write_observations",
]
