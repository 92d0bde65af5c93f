"""The benchmark's numbers. Each metric is a function of its own; `score` is a row of all of them.

The body is the one that both sides name, posed from its parameters; joints are SMPL's 24; the
frame is the camera's (OpenCV's axes). See docs/metrics.md.
"""

from __future__ import annotations

from engine.metrics.bodies import Bodies, bodies_of, bodies_of_keypoints, check_comparable
from engine.metrics.columns import METRICS, Metric
from engine.metrics.row import other_order, score, truth_row

__all__ = [
    "METRICS",
    "Bodies",
    "Metric",
    "bodies_of",
    "bodies_of_keypoints",
    "check_comparable",
    "other_order",
    "score",
    "truth_row",
]
