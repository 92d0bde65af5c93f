"""Only motion of two people that nobody trained on, by kind; everything else is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.benchmark.suites import GENERATED
from engine.errors import InputError
from engine.motion.prepared import PreparedMotion, write_prepared
from engine.prior.evaluation.held_out import filmed, held_out, joined, taken
from tests.engine.benchmark.conftest import swaying
from tests.engine.prior.evaluation.conftest import walkers


def alone(content: PreparedMotion) -> PreparedMotion:
    """The first person only."""
    names = ("betas", "global_orient", "body_pose", "transl", "valid", "provenance")
    rows = {name: getattr(content.motion, name)[:1] for name in names}
    one = replace(content, motion=replace(content.motion, **rows), kind="single")
    return replace(one, error_m=content.error_m[:1], moved_m=content.moved_m[:1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("prepared")
    (place / "pairs").mkdir()
    couple = replace(swaying(100, "couple"), kind="captured")
    write_prepared(place / "pairs" / "couple.npz", couple)
    write_prepared(place / "pairs" / "trains.npz", replace(couple, split="train", name="trains"))
    posed = replace(swaying(6, "posed"), kind="grappling", starts=(2,))
    write_prepared(place / "posed.npz", posed)
    write_prepared(place / "one.npz", alone(swaying(100, "one")))
    return place


def test_without_a_folder_there_is_the_generated_contact_that_ships() -> None:
    (found,) = held_out(None)
    assert (found.kind, found.folder) == ("generated", GENERATED)
    assert {clip.kind for clip in found.library.clips} == {"generated"}
    assert "dance-hold-00009" not in {clip.name for clip in found.library.clips}


def test_a_folder_adds_what_people_did_and_what_was_posed(folder: Path) -> None:
    captured, posed, generated = held_out(folder)
    assert [clip.name for clip in captured.library.clips] == ["couple"]
    assert [(clip.name, clip.length) for clip in posed.library.clips] == [
        ("posed", 2), ("posed", 4),
    ]  # fmt: skip
    assert (captured.kind, posed.kind, generated.kind) == ("captured", "grappling", "generated")


def test_windows_are_of_two_people_and_evenly_chosen(folder: Path) -> None:
    captured = held_out(folder)[0]
    everything = captured.windows(64, 4, 100)
    assert everything.pelvis.shape == (10, 2, 64, 3)
    some = captured.windows(64, 4, 3)
    assert some.first.tolist() == everything.first[[0, 4, 9]].tolist()


def test_a_folder_without_such_motion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        held_out(tmp_path / "absent")
    with pytest.raises(InputError, match="There is no motion"):
        held_out(tmp_path)
    one = replace(alone(swaying(90, "one")), kind="captured")
    write_prepared(tmp_path / "one.npz", one)
    with pytest.raises(InputError, match=r"expected prepared motion .* of two people"):
        held_out(tmp_path)
    np.savez(tmp_path / "other.npz", poses=np.zeros(3))
    with pytest.raises(InputError, match=r"other\.npz|prepared"):
        held_out(tmp_path)


def test_cameras_see_the_same_people_and_are_the_same_again() -> None:
    windows = walkers(3)
    seen, views = filmed(windows)
    again, _ = filmed(windows)
    torch.testing.assert_close(seen.pelvis, again.pelvis)
    for p in (0, 1):
        apart, was = (v[:, p, 1:] - v[:, 1 - p, :-1] for v in (seen.pelvis, windows.pelvis))
        torch.testing.assert_close(apart.norm(dim=-1), was.norm(dim=-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        seen.up, views.rotation @ torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0
    )
    assert (seen.pelvis[..., 2] > 0.5).all()


def test_parts_are_joined_in_order() -> None:
    seen, _ = filmed(walkers(4))
    parts = [seen.select(taken(torch.tensor(rows))) for rows in ([0, 1], [2], [3])]
    torch.testing.assert_close(joined(parts).rotations, seen.rotations)
    torch.testing.assert_close(joined(parts).up, seen.up)
