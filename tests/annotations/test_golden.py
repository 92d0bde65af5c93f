"""Files of an earlier day: every later version opens the project and exports the same numbers.

`make_golden` says how they were made.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from annotations.exporters import EXPORTERS, READERS, export
from annotations.records import KeptApart
from annotations.store import Store
from engine.structures import (
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    ProxemicsStatement,
    Trust,
)
from tests.annotations.builders import make_camera, make_crowd, make_disc, make_findings, same
from tests.annotations.make_golden import EXPORTS, GOLDEN, VIDEO


@pytest.fixture(params=sorted(GOLDEN.glob("format-*.dyad")), ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with Store.open(shutil.copyfile(request.param, tmp_path / "golden.dyad")) as store:
        yield store


def test_a_project_of_any_format_opens_with_everything_in_it(golden):
    (clip,) = golden.clips()
    assert (clip.name, clip.status, clip.video.frame_count) == ("golden", "fitted", 12)
    state = golden.state(clip.id)
    assert [identity.name for identity in state.identities] == ["Ann", "Person 2"]
    assert state.constraints.keypoint_edits == (
        KeypointEdit(0, 4, 9, 30.25, 12.5),
        KeypointEdit(1, 4, 10, 60.0, 13.0, visible=False),
    )
    assert state.constraints.contacts == (
        ContactLabel(0, "left hand", 1, "upper back", FrameRange(3, 9)),
    )
    assert state.constraints.depth_orders == (DepthOrder(1, 0, FrameRange(0, 6)),)
    assert state.constraints.frozen == (FrameRange(11, 12),)
    assert [mark.frames for mark in state.reviews] == [FrameRange(0, 3), FrameRange(8, 12)]
    assert state.observations.masks[0][0].decode().any()
    assert golden.can_redo(clip.id) == "Set focal length 82 px"
    assert {fit.outcome for fit in golden.fits(clip.id)} == {"converged"}
    assert [a.split for a in golden.splits()] == ["train"]


def test_every_revision_of_it_can_be_read_and_gone_back_to(golden):
    history = golden.history(1)
    assert [r.kind for r in history][:14] == [
        "import", "observations", "fit", "identity", "swap", "keypoint", "height", "keypoint",
        "contact", "depth", "freeze", "review", "review", "focal",
    ]  # fmt: skip
    (left,) = (r for r in history if r.kind == "height")
    assert golden.state(1, left.id).constraints.heights == (None, 1.71)
    golden.go_to(1, left.id)
    while golden.can_undo(1):
        golden.undo(1)
    assert golden.state(1).observations is None


def test_format_2_holds_what_was_said_of_detections(tmp_path):
    path = shutil.copyfile(GOLDEN / "format-2.dyad", tmp_path / "golden.dyad")
    with Store.open(path) as store:
        (last,) = (r for r in store.history(1) if r.label == "Set gender of person 2")
        state = store.state(1, last.id)
    seen, said = state.observations, state.constraints
    assert (seen.others.person_count, seen.cuts) == (3, (7,))
    assert seen.notes == ("There is a cut at 0.2 s.",)
    crowd = make_crowd(VIDEO, seed=4)
    assert same(seen.boxes[0, :3], crowd.others.boxes[0, :3])
    assert same(seen.others.keypoints2d[2, 8:], crowd.keypoints2d[1, 8:])
    assert [(e.frame, e.kind, e.person) for e in said.box_edits] == [
        (0, "identity", 0), (2, "identity", 0), (3, "identity", 0), (5, "person", 1),
        (6, "not_a_person", None), (9, "someone_else", None), (11, "someone_else", None),
    ]  # fmt: skip
    assert said.mask_edits[0].mask.decode().sum() == make_disc(VIDEO, 30).sum()
    assert same(said.camera, make_camera(VIDEO)) and said.floor_height == -0.5
    assert [someone.gender for someone in state.identities] == ["neutral", "female"]


def test_format_3_holds_whose_evidence_changed(tmp_path):
    path = shutil.copyfile(GOLDEN / "format-3.dyad", tmp_path / "golden.dyad")
    with Store.open(path) as store:
        (last,) = (r for r in store.history(1) if r.frames == FrameRange(10, 11))
        state = store.state(1, last.id)
        now = store.state(1)
    assert FrameRange(10, 11) in state.edited_of(1) and FrameRange(10, 11) not in state.edited_of(0)
    assert (now.proxemics, now.swaps, now.kept_apart, now.avatars) == ((), (), (), {})
    assert now.diagnostics.reasons == {} and now.diagnostics.expected_error is None


def test_format_4_holds_what_a_fit_finds_and_what_is_said_of_it(tmp_path):
    path = shutil.copyfile(GOLDEN / "format-4.dyad", tmp_path / "golden.dyad")
    with Store.open(path) as store:
        (last,) = (r for r in store.history(1) if r.kind == "kept apart")
        store.go_to(1, last.id)
        state, looks = store.state(1), store.avatars(1)
    found = make_findings(VIDEO, seed=5)
    assert same(state.diagnostics.reasons["identity"][:, 4:8],
                found.diagnostics.reasons["identity"][:, 4:8])  # fmt: skip
    assert same(state.diagnostics.expected_error[:, 4:8],
                found.diagnostics.expected_error[:, 4:8])  # fmt: skip
    assert same(state.proxemics[0].facing[:, 4:8], found.proxemics[0].facing[:, 4:8])
    assert state.swaps == found.swaps and state.open_swaps == found.swaps
    assert looks == found.appearance
    assert state.constraints.trust == (Trust(1, FrameRange(5, 8), 0.25),)
    assert state.constraints.proxemics == (
        ProxemicsStatement(0, 1, FrameRange(6, 10), "personal", 0.75, None, (0.5, None)),
    )
    assert state.kept_apart == (KeptApart((0, 1), FrameRange(0, 2)),)


@pytest.mark.parametrize("format", EXPORTERS)
def test_its_export_is_the_same_as_it_was(golden, tmp_path, format):
    export(golden, format, tmp_path / "out")
    names = {
        p.relative_to(EXPORTS / format).as_posix()
        for p in (EXPORTS / format).rglob("*")
        if p.is_file()
    }
    now = json.loads((tmp_path / "out" / "manifest.json").read_text())
    then = json.loads((EXPORTS / format / "manifest.json").read_text())
    assert {*now["files"], "manifest.json"} == names
    for key in ("counts", "clips", "splits", "skipped", "body"):
        assert now[key] == then[key]
    for name in now["files"]:
        check = same_numbers if name.endswith(".npz") else same_document
        check(tmp_path / "out" / name, EXPORTS / format / name)


def same_numbers(now: Path, then: Path) -> None:
    """Bit for bit, but for the joints, which the body of the day computes."""
    with np.load(now) as a, np.load(then) as b:
        assert set(a) == set(b)
        for name in a:
            if name == "joints":
                np.testing.assert_allclose(a[name], b[name], atol=1e-5)
            elif name != "body_sha256":
                assert same(a[name], b[name]), name
    assert READERS["smpl-npz"](then).person_name in ("Ann", "Person 2")


def same_document(now: Path, then: Path) -> None:
    assert json.loads(now.read_text()) == json.loads(then.read_text())
    assert set(READERS["coco-keypoints"](then)) == {"golden"}
