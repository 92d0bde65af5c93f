"""Passers-by have room of their own, and as much time as the clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.synthesis.casting import Cast, make_cast
from engine.synthesis.passersby import CLEARANCE
from engine.synthesis.people import joints_of
from tests.engine.synthesis.conftest import small_order, write_motion


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    """Two people and five passers-by, made from a motion that is shorter than the clip."""
    folder = tmp_path_factory.mktemp("crowd")
    places = np.array([[-0.5, 0, 0], [0.5, 0, 0]])
    motion = write_motion(folder / "motion.npz", places, frames=12)
    short = write_motion(folder / "short.npz", places, frames=5, seq_start=np.array([0, 2]))
    return make_cast(small_order(motion, folder, others=5, others_motion=short, fps=60.0))


def test_nobody_walks_through_anybody(crowd: Cast) -> None:
    joints = joints_of(crowd.motion)[..., [0, 2]]
    for passing in range(crowd.people, len(joints)):
        others = np.delete(joints, passing, axis=0)
        apart = np.linalg.norm(joints[passing][None, :, :, None] - others[:, :, None], axis=-1)
        assert apart.min() >= CLEARANCE


def test_they_are_there_for_the_whole_clip_at_its_rate(crowd: Cast) -> None:
    assert crowd.motion.valid.shape == (7, 23)
    assert crowd.motion.valid.all()
    assert crowd.people == 2


def test_they_stand_on_the_floor(crowd: Cast) -> None:
    feet = joints_of(crowd.motion)[crowd.people :, :, [10, 11], 1]
    assert (np.abs(feet) < 0.15).all()


def test_a_motion_that_failed_throughout_is_refused(tmp_path: Path) -> None:
    places = np.array([[-0.5, 0, 0], [0.5, 0, 0]])
    motion = write_motion(tmp_path / "motion.npz", places)
    failed = write_motion(tmp_path / "failed.npz", places, valid=np.zeros(3, bool))
    with pytest.raises(InputError, match=r"failed.npz"):
        make_cast(small_order(motion, tmp_path, others=1, others_motion=failed))
