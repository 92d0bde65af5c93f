"""Files that are wrong, huge or malicious: one sentence each that names the file, and no harm."""

from __future__ import annotations

import json
import math
import os
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotations.importers import (
    IMPORTERS,
    ImportOptions,
    detect,
    imported,
    json_stream,
    read,
    rle,
)
from annotations.importers.numbering import plain_name
from annotations.importers.values import refusal
from engine.errors import InputError
from engine.structures import RunLengthMask
from tests.annotations.importers import writers
from tests.annotations.importers.scene import FRAMES, SIZE, make_video


@pytest.fixture
def video():
    return make_video()


def refused(path, video, options=None, format=None) -> str:
    """The sentence: one line, of readable length, that names the file."""
    with pytest.raises(InputError) as error:
        read(path, video, options, format)
    text = str(error.value)
    assert "\n" not in text and len(text) < 420 and text.endswith((".", ").")), text
    return text


def changed(path: Path, change) -> Path:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


class TestNoSuchFormat:
    @pytest.mark.parametrize(
        "name, data",
        [
            ("empty.json", b""),
            ("text.json", b"hello"),
            ("number.json", b"3"),
            ("list.json", b"[]"),
            ("object.json", b"{}"),
            ("other.json", b'{"colour": "red"}'),
            ("numbers.json", b"[1, 2, 3]"),
            ("cut.json", b'[{"image_id": 1, "keypoints": [1, 2'),
            ("utf16.json", '[{"image_id": 1}]'.encode("utf-16")),
            ("picture.png", b"\x89PNG\r\n\x1a\n"),
            ("pickle.pkl", b"\x80\x04\x95\x0b\x00."),
            ("words.csv", b"frame,id,x,y,w,h\na,b,c,d,e,f\n"),
            ("zeros.json", b"\0" * 100),
        ],
    )
    def test_one_sentence(self, tmp_path, video, name, data):
        (tmp_path / name).write_bytes(data)
        assert name in refused(tmp_path / name, video)

    def test_a_folder_of_nothing(self, tmp_path, video):
        (tmp_path / "frames").mkdir()
        assert "no known format" in refused(tmp_path / "frames", video)

    def test_nothing_at_all(self, tmp_path, video):
        assert "There is no file" in refused(tmp_path / "missing.json", video)

    def test_a_pipe_has_no_end(self, tmp_path, video):
        os.mkfifo(tmp_path / "pipe.json")
        assert "There is no file" in refused(tmp_path / "pipe.json", video)
        assert "no regular file" in refused(tmp_path / "pipe.json", video, format="coco")

    def test_where_two_formats_are_possible_one_has_to_be_named(self, tmp_path, video):
        folder = writers.openpose(tmp_path)
        for picture in writers.masks_palette(tmp_path).iterdir():
            shutil.copy(picture, folder)
        assert "--format with one of openpose, mask-png" in refused(folder, video)
        assert read(folder, video, format="openpose").kind == "keypoints"
        assert read(folder, video, format="mask-png").kind == "masks"

    def test_an_unknown_format_is_named(self, tmp_path, video):
        assert "expected coco" in refused(tmp_path, video, format="yolo")

    @pytest.mark.parametrize("format", IMPORTERS)
    @pytest.mark.parametrize("name", ["alphapose", "openpose", "mmpose"])
    def test_the_wrong_reader_for_a_file(self, tmp_path, video, format, name):
        """A format that is insisted on refuses, or reads what is plainly there; no crash."""
        path = writers.WRITERS[name][1](tmp_path)
        try:
            read(path, video, format=format)
        except InputError as error:
            assert "\n" not in str(error)

    def test_a_camera_is_no_detection(self, tmp_path, video):
        with pytest.raises(InputError, match="Use import-camera"):
            detect(writers.calibration(tmp_path), "detections")
        with pytest.raises(InputError, match="Use import-detections"):
            detect(writers.alphapose(tmp_path), "camera")


