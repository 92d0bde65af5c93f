"""What people said comes back from the file exactly, costs little, and rubbish is noticed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotations import said
from annotations.errors import ProjectError
from annotations.schema import ConstraintRow
from annotations.store import Store
from engine.structures import (
    BoxEdit,
    Camera,
    Constraints,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    ProxemicsStatement,
    RunLengthMask,
    Trust,
)
from tests.annotations.builders import make_camera, make_disc, make_video, same

FRAMES = 150
NUMBERS = st.floats(-1e6, 1e6)


def moving_camera() -> Camera:
    """A camera with a lens that distorts and a path that is nowhere round."""
    video = make_video(FRAMES)
    camera = make_camera(video)
    transforms = camera.T_camera_world.copy()
    transforms[:, :3, 3] += np.random.default_rng(0).normal(size=(FRAMES, 3))
    distortion = np.array([0.1, -1 / 3, 1e-17, 0, 5])
    return replace(camera, T_camera_world=transforms, distortion=distortion)


CAMERA = moving_camera()
MASKS = [RunLengthMask((2, 3), counts) for counts in ((6,), (0, 6), (1, 2, 3), (0, 1, 5))]


STANDING = (
    ProxemicsStatement(0, 1, FrameRange(3, 70), "public", 1 / 3, None, (None, -1.0)),
    ProxemicsStatement(0, 1, FrameRange(70, 71), pelvis_distance=0.1),
)


@st.composite
def statements(draw) -> dict[str, object]:
    """Arguments of Constraints."""
    frames = st.integers(0, FRAMES - 1)
    people = st.integers(0, 1)
    keypoints = st.builds(
        KeypointEdit, people, frames, st.integers(0, 25), NUMBERS, NUMBERS, st.booleans()
    )
    corners = st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
    boxes = st.builds(BoxEdit, frames, corners, st.sampled_from(["person", "identity"]), people)
    marks = st.builds(BoxEdit, frames, corners, st.sampled_from(["someone_else", "not_a_person"]))
    masks = st.builds(MaskEdit, people, frames, st.sampled_from(MASKS))

    def some(of, key):
        return tuple(sorted(draw(st.lists(of, max_size=4)), key=key))

    return {
        "keypoint_edits": some(keypoints, lambda e: e.frame),
        "contacts": draw(st.sampled_from([(), (ContactLabel(0, "a", 1, "b", FrameRange(3, 70)),)])),
        "depth_orders": draw(st.sampled_from([(), (DepthOrder(1, 0, FrameRange(80, 90)),)])),
        "heights": draw(st.sampled_from([(), (None, 1.7)])),
        "focal_px": draw(st.none() | NUMBERS),
        "floor_height": draw(st.none() | NUMBERS),
        "frozen": draw(st.sampled_from([(), (FrameRange(3, 5), FrameRange(100, 120))])),
        "box_edits": some(boxes | marks, lambda e: e.frame),
        "mask_edits": some(masks, lambda e: e.frame),
        "camera": draw(st.sampled_from([None, CAMERA])),
        "trust": draw(st.sampled_from([(), (Trust(1, FrameRange(3, 70), 0.25),)])),
        "proxemics": draw(st.sampled_from([(), STANDING])),
    }


@given(statements())
def test_every_statement_comes_back_exactly(content):
    constraints = Constraints(**content)
    rows = [
        ConstraintRow(digest=b"", kind=kind, first_frame=first, items=json.loads(json.dumps(items)))
        for kind, first, items in said.blocks(constraints)
    ]
    rows.sort(key=lambda row: (row.kind, row.first_frame))
    assert same(said.read(rows), constraints)


def blocks(store: Store) -> int:
    with store._database.transaction() as rows:
        return rows.query(ConstraintRow).count()


def test_an_edit_rewrites_the_block_it_is_in(store, clip_id):
    store.edit_box(clip_id, BoxEdit(3, (1.0, 1.0, 30.0, 40.0), "person", 0))
    store.edit_box(clip_id, BoxEdit(100, (1.0, 1.0, 30.0, 40.0), "person", 0))
    mask = RunLengthMask.encode(make_disc(make_video(), 40))
    store.edit_mask(clip_id, MaskEdit(0, 100, mask))
    before = blocks(store)
    store.edit_box(clip_id, BoxEdit(4, (1.0, 1.0, 30.0, 40.0), "person", 0))
    assert blocks(store) == before + 1
    store.undo(clip_id)
    store.edit_box(clip_id, BoxEdit(4, (1.0, 1.0, 30.0, 40.0), "person", 0))
    assert blocks(store) == before + 1  # said before, on a branch that was left


def test_a_mask_of_a_large_frame_takes_few_bytes():
    """A person of 900 pixels' height in 1080p: most columns have two runs."""
    rows, columns = np.mgrid[:1080, :1920]
    edge = 300 + 20 * np.sin(rows / 9)
    person = np.abs(columns - 900) < edge * np.sqrt(np.maximum(0, 1 - ((rows - 540) / 450) ** 2))
    coded = json.dumps(said.mask_to_json(RunLengthMask.encode(person)))
    assert len(coded) < 4000


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("box", "[[3]]"),
        ("box", "[7]"),
        ("box", '[[3, [1, 1, 30, 40], "person", 2]]'),
        ("box", '[[150, [1, 1, 30, 40], "person", 0]]'),
        ("keypoint", "[[0, -1, 3, 1.5, 2.5, true]]"),
        ("keypoint", "[[0, 1, 26, 1.5, 2.5, true]]"),
        ("mask", '[[0, 3, 54, 96, 2, "eNo="]]'),
        ("mask", '[[0, 3, 54, 96, 2, "not base64"]]'),
        ("mask", '[[0, 3, 54, 96, 1000000000000, "eNo="]]'),
        ("mask", '[[0, 3, 54, 96, "x", "eNo="]]'),
        ("mask", '[[0, 3, 1000000, 1000000, 300000000, "eNo="]]'),
        ("trust", "[[2, 3, 9, 0.5]]"),
        ("trust", "[[0, 9, 9, 0.5]]"),
        ("trust", "[[0, 3, 9, 1.5]]"),
        ("trust", '[[0, 3, 9, "none"]]'),
        ("proxemics", "[[0, 2, 3, 9, null, 0.5, null, null, null]]"),
        ("proxemics", '[[0, 1, 3, 9, "cosy", null, null, null, null]]'),
        ("proxemics", '[[0, 1, 3, 9, null, "near", null, null, null]]'),
        ("proxemics", "[[0, 1, 3, 9, null, 0.5]]"),
        ("camera", "[[]]"),
        ("camera", '[[[96, 54], "file", [[1]], [0], -3, "eNo="]]'),
        ("camera", '[[[96, 54], "file", [["x"]], [0], 3, "eNo="]]'),
    ],
)
def test_rubbish_in_the_file_is_damage(tmp_path, fitted_project, kind, items):
    path = shutil.copyfile(fitted_project, tmp_path / "a.dyad")
    with Store.open(path) as store:
        store.edit_box(1, BoxEdit(3, (1.0, 1.0, 30.0, 40.0), "person", 0))
    with sqlite3.connect(path) as other:
        other.execute('DROP TRIGGER "constraint_no_update"')
        other.execute('UPDATE "constraint" SET kind = ?, items = ?', (kind, items))
    other.close()
    with Store.open(path) as store, pytest.raises(ProjectError, match="damaged"):
        store.state(1)


def test_a_mask_that_is_larger_than_it_says_is_damage(tmp_path, fitted_project):
    """Its run lengths would decode to more pixels than the frame has."""
    path = shutil.copyfile(fitted_project, tmp_path / "a.dyad")
    with Store.open(path) as store:
        store.edit_mask(1, MaskEdit(0, 3, RunLengthMask.encode(make_disc(make_video(), 40))))
    with sqlite3.connect(path) as other:
        other.execute('DROP TRIGGER "constraint_no_update"')
        ((items,),) = other.execute('SELECT items FROM "constraint" WHERE kind = "mask"')
        (item,) = json.loads(items)
        item[2] = 10
        other.execute(
            'UPDATE "constraint" SET items = ? WHERE kind = "mask"', (json.dumps([item]),)
        )
    other.close()
    with Store.open(path) as store, pytest.raises(ProjectError, match="damaged"):
        store.state(1)
