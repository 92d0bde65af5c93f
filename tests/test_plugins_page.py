"""The examples of docs/plugins.md work as they stand there.

Each block is taken from the page and installed as a real distribution, beside stand-ins for the
libraries it wraps that have their signatures and answer from what they are given.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from app.plugin_list import broken_plugins, plugin_lines
from engine.body.joints import COCO17, HALPE26
from engine.perception.plugins import available, load
from engine.structures import Observations
from engine.video import probe
from engine.weights import WEIGHTS_DIR

PAGE = Path(__file__).resolve().parent.parent / "docs" / "plugins.md"
SAMPLE = WEIGHTS_DIR / "sample" / "reach.mp4"

RTMLIB = '''
"""rtmlib 0.0.16, as far as the example calls it: models that see one bright person."""
import numpy as np

class Box:
    def __call__(self, image):
        assert image.flags.c_contiguous and image.dtype == np.uint8
        blue, green, red = (image[..., channel] for channel in range(3))
        rows, columns = np.nonzero(red > 200)  # rtmlib takes OpenCV's order
        if not len(rows):
            return np.array([])
        low, high = (columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)
        return np.array([[*low, *high]], np.float32)

class Pose:
    def __init__(self, joints):
        self.joints = joints
    def __call__(self, image, bboxes=[]):
        if len(bboxes) == 0:
            bboxes = [[0, 0, image.shape[1], image.shape[0]]]
        x0, y0, x1, y1 = np.asarray(bboxes, np.float32).T
        down = np.linspace(0, 1, self.joints, dtype=np.float32)
        x = np.repeat((x0 + x1)[:, None] / 2, self.joints, axis=1)
        y = y0[:, None] + down * (y1 - y0)[:, None]
        return np.stack([x, y], axis=-1), np.full(x.shape, 1.05, np.float32)

class Body:
    def __init__(self, det=None, det_input_size=(640, 640), pose=None, pose_input_size=(288, 384),
                 mode="balanced", to_openpose=False, backend="onnxruntime", device="cpu"):
        assert mode in ("performance", "lightweight", "balanced") and device == "cpu"
        self.det_model, self.pose_model = Box(), Pose(17)

class BodyWithFeet(Body):
    def __init__(self, **options):
        super().__init__(**options)
        self.pose_model = Pose(26)
'''

SAM2 = '''
"""sam2 1.1.0: fills the box that it is prompted with, but for points labelled background."""
import numpy as np

class SAM2ImagePredictor:
    @classmethod
    def from_pretrained(cls, model_id, **kwargs):
        assert model_id.startswith("facebook/sam2") and kwargs["device"] in ("cpu", "cuda")
        return cls()

    def set_image(self, image):
        self.shape = image.shape[:2]

    def predict(self, point_coords=None, point_labels=None, box=None, mask_input=None,
                multimask_output=True, return_logits=False, normalize_coords=True):
        assert not multimask_output and (point_coords is None) == (point_labels is None)
        mask = np.zeros(self.shape, np.float32)
        x0, y0, x1, y1 = np.asarray(box).astype(int)
        mask[y0:y1, x0:x1] = 1
        if point_coords is not None:
            assert len(point_coords) == len(point_labels) and np.isfinite(point_coords).all()
            for (x, y), label in zip(point_coords.astype(int), point_labels):
                mask[y, x] = label
        return mask[None], np.ones(1, np.float32), np.zeros((1, 256, 256), np.float32)
'''

PROMPT_HMR = '''
"""prompt_hmr: everybody stands 4 m away in the middle of their box."""
import torch

def load_model(checkpoint):
    assert checkpoint.endswith(".ckpt")
    return Model()

class Model:
    def __call__(self, batch, **prompts):
        return [self.people(item) for item in batch]

    def people(self, item):
        K, middle = item["cam_int"][0], (item["boxes"][:, :2] + item["boxes"][:, 2:4]) / 2
        count = len(middle)
        rays = torch.cat([(middle - K[:2, 2]) / K[0, 0], torch.ones(count, 1)], 1)
        turn = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
        return {
            "rotmat": turn.expand(count, 22, 3, 3),
            "smpl_j3d": (4 * rays)[:, None].expand(count, 24, 3),
            "betas": torch.full((count, 10), 0.25),
            "transl": 4 * rays,
        }
'''

PREPARE_BATCH = """
import torch