class TestJson:
    def test_a_list_of_many_people_is_never_whole_in_memory(self, tmp_path):
        """12 MB of text, half of it in hand at most: a piece, and what is being parsed."""
        path = tmp_path / "many.json"
        entry = json.dumps({"image_id": 1, "keypoints": [0.123456] * 399})
        with path.open("w") as file:
            file.write("[" + entry)
            for _ in range(3_000):
                file.write("," + entry)
            file.write("]")
        tracemalloc.start()
        count = sum(1 for _ in json_stream.JsonItems(path))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == 3_001 and path.stat().st_size > 12e6
        assert peak < 7e6

    def test_a_file_beyond_the_limit_is_not_opened(self, tmp_path, video):
        path = tmp_path / "huge.json"
        with path.open("wb") as file:
            file.write(b'[{"image_id": "0.jpg", "keypoints": []')
            file.truncate(json_stream.FILE_LIMIT + 1)
        assert "too large to be read" in refused(path, video, format="coco")

    def test_one_endless_item_is_not_read_to_its_end(self, tmp_path, monkeypatch):
        monkeypatch.setattr(json_stream, "ITEM_LIMIT", 1 << 20)
        path = tmp_path / "long.json"
        path.write_text('["' + "x" * (8 << 20) + '"]')
        with pytest.raises(InputError, match="more than 1 million characters"):
            list(json_stream.JsonItems(path))

    @pytest.mark.parametrize("opening", ["[", '{"a":'])
    def test_deep_nesting(self, tmp_path, video, opening):
        path = tmp_path / "deep.json"
        path.write_text(opening * 200_000)
        assert "nested too deeply" in refused(path, video, format="alphapose")

    def test_a_number_of_a_million_digits(self, tmp_path, video):
        path = tmp_path / "digits.json"
        path.write_text('[{"image_id": ' + "9" * 1_000_000 + "}]")
        assert "digits.json" in refused(path, video, format="alphapose")

    @pytest.mark.parametrize("size", [1, 7, 64, 1 << 16])
    def test_items_are_the_same_wherever_the_text_is_cut(self, tmp_path, monkeypatch, size):
        monkeypatch.setattr(json_stream, "_PIECE", size)
        items = [
            {"name": 'a "quoted" é€𝄞 \\ name', "n": [1.5e-3, -12345, 0, None, True]},
            12345,
            [],
        ]
        path = tmp_path / "small.json"
        path.write_text(json.dumps(items, ensure_ascii=False, indent=1))
        assert [item for _, item in json_stream.JsonItems(path)] == items

    @pytest.mark.parametrize(
        "text", ['{"a": 1,}', '{"a" 1}', "{1: 2}", "[1, 2", "[1 2]", "[1]]", '["a']
    )
    def test_what_is_no_json(self, tmp_path, text):
        path = tmp_path / "bad.json"
        path.write_text(text)
        with pytest.raises(InputError, match=r"bad\.json is not readable JSON"):
            list(json_stream.JsonItems(path))


