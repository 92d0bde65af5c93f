"""The scene as each tool writes it: keys, nesting and number formats are theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.body.joints import COCO17, HALPE26
from engine.structures import RunLengthMask
from tests.annotations.importers.scene import (
    FRAMES,
    SIZE,
    box,
    confidence,
    joint,
    mask,
    seen,
    triples,
    xywh,
)

BODY_25 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
    "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear", "left_big_toe",
    "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
COCO_18 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
FEET = (
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe",
    "right_heel",
)  # fmt: skip
WHOLE_BODY = (*COCO17, *FEET, *(None,) * 110)
HALPE_136 = (*HALPE26, *(None,) * 110)


def _dump(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def coco_results(folder: Path, names: Any = COCO17) -> Path:
    """A list of results, image ids counted from 1."""
    return _dump(
        folder / "keypoints_results.json",
        [
            {
                "image_id": frame + 1,
                "category_id": 1,
                "keypoints": triples(person, frame, names),
                "score": 0.9 - 0.1 * person,
            }
            for frame, person in seen()
        ],
    )


def coco_cvat(folder: Path) -> Path:
    """As CVAT exports a video: image ids from 1, frame_000000.PNG, attributes.track_id."""
    annotations = []
    for frame, person in seen():
        flat = triples(person, frame, COCO17)
        flat[2::3] = [2 if sure > 0.1 else 0 for sure in flat[2::3]]
        if person == 0:
            flat[3 * 9 + 2] = 1  # the left wrist is hidden
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": frame + 1,
                "category_id": 1,
                "segmentation": [],
                "area": xywh(person, frame)[2] * xywh(person, frame)[3],
                "bbox": xywh(person, frame),
                "iscrowd": 0,
                "attributes": {"occluded": False, "track_id": person, "keyframe": True},
                "keypoints": flat,
                "num_keypoints": sum(v > 0 for v in flat[2::3]),
            }
        )
    return _dump(
        folder / "person_keypoints_default.json",
        {
            "licenses": [{"name": "", "id": 0, "url": ""}],
            "info": {"contributor": "", "date_created": "", "description": "", "url": "",
                     "version": "", "year": ""},
            "categories": [
                {"id": 1, "name": "person", "supercategory": "", "keypoints": list(COCO17),
                 "skeleton": [[16, 14], [14, 12]]}
            ],
            "images": [
                {"id": frame + 1, "width": SIZE[0], "height": SIZE[1],
                 "file_name": f"frame_{frame:06d}.PNG", "license": 0, "flickr_url": "",
                 "coco_url": "", "date_captured": 0}
                for frame in range(FRAMES)
            ],
            "annotations": annotations,
        },
    )  # fmt: skip


def coco_posetrack(folder: Path) -> Path:
    """As PoseTrack 2018: other joints, track_id, large ids, 1-based image names."""
    names = ("nose", "neck", "head", *COCO17[3:])
    labels = ["nose", "head_bottom", "head_top", *COCO17[3:]]
    annotations = []
    for frame, person in seen():
        flat = triples(person, frame, names)
        flat[2::3] = [1 if sure > 0.1 else 0 for sure in flat[2::3]]
        annotations.append(
            {
                "bbox_head": [1, 2, 3, 4],
                "keypoints": flat,
                "track_id": person,
                "image_id": 10015860000 + frame + 1,
                "bbox": xywh(person, frame),
                "scores": [],
                "category_id": 1,
                "id": 1001586000000 + len(annotations),
            }
        )
    return _dump(
        folder / "001586_mpii_test.json",
        {
            "images": [
                {"has_no_densepose": True, "is_labeled": True,
                 "file_name": f"images/val/001586_mpii_test/{frame + 1:06d}.jpg",
                 "nframes": FRAMES, "frame_id": 10015860000 + frame + 1, "vid_id": "001586",
                 "id": 10015860000 + frame + 1}
                for frame in range(FRAMES)
            ],
            "annotations": annotations,
            "categories": [
                {"supercategory": "person", "id": 1, "name": "person", "keypoints": labels,
                 "skeleton": [[16, 14]]}
            ],
        },
    )  # fmt: skip


def coco_wholebody(folder: Path) -> Path:
    """A COCO-WholeBody dataset: body and feet under keys of their own."""
    annotations = [
        {
            "id": number, "image_id": frame, "category_id": 1, "iscrowd": 0,
            "segmentation": [], "num_keypoints": 17, "area": 1.0, "bbox": xywh(person, frame),
            "keypoints": _visible(triples(person, frame, COCO17)),
            "foot_kpts": _visible(triples(person, frame, FEET)),
            "face_kpts": [0.0] * 204, "lefthand_kpts": [0.0] * 63, "righthand_kpts": [0.0] * 63,
            "face_box": [0.0] * 4, "lefthand_box": [0.0] * 4, "righthand_box": [0.0] * 4,
            "face_valid": False, "lefthand_valid": False, "righthand_valid": False,
            "foot_valid": True,
        }
        for number, (frame, person) in enumerate(seen())
    ]  # fmt: skip
    images = [
        {"id": frame, "file_name": f"{frame:012d}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for frame in range(FRAMES)
    ]
    content = {"images": images, "annotations": annotations,
               "categories": [{"id": 1, "name": "person"}]}  # fmt: skip
    return _dump(folder / "coco_wholebody_val_v1.0.json", content)


def _visible(flat: list[float]) -> list[float]:
    flat[2::3] = [2.0 if sure > 0 else 0.0 for sure in flat[2::3]]
    return flat


def coco_rle(folder: Path, compressed: bool = False) -> Path:
    """Masks and track ids, without joints."""
    annotations = []
    for frame, person in seen():
        coded = RunLengthMask.encode(mask(person, frame))
        counts: Any = compress(coded.counts) if compressed else list(coded.counts)
        annotations.append(
            {"id": len(annotations) + 1, "image_id": frame, "category_id": 1, "iscrowd": 0,
             "track_id": person, "area": int(mask(person, frame).sum()),
             "bbox": xywh(person, frame),
             "segmentation": {"size": list(coded.size), "counts": counts}}
        )  # fmt: skip
    images = [
        {"id": frame, "file_name": f"{frame:05d}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for frame in range(FRAMES)
    ]
    content = {"images": images, "annotations": annotations,
               "categories": [{"id": 1, "name": "person"}]}  # fmt: skip
    return _dump(folder / "masks.json", content)


def compress(counts: Any) -> str:
    """COCO's compressed counts, as maskApi.c's rleToString writes them."""
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            text += chr((bits | 0x20 if more else bits) + 48)
    return text


def openpose(folder: Path, names: Any = BODY_25) -> Path:
    """One file per frame, also where nobody is seen; OpenPose writes six digits at most."""
    out = folder / "openpose"
    out.mkdir()
    for frame in range(FRAMES):
        people = [
            {
                "person_id": [-1],
                "pose_keypoints_2d": [
                    0 if value == 0 else float(f"{value:.6g}")
                    for value in triples(person, frame, names)
                ],
                "face_keypoints_2d": [], "hand_left_keypoints_2d": [],
                "hand_right_keypoints_2d": [], "pose_keypoints_3d": [],
                "face_keypoints_3d": [], "hand_left_keypoints_3d": [],
                "hand_right_keypoints_3d": [],
            }
            for f, person in reversed(list(seen()))
            if f == frame
        ]  # fmt: skip
        _dump(out / f"meeting_{frame:012d}_keypoints.json", {"version": 1.3, "people": people})
    return out


def alphapose(folder: Path, names: Any = HALPE26) -> Path:
    """alphapose-results.json of a video with tracking."""
    return _dump(
        folder / "alphapose-results.json",
        [
            {
                "image_id": f"{frame}.jpg",
                "category_id": 1,
                "keypoints": triples(person, frame, names),
                "score": 3.0 - 0.1 * person,
                "box": xywh(person, frame),
                "idx": [float(person + 1)] if frame % 2 else person + 1,
            }
            for frame, person in seen()
        ],
    )


def alphapose_open(folder: Path, key: str = "people") -> Path:
    """The "open" form; with key "bodies" the "cmu" form."""
    content: dict[str, Any] = {}
    for frame, person in seen():
        entry = content.setdefault(f"{frame}.jpg", {"version": "AlphaPose v0.3", key: []})
        flat = triples(person, frame, COCO_18)
        entry[key].append({"pose_keypoints_2d" if key == "people" else "joints": flat})
    return _dump(folder / "alphapose-results.json", content)


def mmpose_instances(frame: int, names: Any) -> list[dict[str, Any]]:
    return [
        {
            "keypoints": [
                [0.0, 0.0] if name is None else list(joint(person, frame, name)) for name in names
            ],
            "keypoint_scores": [
                0.0 if name is None else confidence(person, name) for name in names
            ],
            "bbox": [list(box(person, frame))],
            "bbox_score": 0.9 - 0.1 * person,
        }
        for f, person in seen()
        if f == frame
    ]


def mmpose(folder: Path, names: Any = WHOLE_BODY) -> Path:
    """A video's predictions, as the inferencer dumps them."""
    content = [
        {"frame_id": frame, "instances": mmpose_instances(frame, names)} for frame in range(FRAMES)
    ]
    (folder / "meeting.json").write_text(json.dumps(content, indent="  "))
    return folder / "meeting.json"


