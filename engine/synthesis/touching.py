"""Where bodies touch: see engine.geometry.touching."""

from __future__ import annotations

from engine.geometry.touching import CONTACT_DISTANCE, Touch, find_touch, intervals

__all__ = ["CONTACT_DISTANCE", "Touch", "find_touch", "intervals"]