class TestPeople:
    @pytest.mark.parametrize(
        "value, sentence",
        [
            ([], "keypoints"),
            (None, "list of numbers"),
            ("1,2,3", "list of numbers"),
            ({"x": 1}, "list of numbers"),
            ([1.0] * 77, "x, y, score"),
            ([1.0] * 27, "number of joints"),
            ([1.0] * 75 + ["1", "2", "3"], "numbers"),
            ([1.0] * 75 + [True, 2, 3], "numbers"),
            ([1.0] * 75 + [1e300, 2, 3], "finite numbers"),
            ([[1.0, 2.0, 0.5]] * 25 + [5.0], "list of numbers"),
        ],
    )
    def test_keypoints_that_are_none(self, tmp_path, video, value, sentence):
        path = changed(writers.alphapose(tmp_path), lambda c: c[3].update(keypoints=value))
        assert sentence in refused(path, video)

    @pytest.mark.parametrize("word", ["Infinity", "-Infinity", "1e999"])
    def test_infinity_is_refused(self, tmp_path, video, word):
        path = writers.alphapose(tmp_path)
        path.write_text(path.read_text().replace('"keypoints": [60.0', f'"keypoints": [{word}', 1))
        assert "finite numbers" in refused(path, video)

    def test_nan_is_a_joint_that_is_missing(self, tmp_path, video):
        path = writers.alphapose(tmp_path)
        path.write_text(path.read_text().replace('"keypoints": [60.0', '"keypoints": [NaN', 1))
        found = read(path, video).observations()
        assert math.isnan(found.keypoints2d[0, 0, 0, 1]) and found.confidence[0, 0, 0] == 0

    def test_two_layouts_in_one_file(self, tmp_path, video):
        path = changed(
            writers.alphapose(tmp_path), lambda c: c[3].update(keypoints=c[3]["keypoints"][:51])
        )
        assert "Halpe-26 for all, received COCO-17" in refused(path, video)

    @pytest.mark.parametrize("image", [None, "", [], {}, 1.5, True, "a" * 5000])
    def test_images_without_a_name(self, tmp_path, video, image):
        path = changed(writers.alphapose(tmp_path), lambda c: c[3].update(image_id=image))
        assert "image_id" in refused(path, video, format="alphapose")

    @pytest.mark.parametrize(
        "name",
        ["../../etc/passwd/3.jpg", "/etc/3.jpg", "..\\..\\3.jpg", "C:\\x\\3.jpg", "a/../3.jpg"],
    )
    def test_paths_in_a_file_lead_nowhere(self, tmp_path, video, name):
        """Only the last part is looked at, as a number; nothing is opened."""
        assert plain_name(name) == "3.jpg"
        path = changed(
            writers.alphapose(tmp_path),
            lambda c: [e.update(image_id=name) for e in c if e["image_id"] == "3.jpg"],
        )
        found = read(path, video).observations()
        assert np.isfinite(found.keypoints2d[0, 3]).all()

    def test_a_name_without_a_number(self, tmp_path, video):
        path = changed(writers.alphapose(tmp_path), lambda c: c[3].update(image_id="cover.jpg"))
        assert "a number in it" in refused(path, video)

    def test_one_person_is_not_two(self, tmp_path, video):
        path = changed(
            writers.alphapose(tmp_path),
            lambda c: c.__setitem__(slice(None), [e for e in c if e["score"] == 3.0]),
        )
        assert "expected 2 people, received 1" in refused(path, video)

    def test_nobody_is_not_two(self, tmp_path, video):
        folder = writers.openpose(tmp_path)
        for file in folder.iterdir():
            file.write_text('{"version":1.3,"people":[]}')
        assert "the number of people" in refused(folder, video)

    def test_a_crowd_that_no_detector_finds(self, tmp_path, video):
        path = changed(
            writers.alphapose(tmp_path), lambda c: c.extend([c[0] | {"idx": n} for n in range(300)])
        )
        assert "expected at most 200, received 303" in refused(path, video)

    def test_more_than_any_video_has_is_refused_while_it_is_read(
        self, tmp_path, video, monkeypatch
    ):
        monkeypatch.setattr(imported, "INSTANCE_LIMIT", 20)
        for write in (writers.alphapose, writers.coco_cvat, writers.mot, writers.mmpose):
            assert "at most 20, received more" in refused(write(tmp_path), video)

    def test_a_track_twice_in_a_frame_is_the_surer_one_and_it_is_said(self, tmp_path, video):
        path = changed(
            writers.alphapose(tmp_path), lambda c: c.append(c[3] | {"idx": 2, "score": 0.1})
        )
        found = read(path, video)
        assert any("twice in a frame (cases: 1)" in note for note in found.notes)

    @pytest.mark.parametrize("value", ["", {}, 7, "people"])
    def test_openpose_without_people(self, tmp_path, video, value):
        folder = writers.openpose(tmp_path)
        file = sorted(folder.iterdir())[4]
        file.write_text(json.dumps({"people": value}))
        assert file.name in refused(folder, video)

    @pytest.mark.parametrize(
        "person, sentence",
        [
            ({}, "pose_keypoints_2d"),
            ({"pose_keypoints_2d": [1.0] * 60}, "75 numbers (BODY_25) or 54 (COCO-18)"),
            ({"pose_keypoints_2d": "x"}, "list of numbers"),
            ({"pose_keypoints_2d": [1.0] * 75, "person_id": ["a"]}, "whole number"),
            ([], "an object"),
        ],
    )
    def test_openpose_people_of_other_kinds(self, tmp_path, video, person, sentence):
        folder = writers.openpose(tmp_path)
        sorted(folder.iterdir())[4].write_text(json.dumps({"people": [person]}))
        assert sentence in refused(folder, video)

    def test_one_file_of_openpose_is_one_frame(self, tmp_path, video):
        file = sorted(writers.openpose(tmp_path).iterdir())[0]
        assert "Give the folder" in refused(file, video, format="openpose")

    @pytest.mark.parametrize(
        "instance, sentence",
        [
            ({}, "keypoints and keypoint_scores"),
            ({"keypoints": [[1, 2]] * 17, "keypoint_scores": [1] * 16}, "x, y for each of 16"),
            ({"keypoints": [[1, 2, 3]] * 17, "keypoint_scores": [1] * 17}, "3D joints"),
            ({"keypoints": [[1, 2]] * 21, "keypoint_scores": [1] * 21}, "21"),
            ({"keypoints": [[1, 2]] * 17, "keypoint_scores": [1] * 17, "bbox": [1, 2]}, "bbox"),
        ],
    )
    def test_mmpose_instances_of_other_kinds(self, tmp_path, video, instance, sentence):
        path = changed(writers.mmpose(tmp_path), lambda c: c[0].update(instances=[instance]))
        assert sentence in refused(path, video)

    @pytest.mark.parametrize("frame", [-1, 1.5, "x", None, 3])
    def test_mmpose_frames_of_other_kinds(self, tmp_path, video, frame):
        path = changed(writers.mmpose(tmp_path), lambda c: c[0].update(frame_id=frame))
        assert "frame_id" in refused(path, video)

    def test_coco_categories_that_are_no_people_are_left_out(self, tmp_path, video):
        def add_a_dog(content):
            content["categories"].append({"id": 18, "name": "dog"})
            content["annotations"].append(content["annotations"][0] | {"category_id": 18})

        found = read(changed(writers.coco_cvat(tmp_path), add_a_dog), video)
        assert len(found.tracks) == 3

    def test_names_are_shown_on_one_line(self, tmp_path, video):
        def rename(content):
            for entry in content["annotations"]:
                entry["attributes"]["track_id"] = f"a\n\0{entry['attributes']['track_id']}"
            content["images"][0]["video_id"] = "b\nc"

        path = changed(writers.coco_cvat(tmp_path), rename)
        assert "video b?c" in refused(path, video)
        path = changed(path, lambda c: [image.update(video_id="b\nc") for image in c["images"]])
        assert [track.name for track in read(path, video).tracks] == ["a??0", "a??1", "a??2"]

    @pytest.mark.parametrize(
        "key, value",
        [
            ("images", [3]),
            ("images", [{"id": None}]),
            ("images", [{"id": 1, "file_name": 7}]),
            ("images", [{"id": 1, "file_name": "1.jpg", "width": "wide", "height": 1}]),
            ("images", [{"id": 1, "file_name": "1.jpg", "width": 0, "height": 1}]),
            ("annotations", ["a"]),
            ("annotations", [{"image_id": 1, "category_id": "one"}]),
            ("annotations", [{"image_id": 1, "bbox": [1, 2, 3]}]),
            ("annotations", [{"image_id": 1, "bbox": [1, 2, 3, "4"]}]),
            ("annotations", [{"image_id": 1, "score": "high"}]),
            ("annotations", [{"image_id": 1, "track_id": 1.5}]),
            ("annotations", [{"image_id": 1, "keypoints": [1.0] * 51, "keypoint_scores": [1]}]),
            ("annotations", []),
            ("categories", [{"id": "person"}]),
        ],
    )
    def test_coco_parts_of_other_kinds(self, tmp_path, video, key, value):
        path = changed(writers.coco_cvat(tmp_path), lambda c: c.update({key: value}))
        assert path.name in refused(path, video)