def prepare_batch(inputs, kpt_conf=0.3, img_size=896, zoom=None, interaction=None):
    for item in inputs:
        assert item["image_cv"].ndim == 3 and item["cam_int"].shape == (1, 3, 3)
        item["boxes"] = torch.cat([item["boxes"], torch.ones(len(item["boxes"]), 1)], 1)
    return inputs
"""


@pytest.fixture(scope="module")
def blocks() -> dict[str, str]:
    """The page's blocks of code by the file name in their first line."""
    found = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found, "the page has examples"
    return dict(found)


@pytest.fixture
def rtmlib(install, blocks):
    """The example package, installed as its pyproject.toml says, and a stand-in for rtmlib."""
    project = tomllib.loads(blocks["pyproject.toml"])["project"]
    install("rtmlib", RTMLIB)
    install(
        "dyad_rtmlib",
        blocks["dyad_rtmlib.py"],
        project["entry-points"],
        distribution=project["name"],
        version=project["version"],
    )


@pytest.fixture
def image() -> np.ndarray:
    """A red person on a dark ground."""
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[20:110, 50:90, 0] = 255
    return picture


def with_bodies_seen(video, seen: np.ndarray) -> Observations:
    people, frames = seen.shape
    boxes = np.full((people, frames, 4), np.nan)
    boxes[0, seen[0]] = (100, 200, 300, 800)
    boxes[1, seen[1]] = (500, 200, 700, 800)
    return Observations(
        keypoints2d=np.zeros((people, frames, 26, 2)),
        confidence=np.zeros((people, frames, 26)),
        layout="halpe26",
        boxes=boxes,
        times=video.times,
        image_size=video.image_size,
    )


class TestTheCompleteExample:
    def test_it_is_found_by_its_entry_points(self, rtmlib):
        (detector,) = available("detector")
        assert (detector.name, detector.distribution) == ("rtmlib", "dyad-rtmlib")
        assert [info.name for info in available("pose_estimator")] == ["rtmpose"]
        assert "dyad_rtmlib" not in sys.modules

    def test_its_detector_finds_the_people_of_a_picture(self, rtmlib, image):
        with load("detector", "rtmlib") as detector:
            people, nobody = detector.detect([image, np.zeros_like(image)])
        np.testing.assert_array_equal(people.boxes, [[50, 20, 90, 110]])
        assert people.scores.tolist() == [1.0] and len(nobody) == 0
        assert people.keypoints is not None and people.keypoints.shape == (1, len(COCO17), 3)

    def test_its_pose_estimator_finds_their_joints(self, rtmlib, image):
        with load("pose_estimator", "rtmpose") as estimator:
            points = estimator.estimate(image, np.array([[50.0, 20, 90, 110], [0, 0, 20, 40]]))
        assert estimator.layout == "halpe26" and points.shape == (2, len(HALPE26), 3)
        np.testing.assert_allclose(points[0, [0, -1]], [[70, 20, 1], [70, 110, 1]])
        assert (points[1, :, 0] == 10).all()

    def test_the_list_of_plugins_has_it_and_finds_nothing_wrong(self, rtmlib):
        lines = "\n".join(plugin_lines())
        assert re.search(r"detector +dyad +built in\n +rtmlib +dyad-rtmlib 0.1.0\n", lines)
        assert broken_plugins() == []

    def test_without_rtmlib_the_reason_is_said(self, install, blocks):
        project = tomllib.loads(blocks["pyproject.toml"])["project"]
        install("dyad_rtmlib", blocks["dyad_rtmlib.py"], project["entry-points"])
        assert len(broken_plugins()) == 2
        assert all("No module named 'rtmlib'" in line for line in broken_plugins())

    def test_it_can_be_tried_without_the_window(self, rtmlib, blocks, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["try_it.py", str(SAMPLE)])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(blocks["try_it.py"], "try_it.py", "exec"), {})
        assert printed.getvalue().strip()


