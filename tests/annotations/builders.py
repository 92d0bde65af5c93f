"""Small, realistic values: two people walk up to each other and embrace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace

import numpy as np

from annotations.records import ClipState
from engine.structures import (
    BodyMotion,
    Camera,
    Diagnostics,
    FitResult,
    FrameRange,
    Observations,
    Outcome,
    PairProxemics,
    Provenance,
    RunLengthMask,
    SwapProposal,
    VideoInfo,
)

WIDTH, HEIGHT = 96, 54


def make_video(frame_count: int = 150, name: str = "hug", *, fps: float = 30.0) -> VideoInfo:
    """A video that nobody opens: one hash per name, slightly uneven presentation times."""
    times = np.arange(frame_count) / fps
    times[1:] += 1e-4 * np.sin(np.arange(1, frame_count))
    return VideoInfo(
        path=f"/videos/{name}.mp4",
        width=WIDTH,
        height=HEIGHT,
        times=times,
        sha256=name.encode().hex().ljust(64, "0")[:64],
    )


def make_observations(video: VideoInfo, *, seed: int = 0, masks: bool = True) -> Observations:
    """Two people that meet in the middle; person 1 is lost for a few frames."""
    random = np.random.default_rng(seed)
    frames = video.frame_count
    x = np.stack([np.linspace(20, 45, frames), np.linspace(76, 51, frames)])
    centre = np.stack([x, np.full_like(x, 27.0)], -1)[:, :, None]
    keypoints = centre + random.normal(0, [6.0, 12.0], (2, frames, 26, 2))
    confidence = random.uniform(0.3, 1.0, (2, frames, 26))
    low, high = keypoints.min(2), keypoints.max(2)
    boxes = np.concatenate([low, high], -1)
    lost = slice(frames // 2, frames // 2 + 3)
    keypoints[1, lost], boxes[1, lost], confidence[1, lost] = np.nan, np.nan, 0
    return Observations(
        keypoints2d=keypoints,
        confidence=confidence,
        layout="halpe26",
        boxes=boxes,
        times=video.times,
        image_size=video.image_size,
        masks=_masks(boxes) if masks else None,
    )


def make_crowd(video: VideoInfo, *, seed: int = 0) -> Observations:
    """The two people, two more (the second only for a while), a cut and something to say."""
    found = make_observations(video, seed=seed)
    others = make_observations(video, seed=seed + 50, masks=False)
    points, boxes = others.keypoints2d.copy(), others.boxes.copy()
    confidence = others.confidence.copy()
    away = slice(video.frame_count // 3, None)
    points[1, away], boxes[1, away], confidence[1, away] = np.nan, np.nan, 0
    others = replace(others, keypoints2d=points, boxes=boxes, confidence=confidence)
    return replace(found, others=others, cuts=(7,), notes=("There is a cut at 0.2 s.",))


def make_disc(video: VideoInfo, x: float, *, y: float = 27, radius: float = 9) -> np.ndarray:
    """A round mask (height, width)."""
    rows, columns = np.mgrid[: video.height, : video.width]
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 < radius**2)


def _masks(boxes: np.ndarray) -> tuple[tuple[RunLengthMask | None, ...], ...]:
    """Ellipses in the boxes; None where there is no box."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]

    def ellipse(box: np.ndarray) -> RunLengthMask | None:
        if not np.isfinite(box).all():
            return None
        x0, y0, x1, y1 = box
        inside = ((columns - (x0 + x1) / 2) / (x1 - x0) * 2) ** 2 + (
            (rows - (y0 + y1) / 2) / (y1 - y0) * 2
        ) ** 2 < 1
        return RunLengthMask.encode(inside)

    return tuple(tuple(ellipse(box) for box in person) for person in boxes)