class TestFrames:
    def test_counts_that_do_not_fit_are_both_named(self, tmp_path):
        text = refused(writers.coco_cvat(tmp_path), make_video(8))
        assert "clip's 8 frames" in text and "12 frames numbered 0 to 11" in text

    def test_a_longer_clip_needs_an_offset(self, tmp_path):
        """Images 1 to 12 of a clip of 20 frames: from 0 or from 1?"""
        path = writers.coco_posetrack(tmp_path)
        text = refused(path, make_video(20))
        assert "--offset 0 or --offset 1" in text
        found = read(path, make_video(20), ImportOptions(offset=1)).observations()
        assert np.isfinite(found.boxes[0, :12]).all() and np.isnan(found.boxes[0, 12:]).all()

    def test_an_offset_may_cut(self, tmp_path, video):
        found = read(writers.alphapose(tmp_path), video, ImportOptions(offset=4))
        assert any("4 frames of the file lie outside" in note for note in found.notes)
        assert np.isnan(found.observations().boxes[0, 8:]).all()

    def test_an_offset_that_leaves_nothing(self, tmp_path, video):
        text = refused(writers.alphapose(tmp_path), video, ImportOptions(offset=500))
        assert "--offset 500" in text and "0 to 11" in text

    def test_two_videos_in_a_folder(self, tmp_path, video):
        folder = writers.openpose(tmp_path)
        for file in list(folder.iterdir()):
            shutil.copy(file, folder / file.name.replace("meeting", "parting"))
        # The one that is called as the clip is.
        assert read(folder, video).observations().frame_count == FRAMES
        elsewhere = replace(video, path="/videos/other.mp4")
        assert "meeting, parting" in refused(folder, elsewhere)
        read(folder, elsewhere, ImportOptions(sequence="parting"))

    def test_a_clip_that_is_a_folder_of_images_goes_by_their_names(self, tmp_path, video):
        images = tmp_path / "images"
        images.mkdir()
        for frame in range(FRAMES):
            Image.new("RGB", SIZE).save(images / f"frame_{frame:06d}.jpg")
        found = read(writers.coco_cvat(tmp_path), replace(video, path=str(images)))
        assert found.offset == 0 and not found.notes

    def test_a_sequence_of_another_length(self, tmp_path, video):
        writers.mot(tmp_path, 9)
        writers.seqinfo(tmp_path, seqLength=600)
        text = refused(tmp_path, video)
        assert "expected 12 frames" in text and "received 600 frames" in text


