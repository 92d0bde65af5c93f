"""People whom other tools found arrive where they were, as who they were."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from annotations.importers import IMPORTERS, ImportOptions, detect, read
from engine.body.joints import COCO17, HALPE26
from engine.errors import InputError
from tests.annotations.importers import writers
from tests.annotations.importers.scene import (
    FRAMES,
    SIZE,
    box,
    confidence,
    is_seen,
    joint,
    make_video,
    mask,
)

FEET = set(writers.FEET)
HALPE_ONLY = {"head", "neck", "hip"}
JOINTS = {
    "coco results": set(COCO17),
    "coco results of 133": {*COCO17, *FEET},
    "CVAT": set(COCO17),
    "PoseTrack": {*COCO17, "head"} - {"left_eye", "right_eye"},
    "COCO-WholeBody": {*COCO17, *FEET},
    "openpose": {*COCO17, *FEET, "hip"},
    "openpose of 18": set(COCO17),
    "alphapose": set(HALPE26),
    "alphapose of 136": set(HALPE26),
    "alphapose of 17": set(COCO17),
    "alphapose open": set(COCO17),
    "alphapose cmu": set(COCO17),
    "mmpose": {*COCO17, *FEET},
    "mmpose demo": set(HALPE26),
    "mmpose images": set(COCO17),
}
"""What each tool knows of Halpe-26; necks are left out where they lie elsewhere."""
VISIBILITY_ONLY = {"CVAT", "PoseTrack", "COCO-WholeBody"}


@pytest.fixture
def video():
    return make_video()


@pytest.mark.parametrize("name", writers.WRITERS)
class TestEveryTool:
    def test_its_files_are_recognised(self, tmp_path, name):
        format, write = writers.WRITERS[name]
        assert detect(write(tmp_path)) == format

    def test_joints_are_where_they_were(self, tmp_path, video, name):
        _, write = writers.WRITERS[name]
        found = read(write(tmp_path), video).observations()
        names = COCO17 if found.layout == "coco17" else HALPE26
        assert found.keypoints2d.shape == (2, FRAMES, len(names), 2)
        for person in range(2):
            for frame in range(FRAMES):
                for k, joint_name in enumerate(names):
                    seen = is_seen(person, frame) and joint_name in JOINTS[name]
                    sure = confidence(person, joint_name) if seen else 0.0
                    point = found.keypoints2d[person, frame, k]
                    if sure == 0:
                        assert np.isnan(point).all(), (person, frame, joint_name)
                        assert found.confidence[person, frame, k] == 0
                    else:
                        expected = joint(person, frame, joint_name)
                        assert np.abs(point - expected).max() < 2e-3, (person, frame, joint_name)
                        if name not in VISIBILITY_ONLY:
                            assert found.confidence[person, frame, k] == pytest.approx(sure)

    def test_whoever_walks_by_is_among_the_others(self, tmp_path, video, name):
        _, write = writers.WRITERS[name]
        others = read(write(tmp_path), video).observations().others
        assert others.person_count == 1
        seen = np.isfinite(others.keypoints2d[0, :, 0, 0])
        assert seen.tolist() == [is_seen(2, frame) for frame in range(FRAMES)]
        assert np.abs(others.keypoints2d[0, 3, 0] - joint(2, 3, "nose")).max() < 2e-3

    def test_a_gap_stays_a_gap(self, tmp_path, video, name):
        _, write = writers.WRITERS[name]
        found = read(write(tmp_path), video).observations()
        assert np.isnan(found.keypoints2d[1, 5]).all() and np.isnan(found.boxes[1, 5]).all()
        assert np.isfinite(found.boxes[0]).all()


class TestCoco:
    def test_a_hidden_joint_is_half_as_sure(self, tmp_path, video):
        found = read(writers.coco_cvat(tmp_path), video).observations()
        assert found.confidence[0, 3, COCO17.index("left_wrist")] == 0.5
        assert found.confidence[0, 3, COCO17.index("right_wrist")] == 1.0

    def test_where_no_joint_is_hidden_labelled_is_certain(self, tmp_path, video):
        found = read(writers.coco_posetrack(tmp_path), video).observations()
        assert set(np.unique(found.confidence)) == {0.0, 1.0}

    def test_tracks_keep_their_ids(self, tmp_path, video):
        found = read(writers.coco_cvat(tmp_path), video)
        assert [found.tracks[i].name for (i,) in found.people] == ["0", "1"]

    @pytest.mark.parametrize("compressed", [False, True])
    def test_rle_masks_are_pixel_for_pixel(self, tmp_path, video, compressed):
        found = read(writers.coco_rle(tmp_path, compressed), video)
        assert found.kind == "masks"
        for person in range(2):
            for frame in range(FRAMES):
                coded = found.masks()[person][frame]
                if is_seen(person, frame):
                    assert (coded.decode() == mask(person, frame)).all()
                else:
                    assert coded is None


class TestMot:
    @pytest.mark.parametrize("columns", [9, 10])
    def test_boxes_say_who_is_where(self, tmp_path, video, columns):
        found = read(writers.mot(tmp_path, columns), video)
        assert found.kind == "boxes" and found.offset == 1
        edits = found.box_edits()
        assert {edit.kind for edit in edits} == {"identity", "someone_else"}
        first = next(e for e in edits if e.person == 0)
        assert first.frame == 0 and np.allclose(first.box, box(0, 0), atol=0.02)
        # The second person's two stays in view have a box at each end.
        assert {e.frame for e in edits if e.person == 1} == {0, 4, 6, 11}

    def test_there_are_no_observations_in_it(self, tmp_path, video):
        with pytest.raises(InputError, match="holds no joints"):
            read(writers.mot(tmp_path), video).observations()

    def test_cars_and_what_is_to_be_ignored_are_not_people(self, tmp_path, video):
        found = read(writers.mot(tmp_path, 9), video)
        assert sorted(track.name for track in found.tracks) == ["1", "2", "3"]

    def test_a_sequence_folder_will_do(self, tmp_path, video):
        writers.mot(tmp_path, 9)
        assert read(writers.seqinfo(tmp_path), video).kind == "boxes"

    def test_the_labels_beside_it_name_the_people(self, tmp_path, video):
        path = writers.mot(tmp_path, 9)
        (path.parent / "labels.txt").write_text("cat\nperson\ncar\n")
        with pytest.raises(InputError, match="the number of people"):
            read(path, video)


class TestMasks:
    def test_palette_images_are_people_by_label(self, tmp_path, video):
        found = read(writers.masks_palette(tmp_path), video)
        assert found.kind == "masks" and found.format == "mask-png"
        assert (found.masks()[0][2].decode() == mask(0, 2)).all()
        assert found.masks()[1][5] is None

    def test_a_folder_per_person_and_camera(self, tmp_path, video):
        root = writers.masks_per_person(tmp_path)
        with pytest.raises(InputError, match="--sequence with one of 4"):
            read(root, video, format="mask-png")
        found = read(root, video, ImportOptions(sequence="4"), format="mask-png")
        assert [track.name for track in found.tracks] == ["0", "1"] and found.offset == 1
        assert read(root / "4", video).masks() == found.masks()
        assert (found.masks()[1][7].decode() == mask(1, 7)).all()

    def test_boxes_are_those_of_the_pixels(self, tmp_path, video):
        found = read(writers.masks_palette(tmp_path), video)
        rows, columns = np.nonzero(mask(0, 4))
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert found.tracks[0].boxes[4].tolist() == expected


class TestPeople:
    def test_the_user_chooses_who_they_are(self, tmp_path, video):
        path = writers.alphapose(tmp_path)
        found = read(path, video, ImportOptions(people=("2", "3")))
        own = found.observations()
        assert np.allclose(own.keypoints2d[0, 0, 0], joint(1, 0, "nose"))
        assert np.allclose(own.keypoints2d[1, 0, 0], joint(2, 0, "nose"))
        assert np.allclose(own.others.keypoints2d[0, 0, 0], joint(0, 0, "nose"))
        assert found.provenance["people"] == "2, 3"

    def test_two_tracks_of_one_person_are_joined(self, tmp_path, video):
        path = writers.alphapose(tmp_path)
        content = json.loads(path.read_text())
        for entry in content:
            frame = int(entry["image_id"].split(".")[0])
            if entry["idx"] in (1, [1.0]) and frame > 6:
                entry["idx"] = 17
        path.write_text(json.dumps(content))
        found = read(path, video, ImportOptions(people=("1+17", "2"))).observations()
        assert np.isfinite(found.keypoints2d[0, :, 0]).all()

    def test_a_track_that_goes_on_under_another_id_is_the_same_person(self, tmp_path, video):
        path = writers.alphapose(tmp_path)
        content = json.loads(path.read_text())
        for entry in content:
            if entry["idx"] in (1, [1.0]) and int(entry["image_id"].split(".")[0]) > 6:
                entry["idx"] = 17
        path.write_text(json.dumps(content))
        found = read(path, video)
        assert [[found.tracks[i].name for i in person] for person in found.people] == [
            ["1", "17"],
            ["2"],
        ]
        assert any("Tracks 1 and 17 follow one another" in note for note in found.notes)
        assert np.isfinite(found.observations().keypoints2d[0, :, 0]).all()

    def test_people_who_follow_one_another_elsewhere_are_two(self, tmp_path):
        """One leaves on the left, another appears on the right."""
        lines = [f"{f + 1},{1 if f < 30 else 2},{10 if f < 30 else 250},60,50,120,1,-1,-1,-1"
                 for f in range(60)]  # fmt: skip
        lines += [f"{f + 1},3,120,60,50,140,1,-1,-1,-1" for f in range(60)]
        (tmp_path / "mot.txt").write_text("\n".join(lines))
        found = read(tmp_path / "mot.txt", make_video(60))
        assert all(len(person) == 1 for person in found.people)
        assert len(found.other_tracks) == 1

    def test_two_tracks_in_one_frame_are_not_one_person(self, tmp_path, video):
        path = writers.alphapose(tmp_path)
        with pytest.raises(InputError, match="in one frame at the same time"):
            read(path, video, ImportOptions(people=("1+2", "3")))

    @pytest.mark.parametrize("people", [("1", "nobody"), ("1", "1")])
    def test_nobody_is_invented(self, tmp_path, video, people):
        with pytest.raises(InputError):
            read(writers.alphapose(tmp_path), video, ImportOptions(people=people))

    def test_without_ids_the_person_on_the_left_is_first(self, tmp_path, video):
        found = read(writers.openpose(tmp_path), video)
        own = found.observations()
        assert own.boxes[0, 0, 0] < own.boxes[1, 0, 0]
        assert any("no track ids" in note for note in found.notes)

    def test_people_who_cross_without_ids_are_followed_by_motion(self, tmp_path):
        from annotations.importers.linking import link

        def at(x: float) -> np.ndarray:
            return np.array([x, 0.0, x + 40, 100.0])

        boxes = [np.stack([at(10.0 * f), at(305 - 10.0 * f)]) for f in range(30)]
        # The file's order of people changes from frame to frame.
        shuffled = [rows if f % 2 else rows[::-1] for f, rows in enumerate(boxes)]
        numbers = link(shuffled, [None] * 30, fps=30.0)
        first = [row if f % 2 else row[::-1] for f, row in enumerate(numbers)]
        assert all(row == first[0] for row in first)


def test_every_format_has_a_name_a_description_and_a_kind():
    for name, importer in IMPORTERS.items():
        assert importer.name == name and importer.description
        assert importer.gives in ("detections", "camera")


def test_provenance_says_where_it_is_from(tmp_path, video):
    path = writers.alphapose(tmp_path)
    said = read(path, video).provenance
    assert said["source"] == "alphapose-results.json" and said["format"] == "alphapose"
    assert said["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_detections_of_another_resolution_are_scaled_when_asked(tmp_path, video):
    large = replace(video, width=2 * SIZE[0], height=2 * SIZE[1])
    path = writers.coco_cvat(tmp_path)
    with pytest.raises(
        InputError, match=r"expected 640 x 480, received 320 x 240.*--scale 320x240"
    ):
        read(path, large)
    found = read(path, large, ImportOptions(resolution=SIZE))
    assert found.scale == (2.0, 2.0)
    expected = 2 * np.array(joint(0, 3, "nose"))
    assert np.allclose(found.observations().keypoints2d[0, 3, 0], expected)
    assert np.allclose(found.observations().boxes[0, 3], 2 * np.array(box(0, 3)), atol=0.05)