def mmpose_demo(folder: Path) -> Path:
    """As the demo scripts save it: a meta_info, and frames from 1."""
    frames = [
        {"frame_id": frame + 1, "instances": mmpose_instances(frame, HALPE26)}
        for frame in range(FRAMES)
    ]
    meta = {
        "dataset_name": "halpe26", "num_keypoints": 26,
        "keypoint_id2name": {str(i): name for i, name in enumerate(HALPE26)},
    }  # fmt: skip
    return _dump(folder / "results_meeting.json", {"meta_info": meta, "instance_info": frames})


def mmpose_images(folder: Path) -> Path:
    """One file per image."""
    out = folder / "predictions"
    out.mkdir()
    for frame in range(FRAMES):
        _dump(out / f"{frame:06d}.json", mmpose_instances(frame, COCO17))
    return out


def mot(folder: Path, columns: int = 10) -> Path:
    """Results (10 columns) or ground truth (9 columns: conf, class, visibility)."""
    lines = []
    for frame, person in seen():
        x, y, width, height = xywh(person, frame)
        rest = "1,-1,-1,-1" if columns == 10 else "1,1,0.86014"
        lines.append(f"{frame + 1},{person + 1},{x:g},{y:g},{width:g},{height:g},{rest}")
    if columns == 9:
        lines.append("1,9,10,10,30,30,1,3,1.0")  # a car
        lines.append("1,8,10,10,30,30,0,1,1.0")  # to be ignored
    path = folder / "gt" / "gt.txt" if columns == 9 else folder / "results.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def seqinfo(folder: Path, **changed: Any) -> Path:
    values = {"name": "meeting", "imDir": "img1", "frameRate": 30, "seqLength": FRAMES,
              "imWidth": SIZE[0], "imHeight": SIZE[1], "imExt": ".jpg", **changed}  # fmt: skip
    lines = ["[Sequence]", *(f"{key}={value}" for key, value in values.items())]
    (folder / "seqinfo.ini").write_text("\n".join(lines))
    return folder


