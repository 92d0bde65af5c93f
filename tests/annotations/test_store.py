"""A project keeps what people do to it, step by step."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from annotations.errors import EditError, ProjectError, StaleCandidate
from annotations.records import Changes
from annotations.schema import SCHEMA_VERSION, ArrayChunkRow, RevisionRow
from annotations.store import Store
from engine.structures import (
    BoxEdit,
    Constraints,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    RunLengthMask,
    VideoInfo,
)
from tests.annotations.builders import (
    make_camera,
    make_crowd,
    make_disc,
    make_fit,
    make_observations,
    make_video,
    same,
)
from tests.annotations.conftest import add_fitted

WINDOW = FrameRange(40, 60)
WHOLE = FrameRange(0, 150)
LABEL = ContactLabel(0, "left hand", 1, "upper back", FrameRange(50, 90))


def chunks(store: Store) -> tuple[int, int]:
    """Number of chunks and bytes in them."""
    with store._database.transaction() as rows:
        size = func.coalesce(func.sum(func.length(ArrayChunkRow.data)), 0)
        count, total = rows.execute(select(func.count(ArrayChunkRow.digest), size)).one()
        return count, total


class TestProject:
    def test_says_what_it_is(self, store):
        info = store.info()
        assert info.body == "open-body" and len(info.body_sha256) == 64
        assert info.schema_version == SCHEMA_VERSION
        assert abs((datetime.now(UTC) - info.created_at).total_seconds()) < 3600
        assert store.clips() == ()

    def test_a_clip_comes_back_as_it_was_imported(self, store, video):
        changes = store.add_clip(video)
        assert changes == Changes("import", 1, None, frozenset({"clips", "history"}), "Import hug")
        (clip,) = store.clips()
        assert clip.name == "hug" and clip.status == "new"
        assert same(clip.video, video)
        assert [i.name for i in store.state(1).identities] == ["Person 1", "Person 2"]

    def test_names_of_clips_are_unique(self, store, video):
        store.add_clip(video)
        store.add_clip(video)
        store.add_clip(video, name="other")
        assert [clip.name for clip in store.clips()] == ["hug", "hug 2", "other"]

    def test_files_of_one_name_are_told_apart_by_their_folders(self, store, video):
        for number, folder in enumerate(("/day1", "/day2", "/b/day2", "/day2")):
            file = replace(video, path=f"{folder}/video.mp4", sha256=f"{number:064d}")
            store.add_clip(file)
        names = [clip.name for clip in store.clips()]
        assert names == ["video", "day2/video", "b/day2/video", "video 2"]

    def test_a_video_that_moved_along_with_the_project_is_found(self, tmp_path, video):
        old, new = tmp_path / "old", tmp_path / "new"
        old.mkdir()
        (old / "hug.mp4").write_bytes(b"video")
        with Store.create(old / "a.dyad") as store:
            store.add_clip(replace(video, path=str(old / "hug.mp4")))
        old.rename(new)
        with Store.open(new / "a.dyad") as store:
            assert store.clips()[0].video.path == str(new / "hug.mp4")

    def test_unknown_clips_and_revisions_are_named(self, store, clip_id):
        with pytest.raises(EditError, match="clip 99"):
            store.state(99)
        with pytest.raises(EditError, match="revision 99"):
            store.state(clip_id, 99)


class TestEdits:
    def test_everything_said_comes_back_after_a_restart(self, tmp_path, video):
        path = tmp_path / "a.dyad"
        with Store.create(path, author="Ann") as store:
            clip = add_fitted(store, video)
            store.edit_keypoint(clip, KeypointEdit(0, 70, 9, 12.25, 7.125))
            store.edit_keypoint(clip, KeypointEdit(1, 3, 9, 0.1, 0.2, visible=False))
            store.add_contact(clip, LABEL)
            store.set_height(clip, 1, 1.83)
            store.set_focal(clip, 1234.5)
            store.set_depth_order(clip, DepthOrder(0, 1, WINDOW))
            store.set_frozen(clip, FrameRange(0, 5), True)
            store.rename_identity(clip, 0, "Änne")
            store.review(clip, FrameRange(100, 150), "sent back", "feet slide")
            before, head = store.state(clip), store.head(clip)
        with Store.open(path, author="Bob") as store:
            assert same(store.state(clip), before)
            assert store.head(clip) == head and head.author == "Ann"
        assert before.constraints == Constraints(
            keypoint_edits=(
                KeypointEdit(1, 3, 9, 0.1, 0.2, visible=False),
                KeypointEdit(0, 70, 9, 12.25, 7.125),
            ),
            contacts=(LABEL,),
            depth_orders=(DepthOrder(0, 1, WINDOW),),
            heights=(None, 1.83),
            focal_px=1234.5,
            frozen=(FrameRange(0, 5),),
        )
        assert same(before.observations, make_observations(video))
        assert same(before.motion, make_fit(video).motion)

    @pytest.mark.parametrize(
        ("edit", "parts", "label"),
        [
            (
                lambda s, c: s.swap(c, WINDOW),
                {"observations", "motion", "constraints", "clips", "history"},
                "Swap people, frames 40-59",
            ),
            (lambda s, c: s.add_contact(c, LABEL), {"constraints", "history"}, "Mark contact "),
            (
                lambda s, c: s.review(c, WINDOW, "accepted"),
                {"reviews", "clips", "history"},
                "Accept, frames 40-59",
            ),
            (lambda s, c: s.rename_identity(c, 0, "Ann"), {"identities", "history"}, "Name"),
            (
                lambda s, c: s.set_height(c, 0, 1.8),
                {"constraints", "history"},
                "Set height of person 1 to 1.80 m",
            ),
        ],
    )
    def test_an_edit_says_what_it_changed(self, store, clip_id, edit, parts, label):
        changes = edit(store, clip_id)
        assert changes.parts == parts and changes.label.startswith(label)
        undone = store.undo(clip_id)
        assert undone.kind == "undo"
        assert (undone.parts, undone.frames) == (changes.parts, changes.frames)

    def test_other_people_cuts_and_notes_are_kept_and_cost_their_chunks(
        self, store, clip_id, video
    ):
        crowd = make_crowd(video)
        store.set_observations(clip_id, crowd, {"detector": "test"})
        assert same(store.state(clip_id).observations, crowd)
        count, _ = chunks(store)
        store.assign(clip_id, 0, 0, WINDOW)
        # keypoints2d, confidence and boxes of the person and of the others; the masks.
        assert chunks(store)[0] - count == 7
        store.dismiss(clip_id, ("other", 1), WHOLE, "not_a_person")
        before, others = store.state(clip_id).observations, 1
        assert before.others.person_count == others
        store.undo(clip_id)
        store.undo(clip_id)
        assert same(store.state(clip_id).observations, crowd)

    @pytest.mark.parametrize(
        ("edit", "parts", "label"),
        [
            (
                lambda s, c: s.edit_box(c, BoxEdit(7, (1.0, 1.0, 30.0, 40.0), "person", 0)),
                {"constraints"},
                "Draw box of person 1, frame 7",
            ),
            (
                lambda s, c: s.edit_box(c, BoxEdit(7, (1.0, 1.0, 30.0, 40.0), "not_a_person")),
                {"constraints"},
                "Mark not a person, frame 7",
            ),
            (
                lambda s, c: s.edit_mask(
                    c, MaskEdit(0, 7, RunLengthMask.encode(make_disc(make_video(), 40)))
                ),
                {"constraints"},
                "Paint mask of person 1, frame 7",
            ),
            (
                lambda s, c: s.assign(c, 1, 0, WINDOW),
                {"observations", "constraints", "clips"},
                "Choose person 2, frames 40-59",
            ),
            (
                lambda s, c: s.dismiss(c, ("person", 0), WINDOW, "someone_else"),
                {"observations", "constraints", "clips"},
                "Someone else, frames 40-59",
            ),
            (
                lambda s, c: s.dismiss(c, ("other", 0), WINDOW, "someone_else"),
                {"constraints"},
                "Someone else, frames 40-59",
            ),
            (
                lambda s, c: s.set_camera(c, make_camera(s.clip(c).video)),
                {"constraints"},
                "Set camera",
            ),
            (lambda s, c: s.set_floor(c, 0.25), {"constraints"}, "Set floor 0.25 m"),
            (lambda s, c: s.set_gender(c, 0, "male"), {"identities"}, "Set gender of person 1"),
        ],
    )
    def test_a_correction_says_what_it_changed(self, store, clip_id, video, edit, parts, label):
        store.set_observations(clip_id, make_crowd(video), {"detector": "test"})
        changes = edit(store, clip_id)
        assert changes.parts == parts | {"history"} and changes.label == label
        state = store.state(clip_id)
        assert store.undo(clip_id).parts == changes.parts
        store.redo(clip_id)
        assert same(store.state(clip_id), state)

    def test_a_fit_may_bring_masks_in_the_same_step(self, store, clip_id, video):
        other = make_observations(video, seed=9).masks
        base = store.head(clip_id).id
        result = replace(make_fit(video, seed=2), masks=other)
        changes = store.apply_fit(clip_id, result, WINDOW, base)
        assert {"observations", "motion"} <= changes.parts
        masks = store.state(clip_id).observations.masks
        assert masks[0][50] == other[0][50] and masks[0][30] != other[0][30]
        store.undo(clip_id)
        assert store.state(clip_id).observations.masks[0][50] != other[0][50]

    def test_what_is_to_be_said_of_a_video_is_kept(self, store):
        store.add_clip(replace(make_video(9, "short"), note="The file is cut short."))
        assert store.clips()[0].video.note == "The file is cut short."

    def test_saying_the_same_again_makes_no_revision(self, store, clip_id):
        store.set_height(clip_id, 0, 1.8)
        before = store.history(clip_id)
        assert store.set_height(clip_id, 0, 1.8).parts == frozenset()
        assert store.history(clip_id) == before

    def test_a_refused_edit_changes_nothing(self, store, clip_id):
        before = store.history(clip_id), chunks(store)
        for bad in (
            lambda: store.swap(clip_id, FrameRange(140, 151)),
            lambda: store.swap(clip_id, FrameRange(10, 10)),
            lambda: store.remove_contact(clip_id, 3),
            lambda: store.edit_keypoint(clip_id, KeypointEdit(0, 150, 0, 1.0, 1.0)),
        ):
            with pytest.raises(EditError):
                bad()
        assert (store.history(clip_id), chunks(store)) == before

    def test_a_swap_of_ten_frames_in_a_thousand_costs_their_chunks(self, store):
        video = make_video(1000, "long")
        clip = add_fitted(store, video)
        count, size = chunks(store)
        store.swap(clip, FrameRange(100, 110))
        new_count, new_size = chunks(store)
        # keypoints2d, confidence, masks, two tracks; global_orient, body_pose, transl (the same
        # bytes in `valid` and `provenance`); reprojection_px.
        assert new_count - count == 9
        assert new_size - size < size / 10
        store.swap(clip, FrameRange(100, 110))
        assert chunks(store) == (new_count, new_size)

    def test_an_edit_of_a_joint_rewrites_no_array(self, store, clip_id):
        before = chunks(store)
        store.edit_keypoint(clip_id, KeypointEdit(0, 5, 3, 1.0, 1.0))
        assert chunks(store) == before

    def test_status_follows_the_work(self, store, video):
        clip = store.add_clip(video).clip_id
        steps = []
        for edit in (
            lambda: store.set_observations(clip, make_observations(video), {}),
            lambda: store.apply_fit(clip, make_fit(video), WHOLE, store.head(clip).id),
            lambda: store.review(clip, WHOLE, "accepted"),
            lambda: store.review(clip, WINDOW, "sent back", "elbow"),
            lambda: store.review(clip, WHOLE, "unusable"),
        ):
            edit()
            steps.append(store.clips()[0].status)
        assert steps == ["detected", "fitted", "accepted", "sent back", "unusable"]


class TestFits:
    def test_a_fit_is_on_record_whatever_becomes_of_it(self, store, clip_id):
        store.undo(clip_id)
        (fit,) = store.fits(clip_id)
        assert fit.outcome == "converged" and fit.provenance == {"engine": "test", "seed": "0"}
        assert fit.frames == WHOLE and fit.body == "open-body"
        assert store.history(clip_id)[-1].fit_id == fit.id
        assert store.state(clip_id).motion is None

    def test_a_fit_of_an_older_revision_stays_a_candidate(self, store, clip_id, video):
        base = store.head(clip_id).id
        store.swap(clip_id, WINDOW)
        with pytest.raises(StaleCandidate, match="Swap people"):
            store.apply_fit(clip_id, make_fit(video, seed=2), WHOLE, base)
        assert len(store.fits(clip_id)) == 1

    def test_a_fit_on_another_body_is_refused(self, store, clip_id, video):
        result = make_fit(video)
        other = replace(result, motion=replace(result.motion, body="smpl-neutral"))
        with pytest.raises(EditError, match="another body"):
            store.apply_fit(clip_id, other, WHOLE, store.head(clip_id).id)

    def test_whose_frames_were_edited_is_kept(self, store, clip_id):
        store.edit_keypoint(clip_id, KeypointEdit(1, 7, 3, 1.0, 1.0))
        state = store.state(clip_id)
        assert (state.edited_of(0), state.edited_of(1)) == ((), (FrameRange(7, 8),))
        store.undo(clip_id)
        assert store.state(clip_id).edited_of(1) == ()

    def test_an_edit_asks_for_a_fit_and_the_fit_answers(self, store, clip_id, video):
        store.swap(clip_id, WINDOW)
        store.add_contact(clip_id, LABEL)
        assert store.state(clip_id).edited == (FrameRange(40, 90),)
        store.apply_fit(clip_id, make_fit(video), FrameRange(40, 90), store.head(clip_id).id)
        assert store.state(clip_id).edited == ()


class TestHistory:
    def test_undo_and_redo_name_what_they_would_do(self, store, video):
        clip = store.add_clip(video).clip_id
        assert store.can_undo(clip) is None and store.can_redo(clip) is None
        store.rename_identity(clip, 0, "Ann")
        assert store.can_undo(clip) == "Name person 1"
        store.undo(clip)
        assert store.can_undo(clip) is None and store.can_redo(clip) == "Name person 1"
        with pytest.raises(EditError, match="nothing to undo"):
            store.undo(clip)
        store.redo(clip)
        with pytest.raises(EditError, match="nothing to redo"):
            store.redo(clip)

    def test_undo_covers_fits_and_reviews_and_a_restart(self, tmp_path, video):
        path = tmp_path / "a.dyad"
        with Store.create(path) as store:
            clip = add_fitted(store, video)
            store.review(clip, WHOLE, "accepted")
            final = store.state(clip)
        with Store.open(path) as store:
            assert store.can_undo(clip) == "Accept, frames 0-149"
            store.undo(clip)
            store.undo(clip)
            assert store.state(clip).motion is None
        with Store.open(path) as store:
            store.redo(clip)
            store.redo(clip)
            assert same(store.state(clip), final)
            assert store.can_redo(clip) is None

    def test_an_edit_after_an_undo_starts_a_branch_and_keeps_the_old_one(self, store, clip_id):
        store.set_height(clip_id, 0, 1.6)
        left = store.head(clip_id).id
        store.undo(clip_id)
        store.set_height(clip_id, 0, 1.9)
        assert store.can_redo(clip_id) is None
        assert store.state(clip_id, left).constraints.heights == (1.6, None)
        store.go_to(clip_id, left)
        assert store.state(clip_id).constraints.heights == (1.6, None)
        assert store.can_undo(clip_id) == "Set height of person 1 to 1.60 m"
        assert store.can_redo(clip_id) is None

    def test_going_back_on_the_same_branch_can_be_redone(self, store, clip_id):
        base = store.head(clip_id).id
        store.set_height(clip_id, 0, 1.6)
        store.set_height(clip_id, 1, 1.7)
        store.go_to(clip_id, base)
        assert store.can_redo(clip_id) == "Set height of person 1 to 1.60 m"

    def test_the_first_revision_comes_first(self, store, clip_id):
        history = store.history(clip_id)
        assert [r.kind for r in history] == ["import", "observations", "fit"]
        assert [r.parent_id for r in history] == [None, history[0].id, history[1].id]

    def test_no_program_can_change_a_revision(self, store, clip_id):
        with (
            pytest.raises((ProjectError, IntegrityError), match="immutable"),
            store._database.transaction() as rows,
        ):
            rows.scalars(select(RevisionRow)).first().label = "Something else"
        assert store.history(clip_id)[0].label == "Import hug"


class TestClipsApart:
    def test_an_edit_of_one_clip_leaves_the_others(self, store, clip_id):
        other = add_fitted(store, make_video(150, "dance"), seed=3)
        before = store.state(other)
        store.swap(clip_id, WINDOW)
        assert same(store.state(other), before)
        assert len(store.history(other)) == 3


def test_an_export_is_remembered_with_its_revisions(store, clip_id, tmp_path: Path):
    changes = store.record_export("smpl-npz", tmp_path, "abc", (clip_id,))
    assert changes.parts == {"exports"}
    (export,) = store.exports()
    assert export.revisions == {clip_id: store.head(clip_id).id}
    assert (export.format, export.digest) == ("smpl-npz", "abc")


def test_arrays_of_any_float_type_survive(store, video: VideoInfo):
    clip = store.add_clip(video).clip_id
    found = make_observations(video, masks=False)
    single = replace(
        found,
        keypoints2d=found.keypoints2d.astype(np.float32),
        confidence=found.confidence.astype(np.float32),
        boxes=found.boxes.astype(np.float32),
    )
    store.set_observations(clip, single, {"detector": "x"})
    assert same(store.state(clip).observations, single)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE revision SET edited = '[7]'",
        "UPDATE revision SET edited_people = '[[7]]'",
        "UPDATE observation SET layout = 'coco17', width = 'x'",
        "UPDATE motion SET camera = '{\"image_size\": 3}'",
        "UPDATE array SET dtype = '|O'",
        "UPDATE array SET dtype = 'rubbish'",
        "UPDATE array SET shape = '[1000000000000, 3]'",
        "UPDATE array SET chunks = X'00'",
        "DELETE FROM motion_array WHERE name = 'betas'",
    ],
)
def test_a_tampered_project_is_said_to_be_damaged(tmp_path, fitted_project, statement):
    path = shutil.copyfile(fitted_project, tmp_path / "a.dyad")
    with sqlite3.connect(path) as other:
        for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            other.execute(f'DROP TRIGGER "{name}"')
        other.execute(statement)
    other.close()
    with Store.open(path) as store, pytest.raises(ProjectError, match="damaged"):
        store.state(1)