def make_motion(video: VideoInfo, *, seed: int = 0) -> BodyMotion:
    """Smooth poses; person 0 comes from the left, person 1 from the right."""
    random = np.random.default_rng(seed)
    frames = video.frame_count
    phase = np.linspace(0, 3, frames)[None, :, None, None]
    swing = random.normal(0, 0.2, (2, 1, 23, 3))
    transl = np.zeros((2, frames, 3))
    transl[0, :, 0] = np.linspace(-1.5, -0.2, frames)
    transl[1, :, 0] = np.linspace(1.5, 0.2, frames)
    transl[:, :, 1] = 1.15
    turn = np.zeros((2, frames, 3))
    turn[0, :, 1], turn[1, :, 1] = np.pi / 2, -np.pi / 2
    return BodyMotion(
        body="open-body",
        betas=random.normal(0, 0.5, (2, 10)),
        global_orient=turn,
        body_pose=swing * np.sin(phase + random.uniform(0, 3, (2, 1, 23, 1))),
        transl=transl,
        valid=np.ones((2, frames), bool),
        provenance=np.full((2, frames), Provenance.FITTED, np.uint8),
        time=video.times,
    )


def make_camera(video: VideoInfo) -> Camera:
    """Four metres in front of the meeting point, level with the hips."""
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = [0.0, 1.0, 4.0]
    return Camera(
        K=np.array([[80.0, 0, WIDTH / 2], [0, 80.0, HEIGHT / 2], [0, 0, 1]]),
        image_size=video.image_size,
        T_camera_world=np.tile(pose, (video.frame_count, 1, 1)),
        focal_source="assumed",
    )


def make_fit(video: VideoInfo, *, seed: int = 0, betas: np.ndarray | None = None) -> FitResult:
    """A converged fit of the whole clip."""
    random = np.random.default_rng(seed + 1000)
    motion = make_motion(video, seed=seed)
    if betas is not None:
        motion = replace(motion, betas=betas)
    return FitResult(
        motion=motion,
        camera=make_camera(video),
        diagnostics=Diagnostics(
            reprojection_px=random.uniform(0, 3, (2, video.frame_count)),
            penetration_m=random.uniform(0, 0.02, video.frame_count),
            notes=("Focal length assumed.",),
        ),
        outcome=Outcome.CONVERGED,
        provenance={"engine": "test", "seed": str(seed)},
    )


def make_proxemics(count: int, *, seed: int = 0, pair: tuple[int, int] = (0, 1)) -> PairProxemics:
    """Two people who come nearer: from the social zone into the intimate one."""
    random = np.random.default_rng(seed)
    heads = np.linspace(2.4, 0.3, count)
    return PairProxemics(
        *pair,
        zone=np.digitize(heads, [0.45, 1.2, 3.6]).astype(np.int8),
        head_distance=heads,
        head_deviation=random.uniform(0.02, 0.1, count),
        pelvis_distance=heads + 0.1,
        pelvis_deviation=random.uniform(0.02, 0.1, count),
        facing=random.uniform(-1, 1, (2, count)),
        facing_deviation=random.uniform(0.02, 0.1, (2, count)),
    )


def make_findings(
    video: VideoInfo, *, seed: int = 0, swaps: tuple[SwapProposal, ...] | None = None
) -> FitResult:
    """A fit of the whole clip with all that fits may find: reasons, proxemics, swaps, avatars."""
    random = np.random.default_rng(seed + 2000)
    fit, count = make_fit(video, seed=seed), video.frame_count
    scores = random.uniform(0, 2, (3, 2, count))
    if swaps is None:
        swaps = (SwapProposal(0, 1, FrameRange(count // 2, count // 2 + 8), 60.5, 21.25),)
    return replace(
        fit,
        diagnostics=replace(
            fit.diagnostics,
            reasons={"reprojection": scores[0], "identity": scores[1]},
            expected_error=scores[2] / 20,
        ),
        proxemics=(make_proxemics(count, seed=seed),),
        swaps=swaps,
        appearance={person: bytes([seed, person]) * 300 for person in range(2)},
    )


def unpinned(state: ClipState) -> ClipState:
    """Without identity pins, which an edit of identities leaves behind on purpose."""
    said = state.constraints
    kept = tuple(edit for edit in said.box_edits if edit.kind != "identity")
    return replace(state, constraints=replace(said, box_edits=kept))


def same(a: object, b: object) -> bool:
    """Equal bit for bit: the same types, shapes, dtypes and values, NaN where NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if is_dataclass(a) and is_dataclass(b):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b