class TestPixels:
    def test_another_resolution_is_not_taken_silently(self, tmp_path):
        video = replace(make_video(), width=160, height=120)
        text = refused(writers.alphapose(tmp_path), video)
        assert "lie outside the picture" in text and "--scale" in text

    def test_shares_of_the_picture(self, tmp_path, video):
        def normalise(content):
            for entry in content:
                flat = np.array(entry["keypoints"]).reshape(-1, 3) / [*SIZE, 1]
                entry["keypoints"] = flat.ravel().tolist()
                entry["box"] = (np.array(entry["box"]) / [*SIZE, *SIZE]).tolist()

        path = changed(writers.alphapose(tmp_path), normalise)
        assert "--scale 1x1" in refused(path, video)
        found = read(path, video, ImportOptions(resolution=(1, 1))).observations()
        assert np.allclose(found.keypoints2d[0, 0, 0], [60.0, 81.0])

    def test_a_stated_size_that_the_file_contradicts(self, tmp_path):
        video = replace(make_video(), width=640, height=480)
        path = writers.coco_cvat(tmp_path)
        text = refused(path, video, ImportOptions(resolution=(160, 120)))
        assert "expected 160 x 120, as stated, received 320 x 240" in text

    def test_signed_shares_are_not_guessed_at(self, tmp_path, video):
        def normalise(content):
            for entry in content:
                entry["keypoints"] = [v / 200 - 1 for v in entry["keypoints"]]

        path = changed(writers.alphapose(tmp_path), normalise)
        assert "-1..1" in refused(path, video)

    def test_a_turned_video(self, tmp_path, video):
        turned = replace(video, width=240, height=320)
        assert "before its rotation" in refused(writers.coco_cvat(tmp_path), turned)

    def test_images_of_several_sizes(self, tmp_path, video):
        path = changed(writers.coco_cvat(tmp_path), lambda c: c["images"][3].update(width=640))
        assert "one size for all" in refused(path, video)


