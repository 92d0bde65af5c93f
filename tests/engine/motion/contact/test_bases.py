"""Two people before anyone asks them to touch."""

import numpy as np
import pytest
import torch

from engine.body.joints import SMPL_JOINTS
from engine.motion.contact.bases import FEET, bases, stretches
from engine.motion.contact.catalogue import Interaction, Meeting, Span, Standing
from tests.engine.motion.contact.people import standing, walking

PELVIS, LEFT_HIP, RIGHT_HIP = (SMPL_JOINTS.index(n) for n in ("pelvis", "left_hip", "right_hip"))


def interaction(gaits=("standing", "standing"), yaw=np.pi) -> Interaction:
    meeting = Meeting(0, "right_palm", "right_palm", Span(1.2, 2.0))
    return Interaction("test", Standing(0.0, 0.8, yaw), 2.6, (meeting,), gaits=gaits)


@pytest.fixture(scope="module")
def available():
    return stretches([standing(), walking()])


def facing(joints: torch.Tensor) -> torch.Tensor:
    """Unit vectors on the ground that the hips face."""
    across = joints[..., LEFT_HIP, :] - joints[..., RIGHT_HIP, :]
    ahead = torch.stack([-across[..., 2], torch.zeros_like(across[..., 0]), across[..., 0]], -1)
    return torch.nn.functional.normalize(ahead, dim=-1)


class TestStretches:
    def test_tells_standing_from_walking(self, available):
        assert sorted((s.source, s.walking) for s in available) == [
            ("stander", False),
            ("walker", True),
        ]

    def test_leaves_out_who_holds_the_arms_up(self):
        signalling = standing()
        signalling.motion.body_pose[:, :, 15:17] = 0  # a T-pose
        assert stretches([signalling]) == []


class TestBases:
    def test_sets_them_down_as_the_interaction_says(self, available):
        generator = np.random.default_rng(0)
        found = bases(interaction(), available, np.zeros((2, 10)), generator)
        middle = found.joints[:, 48]
        apart = middle[1, PELVIS] - middle[0, PELVIS]
        assert abs(float(apart[0])) < 0.15
        assert float(apart[2]) == pytest.approx(0.8, abs=0.15)
        assert float((facing(middle)[0] * facing(middle)[1]).sum()) < -0.98

    def test_whoever_walks_up_rests_while_they_touch_and_was_elsewhere_before(self, available):
        generator = np.random.default_rng(1)
        asked = interaction(("walking up", "standing"))
        found = bases(asked, available, np.zeros((2, 10)), generator)
        pelvis = found.joints[0, :, PELVIS]
        touching = pelvis[38:58]
        assert float((touching - touching[0]).norm(dim=-1).max()) < 0.08
        assert float((pelvis[0] - touching[0]).norm()) > 0.4

    def test_stands_on_the_floor_whatever_the_shape(self, available):
        betas = np.random.default_rng(2).normal(0, 1, (2, 10))
        found = bases(interaction(), available, betas, np.random.default_rng(3))
        assert float(found.joints[:, :, FEET, 1].min()) > 0
        assert float(found.joints[:, :, FEET, 1].max()) < 0.15

    def test_says_so_where_no_recording_is_long_enough(self, available):
        asked = interaction(("walking", "walking"))
        standers = [s for s in available if not s.walking]
        assert bases(asked, standers, np.zeros((2, 10)), np.random.default_rng(0)) is None
