"""Key poses have the pace that is asked for, and go through the same poses at any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.motion.prepared import write_prepared
from engine.structures import FrameRange
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.sources import read_source
from tests.engine.benchmark.conftest import swaying


@pytest.fixture(scope="module")
def posed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = replace(swaying(12, "posed"), kind="grappling", fps=5.0)
    path = tmp_path_factory.mktemp("posed") / "posed.npz"
    motion = replace(content.motion, time=np.arange(12) / 5.0)
    write_prepared(path, replace(content, motion=motion))
    return path


def test_key_poses_are_so_many_seconds_apart(posed: Path) -> None:
    order = SynthesisOrder(posed, frames=FrameRange(2, 6), key_pose_seconds=0.5)
    slow, fast = (read_source(o).motion for o in (order, replace(order, key_pose_seconds=None)))
    assert slow.frame_count == 46 and fast.frame_count == 19
    assert slow.time[-1] == pytest.approx(1.5)
    assert fast.time[-1] == pytest.approx(0.6)
    for pose in range(4):
        np.testing.assert_allclose(
            slow.body_pose[:, 15 * pose], fast.body_pose[:, 6 * pose], atol=1e-5
        )


@pytest.mark.parametrize("seconds", [0.0, -1.0, 61.0])
def test_a_pace_that_is_none_is_refused(posed: Path, seconds: float) -> None:
    with pytest.raises(InputError, match="Key poses do not follow each other at this pace"):
        SynthesisOrder(posed, key_pose_seconds=seconds).check()
