"""Two people made up for tests: they stand face to face and one lifts an arm."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from engine.body.display import DisplayBody
from engine.body.joints import SMPL_JOINTS
from engine.files import boxes_of
from engine.structures import BodyMotion, Camera, Layout, Observations

SIZE = (320, 240)
FPS = 30.0
APART = 0.9
"""Metres between the two pelvises."""


def standing_pair(frames: int) -> BodyMotion:
    """Person 1 at the camera's left turned right, person 2 at its right turned left."""
    body = DisplayBody.load("open-body", "1k2")
    pose = np.zeros((2, frames, 23, 3))
    for side, name in ((-1, "left_shoulder"), (1, "right_shoulder")):
        pose[:, :, SMPL_JOINTS.index(name) - 1, 2] = 1.2 * side
    lift = np.linspace(0, 1.0, frames)
    pose[0, :, SMPL_JOINTS.index("right_elbow") - 1, 1] = lift
    orient = np.zeros((2, frames, 3))
    orient[0, :, 1], orient[1, :, 1] = np.pi / 2, -np.pi / 2
    transl = np.zeros((2, frames, 3))
    rest = body.vertices(np.zeros(10), np.zeros(3), np.zeros((23, 3)), np.zeros(3))
    transl[:, :, 1] = -rest[:, 1].min()
    transl[0, :, 0], transl[1, :, 0] = -APART / 2, APART / 2
    return BodyMotion(
        body="open-body",
        betas=np.zeros((2, 10)),
        global_orient=orient,
        body_pose=pose,
        transl=transl,
        valid=np.ones((2, frames), bool),
        provenance=np.full((2, frames), 2, np.uint8),
        time=np.arange(frames) / FPS,
    )


def camera(frames: int, distance: float = 4.0, height: float = 1.2) -> Camera:
    """Level, on the world's z axis, looking at the origin."""
    T_camera_world = np.eye(4)
    T_camera_world[:3, :3] = np.diag([1.0, -1.0, -1.0])
    T_camera_world[:3, 3] = [0, height, distance]
    K = np.array([[400.0, 0, SIZE[0] / 2], [0, 400, SIZE[1] / 2], [0, 0, 1]])
    return Camera(K, SIZE, np.tile(T_camera_world, (frames, 1, 1)), "file")


def seen(motion: BodyMotion, by: Camera, layout: Layout = "halpe26") -> Observations:
    """What a perfect detector would say."""
    body = DisplayBody.load(motion.body, "1k2")
    points = np.stack(
        [
            body.keypoints(b, o, p, t, layout)
            for b, o, p, t in zip(
                motion.betas, motion.global_orient, motion.body_pose, motion.transl, strict=True
            )
        ]
    ).astype(np.float64)
    T = by.T_camera_world
    inside = np.einsum("fij,pfkj->pfki", T[:, :3, :3], points) + T[:, None, :3, 3]
    pixels = inside @ by.K.T
    pixels = pixels[..., :2] / pixels[..., 2:]
    return Observations(
        keypoints2d=pixels,
        confidence=np.full(pixels.shape[:3], 0.9),
        layout=layout,
        boxes=boxes_of(pixels, by.image_size),
        times=motion.time,
        image_size=by.image_size,
    )


def write_video(path: Path, frames: int) -> Path:
    """A grey video of the right size and rate; a frame's brightness says which one it is."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=int(FPS), options={"crf": "10"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for index in range(frames):
            image = np.full((SIZE[1], SIZE[0], 3), 60 + 8 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path
