"""The frozen configuration that every curve starts from.

All settings are spelled out and later terms are off, so that what becomes better moves the curve
and not its beginning. It is the plain motion branch: keypoints, the prior's first pose, limits,
shape, smoothness, floor and penetration, for both people at once.
"""

from __future__ import annotations

from dataclasses import fields

from engine.config import FitConfig, TermWeights

_WEIGHTS = {
    "reprojection": 1.0,
    "edited": 4.0,
    "pose": 0.7,
    "limits": 20.0,
    "shape": 0.3,
    "height": 16.0,
    "acceleration": 0.03,
    "rotation": 0.002,
    "floor": 0.5,
    "skating": 0.5,
    "focal": 1.0,
    "gravity": 1.0,
    "penetration": 20.0,
    "contact": 10.0,
    "no_contact": 10.0,
    "depth_order": 5.0,
}
START_WEIGHTS = TermWeights(**{f.name: _WEIGHTS.get(f.name, 0.0) for f in fields(TermWeights)})
"""A term that came later is off."""

START = FitConfig(
    weights=START_WEIGHTS,
    placement_steps=25,
    hypothesis_steps=20,
    joint_steps=150,
    refit_steps=60,
    parting_rounds=0,
    contact_rounds=12,
    label_rounds=2,
    label_steps=25,
    whole_rounds=12,
    contact_steps=15,
    steady=0.002,
    settled=0.005,
    whole_settled=0.005,
    keypoint_noise=0.018,
    robust_widths=(40.0, 12.0, 6.0, 4.0),
    penetration_slack=0.007,
    contact_slack=0.02,
    clearance=0.03,
    context=6,
    prior="start",
    deep_steps=0,
    deep_rate=0.0,
    denoise_level=0,
    denoise_draws=0,
    consulted_steps=0,
    window=400,
    overlap=12,
    initializer="dyad",
    appearance=None,
    device="cpu",
    tolerance=1e-4,
)
