"""In batches the detector errs as `engine.synthesis` says that it does, person by person."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from engine.body.joints import HALPE26
from engine.prior.detecting import Sight, detections, meet
from engine.prior.hiding import IN_SIGHT, OWN_BODY, PARTNER
from engine.synthesis.detector import PairNoise
from engine.synthesis.noise import NONE, Person, PersonNoise, confidences, reported, seen_points
from engine.synthesis.visibility import Visibility

FRAMES, COUNT = 32, 150
CALM = PairNoise(stolen_limb=0.0, merged=0.0, mistaken=0.0, exchanged=0.0)
KNOWN = [index for index, name in enumerate(HALPE26) if "small_toe" not in name]
VISIBILITY = {
    IN_SIGHT: Visibility.VISIBLE,
    OWN_BODY: Visibility.SELF_OCCLUDED,
    PARTNER: Visibility.OCCLUDED,
}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(11)


def figure() -> torch.Tensor:
    """Rays (26, 2) of somebody upright, 0.4 high."""
    across = {"shoulder": 0.05, "elbow": 0.07, "wrist": 0.08, "hip": 0.035, "knee": 0.035,
              "ankle": 0.035, "toe": 0.04, "heel": 0.03, "eye": 0.008, "ear": 0.015}  # fmt: skip
    down = {"nose": 0.02, "eye": 0.015, "ear": 0.02, "head": 0.0, "neck": 0.06, "shoulder": 0.07,
            "elbow": 0.14, "wrist": 0.2, "hip": 0.2, "knee": 0.3, "ankle": 0.38, "toe": 0.4,
            "heel": 0.39}  # fmt: skip
    rows = []
    for name in HALPE26:
        part = name.rpartition("_")[2]
        sign = {"left": 1.0, "right": -1.0}.get(name.partition("_")[0], 0.0)
        rows.append([sign * across.get(part, 0.0), down[part]])
    return torch.tensor(rows)


def sight(level: int, people: int = 1, apart: float = 0.0, count: int = COUNT) -> Sight:
    """People `apart` rays from each other, all of whose keypoints are of one level."""
    offset = torch.zeros(people, 1, 1, 2)
    offset[:, 0, 0, 0] = torch.arange(people) * apart
    rays = (figure() + offset).expand(count, people, FRAMES, 26, 2)
    shape = rays.shape[:-1]
    depth = torch.full(shape, 4.0) + torch.arange(people).view(-1, 1, 1)
    return Sight(rays, depth, torch.full(shape, level), torch.ones(shape, dtype=torch.bool))


def measured(points: np.ndarray, confidence: np.ndarray, true: np.ndarray) -> list[float]:
    """Shares reported, within 5 % and 10 % of the box, median error, mean confidence."""
    side = (true.max(0) - true.min(0)).max() * 1.06
    error = np.linalg.norm(points - true, axis=-1)[..., KNOWN] / side
    sure = confidence[..., KNOWN]
    told = sure > 0
    return [
        told.mean(),
        (error[told] < 0.05).mean(),
        (error[told] < 0.1).mean(),
        float(np.median(error[told])),
        sure[told].mean(),
    ]


@pytest.mark.parametrize("level", [IN_SIGHT, OWN_BODY, PARTNER])
def test_one_person_is_seen_as_by_the_detector_of_synthesis(level: int) -> None:
    noise, true = PersonNoise(), figure().numpy().astype(float)
    seen = sight(level)
    points, confidence = detections(seen, noise, torch.ones(COUNT), generator())

    times = np.arange(FRAMES) / 30
    person = Person(
        times,
        np.broadcast_to(true * 1000, (FRAMES, 26, 2)).copy(),
        np.full((FRAMES, 26), VISIBILITY[level], np.uint8),
        np.full(FRAMES, float(seen.side[0, 0, 0]) * 1000),
    )
    pixels, sure = [], []
    for seed in range(COUNT):
        stream = np.random.default_rng(seed)
        pixels.append(seen_points(person, noise, stream) / 1000)
        told = reported(person, noise, stream)
        sure.append(confidences(person, pixels[-1] * 1000, noise, stream) * told)

    mine = measured(points[:, 0].numpy(), confidence[:, 0].numpy(), true)
    theirs = measured(np.stack(pixels), np.stack(sure), true)
    assert mine == pytest.approx(theirs, abs=0.04)
    assert mine[3] == pytest.approx(theirs[3], rel=0.06)


def test_errors_last_as_long_as_in_the_detector_of_synthesis() -> None:
    calm = dataclasses.replace(
        PersonNoise(), gross=(0.0, 0.0, 0.0), sides=0.0, sitting=0.0, unlike=0.0
    )
    seen = sight(IN_SIGHT)
    points, _ = detections(seen, calm, torch.ones(COUNT), generator())
    offset = (points - seen.rays)[:, 0, :, KNOWN]
    for lag in (1, 5, 15):
        alike = float((offset[:, lag:] * offset[:, :-lag]).mean() / offset.square().mean())
        slow = 1 - calm.constant - calm.white
        expected = calm.constant + slow * np.exp(-lag / 30 / calm.wander_s)
        assert alike == pytest.approx(expected, abs=0.03)


def test_what_is_outside_the_picture_is_not_reported() -> None:
    seen = sight(IN_SIGHT)
    inside = seen.inside.clone()
    inside[..., HALPE26.index("left_wrist")] = False
    seen = dataclasses.replace(seen, inside=inside)
    _, confidence = detections(seen, PersonNoise(), torch.ones(COUNT), generator())
    assert (confidence[..., HALPE26.index("left_wrist")] == 0).all()
    assert (confidence[..., HALPE26.index("right_wrist")] > 0).float().mean() > 0.9


def test_a_worse_detector_errs_in_proportion() -> None:
    quiet = dataclasses.replace(PersonNoise(), gross=(0.0, 0.0, 0.0), sides=0.0, sitting=0.0)
    seen = sight(IN_SIGHT)
    once, twice = (
        (detections(seen, quiet, torch.full((COUNT,), s), generator())[0] - seen.rays).norm(dim=-1)
        for s in (1.0, 2.0)
    )
    assert float((twice / once).median()) == pytest.approx(2.0, rel=1e-3)


def test_a_limb_behind_the_partner_is_given_the_partners_place_all_the_while() -> None:
    seen = sight(PARTNER, people=2, apart=0.5)
    perfect = detections(seen, NONE, torch.ones(COUNT), generator())
    points, _ = meet(*perfect, seen, dataclasses.replace(CALM, stolen_limb=0.35), generator())

    wrist = HALPE26.index("left_wrist")
    on_partner = (points[:, 0, :, wrist] - seen.rays[:, 1, :, wrist]).norm(dim=-1) < 1e-5
    assert (on_partner.all(1) | ~on_partner.any(1)).all()
    assert float(on_partner.float().mean()) == pytest.approx(0.35, abs=0.11)
    shoulder = HALPE26.index("left_shoulder")
    assert torch.allclose(points[:, 0, :, shoulder], seen.rays[:, 0, :, shoulder], atol=1e-5)


def test_where_boxes_all_but_coincide_the_one_behind_is_lost() -> None:
    noise = dataclasses.replace(CALM, merged=0.5)
    for apart, share in ((0.01, 0.5), (0.3, 0.0)):
        seen = sight(IN_SIGHT, people=2, apart=apart)
        perfect = detections(seen, NONE, torch.ones(COUNT), generator())
        _, confidence = meet(*perfect, seen, noise, generator())
        missing = (confidence[..., KNOWN] == 0).all(-1).float()
        assert missing[:, 0].sum() == 0
        assert float(missing[:, 1].mean()) == pytest.approx(share, abs=0.12)


def test_people_are_taken_for_each_other_as_often_as_said_and_only_together() -> None:
    noise = dataclasses.replace(CALM, mistaken=0.2)
    for apart, share in ((0.05, 0.2), (0.5, 0.0)):
        seen = sight(IN_SIGHT, people=2, apart=apart)
        perfect = detections(seen, NONE, torch.ones(COUNT), generator())
        points, confidence = meet(*perfect, seen, noise, generator())
        there = (points - seen.rays.flip(1)).norm(dim=-1)[..., KNOWN].amax(-1) < 1e-5
        assert torch.equal(there[:, 0], there[:, 1])
        assert float(there.float().mean()) == pytest.approx(share, abs=0.05)
        assert (confidence[..., KNOWN] > 0).all()


def test_an_exchange_lasts_beyond_the_meeting() -> None:
    seen = sight(IN_SIGHT, people=2, apart=0.01, count=400)
    rays = seen.rays.clone()
    rays[:, 1, :10, :, 0] += 0.5
    rays[:, 1, 20:, :, 0] += 0.5
    seen = dataclasses.replace(seen, rays=rays)
    perfect = detections(seen, NONE, torch.ones(400), generator())
    points, _ = meet(*perfect, seen, dataclasses.replace(CALM, exchanged=0.3), generator())
    exchanged = (points[:, 0] - rays[:, 1]).norm(dim=-1)[..., KNOWN].amax(-1) < 1e-5
    assert not exchanged[:, :10].any()
    assert torch.equal(exchanged[:, 10:].all(1), exchanged[:, -1])
    assert float(exchanged[:, -1].float().mean()) == pytest.approx(0.3, abs=0.07)
