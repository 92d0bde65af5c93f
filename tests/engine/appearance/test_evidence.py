"""Who is who, and how outlines fit, by the pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.appearance.evidence import PictureEvidence, evidence_of
from engine.appearance.footage import Footage
from engine.appearance.gaussians import Gaussians
from engine.body.smpl import PosedBody
from tests.engine.appearance.conftest import Filmed


def said_of(pair: Filmed, **other: object) -> PictureEvidence:
    """By the pictures of the pair, or with other bodies, looks or footage."""
    given = {"footage": pair.footage, "posed": pair.posed, "look": pair.look, **other}
    footage, posed, look = given["footage"], given["posed"], given["look"]
    assert isinstance(footage, Footage) and isinstance(posed, PosedBody)
    assert isinstance(look, Gaussians)
    work = evidence_of(footage, posed, look, pair.anchors)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


def test_people_in_each_others_place_cost_less_exchanged(pair: Filmed) -> None:
    right = said_of(pair)
    assert (right.cost_as_is < 0.2 * right.cost_exchanged).all()
    swapped = replace(pair.posed, transforms=pair.posed.transforms[[1, 0]])
    wrong = said_of(pair, posed=swapped)
    assert (wrong.cost_exchanged < 0.2 * wrong.cost_as_is).all()
    assert wrong.cost_exchanged == pytest.approx(right.cost_as_is, rel=0.2, abs=1.0)


def test_people_who_look_alike_tell_nothing(pair: Filmed) -> None:
    alike = replace(pair.look, colors=pair.look.colors[[0, 0]])
    said = said_of(pair, look=alike)
    assert said.cost_as_is == pytest.approx(said.cost_exchanged, rel=0.02)


def test_outlines_that_fit_and_that_do_not(pair: Filmed) -> None:
    fits = said_of(pair).silhouette_error
    assert fits.shape == (2, 4) and (fits < 0.05).all()
    moved = pair.posed.transforms.clone()
    moved[0, :, :, 0, 3] -= 0.3
    aside = said_of(pair, posed=replace(pair.posed, transforms=moved)).silhouette_error
    assert (aside[0] > 0.3).all() and (aside[1] < 0.1).all()


def test_frames_without_pictures_say_nothing(pair: Filmed) -> None:
    keep = np.array([0, 2])
    some = replace(
        pair.footage,
        **{
            name: getattr(pair.footage, name)[keep]
            for name in (
                "frames", "image", "background", "in_picture", "behind_known", "masks",
                "mask_known", "mask_drawn", "boxes", "K",
            )
        },
    )  # fmt: skip
    said = said_of(pair, footage=some)
    assert np.isfinite(said.cost_as_is).tolist() == [True, False, True, False]
    assert np.isfinite(said.silhouette_error[0]).tolist() == [True, False, True, False]


def test_without_masks_nothing_is_said_of_outlines(pair: Filmed) -> None:
    blind = replace(pair.footage, mask_known=np.zeros((4, 2), bool))
    said = said_of(pair, footage=blind)
    assert np.isnan(said.silhouette_error).all()
    assert np.isfinite(said.cost_as_is).all()
