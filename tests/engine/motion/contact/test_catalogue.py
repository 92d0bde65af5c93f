"""What two people do with each other, as drawn from random numbers."""

import numpy as np
import pytest

from engine.body.joints import SMPL_JOINTS
from engine.body.regions import region_names
from engine.motion.contact.catalogue import CATALOGUE, draw, mirrored


@pytest.mark.parametrize("kind", CATALOGUE)
class TestEachInteraction:
    def test_names_regions_joints_and_people_that_exist(self, kind):
        for seed in range(20):
            drawn = draw(kind, np.random.default_rng(seed))
            for meeting in drawn.meetings:
                assert {meeting.region, meeting.other_region} <= set(region_names())
                assert meeting.person in (0, 1)
            for guide in drawn.guides:
                assert guide.joint in SMPL_JOINTS
                assert guide.other_region in region_names()

    def test_touches_within_its_time_and_not_from_the_first_frame_on(self, kind):
        for seed in range(20):
            drawn = draw(kind, np.random.default_rng(seed))
            for meeting in drawn.meetings:
                assert 0.5 < meeting.span.start < meeting.span.stop < drawn.seconds

    def test_is_never_alike_twice_but_the_same_for_a_seed(self, kind):
        first, again, other = (draw(kind, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert first == again
        assert first != other

    def test_is_itself_when_mirrored_twice(self, kind):
        drawn = draw(kind, np.random.default_rng(3))
        assert mirrored(mirrored(drawn)) == drawn
        assert mirrored(drawn).standing.left == -drawn.standing.left
