"""Makes the files in tests/golden that this folder's tests compare with.

Run `python -m tests.annotations.make_golden` when a format changes on purpose, and look at the
difference. The project of an older format is kept: every later version has to open it. A newer one
is made from it, so that all of them export the same.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from annotations.exporters import EXPORTERS, export
from annotations.schema import SCHEMA_VERSION
from annotations.store import Store
from engine.structures import (
    BoxEdit,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    ProxemicsStatement,
    RunLengthMask,
    Trust,
)
from tests.annotations.builders import (
    make_camera,
    make_crowd,
    make_disc,
    make_findings,
    make_fit,
    make_observations,
    make_video,
)

GOLDEN = Path(__file__).parent.parent / "golden"
EXPORTS = GOLDEN / "export"
PROJECT = GOLDEN / f"format-{SCHEMA_VERSION}.dyad"
VIDEO = make_video(12, "golden")


def fill(store: Store) -> None:
    """Format 1: a clip with something of every kind, an undone edit and a branch that was left."""
    clip = store.add_clip(VIDEO).clip_id
    assert clip is not None
    whole = FrameRange(0, 12)
    store.set_observations(clip, make_observations(VIDEO, seed=3), {"detector": "golden"})
    store.apply_fit(clip, make_fit(VIDEO, seed=3), whole, store.head(clip).id)
    store.rename_identity(clip, 0, "Ann")
    store.swap(clip, FrameRange(2, 5))
    store.edit_keypoint(clip, KeypointEdit(0, 4, 9, 30.25, 12.5))
    store.set_height(clip, 1, 1.71)
    store.undo(clip)
    store.edit_keypoint(clip, KeypointEdit(1, 4, 10, 60.0, 13.0, visible=False))
    store.add_contact(
        clip, ContactLabel(0, "left hand", 1, "upper back", FrameRange(3, 9), "contact")
    )
    store.set_depth_order(clip, DepthOrder(1, 0, FrameRange(0, 6)))
    store.set_frozen(clip, FrameRange(11, 12), True)
    store.review(clip, FrameRange(0, 3), "accepted")
    store.review(clip, FrameRange(8, 12), "accepted")
    store.assign_splits(seed=5)
    store.set_focal(clip, 81.5)
    store.undo(clip)


def correct(store: Store) -> None:
    """Format 2 adds, on a branch that was left: other people, cuts, boxes, masks, a camera."""
    (clip,) = (clip.id for clip in store.clips())
    store.redo(clip)
    tip = store.head(clip).id
    store.undo(clip)
    store.set_observations(clip, make_crowd(VIDEO, seed=4), {"detector": "golden"})
    store.edit_box(clip, BoxEdit(5, (4.0, 5.0, 40.25, 50.0), "person", 1))
    store.edit_box(clip, BoxEdit(6, (60.0, 5.0, 80.0, 50.0), "not_a_person"))
    mask = RunLengthMask.encode(make_disc(VIDEO, 30))
    store.edit_mask(clip, MaskEdit(0, 6, mask))
    store.assign(clip, 0, 0, FrameRange(0, 3))
    store.dismiss(clip, ("person", 1), FrameRange(8, 12), "someone_else")
    store.set_camera(clip, make_camera(VIDEO))
    store.set_floor(clip, -0.5)
    store.set_gender(clip, 1, "female")
    store.go_to(clip, tip)
    store.undo(clip)


def touch(store: Store) -> None:
    """Format 3 adds, on a branch that was left: whose evidence changed since the last fit."""
    (clip,) = (clip.id for clip in store.clips())
    store.redo(clip)
    tip = store.head(clip).id
    store.undo(clip)
    store.edit_keypoint(clip, KeypointEdit(1, 10, 9, 60.0, 13.0))
    store.go_to(clip, tip)
    store.undo(clip)


def find(store: Store) -> None:
    """Format 4 adds, on a branch that was left: all that a fit finds, and what is said of it."""
    (clip,) = (clip.id for clip in store.clips())
    store.redo(clip)
    tip = store.head(clip).id
    store.undo(clip)
    head = store.head(clip).id
    store.apply_fit(clip, make_findings(VIDEO, seed=5), FrameRange(4, 12), head)
    store.set_trust(clip, Trust(1, FrameRange(5, 8), 0.25))
    said = ProxemicsStatement(0, 1, FrameRange(6, 10), "personal", 0.75, None, (0.5, None))
    store.set_proxemics(clip, said)
    store.keep_apart(clip, FrameRange(0, 2))
    store.go_to(clip, tip)
    store.undo(clip)


ADDED = {1: fill, 2: correct, 3: touch, 4: find}
"""What each format can hold that the one before it could not."""


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "golden.dyad"
        older = GOLDEN / f"format-{SCHEMA_VERSION - 1}.dyad"
        if older.exists():
            shutil.copyfile(older, path)
        else:
            Store.create(path, author="Golden").close()
        with Store.open(path, author="Golden") as store:
            ADDED[SCHEMA_VERSION](store)
        # Before anything is exported: an export is kept on record with the folder it went to.
        shutil.copyfile(path, PROJECT)
        shutil.rmtree(EXPORTS, ignore_errors=True)
        with Store.open(path) as store:
            for format in EXPORTERS:
                export(store, format, EXPORTS / format)


if __name__ == "__main__":
    main()