def masks_palette(folder: Path) -> Path:
    """Label images with a palette, as DAVIS and SAM 2 have them."""
    out = folder / "masks"
    out.mkdir()
    for frame in range(FRAMES):
        labels = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        for f, person in reversed(list(seen())):
            if f == frame:
                labels[mask(person, frame)] = person + 1
        image = Image.fromarray(labels, mode="P")
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
        image.save(out / f"{frame:05d}.png")
    return out


def masks_per_person(folder: Path) -> Path:
    """As Hi4D's seg/img_seg_mask/<camera>: a folder per person, and `all`."""
    root = folder / "img_seg_mask" / "4"
    for person in ("0", "1", "all"):
        (root / person).mkdir(parents=True)
        for frame in range(FRAMES):
            pixels = np.zeros((SIZE[1], SIZE[0]), np.uint8)
            for f, p in seen(people=2):
                if f == frame and person in (str(p), "all"):
                    pixels[mask(p, frame)] = 255
            Image.fromarray(pixels).save(root / person / f"{frame + 1:06d}.png")
    return folder / "img_seg_mask"


def calibration(folder: Path, kind: str = "yml") -> Path:
    """As OpenCV's calibration sample writes it, by OpenCV itself."""
    import cv2

    path = folder / f"out_camera_data.{kind}"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("calibration_time", "Sun Nov 22 2026")
    storage.write("image_width", SIZE[0])
    storage.write("image_height", SIZE[1])
    storage.write("flags", 0)
    storage.write("camera_matrix", np.array([[412.5, 0, 161.25], [0, 411.0, 118.5], [0, 0, 1]]))
    storage.write(
        "distortion_coefficients", np.array([[-0.21], [0.04], [0.001], [-0.0005], [-0.003]])
    )
    storage.write("avg_reprojection_error", 0.3)
    storage.release()
    return path


def colmap(folder: Path, camera: str = "", step: int = 1) -> Path:
    """A text model; the camera moves along x and turns about y."""
    out = folder / "sparse"
    out.mkdir()
    camera = camera or f"1 SIMPLE_RADIAL {SIZE[0]} {SIZE[1]} 400.5 160 120 -0.0218531"
    (out / "cameras.txt").write_text(
        "# Camera list with one line of data per camera:\n"
        "#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n# Number of cameras: 1\n" + camera + "\n"
    )
    lines = ["# Image list with two lines of data per image:"]
    for frame in range(0, FRAMES, step):
        half = 0.01 * frame
        lines.append(
            f"{frame + 1} {np.cos(half)} 0 {np.sin(half)} 0 {0.1 * frame} 0 2.5 1 "
            f"frame_{frame + 1:05d}.jpg"
        )
        lines.append("2362.39 248.498 58396 1784.7 268.254 -1" if frame % 2 else "")
    (out / "images.txt").write_text("\n".join(lines) + "\n")
    return out


WRITERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "coco results": ("coco", coco_results),
    "coco results of 133": ("coco", lambda f: coco_results(f, WHOLE_BODY)),
    "CVAT": ("coco", coco_cvat),
    "PoseTrack": ("coco", coco_posetrack),
    "COCO-WholeBody": ("coco", coco_wholebody),
    "openpose": ("openpose", openpose),
    "openpose of 18": ("openpose", lambda f: openpose(f, COCO_18)),
    "alphapose": ("alphapose", alphapose),
    "alphapose of 136": ("alphapose", lambda f: alphapose(f, HALPE_136)),
    "alphapose of 17": ("alphapose", lambda f: alphapose(f, COCO17)),
    "alphapose open": ("alphapose", alphapose_open),
    "alphapose cmu": ("alphapose", lambda f: alphapose_open(f, "bodies")),
    "mmpose": ("mmpose", mmpose),
    "mmpose demo": ("mmpose", mmpose_demo),
    "mmpose images": ("mmpose", mmpose_images),
}
"""Files with joints: format, and who writes one into a folder."""
