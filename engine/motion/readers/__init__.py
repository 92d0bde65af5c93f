"""Readers of other tools' motion files, one format a file. READERS is the registry."""

from __future__ import annotations

from engine.motion.readers import amass, asf_amc, bvh, grapplemap, joint_npz
from engine.motion.readers.reader import Reader, ReadOptions

READERS: tuple[Reader, ...] = (
    joint_npz.READER,
    amass.READER,
    asf_amc.READER,
    bvh.READER,
    grapplemap.READER,
)
"""The first that takes a file reads it."""

__all__ = ["READERS", "ReadOptions", "Reader"]
