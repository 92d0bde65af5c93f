"""What leaves the project: accepted frames, said in full, and the same numbers when read back."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from annotations.errors import EditError
from annotations.exporters import EXPORTERS, READERS, export
from annotations.exporters.package import ExportFolder, safe_name
from engine.body.display import DisplayBody
from engine.body.joints import COCO17
from engine.errors import InputError
from engine.structures import BoxEdit, FrameRange, KeypointEdit, MaskEdit, RunLengthMask
from tests.annotations.builders import (
    make_disc,
    make_fit,
    make_observations,
    make_video,
    same,
)
from tests.annotations.conftest import add_fitted

ACCEPTED = (FrameRange(10, 30), FrameRange(100, 120))
FRAMES = np.r_[10:30, 100:120]


@pytest.fixture
def reviewed(store, clip_id):
    """A clip of which two ranges are accepted and one is sent back."""
    store.rename_identity(clip_id, 0, "Ann")
    for frames in ACCEPTED:
        store.review(clip_id, frames, "accepted")
    store.review(clip_id, FrameRange(40, 50), "sent back", "feet slide")
    return clip_id


def files_of(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


class TestSmplNpz:
    def test_reads_back_the_same_numbers(self, store, reviewed, tmp_path):
        export(store, "smpl-npz", tmp_path / "out")
        state = store.state(reviewed)
        for person, name in enumerate(("Ann", "Person_2")):
            back = READERS["smpl-npz"](tmp_path / "out" / "hug" / f"{name}.npz")
            assert same(back.frame_ids, FRAMES)
            assert same(back.times, store.clip(reviewed).video.times[FRAMES])
            assert same(back.betas, state.motion.betas[person])
            for key in ("global_orient", "body_pose", "transl", "valid", "provenance"):
                assert same(getattr(back, key), getattr(state.motion, key)[person, FRAMES])
            assert same(back.K, state.camera.K)
            assert same(back.T_camera_world, state.camera.T_camera_world[FRAMES])
            assert back.revision == store.head(reviewed).id

    def test_has_amass_keys_that_agree_with_the_exact_ones(self, store, reviewed, tmp_path):
        export(store, "smpl-npz", tmp_path)
        with np.load(tmp_path / "hug" / "Ann.npz", allow_pickle=False) as found:
            assert found["poses"].shape == (40, 156)
            assert same(found["poses"][:, :3], found["global_orient"])
            assert same(found["poses"][:, 3:66], found["body_pose"][:, :21].reshape(40, 63))
            assert not found["poses"][:, 66:].any()
            assert same(found["trans"], found["transl"])
            assert found["num_betas"] == len(found["betas"]) == 10
            assert found["gender"] == "neutral"
            fps = store.clip(reviewed).video.fps
            assert found["mocap_framerate"] == found["mocap_frame_rate"] == found["fps"] == fps
            assert found["segments"].tolist() == [[10, 30], [100, 120]]

    def test_joints_are_those_of_the_body(self, store, reviewed, tmp_path):
        export(store, "smpl-npz", tmp_path)
        back = READERS["smpl-npz"](tmp_path / "hug" / "Ann.npz")
        body = DisplayBody.load("open-body")
        expected = body.joints(back.betas, back.global_orient, back.body_pose, back.transl)
        assert same(back.joints, expected)
        assert back.joints[:, 0, 1].min() > 0.5

    def test_says_body_units_axes_camera_and_rate(self, store, reviewed, tmp_path):
        export(store, "smpl-npz", tmp_path)
        with np.load(tmp_path / "hug" / "Ann.npz", allow_pickle=False) as found:
            words = {name: str(found[name]) for name in found if found[name].dtype.kind == "U"}
            assert len(found["body_sha256"].item()) == 64
        assert words["body"] == words["model_type"] == "open-body"
        assert words["up_axis"] == "y" and "world" in words["coord_frame"]
        assert "metres" in words["units"] and "OpenCV" in words["camera_convention"]
        assert "flat" in words["hands"]
        history = json.loads(words["history"])
        assert history["fits"][0]["outcome"] == "converged"
        # Nothing about the exporting machine.
        assert not any("/videos" in text for text in words.values())

    def test_a_fit_on_the_open_body_is_never_called_smpl(self, store, reviewed, tmp_path):
        export(store, "smpl-npz", tmp_path)
        for path in tmp_path.rglob("*.npz"):
            assert "smpl" not in path.name.lower()
            with np.load(path, allow_pickle=False) as found:
                assert not [n for n in found if "smpl" in n.lower()]
                text = " ".join(str(found[n]) for n in found if found[n].dtype.kind == "U")
            assert "smpl" not in text.lower()

    def test_a_frame_without_a_body_has_no_joints(self, store, clip_id, tmp_path):
        result = make_fit(store.clip(clip_id).video, seed=4)
        valid = result.motion.valid.copy()
        valid[1, 12:15] = False
        part = replace(result, motion=replace(result.motion, valid=valid))
        store.apply_fit(clip_id, part, FrameRange(0, 150), store.head(clip_id).id)
        store.review(clip_id, FrameRange(10, 20), "accepted")
        export(store, "smpl-npz", tmp_path)
        back = READERS["smpl-npz"](tmp_path / "hug" / "Person_2.npz")
        assert (
            np.isnan(back.joints[~back.valid]).all() and np.isfinite(back.joints[back.valid]).all()
        )

    def test_only_fits_of_this_branch_are_named(self, store, clip_id, tmp_path):
        store.undo(clip_id)
        video = store.clip(clip_id).video
        store.apply_fit(
            clip_id, make_fit(video, seed=8), FrameRange(0, 150), store.head(clip_id).id
        )
        store.review(clip_id, FrameRange(0, 150), "accepted")
        export(store, "smpl-npz", tmp_path)
        with np.load(tmp_path / "hug" / "Person_1.npz") as found:
            fits = json.loads(str(found["history"]))["fits"]
        assert [fit["provenance"]["seed"] for fit in fits] == ["8"]

    @pytest.mark.parametrize("content", [b"", b"not a zip", None])
    def test_other_files_are_not_read(self, tmp_path, content):
        path = tmp_path / "x.npz"
        if content is None:
            np.savez(path, a=np.zeros(3))
        else:
            path.write_bytes(content)
        with pytest.raises(InputError, match="not a body export"):
            READERS["smpl-npz"](path)

    def test_a_pickle_is_not_opened(self, store, reviewed, tmp_path):
        export(store, "smpl-npz", tmp_path)
        with np.load(tmp_path / "hug" / "Ann.npz") as found:
            arrays = {name: found[name] for name in found}
        arrays["betas"] = np.array([{"hostile": 1}], dtype=object)
        np.savez(tmp_path / "bad.npz", **arrays)
        with pytest.raises(InputError):
            READERS["smpl-npz"](tmp_path / "bad.npz")


class TestCocoKeypoints:
    def test_reads_back_the_same_numbers(self, store, reviewed, tmp_path):
        export(store, "coco-keypoints", tmp_path)
        found = store.state(reviewed).observations
        for name, count in (("person_keypoints", 17), ("person_keypoints_halpe26", 26)):
            back = READERS["coco-keypoints"](tmp_path / f"{name}.json")["hug"]
            assert same(back.frame_ids, FRAMES)
            assert same(back.keypoints2d, found.keypoints2d[:, FRAMES][:, :, :count])
            np.testing.assert_allclose(back.boxes, found.boxes[:, FRAMES], rtol=1e-12)
            seen = found.confidence[:, FRAMES][:, :, :count] > 0
            assert same(back.visibility, np.where(seen, 2, 0).astype(np.int64))

    def test_is_coco(self, store, reviewed, tmp_path):
        export(store, "coco-keypoints", tmp_path)
        content = json.loads((tmp_path / "person_keypoints.json").read_text())
        assert set(content) >= {"info", "licenses", "images", "annotations", "categories"}
        (category,) = content["categories"]
        assert category["keypoints"] == list(COCO17)
        assert min(min(bone) for bone in category["skeleton"]) == 1
        images = {image["id"]: image for image in content["images"]}
        assert len(images) == len(FRAMES)
        assert len({a["id"] for a in content["annotations"]}) == len(content["annotations"])
        for entry in content["annotations"]:
            assert entry["image_id"] in images and entry["category_id"] == 1
            assert len(entry["keypoints"]) == 51 and entry["track_id"] in (0, 1)
            visible = entry["keypoints"][2::3]
            assert entry["num_keypoints"] == sum(v > 0 for v in visible)
            assert entry["bbox"][2] > 0 and entry["area"] > 0
            height, width = entry["segmentation"]["size"]
            assert sum(entry["segmentation"]["counts"]) == height * width
        assert content["info"]["body"] == "open-body" and content["info"]["units"] == "pixels"
        assert content["videos"][0]["camera"]["K"] == store.state(reviewed).camera.K.tolist()

    def test_what_a_person_said_of_a_joint_counts(self, store, clip_id, tmp_path):
        store.edit_keypoint(clip_id, KeypointEdit(0, 20, 9, 11.5, 12.5))
        store.edit_keypoint(clip_id, KeypointEdit(1, 20, 10, 40.0, 30.0, visible=False))
        store.review(clip_id, FrameRange(20, 21), "accepted")
        export(store, "coco-keypoints", tmp_path)
        back = READERS["coco-keypoints"](tmp_path / "person_keypoints.json")["hug"]
        assert back.keypoints2d[0, 0, 9].tolist() == [11.5, 12.5]
        assert back.visibility[0, 0, 9] == 2
        assert back.keypoints2d[1, 0, 10].tolist() == [40.0, 30.0]
        assert back.visibility[1, 0, 10] == 1

    def test_what_a_person_drew_counts(self, store, clip_id, tmp_path):
        box, disc = (4.0, 5.0, 40.5, 50.0), make_disc(make_video(), 40)
        store.edit_box(clip_id, BoxEdit(20, box, "person", 0))
        store.edit_box(clip_id, BoxEdit(20, box, "identity", 1))
        store.edit_mask(clip_id, MaskEdit(1, 20, RunLengthMask.encode(disc)))
        store.review(clip_id, FrameRange(20, 21), "accepted")
        export(store, "coco-keypoints", tmp_path)
        content = json.loads((tmp_path / "person_keypoints.json").read_text())
        first, second = content["annotations"]
        assert first["bbox"] == [4.0, 5.0, 36.5, 45.0]
        detected = store.state(clip_id).observations.boxes[1, 20]
        assert second["bbox"][:2] == detected[:2].tolist()
        assert second["area"] == disc.sum()
        painted = RunLengthMask((54, 96), tuple(second["segmentation"]["counts"]))
        assert (painted.decode() == disc).all()

    def test_a_lens_is_said_where_it_distorts(self, store, reviewed, tmp_path):
        export(store, "coco-keypoints", tmp_path / "straight")
        plain = json.loads((tmp_path / "straight" / "person_keypoints.json").read_text())
        assert "distortion" not in plain["videos"][0]["camera"]
        result = make_fit(store.clip(reviewed).video)
        bent = replace(result.camera, distortion=np.array([0.1, 0, 0, 0, 0]))
        for frames in ACCEPTED:
            store.review(reviewed, frames, "sent back")
        base = store.head(reviewed).id
        store.apply_fit(reviewed, replace(result, camera=bent), FrameRange(0, 150), base)
        store.review(reviewed, ACCEPTED[0], "accepted")
        export(store, "coco-keypoints", tmp_path / "bent")
        found = json.loads((tmp_path / "bent" / "person_keypoints.json").read_text())
        assert found["videos"][0]["camera"]["distortion"] == [0.1, 0, 0, 0, 0]
        export(store, "smpl-npz", tmp_path / "bodies")
        with np.load(tmp_path / "bodies" / "hug" / "Ann.npz") as arrays:
            assert "k1, k2, p1, p2, k3" in str(arrays["camera_convention"])

    def test_a_gap_is_not_annotated(self, store, clip_id, tmp_path):
        store.review(clip_id, FrameRange(74, 80), "accepted")
        export(store, "coco-keypoints", tmp_path)
        content = json.loads((tmp_path / "person_keypoints.json").read_text())
        frame = {image["id"]: image["frame_id"] for image in content["images"]}
        found = {(frame[a["image_id"]], a["track_id"]) for a in content["annotations"]}
        lost = {(f, 1) for f in (75, 76, 77)}
        assert found == {(f, p) for f in range(74, 80) for p in (0, 1)} - lost

    def test_without_halpe_there_is_only_coco(self, store, tmp_path):
        video = make_video(60, "coco")
        clip = store.add_clip(video).clip_id
        found = make_observations(video, masks=False)
        coco = replace(
            found,
            layout="coco17",
            keypoints2d=found.keypoints2d[:, :, :17],
            confidence=found.confidence[:, :, :17],
        )
        store.set_observations(clip, coco, {"detector": "x"})
        whole = FrameRange(0, 60)
        store.apply_fit(clip, make_fit(video), whole, store.head(clip).id)
        store.review(clip, whole, "accepted")
        export(store, "coco-keypoints", tmp_path)
        assert files_of(tmp_path) == {"manifest.json", "person_keypoints.json"}

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"categories": [{}]}', "[" * 100_000])
    def test_other_files_are_not_read(self, tmp_path, content):
        path = tmp_path / "x.json"
        path.write_text(content)
        with pytest.raises(InputError, match="not a COCO keypoints export"):
            READERS["coco-keypoints"](path)


class TestExport:
    @pytest.mark.parametrize("format", EXPORTERS)
    def test_the_manifest_vouches_for_every_file(self, store, reviewed, tmp_path, format):
        report = export(store, format, tmp_path)
        manifest = json.loads((tmp_path / "manifest.json").read_text())
        assert files_of(tmp_path) == {*manifest["files"], "manifest.json"} == set(report.files)
        lines = ""
        for name, facts in sorted(manifest["files"].items()):
            data = (tmp_path / name).read_bytes()
            assert hashlib.sha256(data).hexdigest() == facts["sha256"]
            assert len(data) == facts["bytes"]
            lines += f"{facts['sha256']}  {name}\n"
        assert manifest["digest"] == hashlib.sha256(lines.encode()).hexdigest() == report.digest
        assert manifest["counts"] == {"clips": 1, "frames": 40, "people": 2}
        assert manifest["clips"][0]["accepted_frames"] == [[10, 30], [100, 120]]

    @pytest.mark.parametrize("format", EXPORTERS)
    def test_the_same_revision_gives_the_same_bytes(self, store, reviewed, tmp_path, format):
        first = export(store, format, tmp_path / "a")
        second = export(store, format, tmp_path / "b")
        assert first.digest == second.digest
        manifests = [(tmp_path / n / "manifest.json").read_bytes() for n in "ab"]
        assert manifests[0] == manifests[1]

    def test_is_kept_on_record(self, store, reviewed, tmp_path):
        report = export(store, "smpl-npz", tmp_path)
        (record,) = store.exports()
        assert record.digest == report.digest and record.format == "smpl-npz"
        assert record.revisions == {reviewed: store.head(reviewed).id}

    def test_needs_something_accepted(self, store, clip_id, tmp_path):
        with pytest.raises(EditError, match="nothing to export"):
            export(store, "smpl-npz", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_says_what_was_left_out(self, store, reviewed, tmp_path):
        store.add_clip(make_video(50, "raw"))
        report = export(store, "smpl-npz", tmp_path)
        assert report.skipped == {"raw": "no frame is accepted"}

    def test_only_the_clips_that_were_asked_for(self, store, reviewed, tmp_path):
        other = add_fitted(store, make_video(60, "dance"))
        store.review(other, FrameRange(0, 60), "accepted")
        assert export(store, "smpl-npz", tmp_path, [other]).clips == ("dance",)
        with pytest.raises(EditError, match="no such clip"):
            export(store, "smpl-npz", tmp_path, [99])

    def test_unknown_formats_are_named(self, store, tmp_path):
        with pytest.raises(EditError, match="smpl-npz or coco-keypoints"):
            export(store, "fbx", tmp_path)

    def test_splits_are_folders_and_stand_in_the_manifest(self, store, reviewed, tmp_path):
        for name in ("dance", "wrestle"):
            clip = add_fitted(store, make_video(60, name))
            store.review(clip, FrameRange(0, 60), "accepted")
        store.assign_splits(seed=7)
        export(store, "smpl-npz", tmp_path / "npz")
        export(store, "coco-keypoints", tmp_path / "coco")
        manifest = json.loads((tmp_path / "npz" / "manifest.json").read_text())
        plan = manifest["splits"]
        assert plan["seed"] == 7 and len(plan["sha256"]) == 64
        assert sum(count["clips"] for count in plan["counts"].values()) == 3
        for clip in plan["clips"]:
            assert (tmp_path / "npz" / clip["split"] / clip["clip"]).is_dir()
        names = {f"person_keypoints_{s}.json" for s in ("train", "validation", "test")}
        assert names <= files_of(tmp_path / "coco")

    def test_splits_that_have_begun_to_leak_are_refused(self, store, reviewed, tmp_path):
        other = add_fitted(store, make_video(60, "dance"))
        store.review(other, FrameRange(0, 60), "accepted")
        store.assign_splits(seed=7)
        store.rename_identity(other, 1, "Ann")
        with pytest.raises(EditError, match=r"splits leak; received person ann is in"):
            export(store, "smpl-npz", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_replaces_its_own_earlier_files_and_no_others(self, store, reviewed, tmp_path):
        export(store, "smpl-npz", tmp_path)
        (tmp_path / "notes.txt").write_text("mine")
        (tmp_path / "hug" / "Person_2.npz").write_bytes(b"changed by hand")
        store.rename_identity(reviewed, 0, "Zoe")
        store.rename_identity(reviewed, 1, "Bo")
        export(store, "smpl-npz", tmp_path)
        assert files_of(tmp_path) == {
            "manifest.json",
            "notes.txt",
            "hug/Zoe.npz",
            "hug/Bo.npz",
            "hug/Person_2.npz",
        }

    def test_a_hostile_old_manifest_removes_nothing_outside(self, store, reviewed, tmp_path):
        victim = tmp_path / "victim"
        victim.write_bytes(b"x")
        facts = {"sha256": hashlib.sha256(b"x").hexdigest()}
        out = tmp_path / "out"
        out.mkdir()
        (out / "link").symlink_to(victim)
        names = ["../victim", str(victim), "link", "a/../../victim"]
        (out / "manifest.json").write_text(json.dumps({"files": dict.fromkeys(names, facts)}))
        export(store, "smpl-npz", out)
        assert victim.read_bytes() == b"x"

    def test_a_link_out_of_the_folder_is_not_followed(self, store, reviewed, tmp_path):
        outside = tmp_path / "outside"
        outside.mkdir()
        out = tmp_path / "out"
        out.mkdir()
        (out / "hug").symlink_to(outside)
        with pytest.raises(EditError, match="leads out"):
            export(store, "smpl-npz", out)
        assert list(outside.iterdir()) == []

    def test_a_name_cannot_lead_out_of_the_folder(self, store, tmp_path):
        clip = store.add_clip(make_video(60, "x"), name="../../etc/passwd").clip_id
        video = store.clip(clip).video
        whole = FrameRange(0, 60)
        store.apply_fit(clip, make_fit(video), whole, store.head(clip).id)
        store.rename_identity(clip, 0, "../../../root")
        store.review(clip, whole, "accepted")
        report = export(store, "smpl-npz", tmp_path / "out")
        assert set(report.files) == {
            "manifest.json",
            "etc_passwd/root.npz",
            "etc_passwd/Person_2.npz",
        }
        assert {p.name for p in tmp_path.iterdir()} >= {"out"}
        assert files_of(tmp_path / "out") == set(report.files)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hug 2", "hug_2"),
        ("day2/hug", "day2_hug"),
        ("Ännchen", "Ännchen"),
        ("../..", "clip"),
        ("a/b\\c:d*e", "a_b_c_d_e"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        (".hidden", "hidden"),
        ("x" * 300, "x" * 80),
    ],
)
def test_names_are_safe_in_any_file_system(name, expected):
    assert safe_name(name) == expected
    assert safe_name(name, {expected.casefold()}) == f"{expected}_2"


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    folder = ExportFolder(tmp_path)
    folder.write("a.txt", lambda file: file.write(b"old"))

    def fail(file) -> None:
        file.write(b"ne")
        raise OSError("no space left")

    with pytest.raises(EditError, match=r"Cannot write into .* no space left"):
        folder.write("a.txt", fail)
    assert files_of(tmp_path) == {"a.txt"} and (tmp_path / "a.txt").read_bytes() == b"old"


def test_npz_members_carry_no_date(store, reviewed, tmp_path):
    export(store, "smpl-npz", tmp_path)
    with zipfile.ZipFile(tmp_path / "hug" / "Ann.npz") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