class TestMasks:
    def test_pictures_of_another_size(self, tmp_path, video):
        folder = writers.masks_palette(tmp_path)
        Image.new("L", (64, 48)).save(folder / "00003.png")
        text = refused(folder, video)
        assert "00003.png" in text and "received 64 x 48" in text

    def test_masks_of_another_size_than_the_images(self, tmp_path, video):
        def shrink(content):
            for entry in content["annotations"]:
                entry["segmentation"] = {"size": [24, 32], "counts": [100, 200, 468]}

        path = changed(writers.coco_rle(tmp_path), shrink)
        text = refused(path, video)
        assert "size of its masks" in text and "received 32 x 24" in text

    def test_sixteen_bits(self, tmp_path, video):
        folder = writers.masks_palette(tmp_path)
        Image.fromarray(np.full((SIZE[1], SIZE[0]), 2001, np.uint16)).save(folder / "00003.png")
        assert "16 bits" in refused(folder, video)

    def test_photographs(self, tmp_path, video):
        folder = writers.masks_palette(tmp_path)
        noise = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
        Image.fromarray(noise).save(folder / "00003.png")
        assert "a picture in colour" in refused(folder, video)
        Image.fromarray(noise[..., 0]).save(folder / "00003.png")
        assert "number of labels" in refused(folder, video)

    def test_what_is_no_png(self, tmp_path, video):
        folder = writers.masks_palette(tmp_path)
        whole = (folder / "00003.png").read_bytes()
        for data in (b"", b"GIF89a", whole[: len(whole) // 2]):
            (folder / "00003.png").write_bytes(data)
            assert "00003.png" in refused(folder, video)

    def test_a_link_out_of_the_folder_is_not_followed(self, tmp_path, video):
        folder = writers.masks_palette(tmp_path)
        secret = tmp_path / "secret.png"
        Image.new("L", SIZE, 7).save(secret)
        (folder / "00003.png").unlink()
        (folder / "00003.png").symlink_to(secret)
        found = read(folder, video, ImportOptions(offset=0))
        assert all(track.name != "7" for track in found.tracks)
        assert found.masks()[0][3] is None

    @pytest.mark.parametrize(
        "segmentation, sentence",
        [
            ({"size": [240, 320], "counts": [1, 2]}, "76800 pixels together, received 3 pixels"),
            ({"size": [240, 320], "counts": [-5, 76805]}, "from 0 up"),
            ({"size": [240, 320], "counts": [0.5, 76799.5]}, "from 0 up"),
            ({"size": [240, 320], "counts": "0"}, "76800 pixels"),
            ({"size": [240, 320], "counts": "\x7f\x7f"}, "compressed counts"),
            ({"size": [240, 320], "counts": "oooooooooooooo"}, "compressed counts"),
            ({"size": [240, 320], "counts": "P" * 9_000_000}, "at most 1000000 runs"),
            ({"size": [240, 320], "counts": None}, "list of numbers"),
            ({"size": [240], "counts": "0"}, "size"),
            ({"size": ["a", "b"], "counts": "0"}, "whole number"),
            ({"size": [10**9, 10**9], "counts": [10**18]}, "16384"),
            ([[1, 2, 3]], "x, y pairs"),
            ([["a", "b"]], "numbers"),
        ],
    )
    def test_runs_that_are_none(self, tmp_path, video, segmentation, sentence):
        path = changed(
            writers.coco_rle(tmp_path),
            lambda c: c["annotations"][2].update(segmentation=segmentation),
        )
        assert sentence in refused(path, video)

    def test_polygons_are_filled(self, tmp_path, video):
        def polygons(content):
            for entry in content["annotations"]:
                x, y, w, h = entry["bbox"]
                entry["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]

        found = read(changed(writers.coco_rle(tmp_path), polygons), video)
        pixels = found.masks()[0][2].decode()
        box = found.tracks[0].boxes[2]
        assert abs(pixels.sum() / ((box[2] - box[0]) * (box[3] - box[1])) - 1) < 0.05

    def test_compressed_counts_are_those_of_coco(self):
        """Strings that COCO's own maskApi made."""
        refuse = lambda expected, received: refusal("x", "runs", expected, received)  # noqa: E731
        mask = np.zeros((5, 7), bool)
        mask[1:4, 2:5] = True
        assert rle.decompressed(MASK_API["square"], refuse) == list(
            RunLengthMask.encode(mask).counts
        )
        big = np.zeros((240, 320), bool)
        big[10:200, 40:50] = True
        big[60:90, 44:47] = False
        assert rle.decompressed(MASK_API["frame"], refuse) == list(RunLengthMask.encode(big).counts)


MASK_API = {
    "square": ";320009",
    "frame": r"Z\9n5b1000000dK\Ol1d0TN\Ol1d0TN\Ol1d0`20000fXo1",
}


class TestMot:
    @pytest.mark.parametrize(
        "line, sentence",
        [
            ("1,1,1,1,1", "9 or 10 columns"),
            ("1,1,1,1,1,1,1,1,1,1,1,1", "9 or 10 columns"),
            ("1,1,a,1,1,1,1,-1,-1,-1", "numbers between commas"),
            ("1,1,nan,1,1,1,1,-1,-1,-1", "numbers between commas"),
            ("1,1,inf,1,1,1,1,-1,-1,-1", "numbers between commas"),
            ("1.5,1,1,1,1,1,1,-1,-1,-1", "whole frame number"),
            ("-1,1,1,1,1,1,1,-1,-1,-1", "whole frame number"),
            ("1,1,1,1,0,1,1,-1,-1,-1", "a width and a height"),
            ("1,1,1,1,-5,1,1,-1,-1,-1", "a width and a height"),
        ],
    )
    def test_lines_that_are_none(self, tmp_path, video, line, sentence):
        path = writers.mot(tmp_path)
        path.write_text(path.read_text() + line + "\n")
        text = refused(path, video)
        assert sentence in text and "line 32" in text

    @pytest.mark.parametrize(
        "text",
        [
            "imWidth=1",
            "[Sequence]\nimWidth=wide",
            "[Other]\na=1",
            "[Sequence]\nimWidth=0\n",
            f"[Sequence]\nseqLength={'9' * 400}",
        ],
    )
    def test_a_broken_seqinfo(self, tmp_path, video, text):
        writers.mot(tmp_path, 9)
        (tmp_path / "seqinfo.ini").write_text(text)
        assert "seqinfo.ini" in refused(tmp_path, video)

    def test_a_sequence_of_another_size(self, tmp_path, video):
        writers.mot(tmp_path, 9)
        writers.seqinfo(tmp_path, imWidth=1920, imHeight=1080)
        assert "received 1920 x 1080" in refused(tmp_path, video)
