"""CHI3D's numbers: all of them, left and right alike, and measured on a mesh like SMPL-X's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.body.chi3d import REGION_COUNT, chi3d_numbers, chi3d_regions, measured_regions
from engine.body.regions import face_regions, mirror_region, region_names
from engine.body.user_body import read_body
from engine.errors import InputError
from tests.engine.body.fake_models import fake_arrays, write_npz


def test_every_number_has_regions_and_every_region_has_numbers() -> None:
    for number in range(REGION_COUNT):
        assert chi3d_regions(number)
        assert set(chi3d_regions(number)) <= set(region_names())
    assert all(chi3d_numbers(name) for name in region_names())


def test_left_and_right_have_as_many_numbers_of_the_same_places() -> None:
    for name in region_names():
        numbers, others = chi3d_numbers(name), chi3d_numbers(mirror_region(name))
        assert len(numbers) == len(others)
        mirrored = [{mirror_region(region) for region in chi3d_regions(n)} for n in numbers]
        stands_for = [set(chi3d_regions(number)) for number in others]
        assert all(regions in stands_for for regions in mirrored)


def test_a_number_and_a_region_name_each_other() -> None:
    for number in range(REGION_COUNT):
        assert all(number in chi3d_numbers(region) for region in chi3d_regions(number))
    assert chi3d_regions(72) == ("left_palm",)
    assert chi3d_numbers("left_palm") == (72,)


def test_what_is_not_there_is_refused() -> None:
    for number in (-1, REGION_COUNT):
        with pytest.raises(InputError, match="expected 0 to 74"):
            chi3d_regions(number)
    with pytest.raises(InputError, match="left_tail"):
        chi3d_numbers("left_tail")


@pytest.fixture(scope="module")
def smplx_like(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("body") / "smplx.npz"
    return read_body(write_npz(path, fake_arrays("smplx", "2k5")), "smplx-neutral")


def write_regions(path: Path, faces: object) -> Path:
    path.write_text(json.dumps({"rid_to_smplx_fids": faces}), encoding="utf-8")
    return path


def test_a_mapping_is_measured_from_the_datasets_file(smplx_like, tmp_path: Path) -> None:
    """Its regions are made of two of ours here, three parts to one, and some dust of a third."""
    regions = face_regions(smplx_like)
    faces, expected = [], {}
    for number in range(REGION_COUNT):
        most, few, dust = (np.flatnonzero(regions == (number + i) % 77) for i in (0, 1, 2))
        few, dust = few[: max(1, len(most) // 3)], dust[: len(most) // 30]
        faces.append([*most.tolist(), *few.tolist(), *dust.tolist()])
        expected[number] = (region_names()[number], region_names()[(number + 1) % 77])
    found = measured_regions(write_regions(tmp_path / "contact_regions.json", faces), smplx_like)
    assert found == expected


@pytest.mark.parametrize(
    "faces", [[], [[0]] * 74, [[0.5]] * 75, [[True]] * 75, [[]] * 75, [["1"]] * 75, 3, None]
)
def test_other_files_are_refused(smplx_like, tmp_path: Path, faces: object) -> None:
    with pytest.raises(InputError, match=r"is not CHI3D's contact_regions\.json"):
        measured_regions(write_regions(tmp_path / "other.json", faces), smplx_like)


def test_another_body_is_refused(smplx_like, tmp_path: Path) -> None:
    file = write_regions(tmp_path / "c.json", [[20_907]] * REGION_COUNT)
    with pytest.raises(InputError, match="expected SMPL-X as its file has it"):
        measured_regions(file, smplx_like)


def test_damaged_files_are_refused(smplx_like, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    for name in ("x.json", "nowhere.json"):
        with pytest.raises(InputError):
            measured_regions(tmp_path / name, smplx_like)
