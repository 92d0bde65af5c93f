"""Wishes are measured on samples that keep them exactly, and on samples that do not listen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
import torch

from engine.prior.evaluation.calibration import Calibration, calibrations, drawn, wishes
from engine.prior.evaluation.held_out import filmed
from engine.prior.proxemics import Proxemics
from engine.prior.skeleton import Skeleton
from engine.prior.windows import PairWindows
from engine.structures import ZONES
from tests.engine.prior.evaluation.conftest import returned, walkers

UNASKED = 0.8
"""Metres between the pelvises of samples that nothing is asked of."""
INSIDE = dict(zip(range(4), (0.3, 0.8, 2.0, 4.0), strict=True))
"""A distance in each zone."""


@dataclass
class Puppets:
    """Two people at rest, upright, before each other; `listen`: as far apart and turned as asked.
    Heads are as far apart as pelvises."""

    listen: bool
    asked: list[Proxemics | None] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)

    def sample(
        self,
        count: int,
        frames: int,
        *,
        people: int = 2,
        proxemics: Proxemics | None = None,
        generator: torch.Generator,
    ) -> PairWindows:
        self.asked.append(proxemics)
        self.noise.append(float(torch.rand((), generator=generator)))
        apart, turns = UNASKED, (0.0, math.pi)
        if self.listen and proxemics is not None:
            wanted = [proxemics.pelvis_distance[0, 0], proxemics.head_distance[0, 0]]
            apart = next((float(d) for d in wanted if not d.isnan()), UNASKED)
            apart = INSIDE.get(int(proxemics.zone[0, 0]), apart)
            if not proxemics.facing[0, 0, 0].isnan():
                first, second = proxemics.facing[0, :, 0].clamp(-1, 1).acos().tolist()
                turns = first, math.pi + second
        upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
        turn = torch.zeros(2, 3, 3)
        for person, angle in enumerate(turns):
            turn[person] = torch.tensor(
                [[math.cos(angle), 0, math.sin(angle)], [0, 1, 0],
                 [-math.sin(angle), 0, math.cos(angle)]]
            )  # fmt: skip
        rotations = (upright @ turn)[None, :, None, None].expand(count, 2, frames, 24, 3, 3)
        pelvis = torch.tensor([[0.0, 0, 4 + apart / 2], [0, 0, 4 - apart / 2]])
        return PairWindows(
            rotations,
            pelvis[None, :, None].expand(count, 2, frames, 3),
            torch.zeros(count, 2, 10),
            torch.tensor([0.0, -1, 0]).expand(count, 3),
        )


def rows(puppets: Puppets, skeleton: Skeleton) -> dict[str, Calibration]:
    found = returned(calibrations(puppets, skeleton, 3))
    return {row.asked: row for row in found}


@pytest.fixture(scope="module")
def kept(skeleton: Skeleton) -> dict[str, Calibration]:
    return rows(Puppets(listen=True), skeleton)


@pytest.fixture(scope="module")
def ignored(skeleton: Skeleton) -> dict[str, Calibration]:
    return rows(Puppets(listen=False), skeleton)


def test_every_zone_and_distances_and_facings_are_asked_for(kept: dict[str, Calibration]) -> None:
    assert [f"zone {name}" for name in ZONES] == list(kept)[:4]
    assert {"pelvises 1 m apart", "heads 1 m apart", "back to back"} < set(kept)
    assert len(kept) == len(wishes())


def test_who_listens_keeps_what_is_asked(kept: dict[str, Calibration]) -> None:
    for name, row in kept.items():
        if name.startswith("zone"):
            assert row.in_zone == 1 and row.error_m == 0
        elif name.endswith("apart"):
            # Heads are where pelvises are to the millimetres by which a head is before its pelvis.
            assert row.error_m < (0.12 if name.startswith("heads") else 1e-5)
        else:
            assert row.facing_error < 1e-3


def test_who_does_not_listen_is_as_far_off_as_unasked(ignored: dict[str, Calibration]) -> None:
    for row in ignored.values():
        for asked, unasked in (
            (row.in_zone, row.unasked_in_zone),
            (row.error_m, row.unasked_error_m),
            (row.facing_error, row.unasked_facing_error),
        ):
            assert asked == unasked or (math.isnan(asked) and math.isnan(unasked))
    assert ignored["pelvises 1.6 m apart"].error_m == pytest.approx(1.6 - UNASKED, abs=1e-5)
    assert ignored["zone personal"].in_zone == 1
    assert ignored["zone public"].in_zone == 0
    assert ignored["zone public"].error_m == pytest.approx(3.6 - UNASKED, abs=0.15)
    assert ignored["back to back"].facing_error == pytest.approx(1.9, abs=1e-3)


def test_one_thing_is_asked_at_a_time() -> None:
    for wish in wishes():
        said = wish.as_proxemics(2, 4)
        told = [
            bool((~said.pelvis_distance.isnan()).all()), bool((~said.head_distance.isnan()).all()),
            bool((~said.facing.isnan()).all()), bool((said.zone >= 0).all()),
        ]  # fmt: skip
        assert sum(told) == 1


def test_every_wish_meets_the_same_noise(skeleton: Skeleton) -> None:
    puppets = Puppets(listen=True)
    returned(calibrations(puppets, skeleton, 2))
    assert len(set(puppets.noise)) == 1
    assert puppets.asked[0] is None and None not in puppets.asked[1:]


def test_many_samples_are_drawn_in_parts() -> None:
    puppets = Puppets(listen=True)
    said = wishes()[4].as_proxemics(150, 4)
    found = drawn(puppets, 150, 4, said)
    assert len(found.pelvis) == 150
    assert [len(part.zone) for part in puppets.asked if part is not None] == [64, 64, 22]
    assert len(set(puppets.noise)) == 3


def test_the_stand_ins_faces_are_measured_as_the_prior_measures(skeleton: Skeleton) -> None:
    """Guards the tests above: windows of the walkers go through the same measure."""
    from engine.prior.proxemics import measure

    seen, _ = filmed(walkers(2))
    assert float(measure(seen, skeleton).facing.mean()) > 0.9