class TestTheSketches:
    def test_sam_2_is_told_what_belongs_to_the_other_person(self, install, blocks, image):
        install("sam2.sam2_image_predictor", SAM2)
        group = {"dyad.segmenters": {"sam2": "dyad_sam2:Segmenter"}}
        install("dyad_sam2", blocks["dyad_sam2.py"], group)
        boxes = np.array([[10.0, 10, 60, 100], [np.nan] * 4, [40, 10, 90, 100]])
        keypoints = np.full((3, 26, 3), np.nan)
        keypoints[..., 2] = 0
        keypoints[0, 5], keypoints[2, 6] = (50, 40, 0.9), (55, 60, 0.8)
        with load("segmenter", "sam2") as segmenter:
            masks = segmenter.segment(image, boxes, keypoints)
        assert masks[0, 40, 50] and not masks[0, 60, 55]
        assert masks[2, 60, 55] and not masks[2, 40, 50]
        assert masks[[0, 2], 50, 45].all() and not masks[1].any()

    def test_sam_2_does_with_boxes_alone(self, install, blocks, image):
        install("sam2.sam2_image_predictor", SAM2)
        group = {"dyad.segmenters": {"sam2": "dyad_sam2:Segmenter"}}
        install("dyad_sam2", blocks["dyad_sam2.py"], group)
        masks = load("segmenter", "sam2").segment(
            image, np.array([[10.0, 10, 60, 100]]), np.zeros((1, 26, 3))
        )
        assert masks.sum() == 50 * 90

    def test_prompthmr_gives_the_first_bodies(self, install, blocks, tmp_path):
        install("prompt_hmr.models.inference", PREPARE_BATCH)
        install_package(install, tmp_path)
        group = {"dyad.body_initializers": {"prompthmr": "dyad_prompthmr:BodyInitializer"}}
        install("dyad_prompthmr", blocks["dyad_prompthmr.py"], group)
        video = probe(SAMPLE)
        seen = np.zeros((2, video.frame_count), bool)
        seen[0, :3] = seen[1, 2] = True
        K = np.array([[900.0, 0, 320], [0, 900, 600], [0, 0, 1]])
        with load("body_initializer", "prompthmr") as initializer:
            bodies = initializer.initialize(video, with_bodies_seen(video, seen), K)
        np.testing.assert_array_equal(bodies.valid, seen)
        np.testing.assert_allclose(bodies.transl[1, 2], 4 * np.array([280 / 900, -100 / 900, 1]))
        np.testing.assert_allclose(np.abs(bodies.global_orient[0, 0]), [np.pi, 0, 0], atol=1e-6)
        np.testing.assert_allclose(np.abs(bodies.body_pose[0, 0, 20]), [np.pi, 0, 0], atol=1e-6)
        assert (bodies.body_pose[0, 0, 21:] == 0).all(), (
            "hands, which SMPL-X's 22 joints end before"
        )
        np.testing.assert_allclose(bodies.betas, 0.25)


def install_package(install, folder: Path) -> None:
    """`prompt_hmr` itself, whose `models.inference` was installed as a module."""
    (package,) = folder.glob("site-*/prompt_hmr")
    (package / "__init__.py").write_text(PROMPT_HMR)


def test_every_kind_and_command_of_the_page_is_there():
    from engine.perception.plugins import GROUPS

    page = PAGE.read_text("utf-8")
    assert all(f"`{group}`" in page for group in GROUPS.values())
    for option in ("--detector", "--pose-estimator", "--initializer", "--check"):
        assert option in page
